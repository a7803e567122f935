// SPDX-License-Identifier: Apache-2.0
//! OpenStack's documents, as nova's metadata service gives them out.

use serde_json::{Map, Value, json};

use crate::host::serve::guest::Guest;
use crate::seed::{MetaFormat, Seed};

/// Keys of `meta_data.json` that are shown as the guest's own meta-data have them.
const GIVEN: [&str; 8] = [
    "admin_pass",
    "availability_zone",
    "dedicated_cpus",
    "devices",
    "launch_index",
    "network_config",
    "project_id",
    "random_seed",
];

/// `meta_data.json`.
pub fn meta_data(guest: &Guest) -> Value {
    let keys = guest.public_keys();
    let public_keys: Map<String, Value> = keys.iter().map(|key| (key.name.clone(), key.key.as_str().into())).collect();
    let listed = keys.iter().map(|key| json!({"name": key.name, "type": "ssh", "data": key.key}));
    let mut document = json!({
        "uuid": guest.id(),
        "name": guest.name(),
        "hostname": guest.hostname(),
        "launch_index": 0,
        "meta": guest.given.get("meta").filter(|meta| meta.is_object()).cloned().unwrap_or_else(|| json!({})),
        "public_keys": public_keys,
        "keys": listed.collect::<Vec<_>>(),
    });
    let Some(entries) = document.as_object_mut() else { return document };
    if let Some(zone) = guest.given.get("placement").and_then(|placement| placement.get("availability-zone")) {
        entries.insert("availability_zone".to_owned(), zone.clone());
    }
    for key in GIVEN {
        if let Some(value) = guest.given.get(key) {
            entries.insert(key.to_owned(), value.clone());
        }
    }
    let files: Vec<Value> =
        files(guest).map(|file| json!({"path": file.path, "content_path": file.content_path})).collect();
    if !files.is_empty() {
        entries.insert("files".to_owned(), files.into());
    }
    document
}

/// A file that a guest is to write.
pub struct File<'a> {
    /// Where.
    pub path: &'a str,
    /// Where its bytes are, below `/openstack`.
    pub content_path: String,
    /// What they are.
    pub content: Content<'a>,
}

/// The bytes of a file.
pub enum Content<'a> {
    /// As the meta-data have them: `"content": TEXT`.
    Text(&'a str),
    /// At that place in the store: `"from": PLACE`.
    Place(&'a str),
}

/// The files of a guest's meta-data: `"files": [{"path": …, "content": …}, {"path": …, "from": …}]`. Their numbers are those
/// of the list.
pub fn files(guest: &Guest) -> impl Iterator<Item = File<'_>> {
    let list = guest.given.get("files").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    list.iter().enumerate().filter_map(|(number, file)| {
        let text = |key: &str| file.get(key).and_then(Value::as_str);
        let content = text("content").map(Content::Text).or_else(|| text("from").map(Content::Place))?;
        Some(File { path: text("path")?, content_path: format!("/content/{number:04}"), content })
    })
}

/// `vendor_data.json`: as it is where it is JSON; else what cloud-init reads of one in it.
pub fn vendor_data(bytes: &[u8]) -> Option<Vec<u8>> {
    if serde_json::from_slice::<Value>(bytes).is_ok() {
        return Some(bytes.to_vec());
    }
    let text = std::str::from_utf8(bytes).ok()?;
    Some(json!({"cloud-init": text}).to_string().into_bytes())
}

/// The bytes of `meta_data.json` on a config drive; `None` for another seed.
pub fn of_drive(seed: &Seed) -> Option<&[u8]> {
    (seed.meta_format == MetaFormat::OpenStack).then_some(seed.meta_data.bytes.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Findings;
    use crate::host::serve::guest::tests::with;
    use crate::instance;
    use crate::seed::Document;

    #[test]
    fn our_own_reader_understands_it() {
        const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDlZrvrghHGLBOqnwHms/gi1daP5AElq0hZC0etyIHr0 me";
        let guest = with(json!({
            "public-keys": [{"openssh-key": KEY}], "meta": {"role": "db"}, "placement": {"availability-zone": "z1"},
            "files": [{"path": "/etc/motd", "content": "hi"}, {"path": "broken"}, {"path": "/etc/x", "from": "files/x"}],
        }));
        let document = meta_data(&guest);
        let paths: Vec<_> = document["files"].as_array().unwrap().iter().map(|file| &file["content_path"]).collect();
        assert_eq!(paths, ["/content/0000", "/content/0002"]);
        let mut seed = Seed::new("openstack", "here", Document::new("meta_data.json", document.to_string()));
        seed.content = [("/content/0000".to_owned(), b"hi".to_vec()), ("/content/0002".to_owned(), vec![])].into();
        let mut findings = Findings::default();
        let instance = instance::Instance::from_seed(&seed, &mut findings).unwrap();
        assert_eq!(findings.iter().map(ToString::to_string).collect::<Vec<_>>(), [""; 0]);
        assert_eq!(instance.id.value, guest.id());
        assert_eq!(instance.hostname.unwrap().value, "web.internal");
        assert_eq!(instance.public_keys[0].value, KEY);
        assert_eq!(instance.properties["role"], "db");
        assert_eq!(instance.availability_zone.as_deref(), Some("z1"));
        assert_eq!(instance.files.len(), 2);
    }

    #[test]
    fn vendor_data_are_json_whatever_they_were() {
        assert_eq!(vendor_data(b"{\"a\": 1}").unwrap(), b"{\"a\": 1}");
        assert_eq!(vendor_data(b"#cloud-config\n").unwrap(), br##"{"cloud-init":"#cloud-config\n"}"##);
        assert_eq!(vendor_data(&[0xff]), None);
    }
}
