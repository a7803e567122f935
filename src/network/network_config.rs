// SPDX-License-Identifier: Apache-2.0
//! Reads cloud-init's network-config: takes it out of its wrapping `network:` and looks for its version.

use crate::config::document::{Node, parse};
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

/// As [`read`], of a document that is parsed already.
pub fn from_node(node: &Node, findings: &mut Findings) -> Option<Asked> {
    let node = node.get("network").unwrap_or(node);
    if node.get("config").and_then(Node::text) == Some("disabled") {
        return Some(Asked::Disabled(node.origin.clone()));
    }
    match node.get("version").and_then(Node::text) {
        Some("1") => v1::read(node, findings).map(Asked::Network),
        Some("2") => v2::read(node, findings).map(Asked::Network),
        _ => {
            findings.push(Finding::error(&node.origin, "a network-config needs `version: 1` or `version: 2`"));
            None
        }
    }
}
