// SPDX-License-Identifier: Apache-2.0
//! NoCloud's meta-data: YAML (so JSON too), a line of the kernel, an OVF environment, or several of them one over the other.
//!
//! Keys as cloud-init's `DataSourceNoCloud`: <https://docs.cloud-init.io/en/latest/reference/datasources/nocloud.html>. What
//! has no meaning here is instance data: `ds.meta_data.NAME`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::config::document::{self, Data, Node};
use crate::config::merge::overlay;
use crate::config::read::{Read as _, same_key};
use crate::config::types::OneOrMany;
use crate::digest::sha256;
use crate::error::{Error, Result};
use crate::finding::{Finding, Findings, Located, Origin, Severity, closest};
use crate::instance::{Instance, hostname, keys};
use crate::seed::{Document, Seed};

pub mod line;
pub mod ovf;

/// The datasource's name.
pub const NAME: &str = "nocloud";

/// The keys that mean something.
const KEYS: [&str; 12] = [
    "instance-id",
    "local-hostname",
    "hostname",
    "public-keys",
    "network-interfaces",
    "seedfrom",
    "dsmode",
    "cloud-name",
    "availability-zone",
    "region",
    "random_seed",
    "meta",
];

/// The first name is VMware's, which goes first there too.
const PUBLIC_KEYS: [&str; 2] = ["public-keys-data", "public-keys"];
/// VMware's, of which the second is the older name.
const REDACT: [&str; 2] = ["redact", "cleanup-guestinfo"];

/// Reads the seed's meta-data.
pub fn read(seed: &Seed, findings: &mut Findings) -> Result<Instance> {
    let meta = merged(seed.all_meta_data(), findings)?;
    warn_of_near_misses(&meta, findings);
    let origin = seed.meta_data.origin();
    let id = text(&meta, "instance-id", findings).filter(|id| !id.trim().is_empty());
    let id = id.unwrap_or_else(|| by_content(seed, &origin, findings));
    let asked = ["local-hostname", "hostname"].iter().find_map(|key| text(&meta, key, findings));
    let hostname = asked.and_then(|name| hostname::check(&name).map_err(|wrong| findings.push(wrong)).ok());
    let random_seed = text(&meta, "random_seed", findings);
    // Where EC2 has it, and cloud-init looks in every meta-data.
    let zone = value(&meta, "placement").and_then(|placement| text(placement, "availability-zone", findings));
    Ok(Instance {
        id,
        hostname,
        public_keys: public_keys(&meta, findings),
        properties: properties(&meta, findings),
        redact: redact(&meta, findings),
        random_seed: random_seed.map(|seed| seed.map(String::into_bytes)),
        availability_zone: text(&meta, "availability-zone", findings).or(zone).map(|zone| zone.value),
        region: text(&meta, "region", findings).map(|region| region.value),
        cloud_name: text(&meta, "cloud-name", findings).map(|name| name.value.to_lowercase()),
        ..Instance::unknown(&origin)
    })
}

/// The meta-data as instance data have it, with the id that the instance goes by.
pub fn data(seed: &Seed, id: &str) -> Value {
    let mut data = merged(seed.all_meta_data(), &mut Findings::default()).map_or(Value::Null, |meta| meta.to_json());
    if let Value::Object(entries) = &mut data {
        entries.entry("instance-id").or_insert_with(|| id.into());
    }
    data
}

/// All documents as one: of a key the first that has it counts, mappings key by key.
pub fn merged<'a>(
    documents: impl IntoIterator<Item = &'a Document, IntoIter: DoubleEndedIterator>,
    findings: &mut Findings,
) -> Result<Node> {
    let mut documents = documents.into_iter().map(|document| parse(document, findings)).rev();
    let Some(last) = documents.next() else { return Ok(Node::empty(Origin::document("meta-data"))) };
    documents.try_fold(last?, |below, above| Ok(overlay(below, above?)))
}

/// One document; always a mapping.
///
/// # Errors
/// Malformed, with the place.
pub fn parse(document: &Document, findings: &mut Findings) -> Result<Node> {
    let origin = document.origin();
    let Ok(text) = std::str::from_utf8(&document.bytes) else {
        return Err(Finding::error(&origin, "not UTF-8 text").help("meta-data is YAML or JSON").into());
    };
    if let Some(line) = line::parse(text, &origin) {
        return Ok(line);
    }
    if let Some(environment) = ovf::parse(text, &origin) {
        return environment;
    }
    let unreadable = |findings: &Findings| {
        let wrong = findings.iter().rfind(|finding| finding.severity == Severity::Error).cloned();
        wrong.map_or_else(|| Error::malformed(format!("{origin}: not YAML")), Error::from)
    };
    let Some(node) = document::parse(text, &origin, findings) else { return Err(unreadable(findings)) };
    match node.data {
        Data::Mapping(_) => Ok(node),
        _ if node.is_null() => Ok(Node::empty(origin)),
        _ => {
            let wrong = format!("expected keys such as `instance-id:`, found {}", node.described());
            Err(Finding::error(&node.origin, wrong).help("meta-data is a mapping, in YAML or JSON").into())
        }
    }
}

/// The value of a key, which may also be written with underscores; null is the same as leaving it out.
pub fn value<'a>(meta: &'a Node, key: &str) -> Option<&'a Node> {
    let same = |written: &Node| written.text().is_some_and(|name| name == key || same_key(key, name));
    let (_, value) = meta.entries().iter().rev().find(|(written, _)| same(written))?;
    (!value.is_null()).then_some(value)
}

/// The text of a key.
pub fn text(meta: &Node, key: &str, findings: &mut Findings) -> Option<Located<String>> {
    Located::read(value(meta, key)?, findings)
}

/// The id of an instance to which nobody gave one. cloud-init calls each of them `nocloud`, so a copied disk with another
/// seed would pass for the machine that it was copied from. The network is left out: it changes in an instance's life.
fn by_content(seed: &Seed, origin: &Origin, findings: &mut Findings) -> Located<String> {
    let documents =
        seed.all_meta_data().map(Some).chain([seed.user_data.as_ref()]).chain(seed.vendor_data.iter().map(Some));
    // Each by itself, so that nothing moves from one document to the next unseen.
    let digests: String =
        documents.map(|document| document.map_or(String::new(), |it| sha256(&it.bytes)) + "\n").collect();
    let digest = sha256(digests.as_bytes());
    let id = format!("{}-{}", seed.datasource, digest.get(..32).unwrap_or(&digest));
    let message = format!("no `instance-id`: this instance is `{id}` by its meta-data and user-data");
    findings.push(
        Finding::note(origin, message)
            .help("with `instance-id: NAME` the instance stays the same when its seed is edited"),
    );
    Located::new(id, origin.clone())
}

/// A mapping of names to keys, a list of keys, or keys line by line.
fn public_keys(meta: &Node, findings: &mut Findings) -> Vec<Located<String>> {
    let mut found = Vec::new();
    let Some(node) = PUBLIC_KEYS.iter().find_map(|key| value(meta, key)) else { return found };
    match &node.data {
        Data::Mapping(named) => named.iter().for_each(|(_, value)| keys_of(value, &mut found, findings)),
        _ => keys_of(node, &mut found, findings),
    }
    found
}

fn keys_of(node: &Node, found: &mut Vec<Located<String>>, findings: &mut Findings) {
    match &node.data {
        Data::Sequence(items) => {
            for item in items {
                match item.text().map(|lines| (lines, item)).or_else(|| of_ec2(item)) {
                    Some((lines, place)) => keys::add(lines, &place.origin, found, findings),
                    None => unfit(item, "a public key", findings),
                }
            }
        }
        Data::Mapping(_) => match of_ec2(node) {
            Some((lines, place)) => keys::add(lines, &place.origin, found, findings),
            None => unfit(node, "a public key or a list of them", findings),
        },
        Data::Scalar(_) if node.is_null() => {}
        Data::Scalar(scalar) => keys::add(&scalar.text, &node.origin, found, findings),
    }
}

/// The key in a mapping as EC2's tree has it, which people copy: `{openssh-key: KEY}`.
fn of_ec2(node: &Node) -> Option<(&str, &Node)> {
    let key = value(node, "openssh-key")?;
    Some((key.text()?, key))
}

/// What the platform is to forget.
fn redact(meta: &Node, findings: &mut Findings) -> Vec<Located<String>> {
    let node = REDACT.iter().find_map(|key| value(meta, key));
    node.and_then(|node| OneOrMany::read(node, findings)).map_or_else(Vec::new, |words| words.0)
}

fn unfit(node: &Node, expected: &str, findings: &mut Findings) {
    findings.push(Finding::error(&node.origin, format!("expected {expected}, found {}", node.described())));
}

/// `meta`, which OpenStack has, for settings that are made for both.
fn properties(meta: &Node, findings: &mut Findings) -> BTreeMap<String, String> {
    let Some(node) = value(meta, "meta") else { return BTreeMap::new() };
    if !matches!(node.data, Data::Mapping(_)) {
        unfit(node, "a mapping of properties", findings);
    }
    let property = |(key, value): &(Node, Node)| match value.to_json() {
        Value::Null => None,
        Value::String(text) => Some((key.text()?.to_owned(), text)),
        other => Some((key.text()?.to_owned(), other.to_string())),
    };
    node.entries().iter().filter_map(property).collect()
}

/// A key that is nearly one with a meaning was probably meant to be it.
fn warn_of_near_misses(meta: &Node, findings: &mut Findings) {
    for (key, _) in meta.entries() {
        let name = key.text().unwrap_or_default();
        if KEYS.iter().any(|known| *known == name || same_key(known, name)) {
            continue;
        }
        if let Some(close) = closest(name, KEYS) {
            let text = format!("`{name}` has no meaning here: it is instance data only");
            findings.push(Finding::warning(&key.origin, text).help(format!("did you mean `{close}`?")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDlZrvrghHGLBOqnwHms/gi1daP5AElq0hZC0etyIHr0 me";

    fn seed(meta_data: &[&str]) -> Seed {
        let mut documents = meta_data.iter().map(|text| Document::new("meta-data", text.replace("KEY", KEY)));
        let first = documents.next().unwrap();
        let seed = Seed::new(NAME, "here", first);
        Seed { meta_format: crate::seed::MetaFormat::NoCloud, more_meta_data: documents.collect(), ..seed }
    }

    fn instance(meta_data: &[&str]) -> (Result<Instance>, Vec<String>) {
        let mut findings = Findings::default();
        let instance = read(&seed(meta_data), &mut findings);
        (instance, findings.iter().map(|finding| format!("{}: {}", finding.origin, finding.message)).collect())
    }

    #[test]
    fn all_that_has_a_meaning() {
        let yaml = "instance-id: iid-local01\nlocal-hostname: web.example\nhostname: other\npublic-keys: [KEY]\n\
            availability_zone: a\ncloud-name: Home\nrandom_seed: abc\nmeta: {role: web, n: 1, none: ~}\nrack: r7\n";
        let json = r#"{"instance-id": "iid-local01", "local-hostname": "web.example", "public-keys": {"a": "KEY"},
            "availability-zone": "a", "cloud-name": "home", "random_seed": "abc", "meta": {"role": "web", "n": 1}}"#;
        for text in [yaml, json] {
            let (instance, findings) = instance(&[text]);
            let instance = instance.unwrap();
            assert_eq!(findings, [""; 0], "{text}");
            assert_eq!(instance.id.value, "iid-local01");
            assert_eq!(instance.hostname.unwrap().value, "web.example");
            assert_eq!(instance.public_keys[0].value, KEY);
            assert_eq!(
                (instance.availability_zone.as_deref(), instance.cloud_name.as_deref()),
                (Some("a"), Some("home"))
            );
            assert_eq!(instance.random_seed.unwrap().value, b"abc");
            assert_eq!(
                instance.properties,
                BTreeMap::from([("role", "web"), ("n", "1")].map(|(k, v)| (k.into(), v.into())))
            );
        }
        assert_eq!(data(&seed(&[yaml]), "x")["rack"], "r7");
    }

    #[test]
    fn where_it_runs_may_be_said_as_ec2_says_it() {
        let (instance, findings) = instance(&["instance-id: x\nregion: R\nplacement: {availability-zone: z}\n"]);
        let instance = instance.unwrap();
        assert_eq!(findings, [""; 0]);
        assert_eq!((instance.region.as_deref(), instance.availability_zone.as_deref()), (Some("R"), Some("z")));
    }

    #[test]
    fn keys_come_in_many_shapes() {
        for shape in [
            "KEY",
            "|\n  # note\n  KEY\n\n  KEY",
            "[KEY]",
            "{a: KEY}",
            "{a: [KEY, KEY], b: ~}",
            "\n- KEY",
            "[{openssh-key: KEY}]",
            "{'0': {openssh-key: KEY}}",
        ] {
            let (instance, findings) = instance(&[&format!("instance-id: x\npublic_keys: {shape}\n")]);
            assert_eq!(instance.unwrap().public_keys.len(), 1, "{shape}");
            assert_eq!(findings, [""; 0], "{shape}");
        }
        let (instance, findings) =
            instance(&["instance-id: x\npublic-keys:\n  a: KEY\n  b: {ssh-key: KEY}\n  c: [junk, []]\n"]);
        assert_eq!(instance.unwrap().public_keys.len(), 1);
        assert_eq!(
            findings,
            [
                "meta-data:4:6: expected a public key or a list of them, found a mapping",
                "meta-data:5:7: this is not a public key; it is left out",
                "meta-data:5:13: expected a public key, found a list",
            ]
        );
    }

    #[test]
    fn of_a_key_the_first_document_counts_and_mappings_are_joined() {
        let documents =
            ["ds=nocloud;h=line", "local-hostname: disk\ninstance-id: i-1\nmeta: {a: 1}", "meta: {a: 2, b: 2}"];
        let (instance, findings) = instance(&documents);
        let instance = instance.unwrap();
        assert_eq!(findings, [""; 0]);
        assert_eq!((instance.id.as_str(), instance.hostname.unwrap().as_str()), ("i-1", "line"));
        assert_eq!(instance.properties, BTreeMap::from([("a", "1"), ("b", "2")].map(|(k, v)| (k.into(), v.into()))));
        assert_eq!(data(&seed(&documents), "")["local-hostname"], "line");
    }

    #[test]
    fn without_an_id_the_content_tells_instances_apart() {
        let id = |seed: &Seed| read(seed, &mut Findings::default()).unwrap().id.value;
        let user_data = |text: &str| Seed { user_data: Some(Document::new("user-data", text)), ..seed(&[""]) };
        let first = id(&user_data("a"));
        assert!(first.len() == 40 && first.starts_with("nocloud-"), "{first}");
        assert_eq!(
            id(&Seed { place: "/dev/sr1".to_owned(), ..user_data("a") }),
            first,
            "another place is no other seed"
        );
        assert_ne!(id(&user_data("b")), first);
        let vendor_data = vec![Document::new("vendor-data", "a")];
        assert_ne!(id(&Seed { user_data: None, vendor_data, ..user_data("a") }), first);
        assert_ne!(id(&Seed { user_data: user_data("a").user_data, ..seed(&["local-hostname: b"]) }), first);
        let (instance, findings) = instance(&["instance-id: ' '\nlocal-hostname: x"]);
        assert!(instance.unwrap().id.starts_with("nocloud-"));
        assert!(findings[0].starts_with("meta-data: no `instance-id`: this instance is `nocloud-"), "{findings:?}");
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        for (text, expected) in [
            ("instance-id: i\nlocal-hostname: [x\n", "meta-data:3:1: "),
            ("- a\n", "meta-data:1:1: expected keys such as `instance-id:`, found a list\n"),
            ("just text", "meta-data:1:1: expected keys such as `instance-id:`, found a string\n"),
        ] {
            let error = instance(&[text]).0.unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        let (instance, findings) = instance(&["instance-id: i\nlocal-hostnme: x\nhostname: a b\ndsmode: net\n"]);
        assert!(instance.unwrap().hostname.is_none());
        assert_eq!(
            findings,
            [
                "meta-data:2:1: `local-hostnme` has no meaning here: it is instance data only",
                "meta-data:3:11: \"a b\" can't be a host name: it has ' ' in it",
            ]
        );
    }
}
