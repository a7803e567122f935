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
            let line = source.lines().position(|line| line.contains('{') && line.contains(last));
            let origin = line.map_or_else(|| origin.clone(), |above| origin.at(above + 1, 1));
            let message =
                format!("the instance data has no `{name}`; `CI_MISSING_JINJA_VAR/{last}` stands in its place");
            findings.push(Finding::warning(&origin, message).help("`{{ NAME | default(\"…\") }}` gives it a value"));
        }
    }
    shown
}

/// Leaves out what a marked variable would have decided: the nearest entry of a list, else the key. A list in a list (a
/// command and its arguments) goes as a whole. A note says which variable is missing.
pub fn drop_missing(node: Node, findings: &mut Findings) -> Node {
    let origin = node.origin.clone();
    without_missing(node, false, findings).unwrap_or_else(|_| Node::empty(origin))
}

/// `Err` with the variable's name where the whole of `node` has to go.
fn without_missing(node: Node, in_list: bool, findings: &mut Findings) -> Result<Node, String> {
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
                    _ => without_missing(item, true, findings),
                };
                match item {
                    Ok(item) => kept.push(item),
                    Err(name) => findings.push(left_out(&place, &name)),
                }
            }
            Data::Sequence(kept)
        }
        Data::Mapping(entries) => {
            let mut kept = Vec::with_capacity(entries.len());
            for (key, value) in entries {
                let place = key.origin.clone();
                let entry = without_missing(key, in_list, findings)
                    .and_then(|key| Ok((key, without_missing(value, in_list, findings)?)));
                match entry {
                    Ok(entry) => kept.push(entry),
                    Err(name) if in_list => return Err(name),
                    Err(name) => findings.push(left_out(&place, &name)),
                }
            }
            Data::Mapping(kept)
        }
    };
    Ok(Node { origin, data })
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

fn left_out(place: &Origin, name: &str) -> Finding {
    Finding::note(place, format!("left out: the instance data has no `{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document::parse;
    use crate::config::template::{Missing, render};
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
            render(text, &origin, &json!({"meta": {"edgeproxy": "172.24.4.1"}}), Missing::Marked, &mut findings)
                .unwrap();
        let node = drop_missing(parse(&output, &origin, &mut findings).unwrap(), &mut findings);
        assert_eq!(node.get("gateway").unwrap().text(), Some("172.24.4.1"));
        assert_eq!(node.get("dns"), None);
        let routes = node.get("routes").unwrap().items().unwrap();
        assert_eq!(routes.len(), 1);
        assert_eq!(routes[0].get("to").unwrap().text(), Some("10.1.0.0/16"));
        let users = node.get("users").unwrap().items().unwrap();
        assert_eq!(users[0].get("groups").unwrap().items().unwrap().len(), 1);
        assert_eq!(node.get("runcmd").unwrap().items().unwrap().len(), 1);
        let findings: Vec<_> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(
            findings,
            [
                "d:3:1: note: left out: the instance data has no `meta.dns`",
                "d:5:5: note: left out: the instance data has no `meta.privatenet`",
                "d:9:19: note: left out: the instance data has no `meta.group`",
                "d:11:5: note: left out: the instance data has no `meta.net`",
            ]
        );
    }
}
