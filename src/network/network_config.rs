// SPDX-License-Identifier: Apache-2.0
//! Reads cloud-init's network-config: takes it out of its wrapping `network:` and looks for its version.

use crate::config::document::{Data, Node, parse};
use crate::finding::{Finding, Findings, Origin};
use crate::network::model::NetworkConfig;
use crate::network::{v1, v2};
use crate::seed::Document;

/// What a network-config asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // one at a time
pub enum Asked {
    /// This network.
    Network(NetworkConfig),
    /// That nobody but the image configures the network: `config: disabled`.
    Disabled(Origin),
}

/// Reads the document; `None`, with findings, where nothing of it can be read.
pub fn read(document: &Document, findings: &mut Findings) -> Option<Asked> {
    let origin = document.origin();
    let Ok(text) = std::str::from_utf8(&document.bytes) else {
        findings.push(Finding::error(&origin, "not UTF-8 text; all of it is left out"));
        return None;
    };
    from_node(&parse(text, &origin, findings)?, findings)
}

/// As [`read`], of a document that is parsed already. `network:` may stand around it, once or (copied from netplan into
/// cloud-init's own form) twice.
pub fn from_node(node: &Node, findings: &mut Findings) -> Option<Asked> {
    let mut node = node;
    while let Some(inner) = node.get("network") {
        if is_disabled(node) {
            break;
        }
        for (key, _) in node.entries() {
            if key.text().is_some_and(|name| name != "network" && is_word(name)) {
                let message = "this stands beside `network:`, not in it; it is left out";
                findings.push(Finding::error(&key.origin, message).help("indent it below `network:`"));
            }
        }
        node = inner;
    }
    if is_disabled(node) {
        return Some(Asked::Disabled(node.origin.clone()));
    }
    if !matches!(node.data, Data::Mapping(_)) {
        let message = format!("expected a network-config, a mapping with a `version`; found {}", node.described());
        findings.push(Finding::error(&node.origin, message));
        return None;
    }
    let version = node.get("version").filter(|version| !version.is_null());
    match (version.and_then(Node::text), shape(node)) {
        (Some("1"), _) => v1::read(node, findings).map(Asked::Network),
        (Some("2"), _) => v2::read(node, findings).map(Asked::Network),
        (None, Some((version, sign))) => {
            let message =
                format!("a network-config without `version`; by its `{sign}` it is read as version {version}");
            let missing = Finding::warning(&node.origin, message);
            findings.push(missing.help(format!("write `version: {version}`; cloud-init uses nothing of it without")));
            if version == 1 { v1::read(node, findings) } else { v2::read(node, findings) }.map(Asked::Network)
        }
        (written, shape) => {
            let origin = version.map_or(&node.origin, |version| &version.origin);
            let message = match written {
                Some(other) => format!("a network-config of version `{other}` is not known; nothing of it is used"),
                None => "a network-config without `version`; nothing of it is used".to_owned(),
            };
            let help = match shape {
                Some((version, sign)) => format!("by its `{sign}` it is one of `version: {version}`"),
                None => "`version: 1` has a list `config`, `version: 2` has `ethernets`, `bonds`, …".to_owned(),
            };
            findings.push(Finding::error(origin, message).help(help));
            None
        }
    }
}

fn is_disabled(node: &Node) -> bool {
    node.get("config").and_then(Node::text) == Some("disabled")
}

/// Whether it is a key of a network-config.
fn is_word(key: &str) -> bool {
    v2::SECTIONS.contains(&key) || ["version", "config", "renderer", "wifis", "tunnels"].contains(&key)
}

/// The version that a document looks like, and what tells it.
fn shape(node: &Node) -> Option<(u8, &str)> {
    if node.get("config").is_some() {
        return Some((1, "config"));
    }
    let section = v2::SECTIONS.iter().find(|section| node.get(section).is_some());
    section.map(|section| (2, *section))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is asked for in a word, and the findings.
    fn asked(text: &str) -> (String, Vec<String>) {
        let mut findings = Findings::default();
        let asked = match read(&Document::new("network-config", text), &mut findings) {
            None => "nothing".to_owned(),
            Some(Asked::Disabled(origin)) => format!("disabled at {origin}"),
            Some(Asked::Network(config)) => config.links.iter().map(|link| link.id.as_str()).collect(),
        };
        (asked, findings.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_network_config_is_found_in_each_of_its_wrappings() {
        for text in [
            "version: 2\nethernets: {eth0: {}}",
            "version: '2'\nethernets: {eth0: {}}",
            "network:\n  version: 2\n  ethernets: {eth0: }\n",
            "network: {network: {version: 2, ethernets: {eth0: {dhcp4: no}}}}",
            r#"{"network": {"version": 2, "ethernets": {"eth0": null}}}"#,
        ] {
            assert_eq!(asked(text), ("eth0".to_owned(), Vec::new()), "{text}");
        }
    }

    #[test]
    fn somebody_who_wants_none_is_heard_at_any_level() {
        for text in [
            "config: disabled",
            "network: {config: disabled}",
            "network: {version: 1, config: disabled}",
            "config: disabled\nnetwork: {version: 2}",
        ] {
            let (asked, findings) = asked(text);
            assert!(asked.starts_with("disabled at network-config:1:") && findings.is_empty(), "{text}: {asked}");
        }
    }

    #[test]
    fn a_document_without_a_version_is_read_where_its_shape_tells() {
        let (ids, findings) = asked("ethernets: {eth0: {}}");
        assert!(ids == "eth0" && findings[0].contains("warning") && findings[0].contains("version: 2"), "{findings:?}");
        for (text, said) in [
            ("{}", "without `version`"),
            ("version: 3\nethernets: {}", "1:10: error: a network-config of version `3` is not known"),
            ("version: [2]", "without `version`"),
            ("[]", "found a list"),
            ("network: eth0", "found a string"),
            ("network: ~", "found nothing"),
        ] {
            let (ids, findings) = asked(text);
            assert!(ids == "nothing" && findings[0].contains(said), "{text}: {findings:?}");
        }
    }

    #[test]
    fn what_stands_beside_the_wrapping_is_said() {
        let (ids, findings) = asked("network: {version: 2}\nethernets: {eth0: {}}\nhostname: x\n");
        assert_eq!((ids.as_str(), findings.len()), ("", 1), "{findings:?}");
        assert!(findings[0].contains("2:1: error: this stands beside `network:`"), "{findings:?}");
    }
}
