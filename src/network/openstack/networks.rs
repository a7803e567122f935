// SPDX-License-Identifier: Apache-2.0
//! The `networks` of an OpenStack document: what is configured on a link, by addresses, routes and services.

use std::net::{IpAddr, Ipv4Addr};

use crate::finding::{Finding, Findings, Located};
use crate::network::json::Json;
use crate::network::model::{Address, Dhcp6, Dns, Link, Route, push_new};
use crate::network::prefix::Prefix;
use crate::network::words;

pub(super) const NETWORK_TYPES: &[&str] = &[
    "ipv4",
    "static",
    "ipv6",
    "static6",
    "ipv4_dhcp",
    "dhcp",
    "dhcp4",
    "ipv6_dhcp",
    "dhcp6",
    "ipv6_slaac",
    "ipv6_dhcpv6-stateless",
    "ipv6_dhcpv6-stateful",
    "none",
    "manual",
];

/// Configures on `link` what the entry says.
pub(super) fn network(entry: &Json, link: &mut Link, findings: &mut Findings) {
    link.dns = link.dns.then(&dns(entry, findings));
    let routes = entry.objects("routes", findings);
    for route in &routes {
        link.dns = link.dns.then(&dns(route, findings));
    }
    let kind = entry.text("type", findings);
    let mut automatic = true;
    match kind.as_ref().map(|kind| kind.as_str()) {
        Some("ipv4_dhcp" | "dhcp" | "dhcp4") => link.dhcp4 = true,
        Some("ipv6_dhcp" | "dhcp6" | "ipv6_dhcpv6-stateful") => link.dhcp6 = Some(Dhcp6::Stateful),
        Some("ipv6_dhcpv6-stateless") => link.dhcp6 = link.dhcp6.or(Some(Dhcp6::Stateless)),
        Some("ipv6_slaac") => link.accept_ra = Some(true),
        Some("none" | "manual") => return,
        None | Some("ipv4" | "static" | "ipv6" | "static6") => {
            let Some(address) = address(entry, findings) else { return };
            // The document names every subnet of the port: where none is automatic, there is no router to listen to, and
            // networkd would hold up the boot for 12 seconds in case there is one.
            link.accept_ra = link.accept_ra.or(Some(false));
            if link.addresses.iter().all(|other| other.prefix != address.value) {
                link.addresses.push(address.map(Address::from));
            }
            automatic = false;
        }
        Some(other) => {
            let unknown =
                Finding::error(&entry.origin.key("type"), format!("unknown network type `{other}`; left out"));
            let unknown = unknown.help(format!("known: {}", NETWORK_TYPES.join(", ")));
            findings.push(unknown.did_you_mean(other, NETWORK_TYPES.iter().copied()));
            return;
        }
    }
    if link.dhcp6.is_some() {
        link.accept_ra = Some(true);
    }
    let gateway = entry.parsed::<IpAddr>("gateway", findings);
    let gateway = gateway.map(|at| at.map(|via| Route::new(Prefix::default_of(via), via)));
    let routes = routes.iter().filter_map(|entry| route(entry, findings));
    for route in gateway.into_iter().chain(routes.collect::<Vec<_>>()) {
        // With DHCP and SLAAC the default route comes with the lease or the router's announcement; nova repeats it
        // for SLAAC by an address that may not be reachable yet.
        if !(automatic && route.to.is_default()) {
            link.add_route(route);
        }
    }
}

fn address(entry: &Json, findings: &mut Findings) -> Option<Located<Prefix>> {
    let Some(text) = entry.text("ip_address", findings) else {
        findings.push(Finding::error(&entry.origin, "a static network without an `ip_address`; it is left out"));
        return None;
    };
    match prefix(entry, &text, findings)? {
        (address, true) => Some(address),
        (address, false) => {
            let assumed = words::assumed(address.address(), &text.origin, findings)?;
            Some(Located::new(assumed, text.origin))
        }
    }
}

/// An address and its netmask, and whether a length was written anywhere. A length in the address itself wins.
fn prefix(entry: &Json, text: &Located<String>, findings: &mut Findings) -> Option<(Located<Prefix>, bool)> {
    let prefix: Prefix = match text.parse() {
        Ok(prefix) => prefix,
        Err(error) => {
            findings.push(Finding::error(&text.origin, format!("`{}` is left out: {error}", **text)));
            return None;
        }
    };
    let at = |prefix| Located::new(prefix, text.origin.clone());
    if text.contains('/') {
        return Some((at(prefix), true));
    }
    let Some(mask) = entry.text("netmask", findings) else { return Some((at(prefix), false)) };
    Some((at(words::masked(prefix.address(), &mask, findings)?), true))
}

/// A route, of which the gateway may be missing or unspecified: what it leads to is on the link itself.
fn route(entry: &Json, findings: &mut Findings) -> Option<Located<Route>> {
    let via = match entry.get("gateway") {
        Some(_) => Some(entry.parsed::<IpAddr>("gateway", findings)?),
        None => None,
    };
    let Some(to) = entry.text("network", findings).or_else(|| entry.text("destination", findings)) else {
        findings.push(Finding::error(&entry.origin, "a route without a `network`; it is left out"));
        return None;
    };
    let destination = match to.as_str() {
        "default" => Prefix::default_of(via.as_ref().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |via| via.value)),
        _ => match prefix(entry, &to, findings)? {
            (destination, true) => destination.value,
            (destination, false) if destination.address().is_unspecified() => Prefix::default_of(destination.address()),
            (_, false) => {
                let message = format!("the route to {} has no `netmask`; it is left out", *to);
                findings.push(Finding::error(&to.origin, message));
                return None;
            }
        },
    };
    if let Some(via) = &via
        && !words::goes_by(destination, via.value, &via.origin, findings)
    {
        return None;
    }
    let via = via.map(|via| via.value).filter(|via| !via.is_unspecified());
    if via.is_none() && destination.is_default() {
        findings.push(Finding::error(&entry.origin, "a default route without a `gateway`; it is left out"));
        return None;
    }
    let metric = entry.parsed::<u32>("metric", findings).map(|metric| metric.value);
    Some(Located::new(Route { via, metric, ..Route::direct(destination.network()) }, entry.origin.clone()))
}

/// The name servers among the `services` of an entry, and its search domains (which nova does not write).
pub(super) fn dns(entry: &Json, findings: &mut Findings) -> Dns {
    let mut dns = Dns::default();
    for service in entry.objects("services", findings) {
        match service.text("type", findings) {
            Some(kind) if kind.value == "dns" => {}
            Some(kind) => {
                let message = format!("a service of type `{}`, which is not for name servers; ignored", *kind);
                findings.push(Finding::note(&kind.origin, message));
                continue;
            }
            None => continue,
        }
        match service.get("address") {
            None => findings.push(Finding::warning(&service.origin, "a name server without an `address`; ignored")),
            Some(_) => {
                if let Some(server) = service.parsed::<IpAddr>("address", findings) {
                    push_new(&mut dns.servers, *server);
                }
            }
        }
    }
    let keys = ["dns_search", "dns_domain", "domain"];
    for domain in keys.into_iter().flat_map(|key| entry.words(key, findings)).collect::<Vec<_>>() {
        match words::domain(&domain) {
            Some(name) => push_new(&mut dns.search, name.to_owned()),
            None => findings.push(Finding::error(&domain.origin, "not a domain name; it is left out")),
        }
    }
    dns
}
