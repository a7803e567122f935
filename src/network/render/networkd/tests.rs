// SPDX-License-Identifier: Apache-2.0
//! What networkd is told of each kind of interface.

use proptest::prelude::*;

use crate::finding::{Findings, Located, Origin};
use crate::guest::Nic;
use crate::network::model::options::{BOND, BRIDGE, LinkOption, Setting};
use crate::network::model::{Activation, Address, Extra, Kind, Link, Match, NetworkConfig, Physical, Rule};
use crate::network::model::{Dhcp6, LinkLocal, Route, RouteKind};
use crate::network::prefix::{Mac, Prefix};
use crate::network::render::{HEADER, Renderer, render};

fn at<T>(value: T) -> Located<T> {
    Located::new(value, Origin::document("d"))
}

fn link(id: &str, kind: Kind) -> Link {
    Link::new(id.to_owned(), kind, Origin::document("d"))
}

fn nic(id: &str, mac: &str) -> Link {
    link(id, Kind::Physical(Match::mac(at(mac.parse().unwrap())).into()))
}

fn setting(table: &'static [LinkOption], name: &str, value: &str, member: Option<&str>) -> Located<Setting> {
    let option = LinkOption::named(table, name).unwrap();
    at(Setting { option, value: value.to_owned(), member: member.map(str::to_owned) })
}

/// The files by their names without what all have in common, and what was said.
fn written(links: Vec<Link>, nics: Option<&[Nic]>) -> (Vec<(String, String)>, Vec<String>) {
    let config = NetworkConfig { links, ..NetworkConfig::new(Origin::document("d")) };
    let mut findings = Findings::default();
    let files = render(Renderer::Networkd, &config, nics, &mut findings).files.into_iter().map(|file| {
        assert_eq!(file.mode, 0o644);
        let path = file.path.to_str().unwrap().replace("/etc/systemd/network/10-firstlight-", "");
        (path, file.content.strip_prefix(HEADER).unwrap().to_owned())
    });
    (files.collect(), findings.iter().map(ToString::to_string).collect())
}

fn file<'a>(files: &'a [(String, String)], name: &str) -> &'a str {
    &files.iter().find(|(path, _)| path == name).unwrap_or_else(|| panic!("{name} among {files:?}")).1
}

const MAC: &str = "fa:16:3e:00:00:01";

#[test]
fn a_vlan_on_a_bond_of_two_is_made_of_its_members_by_their_own_addresses() {
    let settings = vec![
        setting(BOND, "mode", "active-backup", None),
        setting(BOND, "miimon", "100", None),
        setting(BOND, "arp_ip_target", "192.0.2.1,192.0.2.2", None),
        setting(BOND, "all_slaves_active", "1", None),
        setting(BOND, "primary", "b", None),
        setting(BOND, "use_carrier", "1", None),
        setting(BOND, "arp_validate", "filter", None),
    ];
    let members = vec![at("a".to_owned()), at("b".to_owned())];
    let mut addressed = nic("b", "fa:16:3e:00:00:02");
    addressed.dhcp4 = true;
    let mut bond = link("bond0", Kind::Bond { members, settings });
    bond.mac = Some(at(MAC.parse().unwrap()));
    bond.mtu = Some(at(9000));
    let mut vlan = link("bond0.7", Kind::Vlan { id: 7, parent: at("bond0".to_owned()) });
    vlan.addresses.push(at("192.0.2.5/24".parse::<Prefix>().unwrap().into()));
    let (files, findings) = written(vec![nic("a", MAC), addressed, bond, vlan], None);
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a.network", "b.network", "bond0.netdev", "bond0.network", "bond0.7.netdev", "bond0.7.network"]);
    assert_eq!(
        file(&files, "b.network"),
        "[Match]\nPermanentMACAddress=fa:16:3e:00:00:02\nMACAddress=fa:16:3e:00:00:02 fa:16:3e:00:00:01\nType=ether\n\n\
         [Link]\nRequiredForOnline=no\n\n\
         [Network]\nDHCP=no\nLinkLocalAddressing=no\nBond=bond0\nPrimarySlave=yes\n"
    );
    assert!(!file(&files, "a.network").contains("PrimarySlave"));
    assert_eq!(
        file(&files, "bond0.netdev"),
        "[NetDev]\nName=bond0\nKind=bond\nMACAddress=fa:16:3e:00:00:01\n\n[Bond]\nMode=active-backup\n\
         MIIMonitorSec=100ms\nARPIPTargets=192.0.2.1 192.0.2.2\nAllSlavesActive=yes\n"
    );
    assert_eq!(
        file(&files, "bond0.network"),
        "[Match]\nName=bond0\n\n[Link]\nMTUBytes=9000\nRequiredForOnline=no\n\n\
         [Network]\nDHCP=no\nConfigureWithoutCarrier=yes\nVLAN=bond0.7\n"
    );
    assert_eq!(file(&files, "bond0.7.netdev"), "[NetDev]\nName=bond0.7\nKind=vlan\n\n[VLAN]\nId=7\n");
    let said: Vec<bool> = ["on a member of bond0", "`use_carrier: 1`", "`arp_validate: filter`"]
        .iter()
        .zip(&findings)
        .map(|(what, finding)| finding.contains(what))
        .collect();
    assert_eq!((said, findings.len()), (vec![true; 3], 3), "{findings:?}");
}

#[test]
fn a_bridge_s_ports_and_a_vrf_s_members_name_it_and_keep_what_is_theirs() {
    let settings = vec![
        setting(BRIDGE, "stp", "0", None),
        setting(BRIDGE, "forward_delay", "4", None),
        setting(BRIDGE, "path_cost", "50", Some("a")),
        setting(BRIDGE, "port_priority", "9", Some("b")),
    ];
    let bridge = link("br0", Kind::Bridge { members: vec![at("a".to_owned())], settings });
    let vrf = link("red", Kind::Vrf { table: 10, members: vec![at("b".to_owned())] });
    let mut member = nic("b", "fa:16:3e:00:00:02");
    member.addresses.push(at("192.0.2.5/24".parse::<Prefix>().unwrap().into()));
    let (files, findings) = written(vec![nic("a", MAC), member, bridge, vrf, link("lo", Kind::Loopback)], None);
    assert_eq!(findings, [""; 0]);
    assert_eq!(
        file(&files, "a.network"),
        "[Match]\nMACAddress=fa:16:3e:00:00:01\nType=ether\n\n[Link]\nRequiredForOnline=no\n\n\
         [Network]\nDHCP=no\nLinkLocalAddressing=no\nBridge=br0\n\n[Bridge]\nCost=50\n"
    );
    assert_eq!(
        file(&files, "b.network"),
        "[Match]\nMACAddress=fa:16:3e:00:00:02\nType=ether\n\n[Network]\nDHCP=no\nAddress=192.0.2.5/24\nVRF=red\n"
    );
    assert_eq!(file(&files, "br0.netdev"), "[NetDev]\nName=br0\nKind=bridge\n\n[Bridge]\nSTP=no\nForwardDelaySec=4s\n");
    assert_eq!(file(&files, "red.netdev"), "[NetDev]\nName=red\nKind=vrf\n\n[VRF]\nTable=10\n");
    assert!(!files.iter().any(|(name, _)| name == "lo.netdev"));
}

#[test]
fn addresses_routes_and_rules_have_sections_where_a_line_is_not_enough() {
    let mut link = nic("a", MAC);
    let address = |text: &str| Address::from(text.parse::<Prefix>().unwrap());
    link.addresses = vec![
        at(address("192.0.2.5/24")),
        at(Address { label: Some("ens3:1".to_owned()), ..address("192.0.2.6/32") }),
        at(Address { deprecated: true, ..address("2001:db8::5/64") }),
    ];
    let default: Prefix = "0.0.0.0/0".parse().unwrap();
    let plain = Route::new(default, "192.0.2.1".parse().unwrap());
    link.routes = vec![
        at(Route { table: Some(100), metric: Some(0), mtu: Some(1400), from: "192.0.2.6".parse().ok(), ..plain }),
        at(Route { scope: Some("link"), ..Route::direct(default) }),
        at(Route { kind: RouteKind::Blackhole, ..Route::direct("10.0.0.0/8".parse().unwrap()) }),
        at(Route::new("10.1.0.0/16".parse().unwrap(), "198.51.100.1".parse().unwrap())),
    ];
    link.rules = vec![
        at(Rule { from: "192.0.2.6/32".parse().ok(), table: Some(100), priority: Some(5), ..Rule::default() }),
        at(Rule { mark: Some(7), tos: Some(8), table: Some(101), ..Rule::default() }),
    ];
    let (files, findings) = written(vec![link], None);
    assert_eq!(findings, [""; 0]);
    let (_, sections) = file(&files, "a.network").split_once("\n\n").unwrap();
    assert_eq!(
        sections,
        "[Network]\nDHCP=no\nAddress=192.0.2.5/24\n\n[Address]\nAddress=192.0.2.6/32\nLabel=ens3:1\n\n\
         [Address]\nAddress=2001:db8::5/64\nPreferredLifetime=0\n\n\
         [Route]\nGateway=192.0.2.1\nMetric=0\nTable=100\nPreferredSource=192.0.2.6\nMTUBytes=1400\n\n\
         [Route]\nDestination=0.0.0.0/0\nScope=link\n\n[Route]\nDestination=10.0.0.0/8\nType=blackhole\n\n\
         [Route]\nDestination=10.1.0.0/16\nGateway=198.51.100.1\nGatewayOnLink=yes\nGatewayOnlink=yes\n\n\
         [RoutingPolicyRule]\nFrom=192.0.2.6/32\nTable=100\nPriority=5\n\n\
         [RoutingPolicyRule]\nFamily=both\nTable=101\nFirewallMark=7\nTypeOfService=8\n"
    );
}

#[test]
fn what_is_said_of_dhcp_and_routers_is_told() {
    let mut link = nic("a", MAC);
    (link.dhcp4, link.dhcp6, link.dhcp_by_mac) = (true, Some(Dhcp6::Stateful), Some(true));
    (link.accept_ra, link.ipv6_privacy, link.optional) = (Some(false), Some(true), true);
    link.link_local = Some(LinkLocal { ipv4: false, ipv6: true });
    link.ipv6_mtu = Some(at(1280));
    link.activation = Activation::Manual;
    link.dhcp4_overrides.use_dns = Some(at(false));
    link.dhcp4_overrides.use_domains = Some(at("route".to_owned()));
    link.dhcp4_overrides.route_metric = Some(at(50));
    link.dhcp4_overrides.hostname = Some(at("vm1".to_owned()));
    link.dhcp6_overrides.use_routes = Some(at(false));
    link.dhcp6_overrides.hostname = Some(at("vm1".to_owned()));
    link.dhcp6_overrides.send_hostname = Some(at(true));
    link.extra.push(at(Extra { key: "openvswitch".to_owned(), value: serde_json::Value::Null }));
    let (files, findings) = written(vec![link], None);
    assert_eq!(findings.len(), 1, "{findings:?}");
    let (_, sections) = file(&files, "a.network").split_once("\n\n").unwrap();
    assert_eq!(
        sections,
        "[Link]\nActivationPolicy=manual\nRequiredForOnline=no\n\n\
         [Network]\nDHCP=yes\nLinkLocalAddressing=ipv6\nIPv6AcceptRA=no\nIPv6PrivacyExtensions=yes\n\
         IPv6MTUBytes=1280\n\n\
         [DHCPv4]\nClientIdentifier=mac\nUseDNS=no\nUseDomains=route\nHostname=vm1\nUseMTU=yes\nRouteMetric=50\n\n\
         [DHCPv6]\nWithoutRA=solicit\nSendHostname=yes\nHostname=vm1\n\n[IPv6AcceptRA]\nUseGateway=no\nUseRoutePrefix=no\n"
    );
}

#[test]
fn hardware_is_renamed_by_its_address_where_that_is_known_and_otherwise_keeps_udev_s_name() {
    let named = |by: Match, set_name: Option<&str>| {
        let set_name = set_name.map(|name| at(name.to_owned()));
        Kind::Physical(Physical { by, set_name, wake_on_lan: Some(true), infiniband: false })
    };
    let by_name = Match::named(at("ens*".to_owned()));
    let nics = [Nic { name: "ens3".to_owned(), mac: MAC.to_owned(), ..Nic::default() }];
    let (files, _) = written(vec![link("a", named(by_name.clone(), Some("lan")))], Some(&nics));
    let name = "/etc/systemd/network/11-firstlight-a";
    assert_eq!(
        file(&files, &format!("{name}.link")),
        "[Match]\nMACAddress=fa:16:3e:00:00:01\nType=ether\n\n[Link]\nName=lan\nWakeOnLan=magic\n"
    );
    assert!(file(&files, &format!("{name}.network")).starts_with("[Match]\nType=ether\nName=lan\n\n"));
    let (files, _) = written(vec![link("a", named(by_name, None))], None);
    assert_eq!(
        file(&files, &format!("{name}.link")),
        "[Match]\nOriginalName=ens*\nType=ether\n\n[Link]\nNamePolicy=keep kernel database onboard slot path\n\
         AlternativeNamesPolicy=database onboard slot path\nWakeOnLan=magic\n"
    );
}

#[test]
fn a_pattern_that_would_match_everything_costs_only_its_link() {
    for pattern in ["!ens3", "", "a b", "a\n[Network]", "x\\"] {
        let bad = link("bad", Kind::Physical(Match::named(at(pattern.to_owned())).into()));
        let (files, findings) = written(vec![bad, nic("good", MAC)], None);
        assert_eq!(files.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["good.network"], "{pattern:?}");
        assert_eq!(findings.len(), 1, "{findings:?}");
    }
    let number = link("100", Kind::Dummy);
    assert!(written(vec![number], None).1[0].contains("`100`"), "a number is an interface's index");
    let twin = Nic { driver: "hv_netvsc".to_owned(), has_twin: true, mac: MAC.to_owned(), ..Nic::default() };
    let (files, _) = written(vec![nic("a", MAC)], Some(&[twin]));
    assert!(file(&files, "a.network").contains("\nDriver=hv_netvsc\n"));
}

proptest! {
    /// Whatever a reader lets through, each line is a section's head or a key of ours.
    #[test]
    fn no_text_of_a_document_makes_a_line(text in "\\PC{0,8}[\\n\\r\\\\\\[]{0,2}[A-Z=\\]]{0,4}") {
        let mut evil = nic("a", MAC);
        evil.dns.search.push(text.clone());
        evil.dhcp4 = true;
        evil.dhcp4_overrides.hostname = Some(at(text.clone()));
        let label = Address { label: Some(text.clone()), ..Address::from("192.0.2.1/24".parse::<Prefix>().unwrap()) };
        evil.addresses.push(at(label));
        let pattern = link("b", Kind::Physical(Match { drivers: vec![at(text)], ..Match::default() }.into()));
        let keys = ["MACAddress", "Type", "Driver", "RequiredForOnline", "DHCP", "UseMTU", "Domains", "Address", "Label", "Hostname"];
        for (_, content) in written(vec![evil, pattern], None).0 {
            for line in content.split(['\n', '\r']).filter(|line| !line.is_empty()) {
                let known = keys.iter().any(|key| line.strip_prefix(key).is_some_and(|rest| rest.starts_with('=')));
                prop_assert!((known && !line.ends_with('\\')) || (line.starts_with('[') && line.ends_with(']')), "{line:?}");
            }
        }
    }
}

#[test]
fn a_permanent_address_is_asked_for_only_where_another_is_carried() {
    let mut cloned = nic("a", MAC);
    cloned.mac = Some(at("02:00:00:00:00:09".parse::<Mac>().unwrap()));
    let (files, _) = written(vec![cloned], None);
    let text = file(&files, "a.network");
    assert!(
        // A networkd that does not know the first of them would take all hardware, were it not for the second.
        text.contains("PermanentMACAddress=fa:16:3e:00:00:01\nMACAddress=fa:16:3e:00:00:01 02:00:00:00:00:09\n")
            && text.contains("\nMACAddress=02:00:00:00:00:09\n")
    );
}
