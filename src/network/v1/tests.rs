// SPDX-License-Identifier: Apache-2.0
//! What the fixtures do not show of version 1: that no document panics, hangs or reaches into a file.

use proptest::prelude::*;

use crate::config::document::parse;
use crate::finding::{Findings, Origin};
use crate::guest::Nic;
use crate::network::model::{Kind, Link, NetworkConfig};
use crate::network::render::{Renderer, render};

fn read(text: &str) -> (Option<NetworkConfig>, Vec<String>) {
    let mut findings = Findings::default();
    let node = parse(text, &Origin::document("network-config"), &mut findings);
    let config = node.and_then(|node| super::read(&node, &mut findings));
    (config, findings.iter().map(ToString::to_string).collect())
}

#[test]
fn what_is_no_list_of_devices_is_said_and_what_is_empty_is_not() {
    assert!(read("version: 1").1[0].contains("needs a list `config`"));
    assert!(read("version: 1\nconfig: {a: 1}").1[0].contains("`config` is a list, not a mapping"));
    for nothing in ["version: 1\nconfig:", "version: 1\nconfig: []"] {
        let (config, findings) = read(nothing);
        assert!(config.unwrap().links.is_empty() && findings.is_empty());
    }
}

#[test]
fn a_flood_of_entries_ends_at_a_bound() {
    let entry =
        |n| format!("- {{type: vlan, name: v{n}, vlan_link: v{}, vlan_id: 1, subnets: [{{type: dhcp}}]}}\n", n + 1);
    let (config, findings) = read(&format!("version: 1\nconfig:\n{}", (0..5000).map(entry).collect::<String>()));
    assert!(config.unwrap().links.len() <= 1000);
    assert!(findings.iter().any(|finding| finding.contains("more than 4096 entries")), "{findings:?}");
}

#[test]
fn a_mac_address_with_a_name_is_hardware_that_gets_the_name() {
    let (config, findings) = read("config: [{type: physical, name: lan0, mac_address: 'AA:00:00:00:00:01'}]");
    assert_eq!(findings, [""; 0]);
    let config = config.unwrap();
    let physical = config.links[0].physical().unwrap();
    assert_eq!(physical.by.mac.as_ref().unwrap().to_string(), "aa:00:00:00:00:01");
    assert_eq!((physical.by.name.as_ref(), physical.set_name.as_ref().unwrap().as_str()), (None, "lan0"));
}

#[test]
fn a_vlan_may_say_by_its_name_what_it_is_on() {
    let (config, findings) = read("config: [{type: vlan, name: bond0.7}, {type: vlan, name: vlan9, vlan_link: bond0}]");
    assert_eq!(findings, [""; 0]);
    let vlan = |link: &Link| match &link.kind {
        Kind::Vlan { id, parent } => Some((*id, parent.value.clone())),
        _ => None,
    };
    let vlans: Vec<_> = config.unwrap().links.iter().filter_map(vlan).collect();
    assert_eq!(vlans, [(7, "bond0".to_owned()), (9, "bond0".to_owned())]);
}

#[test]
fn a_network_on_a_member_of_a_bond_is_said_once_and_left_out() {
    let text = "config: [{type: physical, name: a, subnets: [{type: static, address: 192.0.2.2/24, gateway: 192.0.2.1, \
         dns_nameservers: [192.0.2.9]}]}, {type: bond, name: b, bond_interfaces: [a], subnets: [{type: dhcp}]}]";
    let (config, findings) = read(text);
    let config = config.unwrap();
    assert!(!config.links[0].is_configured() && config.links[0].routes.is_empty() && config.links[1].dhcp4);
    assert_eq!(config.dns.servers.len(), 1);
    assert!(findings.len() == 1 && findings[0].contains("on a member of b does not work"), "{findings:?}");
}

#[test]
fn options_of_bonds_are_read_with_and_without_their_prefix() {
    let text =
        "config: [{type: bond, name: b, bond_interfaces: [a], params: {mode: 1, bond_miimon: 50, bond-primary: a}}]";
    let (config, findings) = read(text);
    assert_eq!(findings, [""; 0]);
    let Kind::Bond { settings, .. } = &config.as_ref().unwrap().links[0].kind else { panic!() };
    let shown: Vec<_> =
        settings.iter().map(|setting| format!("{}={}", setting.option.kernel, setting.value.value)).collect();
    assert_eq!(shown, ["mode=active-backup", "miimon=50", "primary=a"]);
}

/// What may stand at a key: what should, and what should not.
fn value() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        "[a-z;`$]{0,6}",
        Just("10.0.0.1/24".to_owned()),
        Just("fd00::1".to_owned()),
        Just("bond0".to_owned()),
        Just("eth0".to_owned()),
        Just("\"a\\n  up /sbin/reboot\"".to_owned()),
        Just("[eth0, bond0]".to_owned()),
        Just("{mode: 1, bridge_pathcost: [eth0 7], fd: 2}".to_owned()),
        Just("'52:54:00:00:00:01'".to_owned()),
        Just("static".to_owned()),
        Just("dhcp4".to_owned()),
        any::<u16>().prop_map(|number| number.to_string()),
    ];
    text.prop_map(|text| if text.contains([';', '`']) { format!("'{text}'") } else { text })
}

prop_compose! {
    fn mapping(keys: &'static [&'static str])(
        pairs in prop::collection::vec((prop::sample::select(keys), value()), 0..6)) -> String {
        pairs.iter().map(|(key, value)| format!("{key}: {value}, ")).collect()
    }
}

prop_compose! {
    fn device()(kind in prop::sample::select(super::TYPES), own in mapping(&["name", "mac_address", "mtu", "params", "vlan_link",
                "vlan_id", "bond_interfaces", "bridge_interfaces", "address", "search", "interface", "destination", "gateway"]),
                subnet in mapping(&["type", "address", "netmask", "gateway", "dns_nameservers", "dns_search", "control",
                "metric", "pointopoint", "scope", "mtu", "routes"])) -> String {
        format!("- {{type: {kind}, {own}subnets: [{{{subnet}}}]}}\n")
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn no_document_panics_or_smuggles_a_line_into_a_file(devices in prop::collection::vec(device(), 0..6)) {
        let (config, findings) = read(&format!("version: 1\nconfig:\n{}", devices.concat()));
        let Some(config) = config else { return Err(TestCaseError::fail(findings.join("\n"))) };
        let nics: Vec<Nic> = config.links.iter().map(|link| Nic { name: link.id.clone(), ..Nic::default() }).collect();
        for renderer in Renderer::ALL {
            let rendered = render(renderer, &config, Some(&nics), &mut Findings::default());
            for line in rendered.files.iter().flat_map(|file| file.content.lines()) {
                prop_assert!(!line.contains("up /sbin"), "{renderer}: {line}");
            }
        }
    }
}
