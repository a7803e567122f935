// SPDX-License-Identifier: Apache-2.0
//! The network that a guest shall have, whichever document described it and whichever manager will make it.

mod link;
pub mod options;
mod route;

use std::collections::HashMap;
use std::net::IpAddr;

pub use link::{Activation, Address, Dhcp6, Extra, Given, Kind, Link, LinkLocal, Match, Overrides, Physical};
pub use route::{Route, RouteKind, Rule};

use crate::finding::{Finding, Findings, Located, Origin};
use crate::network::prefix::{Mac, Prefix};

/// A guest's network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkConfig {
    /// The document that describes it.
    pub origin: Origin,
    /// In the order of the document; the first one's default route is preferred.
    pub links: Vec<Link>,
    /// For the whole guest.
    pub dns: Dns,
    /// What only netplan has a word for: its own sections and settings (`wifis`, `tunnels`, `renderer`, …).
    pub extra: Vec<Located<Extra>>,
}

/// Who resolves names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dns {
    /// Name servers, the preferred one first.
    pub servers: Vec<IpAddr>,
    /// Domains in which a short name is looked up.
    pub search: Vec<String>,
}

impl Dns {
    /// These, then those of `other` that are not among them.
    #[must_use]
    pub fn then(&self, other: &Dns) -> Dns {
        let mut all = self.clone();
        other.servers.iter().for_each(|server| push_new(&mut all.servers, *server));
        other.search.iter().for_each(|domain| push_new(&mut all.search, domain.clone()));
        all
    }
}

/// Adds what is not there yet; order is kept.
pub fn push_new<T: PartialEq>(list: &mut Vec<T>, value: T) {
    if !list.contains(&value) {
        list.push(value);
    }
}

impl NetworkConfig {
    /// An empty network.
    pub fn new(origin: Origin) -> Self {
        Self { origin, links: Vec::new(), dns: Dns::default(), extra: Vec::new() }
    }

    /// Whether there is nothing to write: no link, and nothing for netplan alone, where that is who reads it.
    pub fn is_empty_for(&self, netplan: bool) -> bool {
        self.links.is_empty() && (!netplan || self.extra.is_empty())
    }

    /// The hardware addresses that it waits for.
    pub fn macs(&self) -> impl Iterator<Item = Mac> + '_ {
        self.links.iter().filter_map(|link| link.physical()?.by.mac.as_ref().map(|mac| mac.value))
    }

    /// The servers and domains of `link`: its own, then the guest's; of these none for a link that nothing gives an
    /// address to.
    pub fn dns_of(&self, link: &Link) -> Dns {
        if link.is_configured() { link.dns.then(&self.dns) } else { link.dns.clone() }
    }

    /// The servers and domains of all links and the guest's, for a manager that keeps but one list.
    pub fn all_dns(&self) -> Dns {
        self.links.iter().fold(Dns::default(), |all, link| all.then(&link.dns)).then(&self.dns)
    }

    /// Takes off the members of bonds and bridges what is to be configured on them: what is sent to such an address
    /// arrives at the bond or bridge. Their name servers are the guest's.
    pub fn bare_members(&mut self, findings: &mut Findings) {
        let wholes = self.links.iter().filter(|link| matches!(link.kind, Kind::Bond { .. } | Kind::Bridge { .. }));
        let members =
            wholes.flat_map(|whole| whole.members().iter().map(|member| (member.value.clone(), whole.id.clone())));
        let wholes: HashMap<String, String> = members.collect();
        for link in self.links.iter_mut().filter(|link| link.is_configured() || !link.routes.is_empty()) {
            let Some(whole) = wholes.get(&link.id) else { continue };
            let message = format!("a network on a member of {whole} does not work; it is left out");
            findings.push(Finding::warning(&link.origin, message).help(format!("it belongs on {whole}")));
            let Link { id, origin, kind, mac, mtu, dns, optional, activation, .. } = link.clone();
            self.dns = self.dns.then(&dns);
            *link = Link { mac, mtu, optional, activation, ..Link::new(id, kind, origin) };
        }
    }

    /// Puts the image's own wishes in place of the platform's.
    ///
    /// `gateway` replaces every static default route of its family; a network that gets its addresses by DHCP keeps
    /// the gateway that DHCP names. `routes` are added. Each goes to the link whose network contains its gateway, else
    /// to the first link with a static address of that family; a route may also go by a DHCP link. Given back are the
    /// gateways that no link can reach.
    pub fn override_routes(
        &mut self,
        gateway: Option<Located<IpAddr>>,
        routes: Vec<Located<Route>>,
    ) -> Vec<Located<IpAddr>> {
        let mut unreachable = Vec::new();
        if let Some(gateway) = gateway {
            let via = gateway.value;
            let replaces = |route: &Route| route.to.is_default() && route.to.same_family(via) && route.table.is_none();
            let previous = self.links.iter().position(|link| link.routes.iter().any(|route| replaces(route)));
            let place = self.links.iter().position(|link| link.contains(via)).or(previous);
            if let Some(place) = place.or_else(|| self.links.iter().position(|link| link.is_static(via))) {
                self.links.iter_mut().for_each(|link| link.routes.retain(|route| !replaces(route)));
                let route = gateway.map(|via| Route::new(Prefix::default_of(via), via));
                self.links.get_mut(place).into_iter().for_each(|link| link.add_route(route.clone()));
            } else {
                unreachable.push(gateway);
            }
        }
        for route in routes {
            // The image's routes have a gateway each.
            let Some(via) = route.via else { continue };
            let place = self.links.iter().position(|link| link.contains(via));
            let place = place.or_else(|| self.links.iter().position(|link| link.is_static(via)));
            let place = place.or_else(|| self.links.iter().position(|link| link.is_automatic(via)));
            match place.and_then(|place| self.links.get_mut(place)) {
                Some(link) => link.add_route(route),
                None => unreachable.push(Located::new(via, route.origin)),
            }
        }
        unreachable
    }

    /// Tells default routes of one family apart where the document does not: the first stays, each later one gets a
    /// metric behind it. With equal metrics the kernel keeps one of them, and which one is chance.
    #[must_use]
    pub fn with_ranked_defaults(&self, findings: &mut Findings) -> Self {
        let mut ranked = self.clone();
        for ipv4 in [true, false] {
            // A VRF has a table of its own.
            let links = ranked.links.iter_mut().filter(|link| !matches!(link.kind, Kind::Vrf { .. }));
            let routes = links.flat_map(|link| &mut link.routes);
            let main = routes.filter(|route| route.table.is_none() && route.kind == RouteKind::Unicast);
            let defaults = main.filter(|route| route.to.is_default() && route.to.address().is_ipv4() == ipv4);
            for (rank, route) in (0_u32..).zip(defaults).skip(1).filter(|(_, route)| route.metric.is_none()) {
                let metric = LATER_DEFAULT + 100 * rank;
                let family = if ipv4 { "IPv4" } else { "IPv6" };
                let via = route.via.map_or_else(String::new, |via| format!(", via {via}"));
                let message =
                    format!("a second {family} default route{via}; it gets metric {metric}, so that the first is used");
                findings.push(Finding::warning(&route.origin, message));
                route.value.metric = Some(metric);
            }
        }
        ranked
    }
}

/// Behind what the managers give to routes without a metric (networkd: 1024 for DHCP and IPv6).
const LATER_DEFAULT: u32 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Addresses, routes, and whether DHCP gives more.
    type LinkWords<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], bool);

    fn config(links: &[LinkWords]) -> NetworkConfig {
        let origin = Origin::document("network_data.json");
        let mut config = NetworkConfig::new(origin.clone());
        for (index, (addresses, routes, dhcp4)) in links.iter().enumerate() {
            let name = Match::named(Located::new(format!("ens{index}"), origin.clone()));
            let mut link = Link::new(format!("link{index}"), Kind::Physical(name.into()), origin.clone());
            link.dhcp4 = *dhcp4;
            link.addresses = addresses
                .iter()
                .map(|address| Located::new(address.parse::<Prefix>().unwrap().into(), origin.clone()))
                .collect();
            routes.iter().for_each(|(to, via)| link.add_route(route(to, via)));
            config.links.push(link);
        }
        config
    }

    fn route(to: &str, via: &str) -> Located<Route> {
        let route = Route::new(to.parse().unwrap(), via.parse().unwrap());
        Located::new(route, Origin::document("settings"))
    }

    fn gateway(via: &str) -> Option<Located<IpAddr>> {
        Some(Located::new(via.parse().unwrap(), Origin::document("settings")))
    }

    fn shown(config: &NetworkConfig) -> Vec<String> {
        let routes = config.links.iter().flat_map(|link| link.routes.iter().map(move |route| (link, route)));
        routes.map(|(link, route)| format!("{} {} via {}", link.id, route.to, route.via.unwrap())).collect()
    }

    const ANY: &str = "0.0.0.0/0";

    #[test]
    fn the_image_s_gateway_takes_the_default_route_to_the_link_that_reaches_it() {
        let mut config = config(&[
            (&["10.0.0.5/24"], &[(ANY, "10.0.0.1"), ("10.9.0.0/16", "10.0.0.9")], false),
            (&["172.24.4.23/24"], &[], false),
        ]);
        config.override_routes(gateway("172.24.4.1"), Vec::new());
        assert_eq!(shown(&config), ["link0 10.9.0.0/16 via 10.0.0.9", "link1 0.0.0.0/0 via 172.24.4.1"]);
    }

    #[test]
    fn a_link_without_addresses_has_its_own_name_servers_alone() {
        let mut config = config(&[(&[], &[], false), (&["10.0.0.5/24"], &[], false)]);
        let server = |last| IpAddr::from([192, 0, 2, last]);
        config.dns.servers = vec![server(1)];
        config.links[0].dns.servers = vec![server(2)];
        assert_eq!(config.dns_of(&config.links[0]).servers, [server(2)]);
        assert_eq!(config.dns_of(&config.links[1]).servers, [server(1)]);
    }

    #[test]
    fn a_gateway_that_no_network_contains_stays_where_the_default_route_was() {
        let mut config = config(&[(&["10.0.0.5/24"], &[], false), (&["10.1.0.5/24"], &[(ANY, "10.1.0.1")], false)]);
        config.override_routes(gateway("192.0.2.1"), Vec::new());
        assert_eq!(shown(&config), ["link1 0.0.0.0/0 via 192.0.2.1"]);
        assert!(config.links[1].is_on_link(&config.links[1].routes[0]));
    }

    #[test]
    fn dhcp_keeps_its_gateway_and_takes_the_image_s_other_routes() {
        let mut config = config(&[(&[], &[], true)]);
        config.override_routes(gateway("192.0.2.1"), vec![route("10.0.0.0/8", "192.0.2.9")]);
        assert_eq!(shown(&config), ["link0 10.0.0.0/8 via 192.0.2.9"]);
    }

    #[test]
    fn the_image_s_gateway_leaves_the_other_family_alone() {
        let mut config = config(&[(&["10.0.0.5/24", "fd00::5/64"], &[(ANY, "10.0.0.1"), ("::/0", "fd00::1")], false)]);
        config.override_routes(gateway("10.0.0.2"), Vec::new());
        assert_eq!(shown(&config), ["link0 ::/0 via fd00::1", "link0 0.0.0.0/0 via 10.0.0.2"]);
    }
}
