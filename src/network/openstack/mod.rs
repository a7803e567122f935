// SPDX-License-Identifier: Apache-2.0
//! Reads OpenStack's `network_data.json`, nova's word on an instance's network, as leniently as the field does.
//!
//! Where cloud-init gives up the whole network over one entry (a link without a type, `routes: null`), only the entry
//! is lost here, and said so.

mod links;
mod networks;

use std::net::{IpAddr, Ipv6Addr};

use crate::finding::{Finding, Findings};
use crate::network::json::{self, Json};
use crate::network::model::{Link, NetworkConfig};
use crate::seed::Document;
use links::Links;

/// What RFC 8200 asks of every link, in bytes.
const IPV6_MTU: u32 = 1280;

/// Reads the document; `None`, with findings, where nothing of it can be read.
pub fn read(document: &Document, findings: &mut Findings) -> Option<NetworkConfig> {
    let value = json::parse(document, findings)?;
    let top = Json::top(&value, document.origin(), findings)?;
    let mut config = NetworkConfig::new(document.origin());
    let mut links = Links::read(&top, findings);
    for entry in top.objects("networks", findings) {
        if let Some(link) = links.of(&entry, findings) {
            networks::network(&entry, link, findings);
        }
    }
    config.links = links.into_links();
    config.dns = networks::dns(&top, findings);
    config.links.iter().for_each(|link| check_mtu(link, findings));
    Some(config)
}

fn check_mtu(link: &Link, findings: &mut Findings) {
    let ipv6 = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    if let Some(mtu) = link.mtu.as_ref().filter(|mtu| mtu.value < IPV6_MTU)
        && (link.is_static(ipv6) || link.is_automatic(ipv6))
    {
        let message =
            format!("the kernel turns IPv6 off on an interface with an MTU of {}; it needs {IPV6_MTU}", mtu.value);
        findings.push(Finding::warning(&mtu.origin, message));
    }
}

#[cfg(test)]
mod tests {
    use super::networks::NETWORK_TYPES;
    use super::*;
    use crate::guest::Nic;
    use crate::network::render::{Renderer, render};
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use std::collections::BTreeSet;

    /// A word that is part of every hostile text, so that it can be looked for in what is written.
    const SMUGGLED: &str = "smuggled";

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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn no_document_panics_leaves_a_reference_open_or_smuggles_anything_into_a_file(
            links in prop::collection::vec(link(), 0..6), networks in prop::collection::vec(network(), 0..6)
        ) {
            let document = json!({"links": links, "networks": networks});
            let mut findings = Findings::default();
            let document = Document::new("network_data.json", document.to_string());
            let config = read(&document, &mut findings).unwrap();
            let ids: BTreeSet<&str> = config.links.iter().map(|link| link.id.as_str()).collect();
            prop_assert_eq!(ids.len(), config.links.len(), "two links are called the same");
            for link in &config.links {
                prop_assert!(!link.id.is_empty() && (link.physical().is_some() || link.id.len() <= 15), "{}", link.id);
                for member in link.members() {
                    prop_assert!(ids.contains(member.as_str()) && **member != link.id, "{} of {}", **member, link.id);
                }
            }
            let nics = [Nic { name: "ens3".to_owned(), mac: MACS[0].to_owned(), ..Nic::default() }];
            for renderer in Renderer::ALL {
                for nics in [None, Some(&nics[..])] {
                    let rendered = render(renderer, &config, nics, &mut findings);
                    let files = rendered.files.iter().map(|file| format!("{}\n{}", file.path.display(), file.content));
                    for text in files.chain(rendered.changes.iter().map(ToString::to_string)) {
                        prop_assert!(!text.contains(SMUGGLED), "{renderer}: {text}");
                        prop_assert!(text.chars().all(|c| c == '\n' || c == '\t' || !c.is_control()), "{renderer}");
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
