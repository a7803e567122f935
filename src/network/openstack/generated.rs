// SPDX-License-Identifier: Apache-2.0
//! For tests: OpenStack documents with links of all kinds, as they should be and as they should not.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::networks::NETWORK_TYPES;
use crate::seed::Document;

/// A word that is part of every hostile text, so that it can be looked for in what is written.
pub const SMUGGLED: &str = "smuggled";

/// Text that would be a line or a section of its own, were it written as it is.
fn hostile() -> impl Strategy<Value = Value> {
    let before = prop::sample::select(&["\n", "a\n[", "\r", "\"", "'; ", "x #", "{", "= ", "%n\n", "\u{0}"][..]);
    before.prop_map(|before| json!(format!("{before}{SMUGGLED}=1\nup rm")))
}

/// A value that fits now and then, and often enough not.
fn value(fit: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let fit = prop::sample::select(fit).prop_map(Value::from);
    let odd = prop_oneof![Just(Value::Null), any::<i32>().prop_map(Value::from), hostile()];
    let odd = odd.prop_recursive(2, 8, 3, |inner| prop::collection::vec(inner, 0..3).prop_map(Value::from));
    prop_oneof![3 => fit, 1 => odd]
}

const IDS: &[&str] = &["a", "b", "bond0", "c", "vlan5", "link.0"];
const NAMES: &[&str] = &["", "a", "bond0", "wan0", "bond1.5", "averyverylongname"];
const MACS: &[&str] = &["fa:16:3e:00:00:01", "FA-16-3E-00-00-02", "fa:16:3e:00:00:03", "fa:16:3e:00:00:04"];
const ADDRESSES: &[&str] = &["10.0.0.5", "10.0.1.5/24", "fd00::5", "fd00:1::5/64"];
const MASKS: &[&str] = &["255.255.255.0", "24", "ffff:ffff:ffff:ffff::", "/64", ""];
const GATEWAYS: &[&str] = &["10.0.0.1", "fd00::1", "0.0.0.0", "fe80::1", ""];
const PLACES: &[&str] = &["default", "0.0.0.0/0", "::/0", "10.9.0.0/16", "fd09::/48"];
const DOMAINS: &[&str] = &["example.org", "a b", "-"];
const NUMBERS: &[&str] = &["0", "5", "100", "1500", "9000", "4095"];

prop_compose! {
    fn link()(kind in value(&["phy", "ovs", "bond", "bond", "vlan", "vlan", "quantum"]), id in value(IDS),
              name in value(NAMES), mac in value(MACS), mtu in value(NUMBERS), tag in value(NUMBERS),
              parent in value(IDS), members in prop::collection::vec(value(IDS), 0..3),
              mode in value(&["802.3ad", "4", "active-backup"]), primary in value(IDS), option in value(NUMBERS))
              -> Value {
        json!({"id": id, "type": kind, "name": name, "ethernet_mac_address": mac, "mtu": mtu, "vlan_id": tag,
               "vlan_link": parent, "vlan_mac_address": mac, "bond_links": members, "bond_mode": mode,
               "bond_primary": primary, "bond_miimon": option, "bond_arp_ip_target": option})
    }
}

prop_compose! {
    fn network()(kind in value(NETWORK_TYPES), link in value(IDS), address in value(ADDRESSES), mask in value(MASKS),
                 gateway in value(GATEWAYS), to in value(PLACES), server in value(ADDRESSES),
                 search in value(DOMAINS), metric in value(NUMBERS)) -> Value {
        json!({"type": kind, "link": link, "ip_address": address, "netmask": mask, "gateway": gateway,
               "dns_search": search, "services": [{"type": "dns", "address": server}],
               "routes": [{"network": to, "netmask": mask, "gateway": gateway, "metric": metric}]})
    }
}

/// A document of some links, which name each other or nothing, and networks on them.
pub fn document() -> impl Strategy<Value = Document> {
    let (links, networks) = (prop::collection::vec(link(), 0..6), prop::collection::vec(network(), 0..6));
    (links, networks).prop_map(|(links, networks)| {
        let document = json!({"links": links, "networks": networks});
        Document::new("network_data.json", document.to_string())
    })
}
