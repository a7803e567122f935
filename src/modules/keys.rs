// SPDX-License-Identifier: Apache-2.0
//! Public keys as a document lists them, and which are any good.

use crate::config::document::{Data, Node};
use crate::finding::{Finding, Findings, Located, Origin};
use crate::public_key::PublicKey;

/// The good lines of a node: a string (of several lines), a list, or a mapping whose values are either.
pub fn lines(node: Option<&Node>, findings: &mut Findings) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(node) = node {
        collect(node, &mut lines, findings);
    }
    lines
}

/// The good ones of lines that come with their origins.
pub fn good(keys: &[Located<String>], findings: &mut Findings) -> Vec<String> {
    keys.iter().filter(|key| check(key, &key.origin, findings)).map(|key| key.trim().to_owned()).collect()
}

fn collect(node: &Node, lines: &mut Vec<String>, findings: &mut Findings) {
    match &node.data {
        _ if node.is_null() => {}
        Data::Scalar(scalar) => {
            let text = scalar.text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
            lines.extend(text.filter(|line| check(line, &node.origin, findings)).map(str::to_owned));
        }
        Data::Sequence(items) => items.iter().for_each(|item| collect(item, lines, findings)),
        Data::Mapping(entries) => entries.iter().for_each(|(_, value)| collect(value, lines, findings)),
    }
}

fn check(line: &str, origin: &Origin, findings: &mut Findings) -> bool {
    let good = PublicKey::parse(line).is_some();
    if !good {
        let start: String = line.chars().take(24).collect();
        findings.push(
            Finding::error(origin, format!("`{}…` is no public key; it is left out", start.escape_debug()))
                .help("a line of a .pub file: type, base64, comment, with options before it where wanted"),
        );
    }
    good
}
