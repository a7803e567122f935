// SPDX-License-Identifier: Apache-2.0
//! How documents become one; every value keeps its origin.
//!
//! Two ways, as with cloud-init: parts of one user-data by the [`Strategy`] that they ask for, layers (image, vendor,
//! user) always by [`overlay`].

use crate::config::document::{Data, Node, Value};
use crate::config::mapping::Mapping;
use crate::config::node::Scalar;
use crate::finding::{Finding, Findings, Located};
use strategy::{JOINING, Method};

mod strategy;

pub use strategy::Strategy;

/// A higher layer over a lower one, as cloud-init lays vendor-data over the image and user-data over both: mappings are
/// merged key by key, whatever else the higher layer has replaces, null included. (There a lower mapping wins over a
/// higher string or list, against the order of the layers.)
pub fn overlay(base: Node, over: Node) -> Node {
    let (lower, higher) = match (base.data, over.data) {
        (Data::Mapping(lower), Data::Mapping(higher)) => (lower, higher),
        (_, data) => return Node { data, origin: over.origin },
    };
    Node { data: by_key(lower, higher, |below, above| Some(overlay(below, above))), origin: over.origin }
}

/// A later part of one user-data over those before it, as it asks to be merged: by `merge_how` or `merge_type` in it,
/// which are taken out, or by the header `Merge-Type` of its MIME part.
///
/// Where nothing is asked for, its top-level keys replace; a list or a mapping that is lost so is a warning.
pub fn part(earlier: Node, mut later: Node, header: Option<&Located<String>>, findings: &mut Findings) -> Node {
    let strategy = Strategy::of_part(&mut later, header, findings);
    if strategy == Strategy::of_parts() {
        warn_of_lost(&earlier, &later, findings);
    }
    let origin = later.origin.clone();
    Node { origin, ..merge(earlier, later, &strategy, findings) }
}

/// Nobody means to lose the first of two `runcmd`.
fn warn_of_lost(earlier: &Node, later: &Node, findings: &mut Findings) {
    for (key, value) in later.entries() {
        let name = key.text().unwrap_or_default();
        let Some((lost, old)) = earlier.entries().iter().rev().find(|(lost, _)| lost.text() == Some(name)) else {
            continue;
        };
        let what = match &old.data {
            Data::Sequence(entries) if !entries.is_empty() => "list",
            Data::Mapping(entries) if !entries.is_empty() => "mapping",
            _ => continue,
        };
        if !same(old, value) {
            let replaced = format!("`{name}` replaces the {what} of an earlier part ({}), which is lost", lost.origin);
            findings.push(Finding::warning(&key.origin, replaced).help(format!("to join them: merge_how: {JOINING}")));
        }
    }
}

/// Whether two values say the same, wherever they are written.
fn same(one: &Node, other: &Node) -> bool {
    match (&one.data, &other.data) {
        (Data::Sequence(ones), Data::Sequence(others)) => {
            ones.len() == others.len() && ones.iter().zip(others).all(|(one, other)| same(one, other))
        }
        (Data::Mapping(ones), Data::Mapping(others)) => {
            let equal = |((k, v), (key, value)): (&(Node, Node), &(Node, Node))| same(k, key) && same(v, value);
            ones.len() == others.len() && ones.iter().zip(others).all(equal)
        }
        (one, other) => one == other,
    }
}

/// `over` merged into `base` by `strategy`, as cloud-init's mergers do it. What cannot be merged stays as `base` has it,
/// with a warning.
pub fn merge(base: Node, over: Node, strategy: &Strategy, findings: &mut Findings) -> Node {
    let is_text = matches!(base.value(), Some(Value::Text(_)));
    let Node { origin, data } = base;
    let data = match (data, over.data) {
        (Data::Mapping(lower), Data::Mapping(higher)) => {
            let Some(dict) = strategy.dict else { return Node { origin, data: Data::Mapping(lower) } };
            by_key(lower, higher, |old, new| match &new.data {
                _ if dict.allow_delete && new.is_null() => None,
                _ if dict.replace => Some(new),
                Data::Mapping(_) => Some(merge(old, new, strategy, findings)),
                Data::Sequence(_) if dict.recurse_list => Some(merge(old, new, strategy, findings)),
                Data::Scalar(_) if dict.recurse_str && matches!(new.value(), Some(Value::Text(_))) => {
                    Some(merge(old, new, strategy, findings))
                }
                _ => Some(old),
            })
        }
        (Data::Sequence(old), Data::Sequence(new)) => Data::Sequence(lists(old, new, strategy, findings)),
        (Data::Scalar(old), Data::Scalar(new)) if is_text && strategy.str.is_some_and(|str| str.append) => {
            Data::Scalar(Scalar { text: old.text + &new.text, plain: false, tag: None })
        }
        // As the peer has it: only a mapping and an appending list insist on their own kind.
        (Data::Sequence(_), data) if strategy.list.is_some_and(|list| list.method == Method::Replace) => {
            return Node { origin: over.origin, data };
        }
        (Data::Scalar(_), data) if is_text && strategy.str.is_some_and(|str| !str.append) => {
            return Node { origin: over.origin, data };
        }
        (old, data) => {
            let old = Node { origin: origin.clone(), data: old };
            let new = Node { origin: over.origin, data };
            let (here, there) = (new.described(), old.described());
            let mismatch = format!("{here} cannot be merged into {there} ({origin}), which stays");
            findings.push(Finding::warning(&new.origin, mismatch));
            return old;
        }
    };
    Node { origin, data }
}

fn lists(mut old: Vec<Node>, new: Vec<Node>, strategy: &Strategy, findings: &mut Findings) -> Vec<Node> {
    let Some(list) = strategy.list else { return old };
    match list.method {
        Method::NoReplace => old,
        Method::Append => {
            old.extend(new);
            old
        }
        Method::Prepend => new.into_iter().chain(old).collect(),
        Method::Replace => {
            if let Some(first) = new.get(old.len()) {
                let left_out = "left out from here on: `list(replace)` replaces entry by entry and adds none";
                findings.push(Finding::warning(&first.origin, left_out).help("list(append) adds them"));
            }
            let mut new = new.into_iter();
            let pairs = old.into_iter().map(|old| match new.next() {
                None => old,
                Some(new) => {
                    let merges = match &new.data {
                        Data::Sequence(_) => list.recurse_list,
                        Data::Mapping(_) => list.recurse_dict,
                        Data::Scalar(_) => list.recurse_str && matches!(new.value(), Some(Value::Text(_))),
                    };
                    if merges { merge(old, new, strategy, findings) } else { new }
                }
            });
            pairs.collect()
        }
    }
}

/// The keys of both, those of `lower` first; `both` makes one value of two of the same key, or takes the key out.
fn by_key(
    lower: Vec<(Node, Node)>,
    higher: Vec<(Node, Node)>,
    mut both: impl FnMut(Node, Node) -> Option<Node>,
) -> Data {
    let mut higher = Mapping::of(higher);
    let mut merged: Vec<_> = lower
        .into_iter()
        .filter_map(|(key, below)| match higher.take(&key) {
            Some((key, above)) => Some((key, both(below, above)?)),
            None => Some((key, below)),
        })
        .collect();
    merged.extend(higher.into_entries());
    Data::Mapping(merged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document::parse;
    use crate::finding::Origin;

    fn node(document: &str, text: &str) -> Node {
        parse(text, &Origin::document(document), &mut Findings::default()).unwrap()
    }

    #[test]
    fn layers_merge_mappings_and_replace_the_rest() {
        let image = node("image", "a: {x: 1, y: {z: 1}}\nlist: [1, 2]\nkept: k\ngone: g\n");
        let user = node("user", "a: {y: {w: 2}, x: 3}\nlist: [3]\ngone: ~\nnew: n\n");
        let merged = overlay(image, user);
        let a = merged.get("a").unwrap();
        assert_eq!(a.get("x").unwrap().origin.to_string(), "user:1:19");
        assert_eq!(a.get("y").unwrap().get("z").unwrap().origin.to_string(), "image:1:18");
        assert_eq!(a.get("y").unwrap().get("w").unwrap().text(), Some("2"));
        assert_eq!(merged.get("list").unwrap().items().unwrap().len(), 1);
        assert!(merged.get("gone").unwrap().is_null());
        let keys: Vec<_> = merged.entries().iter().filter_map(|(key, _)| key.text()).collect();
        assert_eq!(keys, ["a", "list", "kept", "gone", "new"]);
    }

    /// The tree on one line.
    fn shown(node: &Node) -> String {
        let list = |texts: Vec<String>| texts.join(", ");
        match &node.data {
            Data::Scalar(scalar) => scalar.text.clone(),
            Data::Sequence(items) => format!("[{}]", list(items.iter().map(shown).collect())),
            Data::Mapping(entries) => {
                format!("{{{}}}", list(entries.iter().map(|(k, v)| format!("{}: {}", shown(k), shown(v))).collect()))
            }
        }
    }

    fn merged(how: &str, base: &str, over: &str) -> (String, usize) {
        let mut findings = Findings::default();
        let strategy = Strategy::parse(how, &Origin::document("how"), &mut findings);
        let merged = merge(node("base", base), node("over", over), &strategy, &mut findings);
        (shown(&merged), findings.iter().count())
    }

    /// What cloud-init's own mergers make of each.
    #[test]
    fn every_option_does_what_the_peer_s_does() {
        for (how, base, over, expected) in [
            ("", "a: {x: 1}\nb: 1", "a: {y: 2}", "{a: {y: 2}, b: 1}"),
            ("dict()", "a: {x: 1}\nb: 1", "a: {x: 3, y: 2}\nb: 2\nc: 3", "{a: {x: 1, y: 2}, b: 1, c: 3}"),
            ("dict()+list(append)", "a: [1]", "a: [2]", "{a: [1]}"),
            ("dict(recurse_list)+list(append)", "a: [1]", "a: [2]", "{a: [1, 2]}"),
            ("dict(recurse_array)+list(prepend)", "a: [1]", "a: [2]", "{a: [2, 1]}"),
            ("dict(recurse_list)+list(no_replace)", "a: [1, 2]", "a: [3]", "{a: [1, 2]}"),
            ("dict(recurse_list)+list()", "a: [1, 2]", "a: [3]", "{a: [3, 2]}"),
            ("dict(recurse_list)+list(recurse_dict)", "a: [{x: 1}, 2]", "a: [{y: 1}]", "{a: [{x: 1, y: 1}, 2]}"),
            ("dict(recurse_list)+list(recurse_list)", "a: [[1, 2]]", "a: [[3]]", "{a: [[3, 2]]}"),
            ("dict(recurse_list)+list(recurse_str)+str(append)", "a: [x]", "a: [y]", "{a: [xy]}"),
            ("dict(recurse_list)", "a: [1]", "a: [2]", "{a: [1]}"),
            ("dict(recurse_str)+str(append)", "a: x", "a: y", "{a: xy}"),
            ("dict(recurse_str)+str()", "a: x", "a: y", "{a: y}"),
            ("dict(recurse_str)", "a: x", "a: y", "{a: x}"),
            ("dict(recurse_str)+str(append)", "a: x", "a: 1", "{a: x}"),
            ("dict(allow_delete)", "a: x\nb: y", "a: ~", "{b: y}"),
            ("dict(replace,allow_delete)", "a: x\nb: y", "a: ~\nb: z", "{b: z}"),
            ("dict(replace)", "a: x", "a: ~", "{a: }"),
            ("dict(recurse_list)+list()+str()", "a: x", "a: [1]", "{a: [1]}"),
            ("dict(recurse_str)+list()+str()", "a: [1]", "a: x", "{a: x}"),
            ("dict()", "yes: 1", "1: 3", "{1: 1}"),
        ] {
            let expected = expected.replace("{a: }", "{a: ~}");
            let (shown, _) = merged(how, base, over);
            assert_eq!(shown, expected, "{how}: {base} / {over}");
        }
    }

    #[test]
    fn what_cannot_be_merged_stays_and_is_said() {
        for (how, base, over) in [
            ("dict()", "a: 1", "a: {x: 1}"),
            ("dict(recurse_list)+list()", "a: ~", "a: [1]"),
            ("dict(recurse_list)+list()", "a: {x: 1}", "a: [1]"),
            // There the letters of the text would become entries.
            ("dict(recurse_str)+list(append)", "a: [1]", "a: text"),
            ("dict(recurse_list)+str(append)", "a: text", "a: [1]"),
        ] {
            let kept = shown(&node("base", base));
            assert_eq!(merged(how, base, over), (kept, 1), "{how}: {base} / {over}");
        }
        assert_eq!(merged("dict(recurse_list)+list()", "a: [1]", "a: [2, 3]"), ("{a: [2]}".to_owned(), 1));
        assert_eq!(merged("dict()", "a: 1", "a: 2"), ("{a: 1}".to_owned(), 0), "this is what no_replace is for");
    }

    fn parts(earlier: &str, later: &str) -> (Node, Vec<String>) {
        let mut findings = Findings::default();
        let merged = part(node("one", earlier), node("two", later), None, &mut findings);
        (merged, findings.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn of_parts_whole_keys_replace_and_a_list_that_is_lost_is_said() {
        let (merged, findings) = parts("runcmd: [a]\nb: 1\nc: [1]\nd: {}\n", "b: 2\nruncmd: [b]\nc: [1]\nd: {x: 1}");
        assert_eq!(shown(&merged), "{runcmd: [b], b: 2, c: [1], d: {x: 1}}");
        assert_eq!(
            findings,
            ["two:2:1: warning: `runcmd` replaces the list of an earlier part (one:1:1), which is lost\n    \
              help: to join them: merge_how: list(append)+dict(no_replace,recurse_list)+str()"]
        );
    }

    #[test]
    fn each_merged_value_keeps_its_origin() {
        let how = "merge_how: list(append)+dict(recurse_list)+str()\n";
        let (merged, findings) = parts("runcmd: [a]\n", &format!("{how}runcmd: [b]\n"));
        assert_eq!(findings, [""; 0]);
        let places: Vec<_> =
            merged.get("runcmd").unwrap().items().unwrap().iter().map(|item| item.origin.to_string()).collect();
        assert_eq!(places, ["one:1:10", "two:2:10"]);
        assert_eq!(merged.get("merge_how"), None);
    }
}
