// SPDX-License-Identifier: Apache-2.0
//! Reads OpenStack's `network_data.json`, nova's word on an instance's network, as leniently as the field does.
//!
//! Where cloud-init gives up the whole network over one entry (a link without a type, `routes: null`), only the entry
//! is lost here, and said so.

#[cfg(test)]
mod generated;
mod links;
mod networks;

use std::net::{IpAddr, Ipv6Addr};

use crate::finding::{Finding, Findings};
use crate::network::json::{self, Json};
use crate::network::model::{Link, NetworkConfig};
use crate::network::words::IPV6_MTU;
use crate::seed::Document;
use links::Links;

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
    config.bare_members(findings);
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
    use super::*;
    use crate::guest::Nic;
    use crate::network::model::Dhcp6;
    use crate::network::network_config::{self, Asked};
    use crate::network::render::{Renderer, render};
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn no_document_panics_leaves_a_reference_open_or_smuggles_anything_into_a_file(
            document in generated::document()
        ) {
            let mut findings = Findings::default();
            let config = read(&document, &mut findings).unwrap();
            let ids: BTreeSet<&str> = config.links.iter().map(|link| link.id.as_str()).collect();
            prop_assert_eq!(ids.len(), config.links.len(), "two links are called the same");
            for link in &config.links {
                prop_assert!(!link.id.is_empty() && (link.physical().is_some() || link.id.len() <= 15), "{}", link.id);
                for member in link.members() {
                    prop_assert!(ids.contains(member.as_str()) && **member != link.id, "{} of {}", **member, link.id);
                }
            }
            let nics = [Nic { name: "ens3".to_owned(), mac: "fa:16:3e:00:00:01".to_owned(), ..Nic::default() }];
            for renderer in Renderer::ALL {
                for nics in [None, Some(&nics[..])] {
                    let rendered = render(renderer, &config, nics, &mut findings);
                    let files = rendered.files.iter().map(|file| format!("{}\n{}", file.path.display(), file.content));
                    for text in files.chain(rendered.changes.iter().map(ToString::to_string)) {
                        prop_assert!(!text.contains(generated::SMUGGLED), "{renderer}: {text}");
                        prop_assert!(text.chars().all(|c| c == '\n' || c == '\t' || !c.is_control()), "{renderer}");
                    }
                }
            }
        }
    }

    /// What netplan and networkd are told. Netplan keeps its definitions by their kinds, so that links come back in another
    /// order, which shows in the order of lines alone.
    fn told(config: &NetworkConfig) -> Vec<(PathBuf, Vec<String>)> {
        let told = |renderer| render(renderer, config, None, &mut Findings::default()).files;
        let lines = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        let files = told(Renderer::Netplan).into_iter().chain(told(Renderer::Networkd));
        let mut files: Vec<_> = files.map(|file| (file.path, lines(&file.content))).collect();
        files.sort();
        files
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn what_is_written_for_netplan_reads_back_as_the_same_network(document in generated::document()) {
            let mut config = read(&document, &mut Findings::default()).unwrap();
            // Its one word leaves it to the router's announcements how an address comes, and how much DHCPv6 gives.
            let listening = |link: &&mut Link| link.dhcp6.is_some() || link.accept_ra == Some(true);
            config.links.iter_mut().filter(listening).for_each(|link| link.dhcp6 = Some(Dhcp6::Stateful));
            let netplan = render(Renderer::Netplan, &config, None, &mut Findings::default()).files;
            let written = netplan.first().map(|file| file.content.clone()).unwrap_or_default();
            let mut findings = Findings::default();
            let again = network_config::read(&Document::new("netplan", written.clone()), &mut findings);
            let Some(Asked::Network(again)) = again else { panic!("{findings:?}\n{written}") };
            prop_assert!(findings.is_empty(), "{:?}\n{}", findings, written);
            let (again, config) = (told(&again), told(&config));
            prop_assert_eq!(again.len(), config.len(), "{}", written);
            for (again, file) in again.iter().zip(&config) {
                prop_assert_eq!(again, file, "{}", written);
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
