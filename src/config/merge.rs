// SPDX-License-Identifier: Apache-2.0
//! How layers of configuration become one; every value keeps its origin.

use crate::config::document::{Data, Node};
use crate::config::mapping::Mapping;

/// A higher layer over a lower one, as cloud-init lays vendor-data over the image and user-data over both: mappings are
/// merged key by key, whatever else the higher layer has replaces, null included.
pub fn overlay(base: Node, over: Node) -> Node {
    merge(base, over, overlay)
}

/// A later part of one user-data over an earlier one: its top-level keys replace.
pub fn replace_keys(earlier: Node, later: Node) -> Node {
    merge(earlier, later, |_, later| later)
}

/// `both` makes one value of two of the same key.
fn merge(base: Node, over: Node, both: fn(Node, Node) -> Node) -> Node {
    let (lower, higher) = match (base.data, over.data) {
        (Data::Mapping(lower), Data::Mapping(higher)) => (lower, higher),
        (_, data) => return Node { data, origin: over.origin },
    };
    let mut higher = Mapping::of(higher);
    let mut merged: Vec<_> = lower
        .into_iter()
        .map(|(key, below)| match higher.take(&key) {
            Some((key, above)) => (key, both(below, above)),
            None => (key, below),
        })
        .collect();
    merged.extend(higher.into_entries());
    Node { data: Data::Mapping(merged), origin: over.origin }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document::parse;
    use crate::finding::{Findings, Origin};

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

    #[test]
    fn parts_replace_whole_keys() {
        let merged = replace_keys(node("one", "a: {x: 1}\nb: 1\n"), node("two", "a: {y: 2}\n"));
        assert_eq!(merged.get("a").unwrap().get("x"), None);
        assert_eq!(merged.get("b").unwrap().origin.to_string(), "one:2:4");
    }
}
