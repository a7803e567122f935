// SPDX-License-Identifier: Apache-2.0
//! The keys that all kinds of links share.

use std::net::IpAddr;

use crate::config::document::{Data, Node};
use crate::finding::{Finding, Findings, Located};
use crate::network::model::{Activation, Address, Dhcp6, Extra, Given, Link, LinkLocal, Overrides, Route, push_new};
use crate::network::prefix::Prefix;
use crate::network::v2::route::{route, rule};
use crate::network::v2::value::{entries, fit, flag, items, number, parsed, text, unknown, word};
use crate::network::words::{self, IPV6_MTU, is_of_name};

/// What the model has a word for.
pub(super) const WORDS: &[&str] = &[
    "dhcp4",
    "dhcp6",
    "dhcp4-overrides",
    "dhcp6-overrides",
    "dhcp-identifier",
    "accept-ra",
    "link-local",
    "ipv6-privacy",
    "ipv6-mtu",
    "addresses",
    "gateway4",
    "gateway6",
    "nameservers",
    "routes",
    "routing-policy",
    "macaddress",
    "mtu",
    "optional",
    "activation-mode",
];
/// What only netplan has, up to its version 1.2.
pub(super) const NETPLAN_ALONE: &[&str] = &[
    "critical",
    "hairpin",
    "ignore-carrier",
    "ipv6-address-generation",
    "ipv6-address-token",
    "neigh-suppress",
    "networkmanager",
    "openvswitch",
    "optional-addresses",
    "port-mac-learning",
    "ra-overrides",
    "renderer",
];
/// The same, of hardware.
pub(super) const NETPLAN_HARDWARE: &[&str] = &[
    "auth",
    "delay-virtual-functions-rebind",
    "embedded-switch-mode",
    "emit-lldp",
    "generic-receive-offload",
    "generic-segmentation-offload",
    "infiniband-mode",
    "large-receive-offload",
    "link",
    "receive-checksum-offload",
    "tcp-segmentation-offload",
    "tcp6-segmentation-offload",
    "transmit-checksum-offload",
    "virtual-function-count",
];

const NAMESERVERS: &[&str] = &["addresses", "search"];
const ADDRESS: &[&str] = &["label", "lifetime"];
/// The flags among the overrides, in the order of [`flags`].
const OVERRIDE_FLAGS: [&str; 6] = ["use-dns", "use-ntp", "use-hostname", "use-mtu", "use-routes", "send-hostname"];
const OVERRIDES: &[&str] = &[
    "use-dns",
    "use-ntp",
    "use-hostname",
    "use-mtu",
    "use-routes",
    "send-hostname",
    "use-domains",
    "hostname",
    "route-metric",
];

/// Takes the value of `name` into `link`; `false` where the model has no word for that key.
pub(super) fn take(link: &mut Link, name: &str, key: &Node, value: &Node, findings: &mut Findings) -> bool {
    let yes = |value: &Node, findings: &mut Findings| flag(value, findings).map(|flag| *flag);
    match name {
        "dhcp4" => link.dhcp4 = yes(value, findings).unwrap_or_default(),
        "dhcp6" => link.dhcp6 = yes(value, findings).unwrap_or_default().then_some(Dhcp6::Stateful),
        "dhcp4-overrides" => link.dhcp4_overrides = overrides(value, findings),
        "dhcp6-overrides" => link.dhcp6_overrides = overrides(value, findings),
        "dhcp-identifier" => link.dhcp_by_mac = word(value, &["mac", "duid"], findings).map(|word| word == "mac"),
        "accept-ra" => link.accept_ra = yes(value, findings),
        "link-local" => link.link_local = link_local(value, findings),
        "ipv6-privacy" => link.ipv6_privacy = yes(value, findings),
        "ipv6-mtu" => link.ipv6_mtu = mtu(value, IPV6_MTU, findings),
        "mtu" => link.mtu = mtu(value, *words::MTU.start(), findings),
        "macaddress" => link.mac = parsed(value, findings),
        "optional" => link.optional = yes(value, findings).unwrap_or_default(),
        "activation-mode" => {
            link.activation = match word(value, &["manual", "off"], findings) {
                Some("manual") => Activation::Manual,
                Some(_) => Activation::Off,
                None => Activation::Auto,
            }
        }
        "addresses" => {
            for address in items(value, findings).iter().filter_map(|item| address(item, findings)).collect::<Vec<_>>()
            {
                if link.addresses.iter().all(|other| other.prefix != address.prefix) {
                    link.addresses.push(address);
                }
            }
        }
        "gateway4" | "gateway6" => gateway(link, name, key, value, findings),
        "nameservers" => nameservers(link, value, findings),
        "routes" => {
            for route in items(value, findings).iter().filter_map(|item| route(item, findings)).collect::<Vec<_>>() {
                // Netplan refuses a document that says the same twice.
                let same = |other: &Route| {
                    (other.to, other.via, other.table, other.metric) == (route.to, route.via, route.table, route.metric)
                };
                if !link.routes.iter().any(|other| same(other)) {
                    link.routes.push(route);
                }
            }
        }
        "routing-policy" => {
            link.rules
                .extend(items(value, findings).iter().filter_map(|item| rule(item, findings)).collect::<Vec<_>>());
        }
        _ => return false,
    }
    true
}

fn mtu(value: &Node, least: u32, findings: &mut Findings) -> Given<u32> {
    number(value, 0, u32::MAX, findings).and_then(|mtu| words::mtu(mtu, least, findings))
}

/// A value below `outer` that the model has no word for: as netplan writes it, with nothing beside it.
pub(super) fn nested(outer: &str, inner: Located<Extra>) -> Located<Extra> {
    inner.map(|Extra { key, value }| {
        let inner = serde_json::Map::from_iter([(key, value)]);
        Extra { key: outer.to_owned(), value: inner.into() }
    })
}

fn overrides(node: &Node, findings: &mut Findings) -> Overrides {
    let mut overrides = Overrides::default();
    for (name, key, value) in entries(node, findings) {
        if let Some(at) = OVERRIDE_FLAGS.iter().position(|flag| *flag == name) {
            if let Some(place) = flags(&mut overrides).into_iter().nth(at) {
                *place = flag(value, findings);
            }
            continue;
        }
        match name {
            "use-domains" => overrides.use_domains = domains(value, findings),
            "route-metric" => overrides.route_metric = number(value, 0, u32::MAX, findings),
            "hostname" => {
                let name = text(value, findings);
                overrides.hostname = name.and_then(|name| fit(name, is_of_name, "a host name", findings));
            }
            _ => unknown(key, &[OVERRIDES], findings),
        }
    }
    overrides
}

/// The places of [`OVERRIDE_FLAGS`].
fn flags(overrides: &mut Overrides) -> [&mut Given<bool>; 6] {
    [
        &mut overrides.use_dns,
        &mut overrides.use_ntp,
        &mut overrides.use_hostname,
        &mut overrides.use_mtu,
        &mut overrides.use_routes,
        &mut overrides.send_hostname,
    ]
}

fn domains(node: &Node, findings: &mut Findings) -> Given<String> {
    let word = match node.text() {
        Some("route") => "route",
        _ if *flag(node, findings)? => "true",
        _ => "false",
    };
    Some(Located::new(word.to_owned(), node.origin.clone()))
}

fn link_local(node: &Node, findings: &mut Findings) -> Option<LinkLocal> {
    let mut which = LinkLocal { ipv4: false, ipv6: false };
    for item in items(node, findings) {
        match word(item, &["ipv4", "ipv6"], findings)? {
            "ipv4" => which.ipv4 = true,
            _ => which.ipv6 = true,
        }
    }
    Some(which)
}

/// An address, or a mapping from one address to what there is to say of it.
fn address(node: &Node, findings: &mut Findings) -> Option<Located<Address>> {
    let (written, settings) = match &node.data {
        Data::Mapping(entries) => entries.first().map(|(key, settings)| (key, Some(settings)))?,
        _ => (node, None),
    };
    let mut prefix = *parsed::<Prefix>(written, findings)?;
    if !written.text().is_some_and(|text| text.contains('/')) {
        // What the field assumes; one address alone would reach no gateway.
        let length = if prefix.address().is_ipv4() { 24 } else { 64 };
        let message = format!("{} has no length of its prefix; /{length} is assumed", prefix.address());
        findings.push(Finding::warning(&written.origin, message).help("netplan itself refuses an address without one"));
        prefix = Prefix::new(prefix.address(), length)?;
    }
    let mut address = Address::from(prefix);
    for (name, key, value) in settings.into_iter().flat_map(|node| entries(node, findings)).collect::<Vec<_>>() {
        match name {
            "label" => address.label = label(value, findings),
            "lifetime" => address.deprecated = word(value, &["forever", "0"], findings) == Some("0"),
            _ => unknown(key, &[ADDRESS], findings),
        }
    }
    Some(Located::new(address, written.origin.clone()))
}

fn label(node: &Node, findings: &mut Findings) -> Option<String> {
    let label = text(node, findings)?;
    let label = fit(label, |c| is_of_name(c) || c == ':', "a label of an address", findings)?;
    if label.len() > 15 {
        findings.push(Finding::error(&node.origin, "a label of more than 15 characters; it is left out"));
        return None;
    }
    Some(label.value)
}

fn gateway(link: &mut Link, name: &str, key: &Node, value: &Node, findings: &mut Findings) {
    let deprecated = Finding::warning(&key.origin, format!("`{name}` is deprecated, and read all the same"));
    findings.push(deprecated.help("write `routes: [{to: default, via: …}]`"));
    let Some(via) = parsed::<IpAddr>(value, findings) else { return };
    if via.is_ipv4() != (name == "gateway4") {
        findings.push(Finding::error(&via.origin, format!("{} is of the other family; it is left out", *via)));
        return;
    }
    link.add_route(via.map(|via| Route::new(Prefix::default_of(via), via)));
}

fn nameservers(link: &mut Link, node: &Node, findings: &mut Findings) {
    for (name, key, value) in entries(node, findings) {
        match name {
            "addresses" => {
                for item in items(value, findings) {
                    if let Some(server) = parsed::<IpAddr>(item, findings) {
                        push_new(&mut link.dns.servers, *server);
                    }
                }
            }
            "search" => {
                for item in items(value, findings) {
                    // `~`: for resolved, a domain whose names these servers are asked for, without searching it.
                    let is_fit = |c: char| is_of_name(c) || c == '~';
                    let domain = text(item, findings).and_then(|domain| fit(domain, is_fit, "a domain", findings));
                    domain.into_iter().for_each(|domain| push_new(&mut link.dns.search, domain.value));
                }
            }
            _ => unknown(key, &[NAMESERVERS], findings),
        }
    }
}
