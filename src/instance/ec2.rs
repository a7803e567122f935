// SPDX-License-Identifier: Apache-2.0
//! EC2's meta-data: the tree of the service as JSON, and the platform's name where the firmware told it.
//!
//! Keys as cloud-init's `DataSourceEc2`. What has no meaning here is instance data: `ds.meta_data.NAME`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::error::Result;
use crate::finding::{Finding, Findings, Located, Origin};
use crate::instance::{Instance, hostname, keys};
use crate::json;
use crate::seed::Seed;

/// The datasource's name.
pub const NAME: &str = "ec2";
/// The document that names the platform.
pub const CLOUD_NAME: &str = "cloud-name";
/// Amazon's own word on the instance: account, region, architecture. Its path, and its name in the seed's content.
pub const IDENTITY: &str = "dynamic/instance-identity/document";

/// Reads the seed's meta-data.
pub fn read(seed: &Seed, findings: &mut Findings) -> Result<Instance> {
    let origin = seed.meta_data.origin();
    let tree = json::parse(&seed.meta_data.bytes, &origin, findings)?;
    let word = |path: &str| {
        let text = text(tree.pointer(&format!("/{path}"))?);
        Some(Located::new(text.split_whitespace().next()?.to_owned(), origin.key(path)))
    };
    let Some(id) = word("instance-id") else {
        let missing = Finding::error(&origin.key("instance-id"), "it is missing: which instance this is can't be told");
        return Err(missing.help("the service has to give each machine its own; it decides what is done once").into());
    };
    // An interface with several addresses has several names, the first of which is the primary one's.
    let asked = word("local-hostname").or_else(|| word("hostname"));
    let zone = word("placement/availability-zone").map(|zone| zone.value);
    let region = word("placement/region").map(|region| region.value);
    let cloud_name = seed.more_meta_data.iter().find(|document| document.name == CLOUD_NAME);
    Ok(Instance {
        id,
        hostname: asked.and_then(|name| hostname::check(&name).map_err(|wrong| findings.push(wrong)).ok()),
        public_keys: public_keys(&tree, &origin, findings),
        properties: tags(&tree),
        region: region.or_else(|| region_of(zone.as_deref()?)),
        availability_zone: zone,
        cloud_name: cloud_name.map(|document| String::from_utf8_lossy(&document.bytes).into_owned()),
        ..Instance::unknown(&origin)
    })
}

/// The meta-data as instance data have it: the keys by their names.
pub fn data(seed: &Seed) -> Value {
    let mut tree = json::quietly(&seed.meta_data.bytes);
    if let Some(Value::Object(keys)) = tree.get_mut("public-keys") {
        let listed = std::mem::take(keys);
        for (line, key) in listed {
            let (number, name) = line.split_once('=').unwrap_or((&line, ""));
            let name = if name.is_empty() || keys.contains_key(name) { number } else { name };
            keys.insert(name.to_owned(), key);
        }
    }
    tree
}

/// Amazon's further data, in the shape that cloud-init has them.
pub fn dynamic(seed: &Seed) -> Option<Value> {
    let document: Map<String, Value> = serde_json::from_slice(seed.content.get(IDENTITY)?).ok()?;
    Some(json!({ "instance-identity": { "document": document } }))
}

/// The region of a zone such as `eu-west-1a`; a zone of another form tells none.
fn region_of(zone: &str) -> Option<String> {
    let region = zone.strip_suffix(|c: char| c.is_ascii_lowercase())?;
    region.ends_with(|c: char| c.is_ascii_digit()).then(|| region.to_owned())
}

/// As the service had it: lists are lines.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(lines) => lines.iter().map(text).collect::<Vec<_>>().join("\n"),
        other => other.to_string(),
    }
}

/// Those listed with a number, each at its place in the tree; or the keys themselves, as `CloudStack` has them there.
fn public_keys(tree: &Value, origin: &Origin, findings: &mut Findings) -> Vec<Located<String>> {
    let mut found = Vec::new();
    match tree.get("public-keys") {
        Some(Value::Object(listed)) => {
            for (line, key) in listed {
                let number = line.split('=').next().unwrap_or_default();
                keys::add(&text(key), &origin.key(&format!("public-keys/{number}/openssh-key")), &mut found, findings);
            }
        }
        Some(lines) => keys::add(&text(lines), &origin.key("public-keys"), &mut found, findings),
        None => {}
    }
    found
}

/// The instance's tags, where it is allowed to see them.
fn tags(tree: &Value) -> BTreeMap<String, String> {
    let tags = tree.pointer("/tags/instance").and_then(Value::as_object);
    tags.into_iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::Guest;
    use crate::scratch::Scratch;
    use crate::seed::{Document, MetaFormat};

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDlZrvrghHGLBOqnwHms/gi1daP5AElq0hZC0etyIHr0 me";

    fn seed(tree: &Value) -> Seed {
        let seed = Seed::new(NAME, "http://192.0.2.1", Document::new("meta-data", tree.to_string()));
        Seed { meta_format: MetaFormat::Ec2, ..seed }
    }

    fn instance(tree: &Value) -> (Result<Instance>, Vec<String>) {
        let mut findings = Findings::default();
        let instance = read(&seed(tree), &mut findings);
        (instance, findings.iter().map(ToString::to_string).collect())
    }

    /// Instance data, on a guest without anything.
    fn data(seed: &Seed) -> Value {
        let guest = Guest::read(&Scratch::new().root()).unwrap();
        read(seed, &mut Findings::default()).unwrap().data(seed, &guest)
    }

    #[test]
    fn all_that_has_a_meaning() {
        let (instance, findings) = instance(&json!({
            "instance-id": "i-0abc",
            "local-hostname": "ip-10-0-0-5.ec2.internal ip-10-0-0-6.ec2.internal",
            "hostname": "other",
            "public-keys": {"0=me": KEY, "1=me": [KEY, "# note", "junk"], "2=": ""},
            "placement": {"availability-zone": "eu-west-1a", "region": "eu-west-1"},
            "tags": {"instance": {"Name": "web", "lines": ["a", "b"]}},
        }));
        let instance = instance.unwrap();
        assert_eq!(instance.id.value, "i-0abc");
        assert_eq!(instance.id.origin.to_string(), "meta-data: instance-id");
        assert_eq!(instance.hostname.unwrap().value, "ip-10-0-0-5.ec2.internal");
        assert_eq!(instance.public_keys.len(), 1, "the same key twice is one");
        assert_eq!(instance.public_keys[0].origin.to_string(), "meta-data: public-keys/0/openssh-key");
        assert_eq!(
            (instance.availability_zone.as_deref(), instance.region.as_deref()),
            (Some("eu-west-1a"), Some("eu-west-1"))
        );
        let tags = [("Name", "web"), ("lines", "a\nb")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(instance.properties, tags.into());
        assert_eq!(findings.len(), 1);
        let junk = "meta-data: public-keys/1/openssh-key: error: this is not a public key; it is left out";
        assert!(findings[0].starts_with(junk), "{findings:?}");
    }

    #[test]
    fn platforms_of_few_words_are_enough() {
        let mac =
            json!({"instance-id": "52:54:00:12:34:56", "local-hostname": "web.internal", "public-keys": [KEY, ""]});
        let instance = instance(&mac).0.unwrap();
        assert_eq!((instance.id.as_str(), instance.public_keys.len()), ("52:54:00:12:34:56", 1));
        assert_eq!((instance.cloud_name.as_deref(), instance.region.as_deref()), (None, None));
        for (zone, region) in [("us-east-1d", Some("us-east-1")), ("nova", None), ("zone1", None), ("", None)] {
            let tree = json!({"instance-id": "i", "placement": {"availability-zone": zone}});
            assert_eq!(self::instance(&tree).0.unwrap().region.as_deref(), region, "{zone}");
        }
    }

    #[test]
    fn without_an_id_there_is_no_instance() {
        for tree in [json!({}), json!({"instance-id": " "}), json!([]), json!("x")] {
            let error = instance(&tree).0.unwrap_err().to_string();
            assert!(error.starts_with("meta-data: instance-id: it is missing"), "{error}");
        }
        let (instance, findings) = instance(&json!({"instance-id": "i", "hostname": "a_b..c", "public-keys": 7}));
        assert!(instance.unwrap().hostname.is_none());
        assert_eq!(findings.len(), 2, "{findings:?}");
    }

    #[test]
    fn instance_data_are_as_the_peer_has_them() {
        let tree = json!({
            "instance-id": "i-1",
            "public-keys": {"0=me": "a", "1=me": "b", "2=": "c"},
            "placement": {"availability-zone": "cn-north-1a"},
        });
        let mut seed = seed(&tree);
        seed.more_meta_data.push(Document::new(CLOUD_NAME, "aws"));
        seed.content.insert(IDENTITY.to_owned(), br#"{"accountId": "1"}"#.to_vec());
        let known = data(&seed);
        for (key, value) in [
            ("cloud_name", "aws"),
            ("cloud_id", "aws-china"),
            ("platform", "ec2"),
            ("region", "cn-north-1"),
            ("availability_zone", "cn-north-1a"),
            ("subplatform", "metadata (http://192.0.2.1)"),
        ] {
            assert_eq!(known["v1"][key], value, "{key}");
        }
        assert_eq!(known["ds"]["meta_data"]["public-keys"], json!({"me": "a", "1": "b", "2": "c"}));
        assert_eq!(known["ds"]["dynamic"]["instance-identity"]["document"]["accountId"], "1");
        let alike = data(&self::seed(&json!({"instance-id": "i-1"})));
        assert_eq!((&alike["v1"]["cloud_name"], &alike["v1"]["cloud_id"]), (&json!("unknown"), &json!("ec2")));
        assert!(alike["ds"].get("dynamic").is_none());
    }
}
