// SPDX-License-Identifier: Apache-2.0
//! Tests of the order in which a network is made, and of what is left out of it.

use proptest::prelude::*;

use super::*;
use crate::network::network_config::{Asked, read};
use crate::seed::Document;

/// The lines and findings of a document, in a guest with `eth0` … `eth3`.
fn lines(yaml: &str, nics: bool) -> (Vec<String>, Vec<String>) {
    let mut findings = Findings::default();
    let Some(Asked::Network(config)) = read(&Document::new("network-config", yaml), &mut findings) else {
        panic!("{findings:?}")
    };
    let guest: Vec<Nic> = (0..4)
        .map(|index| Nic { name: format!("eth{index}"), mac: format!("fa:16:3e:00:00:0{index}"), ..Nic::default() })
        .collect();
    let mut findings = Findings::default();
    let changes = render(&config, nics.then_some(&guest), &mut findings);
    (changes.iter().map(Change::command).collect(), findings.iter().map(ToString::to_string).collect())
}

fn made(yaml: &str) -> Vec<String> {
    let (lines, findings) = lines(yaml, true);
    assert!(findings.is_empty(), "{findings:?}");
    lines
}

#[test]
fn parts_come_before_what_is_made_of_them_and_addresses_after_all_is_up() {
    let lines = made(
        "version: 2
vlans: {v7: {id: 7, link: b, mtu: 1400, addresses: [192.0.2.5/24], routes: [{to: default, via: 192.0.2.1}]}}
bonds: {b: {interfaces: [eth1, eth0], parameters: {mode: 802.3ad, mii-monitor-interval: 100, lacp-rate: fast}}}
ethernets: {eth0: {}, eth1: {mtu: 9000}}
",
    );
    assert_eq!(
        lines,
        [
            "sysctl net/ipv6/conf/eth0/disable_ipv6=1",
            "ip link set dev eth1 mtu 9000",
            "sysctl net/ipv6/conf/eth1/disable_ipv6=1",
            "ip link add dev b type bond mode 802.3ad miimon 100 lacp_rate fast",
            "ip link set dev eth1 master b",
            "ip link set dev eth0 master b",
            "ip link add dev v7 link b type vlan id 7",
            "ip link set dev v7 mtu 1400",
            "ip link set dev eth0 up",
            "ip link set dev eth1 up",
            "ip link set dev b up",
            "ip link set dev v7 up",
            "ip address replace 192.0.2.5/24 dev v7 broadcast +",
            "ip route replace 0.0.0.0/0 via 192.0.2.1 dev v7",
        ]
    );
}

#[test]
fn rules_are_asked_in_the_order_of_the_document() {
    let lines = made(
        "version: 2
ethernets: {eth0: {addresses: [192.0.2.5/24], routing-policy: [{from: 192.0.2.5, table: 7}, {to: 10.0.0.0/8, table: 8},
    {from: 10.0.0.0/8, table: 9, priority: 5}]}}
",
    );
    let rules: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("ip rule add ")).collect();
    assert_eq!(
        rules,
        [
            "from 192.0.2.5/32 lookup 7 priority 30000",
            "to 10.0.0.0/8 lookup 8 priority 30001",
            "from 10.0.0.0/8 lookup 9 priority 5"
        ]
    );
}

#[test]
fn a_vrf_s_table_is_that_of_its_routes() {
    let lines = made(
        "version: 2
ethernets: {eth0: {addresses: [192.0.2.5/24], routes: [{to: 10.0.0.0/8, via: 192.0.2.9}]}}
vrfs: {blue: {table: 1001, interfaces: [eth0], routes: [{to: default, via: 192.0.2.1}]}}
",
    );
    let routes: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("ip route replace ")).collect();
    assert_eq!(routes[0], "10.0.0.0/8 via 192.0.2.9 dev eth0 table 1001");
    assert!(routes[1].starts_with("0.0.0.0/0 via 192.0.2.1 table 1001"), "{routes:?}");
}

#[test]
fn what_cannot_be_costs_itself_and_is_said() {
    let (lines, findings) = lines(
        "version: 2
ethernets:
  eth0: {dhcp4: true}
  eth1: {wakeonlan: true, addresses: [192.0.2.5/24: {label: other}, 192.0.2.6/24],
    routes: [{to: 10.0.0.0/8, via: 192.0.2.1}, {to: 10.0.0.0/8, via: 192.0.2.2}]}
  gone: {match: {macaddress: 'fa:16:3e:00:00:ff'}}
vlans: {v1: {id: 1, link: gone, addresses: [192.0.2.7/24]}}
bonds: {b1: {interfaces: [gone]}}
",
        true,
    );
    let text = findings.join("\n");
    for said in
        ["eth0 is to be configured by DHCP", "wake-on-LAN", "label `other`", "of two routes", "`v1` is left out"]
    {
        assert!(text.contains(said), "{said}: {text}");
    }
    let has = |line: &str| lines.iter().any(|other| other == line);
    assert!(has("ip address replace 192.0.2.5/24 dev eth1 broadcast +") && has("ip link set dev b1 up"), "{lines:?}");
    assert!(has("ip route replace 10.0.0.0/8 via 192.0.2.1 dev eth1"), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("v1 ") || line.contains("192.0.2.2")), "{lines:?}");
}

#[test]
fn without_the_guest_s_interfaces_names_are_the_document_s() {
    let yaml = "version: 2
ethernets:
  a: {match: {macaddress: 'fa:16:3e:00:00:01'}, addresses: [192.0.2.5/24]}
  b: {match: {macaddress: 'fa:16:3e:00:00:02'}, set-name: lan, addresses: [192.0.2.6/24]}
";
    let (lines, findings) = lines(yaml, false);
    assert_eq!(lines, ["ip link set dev lan up", "ip address replace 192.0.2.6/24 dev lan broadcast +"]);
    assert!(findings.len() == 1 && findings[0].contains("`a` is known in the running guest alone"), "{findings:?}");
}

proptest! {
    /// Whatever a document calls things, a change is one line of plain words.
    #[test]
    fn no_name_becomes_a_line_of_its_own(name in "[ -~\n\t]{1,18}", label in "[ -~\n\t]{0,12}") {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let yaml = format!(
            "{{\"version\": 2, \"dummy-devices\": {{{}: {{\"addresses\": [{{\"192.0.2.1/24\": {{\"label\": {}}}}}]}}}}, \
             \"ethernets\": {{\"eth0\": {{\"match\": {{\"macaddress\": \"fa:16:3e:00:00:00\"}}, \"set-name\": {}}}}}}}",
            quoted(&name), quoted(&label), quoted(&name)
        );
        let mut findings = Findings::default();
        if let Some(Asked::Network(config)) = read(&Document::new("network-config", yaml.as_str()), &mut findings) {
            let nics = [Nic { name: "eth0".into(), mac: "fa:16:3e:00:00:00".into(), ..Nic::default() }];
            for change in render(&config, Some(&nics), &mut findings) {
                let line = change.to_string();
                prop_assert!(line.chars().all(|c| c.is_ascii_alphanumeric() || " .:/-+_#=".contains(c)), "{line:?}");
            }
        }
    }
}
