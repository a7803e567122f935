// SPDX-License-Identifier: Apache-2.0
//! What a template asked for and the instance does not have: a mark in the output, which is shown or takes its entry along.

use std::collections::BTreeSet;

use crate::config::document::{Data, Node};
use crate::finding::{Finding, Findings, Origin};

/// Stands before and after the name of what is missing: characters of private use, which no filter changes.
const MARK: [&str; 2] = ["\u{e0f1}\u{e0f5}\u{e0f1}", "\u{e0f5}\u{e0f1}\u{e0f5}"];

/// The name is kept to plain characters, so that a mark can stand unquoted in YAML.
pub(super) fn mark(name: &str) -> String {
    let name: String = name.chars().map(|c| if c.is_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect();
    let [before, after] = MARK;
    format!("{before}{name}{after}")
}

/// Whether a character is one of a mark's own.
pub(super) fn is_mark(c: char) -> bool {
    matches!(c, '\u{e0f1}' | '\u{e0f5}')
}

/// Text of the instance data, in which nothing passes for a mark.
pub(super) fn unmarked(text: &str) -> String {
    text.replace('\u{e0f1}', "\u{fffd}")
}

/// The names of what is missing in `text`.
fn marked(text: &str) -> impl Iterator<Item = &str> {
    let [before, after] = MARK;
    text.split(before).skip(1).filter_map(move |rest| rest.split_once(after).map(|(name, _)| name))
}

/// Replaces each mark by the peer's text, and says so once for each name (a hundred of them will do).
pub(super) fn show(output: &str, source: &str, origin: &Origin, findings: &mut Findings) -> String {
    let [before, after] = MARK;
    let mut parts = output.split(before);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    let mut names = BTreeSet::new();
    for part in parts {
        // A filter may have cut the mark's end off.
        let (name, rest) = part.split_once(after).unwrap_or(("", part));
        let last = name.rsplit('.').next().unwrap_or(name);
        shown.extend(["CI_MISSING_JINJA_VAR/", last, rest]);
        if names.insert(name) && names.len() <= 100 {
            // A filter may have changed the name's case.
            let low = last.to_lowercase();
            let line = source.lines().position(|line| line.contains('{') && line.to_lowercase().contains(&low));
            let origin = line.map_or_else(|| origin.clone(), |above| origin.at(above + 1, 1));
            let message =
                format!("the instance data has no `{name}`; `CI_MISSING_JINJA_VAR/{last}` stands in its place");
            findings.push(Finding::warning(&origin, message).help("`{{ NAME | default(\"…\") }}` gives it a value"));
        }
    }
    shown
}

/// An entry that was left out, since a variable that it asks for is missing.
#[derive(Debug)]
pub struct LeftOut {
    /// The keys that lead to it; an entry of a list goes by the key of the list.
    pub keys: Vec<String>,
    /// Where it was written.
    pub origin: Origin,
    /// The variable.
    pub variable: String,
}

impl LeftOut {
    /// Whether a later document says what the entry would have said, so that nobody misses it.
    pub fn is_replaced_by(&self, later: &Node) -> bool {
        replaces(later, &self.keys)
    }
}

/// Whether laying `node` over another would replace what the other has there. Mappings are merged.
fn replaces(node: &Node, keys: &[String]) -> bool {
    match (&node.data, keys.split_first()) {
        (Data::Mapping(_), Some((key, below))) => node.get(key).is_some_and(|value| replaces(value, below)),
        (Data::Mapping(_), None) => false,
        _ => true,
    }
}

/// Leaves out what a marked variable would have decided: the nearest entry of a list, else the key. A list in a list (a
/// command and its arguments) goes as a whole.
pub fn drop_missing(node: Node) -> (Node, Vec<LeftOut>) {
    let origin = node.origin.clone();
    let mut pruner = Pruner::default();
    let node = pruner.prune(node, false).unwrap_or_else(|variable| {
        pruner.leave_out(&origin, variable);
        Node::empty(origin)
    });
    (node, pruner.left_out)
}

/// Where it is, and what it has left out so far.
#[derive(Default)]
struct Pruner {
    keys: Vec<String>,
    left_out: Vec<LeftOut>,
}

impl Pruner {
    /// `Err` with the variable's name where the whole of `node` has to go.
    fn prune(&mut self, node: Node, in_list: bool) -> Result<Node, String> {
        let Node { origin, data } = node;
        let data = match data {
            Data::Scalar(scalar) => {
                if let Some(name) = marked(&scalar.text).next() {
                    return Err(name.to_owned());
                }
                Data::Scalar(scalar)
            }
            Data::Sequence(items) => {
                let mut kept = Vec::with_capacity(items.len());
                for item in items {
                    let place = item.origin.clone();
                    let item = match (&item.data, any_missing(&item)) {
                        (Data::Sequence(_), Some(name)) => Err(name),
                        _ => self.prune(item, true),
                    };
                    match item {
                        Ok(item) => kept.push(item),
                        Err(name) => self.leave_out(&place, name),
                    }
                }
                Data::Sequence(kept)
            }
            Data::Mapping(entries) => {
                let mut kept = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    let place = key.origin.clone();
                    self.keys.push(key.text().unwrap_or_default().to_owned());
                    let entry = self.prune(key, in_list).and_then(|key| Ok((key, self.prune(value, in_list)?)));
                    match entry {
                        Ok(entry) => kept.push(entry),
                        Err(name) if in_list => {
                            self.keys.pop();
                            return Err(name);
                        }
                        Err(name) => self.leave_out(&place, name),
                    }
                    self.keys.pop();
                }
                Data::Mapping(kept)
            }
        };
        Ok(Node { origin, data })
    }

    fn leave_out(&mut self, place: &Origin, variable: String) {
        self.left_out.push(LeftOut { keys: self.keys.clone(), origin: place.clone(), variable });
    }
}

/// The first missing variable anywhere in `node`.
fn any_missing(node: &Node) -> Option<String> {
    match &node.data {
        Data::Scalar(scalar) => marked(&scalar.text).next().map(str::to_owned),
        Data::Sequence(items) => items.iter().find_map(any_missing),
        Data::Mapping(entries) => {
            entries.iter().find_map(|(key, value)| any_missing(key).or_else(|| any_missing(value)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document::parse;
    use crate::config::template::{Purpose, render};
    use serde_json::json;

    #[test]
    fn entries_whose_variable_is_missing_are_left_out() {
        let text = "## template: jinja
gateway: \"{{ meta.edgeproxy }}\"
dns: {{ meta.dns }}
routes:
  - {to: \"{{ meta.privatenet }}\", via: 10.0.0.1}
  - {to: 10.1.0.0/16, via: 10.0.0.1}
users:
  - name: a
    groups: [adm, \"{{ meta.group }}\"]
runcmd:
  - [ip, route, add, \"{{ meta.net }}\"]
  - [id]
";
        let origin = Origin::document("d");
        let mut findings = Findings::default();
        let output =
            render(text, &origin, &json!({"meta": {"edgeproxy": "172.24.4.1"}}), Purpose::Settings, &mut findings)
                .unwrap();
        let (node, left_out) = drop_missing(parse(&output, &origin, &mut findings).unwrap());
        assert_eq!(node.get("gateway").unwrap().text(), Some("172.24.4.1"));
        assert_eq!(node.get("dns"), None);
        let routes = node.get("routes").unwrap().items().unwrap();
        assert_eq!(routes.len(), 1);
        assert_eq!(routes[0].get("to").unwrap().text(), Some("10.1.0.0/16"));
        let users = node.get("users").unwrap().items().unwrap();
        assert_eq!(users[0].get("groups").unwrap().items().unwrap().len(), 1);
        assert_eq!(node.get("runcmd").unwrap().items().unwrap().len(), 1);
        assert!(findings.is_empty());
        let left_out: Vec<_> =
            left_out.iter().map(|left| format!("{}: {} {}", left.origin, left.keys.join("."), left.variable)).collect();
        assert_eq!(
            left_out,
            [
                "d:3:1: dns meta.dns",
                "d:5:5: routes meta.privatenet",
                "d:9:19: users.groups meta.group",
                "d:11:5: runcmd meta.net",
            ]
        );
    }

    #[test]
    fn a_later_document_replaces_an_entry_unless_both_are_mappings() {
        let keys = ["firstlight", "bootstrap", "sha256"].map(str::to_owned).to_vec();
        let left = LeftOut { keys, origin: Origin::document("d"), variable: "meta.sum".to_owned() };
        for (later, replaced) in [
            ("firstlight: {bootstrap: {sha256: ab}}", true),
            ("firstlight: {bootstrap: {sha256: ~}}", true),
            ("firstlight: {bootstrap: ~}", true),
            ("firstlight: {bootstrap: {url: x}}", false),
            ("firstlight: {wait: 1s}", false),
            ("timezone: UTC", false),
        ] {
            let later_node = parse(later, &left.origin, &mut Findings::default()).unwrap();
            assert_eq!(left.is_replaced_by(&later_node), replaced, "{later}");
        }
    }
}
