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
pub fn is_word(key: &str) -> bool {
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
