// SPDX-License-Identifier: Apache-2.0
//! What is written for netplan and read back gives the same network.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::json;

use crate::finding::{Findings, Located, Origin};
use crate::network::model::options::{BOND, BRIDGE, Form, LinkOption, Setting};
use crate::network::model::{
    Activation, Address, Dhcp6, Dns, Extra, Given, Kind, Link, LinkLocal, Match, NetworkConfig, Overrides, Physical,
    Route, RouteKind, Rule,
};
use crate::network::network_config::{self, Asked};
use crate::network::prefix::{Mac, Prefix};
use crate::network::render::{Renderer, render};
use crate::seed::Document;

fn at<T>(value: T) -> Located<T> {
    Located::new(value, Origin::document("d"))
}

/// What netplan makes of `config`: where two models mean the same to it, both become this one.
///
/// - Places are another document's.
/// - DHCPv6 is one: whether it is stateless the router says; who listens to routers is given DHCPv6, too.
/// - The overrides of DHCPv4 and DHCPv6 are the same where both are on.
/// - The guest's name servers are those of each configured link.
/// - Default routes are ranked; whether a gateway is on the link is worked out.
/// - What comes when it is plugged, and what gets no address, is optional.
/// - Routes and rules of a VRF are in its table, and there is nothing else to a VRF; a rule names addresses.
/// - What has no word is not there: some parameters, `InfiniBand` by itself, the global scope of a route without a gateway.
/// - Links stand by their sections.
fn as_netplan_has_it(config: &NetworkConfig) -> NetworkConfig {
    let mut config = config.with_ranked_defaults(&mut Findings::default());
    let whole = config.clone();
    for link in &mut config.links {
        if link.is_configured() {
            link.dns = whole.dns_of(link);
        }
        let on_link: Vec<bool> = link.routes.iter().map(|route| link.is_on_link(route)).collect();
        for (route, on_link) in link.routes.iter_mut().zip(on_link) {
            route.value.on_link = Some(on_link);
            if route.via.is_none() && route.kind == RouteKind::Unicast && route.scope == Some("global") {
                route.value.scope = None;
            }
        }
        link.rules.retain(|rule| rule.from.is_some() || rule.to.is_some());
        if let Kind::Vrf { table, .. } = link.kind {
            let mut bare = Link::new(link.id.clone(), link.kind.clone(), link.origin.clone());
            bare.routes =
                link.routes.drain(..).filter(|route| route.table.is_none_or(|other| other == table)).collect();
            bare.routes.iter_mut().for_each(|route| route.value.table = None);
            bare.rules = link.rules.drain(..).filter(|rule| rule.table.is_none_or(|other| other == table)).collect();
            bare.rules.iter_mut().for_each(|rule| rule.value.table = None);
            bare.extra = std::mem::take(&mut link.extra);
            *link = bare;
        }
        link.optional |= !matches!(link.kind, Kind::Vrf { .. } | Kind::Loopback)
            && (!link.is_configured() && link.link_local.is_none() || link.activation == Activation::Hotplug);
        if link.activation == Activation::Hotplug {
            link.activation = Activation::Auto;
        }
        if link.accept_ra == Some(true) || link.dhcp6.is_some() {
            link.dhcp6 = Some(Dhcp6::Stateful);
        }
        if link.dhcp4 && link.dhcp6.is_some() {
            let (four, six) = (&mut link.dhcp4_overrides, &mut link.dhcp6_overrides);
            if *four == Overrides::default() { *four = six.clone() } else { *six = four.clone() }
        }
        match &mut link.kind {
            Kind::Physical(physical) => physical.infiniband = false,
            Kind::Bond { settings, .. } | Kind::Bridge { settings, .. } => {
                settings.retain(|setting| !setting.option.netplan.is_empty());
            }
            _ => {}
        }
        link.extra.sort_by(|one, other| one.key.cmp(&other.key));
    }
    config.dns = Dns::default();
    config.links.sort_by_key(|link| super::section(&link.kind));
    config.extra.sort_by(|one, other| one.key.cmp(&other.key));
    config
}

/// All of it, without the places: in the words of `Debug`, as that is where nothing is forgotten.
fn shown(config: &NetworkConfig) -> String {
    let mut shown = String::new();
    let text = format!("{config:#?}");
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.ends_with("origin: Origin {") {
            let end = format!("{}}},", " ".repeat(line.len() - line.trim_start().len()));
            lines.by_ref().find(|line| *line == end);
        } else {
            shown.push_str(line);
            shown.push('\n');
        }
    }
    shown
}

fn read(text: &str, findings: &mut Findings) -> Option<NetworkConfig> {
    match network_config::read(&Document::new("50-firstlight.yaml", text), findings)? {
        Asked::Network(config) => Some(config),
        Asked::Disabled(_) => None,
    }
}

/// The netplan of `config`, and what is read of it.
fn there_and_back(config: &NetworkConfig) -> (String, NetworkConfig) {
    let files = render(Renderer::Netplan, config, None, &mut Findings::default()).files;
    let yaml = files[0].content.clone();
    let mut findings = Findings::default();
    let back = read(&yaml, &mut findings).unwrap();
    assert!(findings.is_empty(), "{findings:#?}\n{yaml}");
    (yaml, back)
}

#[test]
fn each_document_of_version_2_comes_back_as_it_was() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/network");
    let mut compared = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path().join("network-config");
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let Some(config) = read(&text, &mut Findings::default()) else { continue };
        let (yaml, back) = there_and_back(&config);
        similar_asserts(&shown(&as_netplan_has_it(&back)), &shown(&as_netplan_has_it(&config)), &yaml);
        compared += 1;
    }
    assert!(compared > 8, "the fixtures are gone");
}

/// Two texts, and the first lines in which they differ.
fn similar_asserts(seen: &str, expected: &str, yaml: &str) {
    if seen != expected {
        let diff = similar::TextDiff::from_lines(expected, seen);
        panic!("{}\n{yaml}", diff.unified_diff().header("expected", "read back"));
    }
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z][a-z0-9]{1,5}", select(vec!["yes", "on", "1e3", "0x1f", "null"]).prop_map(str::to_owned)]
}

fn given<T: std::fmt::Debug + Clone>(strategy: impl Strategy<Value = T>) -> impl Strategy<Value = Given<T>> {
    of(strategy.prop_map(at))
}

fn mac() -> impl Strategy<Value = Mac> {
    any::<[u8; 4]>().prop_map(|[a, b, c, d]| format!("52:54:{a:02x}:{b:02x}:{c:02x}:{d:02x}").parse().unwrap())
}

fn ip() -> impl Strategy<Value = IpAddr> {
    prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u16; 8]>().prop_map(IpAddr::from)]
}

fn prefix() -> impl Strategy<Value = Prefix> {
    (ip(), 0..=32u8).prop_map(|(address, length)| Prefix::new(address, length).unwrap())
}

prop_compose! {
    fn address()(prefix in prefix(), label in of("[a-z0-9]{1,8}:[0-9]"), deprecated: bool) -> Address {
        Address { prefix, label, deprecated }
    }
}

prop_compose! {
    fn route()(to in prefix(), gateway: u64, has_via: bool, has_from: bool, metric in of(0..5000u32), table in of(1..300u32),
               mtu in of(68..9000u32), on_link in of(any::<bool>()), kind in select(RouteKind::ALL.to_vec()),
               scope in of(select(vec!["global", "link", "host"])), window in of(1..50u32)) -> Route {
        let to = to.network();
        let gateway = match to.address() {
            IpAddr::V4(_) => IpAddr::from(u32::try_from(gateway >> 32).unwrap().to_be_bytes()),
            IpAddr::V6(_) => IpAddr::from(u128::from(gateway).to_be_bytes()),
        };
        let extra = window.map(|window| at(Extra { key: "congestion-window".to_owned(), value: window.into() }));
        Route {
            to, metric, table, mtu, on_link, kind, scope,
            via: (has_via && kind == RouteKind::Unicast).then_some(gateway),
            from: has_from.then_some(gateway),
            extra: extra.into_iter().collect(),
        }
    }
}

prop_compose! {
    fn rule()(from in of(prefix()), table in of(1..300u32), priority in of(any::<u32>()), mark in of(1..99u32),
              tos in of(any::<u8>()), both: bool) -> Rule {
        let from = from.map(|from| from.network());
        // A rule that names no packets is none.
        Rule { from, to: from.filter(|_| both), table, priority, mark: mark.or(from.is_none().then_some(1)), tos }
    }
}

prop_compose! {
    fn overrides()(flags in vec(given(any::<bool>()), 6), metric in given(any::<u32>()), hostname in given(name()),
                   domains in given(select(vec!["true", "false", "route"]).prop_map(str::to_owned))) -> Overrides {
        let [use_dns, use_ntp, use_hostname, use_mtu, use_routes, send_hostname] = flags.try_into().unwrap();
        Overrides { use_dns, use_ntp, use_hostname, use_mtu, use_routes, send_hostname, hostname,
                    use_domains: domains, route_metric: metric }
    }
}

fn settings(table: &'static [LinkOption], members: Vec<String>) -> impl Strategy<Value = Vec<Located<Setting>>> {
    subsequence(table.iter().collect::<Vec<_>>(), 0..6).prop_map(move |options| {
        let setting = |option: &'static LinkOption| {
            let member = members.first().cloned();
            let (value, member) = match option.form {
                Form::Word(words) => (words[words.len() - 1].to_owned(), None),
                Form::Number(most) | Form::Milliseconds(most) | Form::Seconds(most) => (most.to_string(), None),
                Form::Flag => ("1".to_owned(), None),
                Form::Addresses => ("192.0.2.1,192.0.2.2".to_owned(), None),
                Form::Member => (member?, None),
                Form::PerMember(most) => (most.to_string(), Some(member?)),
            };
            Some(at(Setting { option, value, member }))
        };
        options.into_iter().filter_map(setting).collect()
    })
}

/// A link of one kind: hardware for the first few, then what is made of it, each of links before it.
fn kind(index: usize) -> BoxedStrategy<Kind> {
    let before = move |parts: Vec<usize>| -> Vec<Located<String>> {
        parts.into_iter().map(|part| at(format!("link{part}"))).collect()
    };
    let hardware = (of(mac()), vec(name(), 0..3), of(name()), of(name()), of(any::<bool>())).prop_map(
        |(mac, drivers, name, set_name, wake_on_lan)| {
            let by = Match { mac: mac.map(at), drivers: drivers.into_iter().map(at).collect(), name: name.map(at) };
            let has_match = by != Match::default();
            let set_name = set_name.filter(|_| has_match).map(at);
            Kind::Physical(Physical { by, set_name, wake_on_lan, infiniband: false })
        },
    );
    match index {
        0..3 => hardware.boxed(),
        3 => settings(BOND, vec!["link0".to_owned()])
            .prop_map(move |settings| Kind::Bond { members: before(vec![0, 1]), settings })
            .boxed(),
        4 => (1..=4094u16).prop_map(|id| Kind::Vlan { id, parent: at("link3".to_owned()) }).boxed(),
        5 => settings(BRIDGE, vec!["link4".to_owned()])
            .prop_map(move |settings| Kind::Bridge { members: before(vec![4]), settings })
            .boxed(),
        6 => (1..5000u32).prop_map(move |table| Kind::Vrf { table, members: before(vec![2, 5]) }).boxed(),
        _ => Just(Kind::Dummy).boxed(),
    }
}

prop_compose! {
    fn dns()(servers in vec(ip(), 0..3), search in vec("[a-z]{1,4}\\.example", 0..3)) -> Dns {
        Dns::default().then(&Dns { servers, search })
    }
}

fn link(index: usize) -> BoxedStrategy<Link> {
    let addressing = (
        (any::<bool>(), of(select(vec![Dhcp6::Stateful, Dhcp6::Stateless])), overrides().boxed(), overrides().boxed()),
        (of(any::<bool>()), of(any::<bool>()), of(any::<bool>()), of(any::<[bool; 2]>())),
        (vec(address(), 0..3).boxed(), vec(route(), 0..4).boxed(), vec(rule(), 0..3).boxed(), dns().boxed()),
    );
    let whole = (
        given(mac()),
        given(68..9000u32),
        given(1280..9000u32),
        any::<bool>(),
        select(vec![Activation::Auto, Activation::Hotplug, Activation::Manual, Activation::Off]),
        any::<bool>(),
    );
    // Boxed: strategies of this size do not fit a test's stack.
    (kind(index), addressing.boxed(), whole.boxed())
        .prop_map(move |(kind, (dhcp, flags, lists), whole)| {
            let mut link = Link::new(format!("link{index}"), kind, Origin::document("d"));
            (link.dhcp4, link.dhcp6, link.dhcp4_overrides, link.dhcp6_overrides) = dhcp;
            (link.dhcp_by_mac, link.accept_ra, link.ipv6_privacy, _) = flags;
            link.link_local = flags.3.map(|[ipv4, ipv6]| LinkLocal { ipv4, ipv6 });
            let (addresses, routes, rules, dns) = lists;
            for address in addresses {
                if link.addresses.iter().all(|other| other.prefix != address.prefix) {
                    link.addresses.push(at(address));
                }
            }
            routes.into_iter().for_each(|route| link.add_route(at(route)));
            link.rules = rules.into_iter().map(at).collect();
            link.dns = dns;
            let has_extra;
            (link.mac, link.mtu, link.ipv6_mtu, link.optional, link.activation, has_extra) = whole;
            if has_extra {
                link.extra.push(at(Extra { key: "critical".to_owned(), value: true.into() }));
                link.extra
                    .push(at(Extra { key: "openvswitch".to_owned(), value: json!({"external-ids": {"a": "0644"}}) }));
            }
            link
        })
        .boxed()
}

prop_compose! {
    fn config()(links in (link(0), link(1), link(2), link(3), link(4), link(5), link(6), link(7)), dns in dns(), tunnels: bool)
               -> NetworkConfig {
        let mut config = NetworkConfig::new(Origin::document("d"));
        config.links = [links.0, links.1, links.2, links.3, links.4, links.5, links.6, links.7].into();
        config.dns = dns;
        // Two interfaces of one name are a mistake of another test.
        let mut names = std::collections::BTreeSet::new();
        for link in &mut config.links {
            if let Kind::Physical(physical) = &mut link.kind {
                physical.set_name = physical.set_name.take().filter(|name| names.insert(name.value.clone()));
            }
        }
        if tunnels {
            config.extra.push(at(Extra { key: "renderer".to_owned(), value: "networkd".into() }));
            let tunnel = json!({"sit0": {"mode": "sit", "key": "1:2", "ttl": 9, "list": [true, null, "~"]}});
            config.extra.push(at(Extra { key: "tunnels".to_owned(), value: tunnel }));
        }
        config
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_network_comes_back_as_it_was(config in config()) {
        let (yaml, back) = there_and_back(&config);
        similar_asserts(&shown(&as_netplan_has_it(&back)), &shown(&as_netplan_has_it(&config)), &yaml);
    }
}
