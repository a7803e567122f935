// SPDX-License-Identifier: Apache-2.0
//! What the image's settings (`firstlight: network:`) make of the platform's network.

use std::net::IpAddr;

use crate::config::base::{self, Network as Settings};
use crate::finding::{Finding, Findings, Located};
use crate::guest::Guest;
use crate::network::model::{NetworkConfig, Route};
use crate::network::prefix::Prefix;

/// The platform's network with the image's gateway and routes.
pub fn with_settings(config: &NetworkConfig, settings: &Settings, findings: &mut Findings) -> NetworkConfig {
    let gateway = settings.gateway.as_ref().and_then(|gateway| parsed::<IpAddr>(gateway, findings));
    let routes = settings.routes.iter().flatten().filter_map(|entry| route(entry, findings)).collect();
    let mut config = config.clone();
    for gateway in config.override_routes(gateway, routes) {
        let unused = format!("no static network of the instance reaches {}; the route is left out", gateway.value);
        let note = Finding::note(&gateway.origin, unused);
        findings.push(note.help("a network that gets its addresses by DHCP keeps the gateway that DHCP names"));
    }
    config
}

fn route(entry: &Located<base::Route>, findings: &mut Findings) -> Option<Located<Route>> {
    let (Some(to), Some(via)) = (&entry.to, &entry.via) else {
        findings.push(Finding::error(&entry.origin, "a route needs `to` and `via`; it is left out"));
        return None;
    };
    let destination = match to.trim() {
        "default" => None,
        _ => Some(parsed::<Prefix>(to, findings)?),
    };
    let via = parsed::<IpAddr>(via, findings)?;
    let to = destination.map_or(Prefix::default_of(via.value), |to| to.network());
    if !to.same_family(via.value) {
        let message = format!("{to} cannot be reached via {}, of another family; the route is left out", via.value);
        findings.push(Finding::error(&via.origin, message));
        return None;
    }
    Some(via.map(|via| Route::new(to, via)))
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
    text: &Located<String>,
    findings: &mut Findings,
) -> Option<Located<T>> {
    match text.trim().parse() {
        Ok(value) => Some(Located::new(value, text.origin.clone())),
        Err(error) => {
            findings.push(Finding::error(&text.origin, format!("`{}` is left out: {error}", **text)));
            None
        }
    }
}

/// Whether the guest's netplan is of version 1.0 or later, as its library's name says: those before it refuse a file with
/// a word that they do not know.
pub(super) fn is_netplan_1(guest: &Guest) -> bool {
    let triplets = guest.list("/usr/lib").into_iter().filter(|name| name.contains("-linux-"));
    let mut folders =
        triplets.map(|name| format!("/usr/lib/{name}")).chain(["/usr/lib", "/usr/lib64"].map(str::to_owned));
    folders.any(|folder| guest.exists(&(folder + "/libnetplan.so.1")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::network::tests::{at, config, guest, scratch};
    use crate::network::model::{Kind, Link};
    use crate::network::render::netplan::without_dummies;

    #[test]
    fn a_netplan_that_knows_no_dummy_devices_gets_a_bridge_that_nobody_waits_for() {
        assert!(!is_netplan_1(&guest(&scratch(&["/usr/lib/x86_64-linux-gnu/libnetplan.so.0.0"]))));
        assert!(is_netplan_1(&guest(&scratch(&["/usr/lib/x86_64-linux-gnu/libnetplan.so.1"]))));
        assert!(is_netplan_1(&guest(&scratch(&["/usr/lib64/libnetplan.so.1"]))));
        let mut network = config();
        network.links.push(Link::new("dummy0".to_owned(), Kind::Dummy, network.origin.clone()));
        let mut findings = Findings::default();
        let network = without_dummies(network, &mut findings);
        let link = network.links.last().unwrap();
        assert!(matches!(link.kind, Kind::Bridge { .. }) && link.optional && findings.iter().count() == 1);
    }

    #[test]
    fn a_bad_address_among_the_settings_costs_only_its_entry() {
        let text = |text: &str| Some(at(text.to_owned()));
        let route = |to, via| at(base::Route { to: text(to), via: text(via) });
        let routes = vec![
            route("10.0.0.0/33", "172.24.4.9"),
            at(base::Route { to: text("10.0.0.0/8"), via: None }),
            route("10.1.0.0/16", "fd00::1"),
            route("10.1.2.3/16", "172.24.4.9"),
        ];
        let settings = Settings { gateway: text("172.24.4.1"), routes: Some(routes), ..Settings::default() };
        let mut findings = Findings::default();
        let config = with_settings(&config(), &settings, &mut findings);
        let routes: Vec<String> =
            config.links[0].routes.iter().map(|r| format!("{} via {}", r.to, r.via.unwrap())).collect();
        assert_eq!(routes, ["0.0.0.0/0 via 172.24.4.1", "10.1.0.0/16 via 172.24.4.9"]);
        assert_eq!(findings.iter().count(), 3);
    }
}
