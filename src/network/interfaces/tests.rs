// SPDX-License-Identifier: Apache-2.0
//! What is written for ifupdown is read as what it was written from, and no text does harm.

use std::fs;
use std::path::Path;

use super::*;
use crate::guest::Nic;
use crate::network::model::{Kind, Link};
use crate::network::render::{Renderer, render};
use proptest::prelude::*;

fn parsed(text: &str) -> (NetworkConfig, Vec<String>) {
    let mut findings = Findings::default();
    let config = read(&Document::new("interfaces", text), &mut findings).unwrap();
    (config, findings.iter().map(ToString::to_string).collect())
}

/// What ifupdown gets, in a guest that has all the hardware.
fn written(config: &NetworkConfig) -> String {
    let physical = config.links.iter().filter_map(|link| Some((link, link.physical()?)));
    let nic = |(link, _): (&Link, _)| Nic { name: link.id.clone(), ..Nic::default() };
    let nics: Vec<Nic> = physical.map(nic).collect();
    let rendered = render(Renderer::Ifupdown, config, Some(&nics), &mut Findings::default());
    rendered.files.into_iter().map(|file| file.content).collect()
}

#[test]
fn a_byte_order_mark_does_not_hide_the_first_word() {
    let (config, findings) = parsed("\u{feff}auto ens3\niface ens3 inet dhcp\n");
    assert_eq!((config.links[0].activation, findings), (Activation::Auto, Vec::new()));
}

/// Whatever was asked for, the fixtures' files for ifupdown say it such that nothing is lost when they are read.
#[test]
fn what_is_written_reads_back() {
    let mut cases = 0;
    for folder in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/network")).unwrap() {
        let path = folder.unwrap().path().join("ifupdown");
        // A name of digits alone, which this reader takes for a mistake.
        if path.parent().unwrap().ends_with("v2-bare-keys") {
            continue;
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        let file = expected.split("==> findings").next().unwrap();
        let Some((_, text)) = file.split_once(" 0644\n") else { continue };
        let (config, findings) = parsed(text);
        assert_eq!(findings, [""; 0], "{}", path.display());
        assert_eq!(written(&config).trim_end(), text.trim_end(), "{}", path.display());
        cases += 1;
    }
    assert!(cases > 10, "the fixtures are gone");
}

#[test]
fn each_interface_is_what_its_stanzas_say_together() {
    let (config, findings) = parsed(
        "auto bond0 br0\niface eth0 inet manual\n  bond-master bond0\niface bond0 inet manual\n  bond-mode 1\n\
         iface bond0.7 inet dhcp\niface br0 inet6 auto\n  bridge_ports eth1 bond0.7\n",
    );
    assert_eq!(findings, [""; 0]);
    let members = |id: &str| {
        let link = config.links.iter().find(|link| link.id == id).unwrap();
        link.members().iter().map(|member| member.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(members("bond0"), ["eth0"]);
    assert_eq!(members("bond0.7"), ["bond0"]);
    assert_eq!(members("br0"), ["eth1", "bond0.7"]);
    let kinds = config.links.iter().filter(|link| matches!(link.kind, Kind::Physical(_)));
    assert_eq!(kinds.count(), 2, "eth1 is nowhere described, and there all the same");
}

#[test]
fn a_place_is_that_of_the_line_in_the_document() {
    let (_, findings) =
        parsed("auto eth0\n# x\\\niface eth0 inet static\n  address 192.0.2.1/24\n  up a \\\n b\n\n  mtu x\n");
    assert!(findings[0].starts_with("interfaces:8:3: error: `x` is left out"), "{findings:?}");
    assert!(findings[1].starts_with("interfaces:5:3: error: commands are not run"), "{findings:?}");
}

#[test]
fn bytes_that_are_no_document_are_reported() {
    for bytes in [&[0xff, 0xfe][..], &[b' '; 300 << 10]] {
        let mut findings = Findings::default();
        assert!(read(&Document::new("interfaces", bytes), &mut findings).is_none() && findings.has_errors());
    }
    let many: String = (0..20_000).map(|n| format!("iface e{n} inet dhcp\n")).take(8000).collect();
    let (config, findings) = parsed(&many);
    assert!(config.links.len() == 1000 && findings.len() == 1, "{} {findings:?}", config.links.len());
}

/// First words of the lines that a file for ifupdown may have.
const WORDS: &[&str] = &[
    "",
    "#",
    "auto",
    "allow-hotplug",
    "iface",
    "address",
    "accept_ra",
    "autoconf",
    "metric",
    "hostname",
    "dhcp",
    "dns-nameservers",
    "dns-search",
    "hwaddress",
    "ethernet-wol",
    "preferred-lifetime",
    "vlan-raw-device",
    "up",
    "down",
    "pre-up",
    "post-down",
    "netmask",
    "requires",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn no_text_panics_or_smuggles_a_line_into_a_file(lines in prop::collection::vec(
        "(auto |iface |  )?(eth0|eth0:1|eth0\\.7|br0|;x|lo) (inet|inet6|manual) (static|dhcp|manual|auto)|  (address|gateway|mtu|hwaddress|bond-slaves|bond-master|bond-mode|bridge_ports|bridge_pathcost|vlan-raw-device|dns-search|hostname|metric|pointopoint|up ip route add|up ip rule add from|up ip addr add) [a-z0-9:./;$`\n ]{0,12}(eth0|bond0|br0|10\\.0\\.0\\.1/24|fd00::1)?",
        0..12)) {
        let (config, _) = parsed(&lines.join("\n"));
        for renderer in Renderer::ALL {
            let nics: Vec<Nic> = config.links.iter().map(|link| Nic { name: link.id.clone(), ..Nic::default() }).collect();
            let rendered = render(renderer, &config, Some(&nics), &mut Findings::default());
            if !matches!(renderer, Renderer::Ifupdown | Renderer::IfupdownAlpine) {
                continue;
            }
            for line in rendered.files.iter().flat_map(|file| file.content.lines()) {
                let word = line.split_whitespace().next().unwrap_or_default();
                let known = WORDS.contains(&word) || word.starts_with("bond-") || word.starts_with("bridge_");
                prop_assert!(known && (word == "#" || !line.contains([';', '`', '(', '&', '\''])), "{line}");
            }
        }
    }
}
