// SPDX-License-Identifier: Apache-2.0
//! What netplan alone has a word for: kept as it is written, where netplan would take it.
//!
//! For one value that it does not take, netplan refuses the whole document, and the guest would have no network. So
//! what can be told beforehand costs only itself.

use serde_json::Value as Json;

use crate::config::document::{Data, Node, Value};
use crate::finding::{Finding, Findings, Located};
use crate::network::model::Extra;
use crate::network::v2::value::{flag, number, word};

/// Yes or no.
const FLAGS: &[&str] = &[
    "critical",
    "delay-virtual-functions-rebind",
    "emit-lldp",
    "generic-receive-offload",
    "generic-segmentation-offload",
    "hairpin",
    "ignore-carrier",
    "large-receive-offload",
    "neigh-suppress",
    "port-mac-learning",
    "receive-checksum-offload",
    "tcp-segmentation-offload",
    "tcp6-segmentation-offload",
    "transmit-checksum-offload",
];
/// One of a few words.
const WORDS: &[(&str, &[&str])] = &[
    ("embedded-switch-mode", &["switchdev", "legacy"]),
    ("infiniband-mode", &["datagram", "connected"]),
    ("ipv6-address-generation", &["eui64", "stable-privacy"]),
    ("renderer", &["networkd", "NetworkManager"]),
];
/// The most functions of a card (SR-IOV) that netplan takes.
const FUNCTION_LIMIT: u32 = 256;

/// The value of `name` for netplan; `None`, with a finding, where it would refuse it.
pub(super) fn extra(name: &str, key: &Node, value: &Node, findings: &mut Findings) -> Option<Located<Extra>> {
    let value = if FLAGS.contains(&name) {
        (*flag(value, findings)?).into()
    } else if let Some((_, words)) = WORDS.iter().find(|(known, _)| *known == name) {
        word(value, words, findings)?.into()
    } else if name == "virtual-function-count" {
        (*number(value, 0, FUNCTION_LIMIT, findings)?).into()
    } else {
        verbatim(value, findings)?
    };
    Some(Located::new(Extra { key: name.to_owned(), value }, key.origin.clone()))
}

/// A value as it is written: netplan reads scalars as text, so `0644` must not become 420, nor a MAC address a number.
///
/// Text of several lines is left out: netplan copies much of it into files of others, systemd's units among them, where
/// it would be lines of its own.
pub(super) fn verbatim(node: &Node, findings: &mut Findings) -> Option<Json> {
    Some(match &node.data {
        Data::Sequence(items) => items.iter().filter_map(|item| verbatim(item, findings)).collect(),
        Data::Mapping(entries) => {
            let mut object = serde_json::Map::new();
            for (key, value) in entries {
                if let Some(Json::String(name)) = key.text().and_then(|name| text(name, key, findings))
                    && let Some(value) = verbatim(value, findings)
                {
                    object.insert(name, value);
                }
            }
            Json::Object(object)
        }
        Data::Scalar(scalar) => match node.value() {
            None | Some(Value::Null) => Json::Null,
            Some(Value::Bool(flag)) => flag.into(),
            // Netplan reads no hexadecimal numbers, and its readers of YAML write none.
            Some(Value::Integer(number)) if number.to_string() == scalar.text || scalar.text.starts_with("0x") => {
                i64::try_from(number).map_or_else(|_| scalar.text.clone().into(), Json::from)
            }
            Some(_) => return text(&scalar.text, node, findings),
        },
    })
}

fn text(text: &str, node: &Node, findings: &mut Findings) -> Option<Json> {
    if !text.contains(|c: char| c.is_control() || c == '\u{2028}' || c == '\u{2029}') {
        return Some(text.into());
    }
    let message = "a text of several lines, or with control characters; it is left out";
    findings
        .push(Finding::error(&node.origin, message).help("netplan writes it into files where it would be more lines"));
    None
}
