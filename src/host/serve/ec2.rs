// SPDX-License-Identifier: Apache-2.0
//! EC2's tree: a directory lists its names line by line, those of directories with a `/`; a leaf is its value.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Map, Value, json};

use crate::host::serve::guest::Guest;

/// A place in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Leaf(String),
    Directory(BTreeMap<String, Node>),
    /// A directory that lists `0=NAME` for what is at `0/openssh-key`.
    Keys(Vec<(String, String)>),
}

const KEYS: &str = "public-keys";

/// What only OpenStack's documents show: the tree has names of its own for it, or it is nobody's to list.
const NOT_SHOWN: [&str; 11] = [
    "admin_pass",
    "devices",
    "files",
    "keys",
    "launch_index",
    "meta",
    "name",
    "network_config",
    "public_keys",
    "random_seed",
    "uuid",
];

/// What is at the path below `meta-data/`: a listing or a value; `None` where nothing is.
pub fn meta_data(guest: &Guest, path: &[String]) -> Option<String> {
    let mut node = &tree(guest);
    let mut rest = path.iter();
    while let Some(part) = rest.next() {
        node = match node {
            Node::Directory(entries) => entries.get(part)?,
            Node::Keys(keys) => {
                let (_, key) = keys.get(part.parse::<usize>().ok()?)?;
                return match (rest.next().map(String::as_str), rest.next()) {
                    (None, _) => Some("openssh-key".to_owned()),
                    (Some("openssh-key"), None) => Some(key.clone()),
                    _ => None,
                };
            }
            Node::Leaf(_) => return None,
        };
    }
    Some(shown(node))
}

fn shown(node: &Node) -> String {
    let lines: Vec<String> = match node {
        Node::Leaf(text) => return text.clone(),
        Node::Keys(keys) => keys.iter().enumerate().map(|(number, (name, _))| format!("{number}={name}")).collect(),
        Node::Directory(entries) => {
            let line = |(name, node): (&String, &Node)| match node {
                Node::Leaf(_) => name.clone(),
                _ => format!("{name}/"),
            };
            entries.iter().map(line).collect()
        }
    };
    lines.join("\n")
}

/// The defaults, and on top of them what the guest's own meta-data say.
fn tree(guest: &Guest) -> Node {
    let mut entries = defaults(guest);
    for (name, value) in guest.given.iter() {
        if !NOT_SHOWN.contains(&name.as_str()) && name != KEYS {
            lay(&mut entries, name, value);
        }
    }
    let mut tree = directory(&entries);
    let keys = guest.public_keys();
    if !keys.is_empty() {
        tree.insert(KEYS.to_owned(), Node::Keys(keys.into_iter().map(|key| (key.name, key.key)).collect()));
    }
    Node::Directory(tree)
}

/// Objects are laid over each other key by key; all else replaces what was there.
fn lay(below: &mut Map<String, Value>, name: &str, value: &Value) {
    match (below.get_mut(name), value) {
        (Some(Value::Object(below)), Value::Object(above)) => {
            above.iter().for_each(|(name, value)| lay(below, name, value));
        }
        _ => drop(below.insert(name.to_owned(), value.clone())),
    }
}

fn defaults(guest: &Guest) -> Map<String, Value> {
    let mut entries = Map::new();
    let hostname = guest.hostname();
    entries.insert("instance-id".to_owned(), guest.id().into());
    entries.insert("hostname".to_owned(), hostname.as_str().into());
    entries.insert("local-hostname".to_owned(), hostname.as_str().into());
    let address = local_ipv4(guest);
    if let Some(address) = &address {
        entries.insert("local-ipv4".to_owned(), address.as_str().into());
    }
    if let Some(mac) = &guest.who.mac {
        let mut card = json!({"mac": mac, "device-number": "0", "local-hostname": hostname});
        if let (Some(address), Some(card)) = (address, card.as_object_mut()) {
            card.insert("local-ipv4s".to_owned(), address.into());
        }
        entries.insert("mac".to_owned(), mac.as_str().into());
        entries.insert("network".to_owned(), json!({"interfaces": {"macs": {mac: card}}}));
    }
    entries
}

/// Where it asked from, as far as that is an address of its own.
fn local_ipv4(guest: &Guest) -> Option<String> {
    match guest.who.address? {
        IpAddr::V4(address) if !address.is_link_local() => Some(address.to_string()),
        _ => None,
    }
}

fn directory(entries: &Map<String, Value>) -> BTreeMap<String, Node> {
    entries
        .iter()
        .filter(|(name, _)| is_name(name))
        .filter_map(|(name, value)| Some((name.clone(), node(value)?)))
        .collect()
}

/// A list of values is a leaf of lines, as Amazon's `security-groups`; a list of objects a directory of numbers. Null and
/// what is empty are not there.
fn node(value: &Value) -> Option<Node> {
    let directory = match value {
        Value::Object(entries) => directory(entries),
        Value::Array(list) if list.iter().any(|value| value.is_object() || value.is_array()) => {
            let nodes = list.iter().enumerate();
            nodes.filter_map(|(number, value)| Some((number.to_string(), node(value)?))).collect()
        }
        Value::Array(list) => {
            let lines: Vec<String> = list.iter().filter_map(leaf).collect();
            return (!lines.is_empty()).then(|| Node::Leaf(lines.join("\n")));
        }
        value => return leaf(value).map(Node::Leaf),
    };
    (!directory.is_empty()).then_some(Node::Directory(directory))
}

fn leaf(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    }
}

/// Whether it can stand on a line of a listing, and in a path.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\']) && !name.chars().any(char::is_control)
}

/// `dynamic/instance-identity/document`, as far as it is known; unsigned.
pub fn identity_document(guest: &Guest) -> Value {
    let region = guest.given.get("placement").and_then(|placement| placement.get("region"));
    let zone = guest.given.get("placement").and_then(|placement| placement.get("availability-zone"));
    json!({
        "accountId": guest.text("account-id"),
        "architecture": guest.text("architecture"),
        "availabilityZone": zone,
        "imageId": guest.text("ami-id"),
        "instanceId": guest.id(),
        "instanceType": guest.text("instance-type"),
        "pendingTime": null,
        "privateIp": local_ipv4(guest),
        "region": region,
        "version": "2017-09-30",
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::host::serve::guest::tests::with;

    fn at(guest: &Guest, path: &str) -> Option<String> {
        let parts: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        meta_data(guest, &parts)
    }

    #[test]
    fn the_defaults_are_what_is_known() {
        let guest = with(json!({}));
        let listing = "hostname\ninstance-id\nlocal-hostname\nlocal-ipv4\nmac\nnetwork/";
        assert_eq!(at(&guest, "").unwrap(), listing);
        assert_eq!(at(&guest, "local-hostname").unwrap(), "web.internal");
        let card = "network/interfaces/macs/52:54:00:00:00:01";
        assert_eq!(at(&guest, card).unwrap(), "device-number\nlocal-hostname\nlocal-ipv4s\nmac");
        assert_eq!(at(&guest, &format!("{card}/local-ipv4s")).unwrap(), "192.168.122.5");
        assert_eq!(at(&guest, "public-keys"), None);
    }

    #[test]
    fn its_own_meta_data_come_on_top() {
        let guest = with(json!({
            "local-hostname": "db.example", "network": {"interfaces": {"more": true}}, "security-groups": ["a", "b"],
            "block-device-mapping": {"ami": "/dev/vda", "empty": {}, "null": null}, "tags": [{"k": 1}], "meta": {"x": "y"},
            "a/b": 1, "a\nb": 1, "": 1, "..": 1, "admin_pass": "secret",
        }));
        assert_eq!(at(&guest, "local-hostname").unwrap(), "db.example");
        assert_eq!(at(&guest, "network/interfaces").unwrap(), "macs/\nmore");
        assert_eq!(at(&guest, "security-groups").unwrap(), "a\nb");
        assert_eq!(at(&guest, "block-device-mapping").unwrap(), "ami");
        assert_eq!(at(&guest, "tags").unwrap(), "0/");
        assert_eq!(at(&guest, "tags/0/k").unwrap(), "1");
        let listing = at(&guest, "").unwrap();
        assert!(!listing.contains("admin") && !listing.contains("meta") && !listing.contains("a/b"), "{listing}");
        assert_eq!(at(&guest, "local-hostname/x"), None);
    }

    #[test]
    fn keys_are_listed_by_number_and_name() {
        let guest =
            with(json!({"public-keys": [{"openssh-key": "ssh-rsa AAAA me"}, {"openssh-key": "K", "name": "n"}]}));
        assert!(at(&guest, "").unwrap().lines().any(|line| line == "public-keys/"));
        assert_eq!(at(&guest, "public-keys/").unwrap(), "0=key-0\n1=n");
        assert_eq!(at(&guest, "public-keys/0").unwrap(), "openssh-key");
        assert_eq!(at(&guest, "public-keys/0/openssh-key").unwrap(), "ssh-rsa AAAA me");
        for none in ["public-keys/2", "public-keys/0=key-0", "public-keys/0/x", "public-keys/0/openssh-key/x"] {
            assert_eq!(at(&guest, none), None, "{none}");
        }
        assert_eq!(at(&with(json!({"public-keys": []})), "public-keys"), None);
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), ".{0,4}".prop_map(Value::from)];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec(("[a-z./=]{0,3}", inner), 0..4)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    /// Everything that is listed below `path` is there; returns how many leaves.
    fn walk(guest: &Guest, path: &str, depth: usize) -> usize {
        assert!(depth < 16);
        let mut leaves = 0;
        for line in at(guest, path).unwrap().lines() {
            let line =
                line.split('=').next().filter(|_| path == "public-keys/").map_or(line.to_owned(), |n| format!("{n}/"));
            leaves += match line.ends_with('/') {
                true => walk(guest, &format!("{path}{line}"), depth + 1),
                false => at(guest, &format!("{path}{line}")).map(|_| 1).unwrap(),
            };
        }
        leaves
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_listed_is_there(value in values(), keys in values()) {
            let leaves = walk(&with(json!({"x": value, "public-keys": keys})), "", 0);
            prop_assert!(leaves >= 9);
        }
    }
}
