// SPDX-License-Identifier: Apache-2.0
//! Reads OpenStack's `network_data.json`, nova's word on an instance's network, as leniently as the field does.
//!
//! Where cloud-init gives up the whole network over one entry (a link without a type, `routes: null`), only the entry
//! is lost here, and said so.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::finding::{Finding, Findings, Located};
use crate::network::json::{self, Json};
use crate::network::model::{Address, Dhcp6, Dns, Kind, Link, Match, NetworkConfig, Route, push_new};
use crate::network::prefix::{Mac, Prefix, mask_length};
use crate::seed::Document;

/// What nova calls an interface that the guest sees as plain hardware, whatever it is on the host.
const PHYSICAL: &[&str] =
    &["phy", "vif", "ovs", "tap", "bridge", "vhostuser", "hyperv", "hw_veb", "dvs", "cascading", "ethernet", "bgpovs"];
const NETWORK_TYPES: &[&str] = &[
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
/// What Linux accepts on an Ethernet interface.
const MTU: std::ops::RangeInclusive<u32> = 68..=65535;

/// Reads the document; `None`, with findings, where nothing of it can be read.
pub fn read(document: &Document, findings: &mut Findings) -> Option<NetworkConfig> {
    let value = json::parse(document, findings)?;
    let top = Json::top(&value, document.origin(), findings)?;
    let mut config = NetworkConfig::new(document.origin());
    let mut ids = BTreeSet::new();
    let mut placed: Vec<(String, Link)> = Vec::new();
    for entry in top.objects("links", findings) {
        let Some(id) = entry.text("id", findings) else {
            findings.push(Finding::error(&entry.origin, "a link without an `id`: no network can name it; left out"));
            continue;
        };
        if !ids.insert(id.value.clone()) {
            findings.push(Finding::error(&id.origin, format!("a second link `{}`; it is left out", *id)));
        } else if let Some(link) = link(&entry, &id, placed.len(), findings) {
            placed.push((id.value, link));
        }
    }
    for entry in top.objects("networks", findings) {
        if let Some(link) = link_of(&entry, &mut placed, &ids, findings) {
            network(&entry, link, findings);
        }
    }
    config.links = placed.into_iter().map(|(_, link)| link).collect();
    config.dns = dns(&top, findings);
    Some(config)
}

/// The link that a network is on; one that there is not, or that had to be left out, is reported.
fn link_of<'a>(
    network: &Json,
    placed: &'a mut [(String, Link)],
    ids: &BTreeSet<String>,
    findings: &mut Findings,
) -> Option<&'a mut Link> {
    let Some(name) = network.text("link", findings) else {
        findings.push(Finding::error(&network.origin, "a network that names no `link`; it is left out"));
        return None;
    };
    let found = placed.iter_mut().find(|(id, _)| *id == name.value).map(|(_, link)| link);
    if found.is_none() && ids.contains(&name.value) {
        let message = format!("the network is left out, because its link `{}` is", *name);
        findings.push(Finding::error(&name.origin, message));
    } else if found.is_none() {
        let unknown = Finding::error(&name.origin, format!("no link `{}`; the network is left out", *name));
        findings.push(match ids.is_empty() {
            true => unknown.help("the document has no links"),
            false => unknown.help(format!("links here: {}", Vec::from_iter(ids.clone()).join(", "))),
        });
    }
    found
}

fn link(entry: &Json, id: &Located<String>, index: usize, findings: &mut Findings) -> Option<Link> {
    let written = entry.text("type", findings);
    match written.as_ref().map(|kind| kind.as_str()) {
        Some(kind @ ("bond" | "vlan")) => {
            let message = format!("links of type `{kind}` are known, but not built yet; `{}` is left out", **id);
            findings.push(Finding::error(&entry.origin.key("type"), message));
            return None;
        }
        Some(kind) if !PHYSICAL.contains(&kind) => {
            let message = format!("unknown link type `{kind}`; it is taken as an ordinary interface");
            findings.push(Finding::warning(&entry.origin.key("type"), message));
        }
        _ => {}
    }
    let name = entry.text("name", findings).filter(|name| is_interface_name(name, findings));
    let by = match (entry.parsed::<Mac>("ethernet_mac_address", findings), name) {
        (Some(mac), None) => Match::mac(mac),
        (Some(mac), Some(name)) => {
            let message = format!("renaming is not built yet; the interface keeps its name, not `{}`", *name);
            findings.push(Finding::warning(&name.origin, message));
            Match::mac(mac)
        }
        (None, Some(name)) => Match::named(name),
        (None, None) => {
            let message = format!("link `{}` has no usable `ethernet_mac_address`; it is left out", **id);
            findings.push(Finding::error(&entry.origin, message));
            return None;
        }
    };
    let mut link = Link::new(file_name(id, index), Kind::Physical(by.into()), entry.origin.clone());
    // Neutron writes 0 where it knows none.
    if let Some(mtu) = entry.parsed::<u32>("mtu", findings).filter(|mtu| **mtu != 0) {
        match MTU.contains(&mtu) {
            true => link.mtu = Some(mtu),
            false => findings.push(Finding::error(
                &mtu.origin,
                format!("an MTU of {} is not between {} and {}; left out", *mtu, MTU.start(), MTU.end()),
            )),
        }
    }
    Some(link)
}

/// The kernel's rule for names, less the characters that a manager's file would take for its own.
fn is_interface_name(name: &Located<String>, findings: &mut Findings) -> bool {
    let fits = name.len() <= 15 && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    let fits = fits && name.chars().any(|c| c != '.');
    if !fits {
        findings.push(Finding::error(&name.origin, "not the name of an interface (15 letters, digits, `_`, `.`, `-`)"));
    }
    fits
}

/// The platform's id where it is fit for the name of a file and of a netplan definition, else a name
/// that no such id can be.
fn file_name(id: &str, index: usize) -> String {
    let fits = id.len() <= 64 && id.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if fits { id.to_owned() } else { format!("link.{index}") }
}

fn network(entry: &Json, link: &mut Link, findings: &mut Findings) {
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
            // What the field assumes; one address alone would reach no gateway.
            let length = if address.address().is_ipv4() { 24 } else { 64 };
            let message = format!("{} has no `netmask`; /{length} is assumed", *text);
            findings.push(Finding::warning(&text.origin, message));
            let assumed = Prefix::new(address.address(), length)?;
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
    let masked = mask_length(&mask, prefix.address()).and_then(|length| Prefix::new(prefix.address(), length));
    if masked.is_none() {
        let message = format!("`{}` is not a netmask for {}; the address is left out", *mask, prefix.address());
        findings.push(Finding::error(&mask.origin, message));
    }
    Some((at(masked?), true))
}

fn route(entry: &Json, findings: &mut Findings) -> Option<Located<Route>> {
    if entry.get("gateway").is_none() {
        findings.push(Finding::error(&entry.origin, "a route without a `gateway`; it is left out"));
    }
    let via = entry.parsed::<IpAddr>("gateway", findings)?;
    let Some(to) = entry.text("network", findings).or_else(|| entry.text("destination", findings)) else {
        findings.push(Finding::error(&entry.origin, "a route without a `network`; it is left out"));
        return None;
    };
    let destination = match to.as_str() {
        "default" => Prefix::default_of(*via),
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
    if !destination.same_family(*via) {
        let message = format!("{destination} cannot be reached via {}, of another family; left out", *via);
        findings.push(Finding::error(&via.origin, message));
        return None;
    }
    let metric = entry.parsed::<u32>("metric", findings).map(|metric| metric.value);
    Some(Located::new(Route { metric, ..Route::new(destination.network(), *via) }, entry.origin.clone()))
}

/// The name servers among the `services` of an entry, and its search domains (which nova does not write).
fn dns(entry: &Json, findings: &mut Findings) -> Dns {
    let mut dns = Dns::default();
    for service in entry.objects("services", findings) {
        if service.text("type", findings).is_none_or(|kind| *kind != "dns") {
            continue;
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
        if domain.len() <= 253 && domain.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
            push_new(&mut dns.search, domain.value.trim_end_matches('.').to_owned());
        } else {
            findings.push(Finding::error(&domain.origin, "not a domain name; it is left out"));
        }
    }
    dns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::render::{Renderer, render};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// Values that stand where they should, now and then, and often enough not.
    fn value() -> impl Strategy<Value = Value> {
        let text =
            prop_oneof!["[a-z\\n\\[= ]{0,8}", "10\\.0\\.[01]\\.[0-9]", "fd00::[0-9]/64", Just("default".to_owned())];
        let leaf = prop_oneof![Just(Value::Null), any::<i32>().prop_map(Value::from), text.prop_map(Value::from)];
        leaf.prop_recursive(2, 8, 3, |inner| prop::collection::vec(inner, 0..3).prop_map(Value::from))
    }

    prop_compose! {
        fn network()(kind in prop::sample::select(NETWORK_TYPES), address in value(), mask in value(), gateway in value(),
                     to in value(), services in value(), search in value(), link in prop_oneof![Just(json!("a")), value()])
                     -> Value {
            json!({"type": kind, "link": link, "ip_address": address, "netmask": mask, "gateway": gateway,
                   "dns_search": search, "services": [{"type": "dns", "address": services}],
                   "routes": [{"network": to, "netmask": mask, "gateway": gateway, "metric": mask}]})
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_document_panics_or_smuggles_a_line_into_a_file(
            networks in prop::collection::vec(network(), 0..4), id in value(), name in value(), mtu in value()
        ) {
            let mac = "fa:16:3e:00:00:01";
            let document = json!({"networks": networks, "links": [
                {"id": "a", "type": name, "ethernet_mac_address": mac, "mtu": mtu}, {"id": id, "name": name}]});
            let mut findings = Findings::default();
            let document = Document::new("network_data.json", document.to_string());
            let config = read(&document, &mut findings).unwrap();
            for renderer in Renderer::ALL {
                let files = render(renderer, &config, None, &mut findings);
                if renderer == Renderer::Networkd {
                    for line in files.files.iter().flat_map(|file| file.content.lines()) {
                        let key = line.split('=').next().unwrap_or_default();
                        let known = ["", "[Match]", "[Link]", "[Network]", "[Route]", "MACAddress", "Type", "Name", "MTUBytes",
                            "RequiredForOnline", "DHCP", "IPv6AcceptRA", "Address", "DNS", "Domains", "Destination",
                            "Gateway", "GatewayOnLink", "Metric"];
                        prop_assert!(line.starts_with('#') || known.contains(&key), "{line}");
                    }
                }
            }
        }
    }

    #[test]
    fn bytes_that_are_no_document_are_reported() {
        for bytes in [&b""[..], b"[]", b"null", &[0; 64], &[0xff, 0xfe, b'{'], &b"[".repeat(5000), &[b' '; 2 << 20]] {
            let mut findings = Findings::default();
            let config = read(&Document::new("network_data.json", bytes), &mut findings);
            assert!(config.is_none() && findings.has_errors(), "{:?}", bytes.get(..8));
        }
    }
}
