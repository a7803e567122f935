// SPDX-License-Identifier: Apache-2.0
//! Values as version 2 writes them; one that does not fit is a finding, and costs only itself.

use std::fmt::Display;
use std::str::FromStr;

use crate::config::document::{Data, Node};
use crate::config::read::{Read as _, unfit};
use crate::finding::{Finding, Findings, Located};
use crate::network::model::Given;
use crate::network::words::{NAME, is_free_name, is_of_name};

/// The most entries of one list, or links of a document, that are read.
pub(super) const ENTRY_LIMIT: usize = 1024;

/// The text of a scalar as it is written.
pub(super) fn text(node: &Node, findings: &mut Findings) -> Given<String> {
    Located::read(node, findings)
}

/// Yes or no.
pub(super) fn flag(node: &Node, findings: &mut Findings) -> Given<bool> {
    Located::read(node, findings)
}

/// A number from `least` to `most`, also in quotes.
pub(super) fn number(node: &Node, least: u32, most: u32, findings: &mut Findings) -> Given<u32> {
    let number: Located<u32> = Located::read(node, findings)?;
    if (least..=most).contains(&*number) {
        return Some(number);
    }
    let message = format!("{} is not between {least} and {most}; it is left out", *number);
    findings.push(Finding::error(&node.origin, message));
    None
}

/// What the text of a scalar says.
pub(super) fn parsed<T: FromStr<Err: Display>>(node: &Node, findings: &mut Findings) -> Given<T> {
    let text = text(node, findings)?;
    match text.trim().parse() {
        Ok(value) => Some(Located::new(value, text.origin)),
        Err(error) => {
            findings.push(Finding::error(&text.origin, format!("`{}` is left out: {error}", *text)));
            None
        }
    }
}

/// One of `words`.
pub(super) fn word(node: &Node, words: &[&'static str], findings: &mut Findings) -> Option<&'static str> {
    // As it is written: `activation-mode: off` means the word, whatever YAML makes of it.
    let text = node.text().unwrap_or_default();
    let known = words.iter().copied().find(|word| word.eq_ignore_ascii_case(text));
    if known.is_none() {
        let found = if text.is_empty() { node.described().to_owned() } else { format!("`{text}`") };
        let message = format!("{found} is left out: one of {} is expected", words.join(", "));
        findings.push(Finding::error(&node.origin, message));
    }
    known
}

/// The entries of a list; what stands there alone is a list of one.
pub(super) fn items<'a>(node: &'a Node, findings: &mut Findings) -> &'a [Node] {
    let entries = match &node.data {
        Data::Sequence(entries) => entries.as_slice(),
        Data::Scalar(_) if !node.is_null() => std::slice::from_ref(node),
        Data::Scalar(_) => &[],
        Data::Mapping(_) => {
            findings.push(Finding::error(&node.origin, "expected a list, found a mapping; it is left out"));
            &[]
        }
    };
    if let Some((read, [first, ..])) = entries.split_at_checked(ENTRY_LIMIT) {
        let message = format!("a list of more than {ENTRY_LIMIT} entries; from here on they are left out");
        findings.push(Finding::error(&first.origin, message));
        return read;
    }
    entries
}

/// The entries of a mapping by their keys, without those that are null: to netplan and its readers these are not there.
pub(super) fn entries<'a>(
    node: &'a Node,
    findings: &mut Findings,
) -> impl Iterator<Item = (&'a str, &'a Node, &'a Node)> + use<'a> {
    if !matches!(node.data, Data::Mapping(_)) && !node.is_null() {
        findings.push(Finding::error(&node.origin, format!("expected a mapping, found {}", node.described())));
    }
    let given = node.entries().iter().filter(|(_, value)| !value.is_null());
    given.filter_map(|(key, value)| Some((key.text()?, key, value)))
}

/// Says of a key that is neither netplan's nor ours that it is left out: for one such netplan refuses a whole document,
/// and the guest would have no network.
pub(super) fn unknown(key: &Node, known: &[&[&str]], findings: &mut Findings) {
    let name = key.text().unwrap_or_default();
    let known = known.iter().flat_map(|words| words.iter().copied());
    let unknown = Finding::error(&key.origin, format!("unknown key `{name}`; it is left out"));
    let unknown = unknown.help("netplan, too, knows no such key here, and refuses a document with one");
    findings.push(unknown.did_you_mean(name, known));
}

/// The name of an interface that is made or renamed.
pub(super) fn interface_name(name: Located<String>, findings: &mut Findings) -> Given<String> {
    if is_free_name(&name) {
        return Some(name);
    }
    let message = format!("`{}` is not a name that an interface can get ({NAME})", *name);
    findings.push(Finding::error(&name.origin, format!("{message}; it is left out")));
    None
}

/// What `is_fit` takes each character of; not `.` and `..`, and not nothing.
pub(super) fn fit(
    text: Located<String>,
    is_fit: fn(char) -> bool,
    expected: &str,
    findings: &mut Findings,
) -> Given<String> {
    if text.chars().all(is_fit) && text.chars().any(|c| c != '.') && text.len() <= 253 {
        return Some(text);
    }
    findings.push(Finding::error(&text.origin, format!("`{}` is not {expected}; it is left out", *text)));
    None
}

/// Of a pattern of names.
pub(super) fn is_of_pattern(c: char) -> bool {
    is_of_name(c) || "*?[]!^".contains(c)
}

/// Says that a value is not a mapping.
pub(super) fn mapping<'a>(node: &'a Node, findings: &mut Findings) -> Option<&'a Node> {
    match &node.data {
        Data::Mapping(_) => Some(node),
        Data::Scalar(_) if node.is_null() => Some(node),
        _ => unfit(node, &crate::config::read::Kind::Keys(&[]), findings),
    }
}
