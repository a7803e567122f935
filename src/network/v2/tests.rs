// SPDX-License-Identifier: Apache-2.0
//! What version 2 says is what the model has; what is wrong costs only itself.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::config::document::parse;
use crate::finding::Origin;
use crate::network::model::{Activation, Dhcp6};
use crate::network::render::{Renderer, render};

fn read_text(text: &str) -> (NetworkConfig, Vec<String>) {
    let mut findings = Findings::default();
    let node = parse(text, &Origin::document("d"), &mut findings).unwrap();
    let config = read(&node, &mut findings).unwrap();
    (config, findings.iter().map(ToString::to_string).collect())
}

/// The only link, of a document without findings.
fn only(text: &str) -> Link {
    let (mut config, findings) = read_text(text);
    assert!(findings.is_empty() && config.links.len() == 1, "{findings:?}");
    config.links.remove(0)
}

#[test]
fn values_are_taken_as_the_field_writes_them() {
    let link = only(
        "ethernets: {a: {dhcp4: 'yes', dhcp6: on, mtu: '1400', optional: 1, accept-ra: 'False', activation-mode: Off}}",
    );
    assert_eq!((link.dhcp4, link.dhcp6, link.accept_ra), (true, Some(Dhcp6::Stateful), Some(false)));
    assert_eq!((link.mtu.unwrap().value, link.optional, link.activation), (1400, true, Activation::Off));
    let link = only("ethernets: {a: {match: {macaddress: 'FA-16-3E-00-00-0A'}, nameservers: {search: lab.example}}}");
    assert_eq!(link.physical().unwrap().by.mac.as_ref().unwrap().to_string(), "fa:16:3e:00:00:0a");
    assert_eq!(link.dns.search, ["lab.example"]);
}

#[test]
fn what_a_vrf_is_told_stays_in_its_table() {
    let (config, findings) = read_text(
        "vrfs: {blue: {table: 10, routes: [{to: default, via: 10.0.0.1}, {to: 10.9.0.0/16, via: 10.0.0.1, table: 11}],
          routing-policy: [{from: 10.0.0.5}]}}",
    );
    let [blue] = &config.links[..] else { panic!("{config:?}") };
    assert_eq!(blue.routes.iter().map(|route| route.table).collect::<Vec<_>>(), [Some(10)]);
    assert_eq!(blue.rules.iter().map(|rule| rule.table).collect::<Vec<_>>(), [Some(10)]);
    assert_eq!(findings.len(), 1);
    assert!(findings[0].starts_with("d:1:65: error: table 11 is not that of `blue`, which is 10"), "{findings:?}");
}

#[test]
fn what_netplan_would_refuse_a_document_for_is_left_out_of_what_it_alone_knows() {
    let (config, findings) = read_text(
        "renderer: netwrkd\nethernets: {a: {emit-lldp: perhaps, critical: true, renderer: sysvinit}}\n\
         modems: {m: {apn: \"a\\nExecStart=/bin/evil\", number: '*99#'}}",
    );
    let written = |extra: &Located<Extra>| (extra.key.clone(), extra.value.value.clone());
    assert_eq!(
        config.extra.iter().map(written).collect::<Vec<_>>(),
        [("modems".to_owned(), json!({"m": {"number": "*99#"}}))]
    );
    assert_eq!(config.links[0].extra.iter().map(written).collect::<Vec<_>>(), [("critical".to_owned(), true.into())]);
    let places: Vec<&str> = findings.iter().filter_map(|finding| finding.split(": ").next()).collect();
    assert_eq!(places, ["d:1:11", "d:3:19", "d:2:28", "d:2:63"]);
}

#[test]
fn every_value_knows_where_it_is_written() {
    let link = only("ethernets:\n  a:\n    mtu: 1400\n    addresses:\n    - 10.0.0.1/24\n");
    assert_eq!(link.origin.line(), Some((2, 3)));
    assert_eq!(link.mtu.unwrap().origin.line(), Some((3, 10)));
    assert_eq!(link.addresses[0].origin.line(), Some((5, 7)));
}

#[test]
fn what_only_netplan_knows_is_kept_as_it_is_written() {
    let (config, findings) = read_text(
        "renderer: networkd\ntunnels: {t: {key: 0644, mac: 52:54:00:12:34:56, port: 0x10, flag: yes, text: 'no'}}\n\
         ethernets: {a: {critical: true}}\nbridges: {b: {interfaces: [t, a]}}\nvlans: {v: {id: 2, link: t}}\n",
    );
    assert_eq!(findings, [""; 0]);
    let kept: Vec<(&str, &Json)> = config.extra.iter().map(|extra| (extra.key.as_str(), &extra.value.value)).collect();
    let tunnel = json!({"t": {"key": "0644", "mac": "52:54:00:12:34:56", "port": 16, "flag": true, "text": "no"}});
    let vlan = json!({"v": {"id": 2, "link": "t"}});
    assert_eq!(kept, [("renderer", &json!("networkd")), ("tunnels", &tunnel), ("vlans", &vlan)]);
    let bridge = &config.links[1];
    assert_eq!(bridge.members().iter().map(|member| member.as_str()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(bridge.extra[0].value, Extra { key: "interfaces".to_owned(), value: json!(["t"]) });
}

#[test]
fn an_interface_is_none_rather_than_another_one() {
    for unfit in ["macaddress: fa:16", "mac: 'fa:16:3e:00:00:01'", "name: 'a b'", "driver: [virtio_net, '\"']"] {
        let (config, findings) = read_text(&format!("ethernets: {{a: {{match: {{{unfit}}}}}, b: {{dhcp4: true}}}}"));
        assert!(config.links.len() == 1 && config.links[0].id == "b" && findings.len() == 1, "{findings:?}");
    }
    let any = only("ethernets: {a: {match: {}}}");
    assert_eq!(any.physical().unwrap().by.name.as_ref().unwrap().value, "*");
}

#[test]
fn a_circle_is_opened_where_most_of_it_stays() {
    let (config, findings) = read_text(
        "bonds: {b: {interfaces: [v]}}\nvlans: {v: {id: 1, link: b}, w: {id: 1, link: x}, x: {id: 1, link: w}}",
    );
    assert_eq!(config.links.iter().map(|link| link.id.as_str()).collect::<Vec<_>>(), ["b", "v"]);
    assert!(config.links[0].members().is_empty() && findings.len() == 3, "{findings:?}");
}

#[test]
fn attacks_end_at_a_bound() {
    let many: String = (0..3000).map(|index| format!("  v{index}: {{id: 1, link: v{}}}\n", index + 1)).collect();
    let (config, findings) = read_text(&format!("vlans:\n{many}"));
    assert!(config.links.is_empty() && findings[0].contains("more than 1024 links"), "{}", findings[0]);
    let wide = format!("ethernets: {{a: {{addresses: [{}]}}}}", "10.0.0.1/24, ".repeat(5000));
    assert!(read_text(&wide).1[0].contains("more than 1024 entries"));
    let all = format!("[{}]", "a,".repeat(1000));
    let bonds: String = (0..6).map(|index| format!("  b{index}: {{interfaces: {all}}}\n")).collect();
    assert!(read_text(&format!("bonds:\n{bonds}")).1[0].contains("more than 4096 members"));
}

/// Text that would be a line or a section of its own in a manager's file.
const HOSTILE: &str = "x\n[Network]\nAddress=192.0.2.66/32\n  post-up evil\n";

/// Values that stand where they should, now and then, and often enough not.
fn value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i32>().prop_map(Json::from),
        "[a-z\\n\\[= ]{0,8}".prop_map(Json::from),
        prop::sample::select(vec!["a", "b", "v", "10.0.0.9/24", "fd00::9", "default", "802.3ad", HOSTILE])
            .prop_map(Json::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Json::from),
            prop::collection::btree_map(any_key(), inner, 0..3).prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

fn any_key() -> impl Strategy<Value = String> {
    let known =
        [WORDS, NETPLAN_ALONE, NETPLAN_HARDWARE, &["match", "interfaces", "parameters", "to", "via", "mode", HOSTILE]];
    prop::sample::select(known.concat()).prop_map(str::to_owned)
}

fn body() -> impl Strategy<Value = Json> {
    prop::collection::btree_map(any_key(), value(), 0..8).prop_map(|map| Json::Object(map.into_iter().collect()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_document_panics_or_smuggles_a_line_into_a_file(
        hardware in body(), bond in body(), vlan in body(), bridge in body(), other in value(), name in value()
    ) {
        let mut vlan = vlan;
        vlan["id"] = 7.into();
        vlan["link"] = "a".into();
        let name = name.as_str().unwrap_or("b").to_owned();
        let document = json!({"version": 2, "ethernets": {"a": hardware, "wild": other}, "bonds": {name: bond},
                              "vlans": {"v": vlan}, "bridges": {"br": bridge}});
        let mut findings = Findings::default();
        let node = parse(&document.to_string(), &Origin::document("d"), &mut findings).unwrap();
        let config = read(&node, &mut findings).unwrap();
        for renderer in Renderer::ALL {
            let files = render(renderer, &config, None, &mut findings).files;
            if renderer == Renderer::Netplan {
                // Its own language, and so any text may stand in it: as a text.
                let back = parse(&files[0].content, &Origin::document("f"), &mut Findings::default()).unwrap();
                let back = back.get("network").unwrap();
                prop_assert!(back.entries().iter().all(|(key, _)| {
                    key.text().is_some_and(|key| SECTIONS.contains(&key) || key == "version")
                }), "{}", files[0].content);
                continue;
            }
            for line in files.iter().flat_map(|file| file.content.lines()) {
                prop_assert!(!line.contains("192.0.2.66") && !line.contains("evil"), "{renderer}: {line}");
            }
        }
    }
}
