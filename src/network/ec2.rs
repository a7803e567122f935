// SPDX-License-Identifier: Apache-2.0
//! Reads the interfaces in EC2's meta-data: the tree below `network/interfaces/macs`, as JSON.
//!
//! An interface is a key with its MAC address; its value has `device-number`, `network-card`, `local-ipv4s`,
//! `subnet-ipv4-cidr-block`, `ipv6s` and `subnet-ipv6-cidr-blocks`, of which the service writes lists as lines. The
//! order is that of network card and device number, the first being the primary one. Each asks DHCP for its first
//! address, and DHCPv6 where it has IPv6; its default routes have metric 100, 200 and so on, so that the primary one's
//! are used. The other addresses are static, since EC2's DHCP tells the first one alone.
//!
//! EC2 drops packets that leave by an interface that does not have their source address. So what comes from an address
//! of a further interface asks a routing table of its own (101, 102 …): its subnet is on the link, everything else goes
//! by the subnet's first address, which is the router's by EC2's rule. cloud-init since 23.4 and amazon-ec2-net-utils
//! do the same. IPv6 has no such table: the router's address is known by its announcements only.

use std::net::{IpAddr, Ipv4Addr};

use crate::finding::{Findings, Located, Origin};
use crate::network::json::{self, Json};
use crate::network::model::{Address, Dhcp6, Kind, Link, Match, NetworkConfig, Route, Rule};
use crate::network::prefix::{Mac, Prefix};
use crate::seed::Document;

/// The routing table of the primary interface, had it one.
const TABLE: u32 = 100;
/// Between the metrics of one interface and the next, and that of the first.
const METRIC: u32 = 100;

/// Reads the document; `None`, with findings, where nothing of it can be read.
pub fn read(document: &Document, findings: &mut Findings) -> Option<NetworkConfig> {
    let value = json::parse(document, findings)?;
    let top = Json::top(&value, document.origin(), findings)?;
    let mut config = NetworkConfig::new(document.origin());
    let mut interfaces = Vec::new();
    for (mac, entry) in top.below("") {
        let mac = Located::new(mac.trim_end_matches('/').to_owned(), entry.origin.clone());
        let (Some(mac), Some(entry)) = (json::parsed::<Mac>(&mac, findings), entry.object(findings)) else { continue };
        let mut number = |key, absent| entry.parsed::<u32>(key, findings).map_or(absent, |number| number.value);
        let order = (number("network-card", 0), number("device-number", u32::MAX), mac.value);
        interfaces.push((order, mac, entry));
    }
    interfaces.sort_by_key(|(order, ..)| *order);
    for (index, (_, mac, entry)) in (0_u32..).zip(interfaces) {
        config.links.push(link(index, mac, &entry, findings));
    }
    Some(config)
}

fn link(index: u32, mac: Located<Mac>, entry: &Json, findings: &mut Findings) -> Link {
    let kind = Kind::Physical(Match::mac(mac).into());
    let mut link = Link::new(format!("nic{index}"), kind, entry.origin.clone());
    let metric = Some(Located::new(METRIC * (index + 1), entry.origin.clone()));
    let ipv4 = addresses("local-ipv4s", entry, findings);
    let ipv6 = addresses("ipv6s", entry, findings);
    // One that has neither may still be given one.
    link.dhcp4 = !ipv4.is_empty() || ipv6.is_empty();
    link.dhcp4_overrides.route_metric = metric.clone().filter(|_| link.dhcp4);
    if !ipv6.is_empty() {
        link.dhcp6 = Some(Dhcp6::Stateful);
        link.dhcp6_overrides.route_metric = metric;
        link.accept_ra = Some(true);
    }
    let subnet = entry.parsed::<Prefix>("subnet-ipv4-cidr-block", findings).map(|subnet| subnet.map(|s| s.network()));
    let mut subnets: Vec<Prefix> = subnet.iter().map(|subnet| subnet.value).collect();
    for block in entry.words("subnet-ipv6-cidr-blocks", findings) {
        subnets.extend(json::parsed::<Prefix>(&block, findings).map(|block| block.network()));
    }
    for address in ipv4.iter().skip(1).chain(ipv6.iter().skip(1)) {
        let subnet = subnets.iter().find(|subnet| subnet.contains(address.value));
        let prefix = subnet.and_then(|subnet| Prefix::new(address.value, subnet.length()));
        let prefix = prefix.unwrap_or_else(|| Prefix::host(address.value));
        link.addresses.push(Located::new(Address::from(prefix), address.origin.clone()));
    }
    if let Some(subnet) = subnet.filter(|_| index > 0 && !ipv4.is_empty()) {
        own_table(&mut link, TABLE + index, &subnet, &ipv4);
    }
    link
}

/// A routing table for what comes from `addresses`.
fn own_table(link: &mut Link, table: u32, subnet: &Located<Prefix>, addresses: &[Located<IpAddr>]) {
    let at = |route: Route, origin: &Origin| Located::new(Route { table: Some(table), ..route }, origin.clone());
    link.add_route(at(Route::direct(subnet.value), &subnet.origin));
    if let IpAddr::V4(network) = subnet.address() {
        let router = IpAddr::V4(Ipv4Addr::from_bits(network.to_bits().saturating_add(1)));
        // DHCP gives the address that would tell that the router is on this link.
        let route = Route { on_link: Some(true), ..Route::new(Prefix::default_of(router), router) };
        link.add_route(at(route, &subnet.origin));
    }
    for address in addresses {
        let rule = Rule {
            from: Some(Prefix::host(address.value)),
            table: Some(table),
            priority: Some(table),
            ..Rule::default()
        };
        link.rules.push(Located::new(rule, address.origin.clone()));
    }
}

fn addresses(key: &str, entry: &Json, findings: &mut Findings) -> Vec<Located<IpAddr>> {
    let words = entry.words(key, findings);
    words.iter().filter_map(|word| json::parsed(word, findings)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::Nic;
    use crate::network::render::{Renderer, render};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn read_json(value: &Value) -> (NetworkConfig, Vec<String>) {
        let mut findings = Findings::default();
        let config = read(&Document::new("ec2", value.to_string()), &mut findings).unwrap();
        (config, findings.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_primary_interface_is_the_lowest_device_of_the_lowest_card() {
        let (config, findings) = read_json(&json!({
            "02:00:00:00:00:01/": {"device-number": "1", "network-card": "1"},
            "02:00:00:00:00:02": {"device-number": 1},
            "02:00:00:00:00:03": {"device-number": "0", "network-card": "0"},
            "02:00:00:00:00:04": {},
        }));
        assert_eq!(findings, [""; 0]);
        let last = |mac: Mac| mac.octets()[5];
        assert_eq!(config.macs().map(last).collect::<Vec<_>>(), [3, 2, 4, 1]);
        let metrics = config.links.iter().map(|link| link.dhcp4_overrides.route_metric.as_ref().unwrap().value);
        assert_eq!(metrics.collect::<Vec<_>>(), [100, 200, 300, 400]);
        assert!(config.links.iter().all(|link| link.rules.is_empty()), "no address, no table");
    }

    #[test]
    fn a_further_interface_has_a_table_of_its_own() {
        let (config, _) = read_json(&json!({
            "02:00:00:00:00:01": {"device-number": "0", "local-ipv4s": "10.0.0.5\n10.0.0.6", "subnet-ipv4-cidr-block": "10.0.0.0/24"},
            "02:00:00:00:00:02": {"device-number": "1", "local-ipv4s": ["10.0.1.5", "10.0.1.6"], "subnet-ipv4-cidr-block": "10.0.1.0/24"},
        }));
        let [first, second] = &config.links[..] else { panic!("{config:?}") };
        assert!(first.routes.is_empty() && first.rules.is_empty());
        assert_eq!(
            first.addresses.iter().map(|address| address.prefix.to_string()).collect::<Vec<_>>(),
            ["10.0.0.6/24"]
        );
        let routes =
            second.routes.iter().map(|route| (route.to.to_string(), route.via.map(|via| via.to_string()), route.table));
        assert_eq!(
            routes.collect::<Vec<_>>(),
            [
                ("10.0.1.0/24".to_owned(), None, Some(101)),
                ("0.0.0.0/0".to_owned(), Some("10.0.1.1".to_owned()), Some(101))
            ]
        );
        let rules = second.rules.iter().map(|rule| (rule.from.unwrap().to_string(), rule.table));
        assert_eq!(
            rules.collect::<Vec<_>>(),
            [("10.0.1.5/32".to_owned(), Some(101)), ("10.0.1.6/32".to_owned(), Some(101))]
        );
    }

    fn text() -> impl Strategy<Value = Value> {
        let odd = "[a-z0-9.:/\\n\\[= ]{0,12}".prop_map(Value::from);
        let fit = prop::sample::select(
            &["10.0.0.5", "10.0.0.0/24", "255.255.255.255/32", "fd00::5\nfd00::6", "fd00::/64"][..],
        );
        prop_oneof![
            odd,
            fit.prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            Just(json!([null, [], "10.0.0.9"]))
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_document_panics_in_any_renderer(macs in prop::collection::vec(("02:00:00:00:00:0[0-9]/?|.{0,4}", [text(), text(), text(), text(), text()]), 0..4)) {
            let entry = |[card, device, ipv4, subnet, ipv6]: [Value; 5]| json!({"network-card": card, "device-number": device,
                "local-ipv4s": ipv4, "subnet-ipv4-cidr-block": subnet, "ipv6s": ipv6, "subnet-ipv6-cidr-blocks": subnet});
            let top: serde_json::Map<String, Value> = macs.into_iter().map(|(mac, values)| (mac, entry(values))).collect();
            let (config, _) = read_json(&top.into());
            let nics = [Nic { name: "ens5".to_owned(), mac: "02:00:00:00:00:01".to_owned(), ..Nic::default() }];
            for renderer in Renderer::ALL {
                render(renderer, &config, Some(&nics), &mut Findings::default());
            }
        }
    }
}
