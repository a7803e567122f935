// SPDX-License-Identifier: Apache-2.0
//! OpenStack's `meta_data.json`, from a config drive or from the metadata service.
//!
//! `admin_pass`, `keys` and `devices` are not acted upon, as with cloud-init.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::error::Result;
use crate::finding::{Finding, Findings, Located, Origin};
use crate::instance::{File, Instance, hostname, keys};
use crate::json::{self, described};
use crate::seed::Document;

/// Reads the document; `content` holds the bytes that it refers to.
pub fn read(document: &Document, content: &BTreeMap<String, Vec<u8>>, findings: &mut Findings) -> Result<Instance> {
    let origin = document.origin();
    let keys = match json::parse(&document.bytes, &origin, findings)? {
        Value::Object(keys) => keys,
        other => {
            return Err(Finding::error(&origin, format!("expected an object, found {}", described(&other))).into());
        }
    };
    let mut reader = Reader { keys: &keys, origin, findings };
    let id = reader.word("uuid");
    let Some(id) = id.filter(|id| !id.trim().is_empty()) else {
        return Err(Finding::error(&reader.origin.key("uuid"), "it is missing: which instance this is can't be told")
            .help("give each machine its own `uuid`; it decides what is done once for each instance")
            .into());
    };
    Ok(Instance {
        id,
        hostname: reader.hostname(),
        name: reader.text("name"),
        public_keys: reader.public_keys(),
        properties: reader.properties(),
        files: reader.files(content),
        random_seed: reader.random_seed(),
        availability_zone: reader.first(&["availability-zone", "availability_zone", "placement/availability-zone"]),
        region: reader.first(&["region"]),
        cloud_name: None,
        redact: Vec::new(),
    })
}

struct Reader<'a> {
    keys: &'a Map<String, Value>,
    origin: Origin,
    findings: &'a mut Findings,
}

impl<'a> Reader<'a> {
    /// The value of a key; null is the same as leaving it out.
    fn value(&self, key: &str) -> Option<(&'a Value, Origin)> {
        self.keys.get(key).filter(|value| !value.is_null()).map(|value| (value, self.origin.key(key)))
    }

    fn unfit(&mut self, origin: &Origin, expected: &str, found: &Value) {
        self.findings.push(Finding::error(origin, format!("expected {expected}, found {}", described(found))));
    }

    fn text(&mut self, key: &str) -> Option<Located<String>> {
        let (value, origin) = self.value(key)?;
        match value {
            Value::String(text) => return Some(Located::new(text.clone(), origin)),
            other => self.unfit(&origin, "a string", other),
        }
        None
    }

    /// As [`Self::text`], of a number its digits: a tool that writes a drive may have ids of its own.
    fn word(&mut self, key: &str) -> Option<Located<String>> {
        match self.value(key)? {
            (Value::Number(number), origin) => Some(Located::new(number.to_string(), origin)),
            _ => self.text(key),
        }
    }

    /// The first text of these that is there, for instance data alone.
    fn first(&self, paths: &[&str]) -> Option<String> {
        let text = |path: &&str| {
            let (top, below) = path.split_once('/').unwrap_or((path, ""));
            let value = self.keys.get(top)?;
            let value = if below.is_empty() { value } else { value.get(below)? };
            value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
        };
        paths.iter().find_map(text)
    }

    fn hostname(&mut self) -> Option<Located<String>> {
        // The second is what the peer calls the first; whoever writes a drive by hand may do so too.
        let asked = ["hostname", "local-hostname"].iter().find_map(|key| self.text(key))?;
        hostname::check(&asked).map_err(|finding| self.findings.push(finding)).ok()
    }

    /// A mapping of names to keys, a list of keys, or keys line by line: whatever a platform's tools made of them.
    fn public_keys(&mut self) -> Vec<Located<String>> {
        let mut keys = Vec::new();
        if let Some((value, origin)) = self.value("public_keys") {
            match value {
                Value::Object(named) => {
                    named.iter().for_each(|(name, value)| self.keys_of(value, &origin.key(name), &mut keys));
                }
                value => self.keys_of(value, &origin, &mut keys),
            }
        }
        keys
    }

    fn keys_of(&mut self, value: &Value, origin: &Origin, keys: &mut Vec<Located<String>>) {
        match value {
            Value::String(lines) => keys::add(lines, origin, keys, self.findings),
            Value::Array(list) => {
                for (index, value) in list.iter().enumerate() {
                    match value {
                        Value::String(_) => self.keys_of(value, &origin.index(index), keys),
                        other => self.unfit(&origin.index(index), "a public key", other),
                    }
                }
            }
            Value::Null => {}
            other => self.unfit(origin, "a public key or a list of them", other),
        }
    }

    /// Values are strings; what a tool made of something else is kept as its JSON. Null is the same as leaving it out.
    fn properties(&mut self) -> BTreeMap<String, String> {
        let Some((value, origin)) = self.value("meta") else { return BTreeMap::new() };
        let Value::Object(properties) = value else {
            self.unfit(&origin, "an object", value);
            return BTreeMap::new();
        };
        let text = |value: &Value| match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        properties.iter().filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect()
    }

    fn files(&mut self, content: &BTreeMap<String, Vec<u8>>) -> Vec<Located<File>> {
        let Some((value, origin)) = self.value("files") else { return Vec::new() };
        let Value::Array(files) = value else {
            self.unfit(&origin, "a list", value);
            return Vec::new();
        };
        let read = files.iter().enumerate().map(|(index, value)| file(value, origin.index(index), content));
        read.filter_map(|file| file.map_err(|finding| self.findings.push(finding)).ok()).collect()
    }

    fn random_seed(&mut self) -> Option<Located<Vec<u8>>> {
        let Located { value: encoded, origin } = self.text("random_seed")?;
        let encoded: String = encoded.split_ascii_whitespace().collect();
        match STANDARD.decode(encoded) {
            Ok(bytes) => return Some(Located::new(bytes, origin)),
            Err(_) => self.findings.push(Finding::error(&origin, "this is not base64; it is left out")),
        }
        None
    }
}

fn file(value: &Value, origin: Origin, content: &BTreeMap<String, Vec<u8>>) -> Result<Located<File>, Finding> {
    let text = |key: &str| {
        let missing = || Finding::error(&origin.key(key), "expected a string; the file is left out");
        value.get(key).and_then(Value::as_str).ok_or_else(missing)
    };
    let path = destination(text("path")?).map_err(|wrong| {
        Finding::error(&origin.key("path"), format!("{:?} {wrong}; the file is left out", text("path").unwrap_or("")))
            .help("a path is absolute, or relative to `/`")
    })?;
    let key = text("content_path")?;
    match content.get(key) {
        Some(content) => Ok(Located::new(File { path, content: content.clone() }, origin)),
        None => Err(Finding::error(
            &origin.key("content_path"),
            format!("there is no `{key}` to write to {}; the file is left out", path.display()),
        )),
    }
}

/// The absolute path of an injected file.
fn destination(path: &str) -> Result<PathBuf, &'static str> {
    if path.contains('\0') {
        return Err("has a zero byte in it");
    }
    let mut absolute = PathBuf::from("/");
    for component in Path::new(path).components() {
        match component {
            Component::Normal(name) => absolute.push(name),
            Component::ParentDir => return Err("has `..` in it"),
            _ => {}
        }
    }
    if path.ends_with('/') || absolute.parent().is_none() { Err("names no file") } else { Ok(absolute) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDlZrvrghHGLBOqnwHms/gi1daP5AElq0hZC0etyIHr0 me";

    fn instance(json: &str) -> (Result<Instance>, Vec<String>) {
        let mut findings = Findings::default();
        let document = Document::new("meta_data.json", json.replace("KEY", KEY));
        let content = BTreeMap::from([("/content/0000".to_owned(), b"edge\n".to_vec())]);
        let instance = read(&document, &content, &mut findings);
        (instance, findings.iter().map(|finding| format!("{}: {}", finding.origin, finding.message)).collect())
    }

    #[test]
    fn all_that_nova_says() {
        let (instance, findings) = instance(
            r#"{"uuid": "83679162", "hostname": "public-3.novalocal", "name": "public-3", "launch_index": 0,
                "public_keys": {"mykey": "KEY\n"}, "keys": [{"data": "KEY", "type": "ssh", "name": "mykey"}],
                "meta": {"edgeproxy": "172.24.4.1"}, "availability_zone": "nova", "random_seed": "AAEC\n",
                "files": [{"path": "edgeconfig", "content_path": "/content/0000"}], "devices": [], "admin_pass": "x"}"#,
        );
        let instance = instance.unwrap();
        assert_eq!(findings, [""; 0]);
        assert_eq!(instance.id.value, "83679162");
        assert_eq!(instance.hostname.unwrap().value, "public-3.novalocal");
        assert_eq!(instance.name.unwrap().value, "public-3");
        assert_eq!(instance.public_keys[0].value, KEY);
        assert_eq!(instance.public_keys[0].origin.to_string(), "meta_data.json: public_keys.mykey");
        assert_eq!(instance.properties["edgeproxy"], "172.24.4.1");
        assert_eq!(instance.files[0].value, File { path: "/edgeconfig".into(), content: b"edge\n".to_vec() });
        assert_eq!(instance.random_seed.unwrap().value, [0, 1, 2]);
        assert_eq!(instance.availability_zone.as_deref(), Some("nova"));
    }

    #[test]
    fn keys_come_in_many_shapes() {
        for shape in
            [r#""KEY""#, "\"# note\\nKEY\\n\\nKEY\"", r#"["KEY"]"#, r#"{"a": "KEY"}"#, r#"{"a": ["KEY", "KEY"]}"#]
        {
            let (instance, findings) = instance(&format!(r#"{{"uuid": "x", "public_keys": {shape}}}"#));
            assert_eq!(instance.unwrap().public_keys.len(), 1, "{shape}");
            assert_eq!(findings, [""; 0], "{shape}");
        }
        let (instance, findings) =
            instance(r#"{"uuid": "x", "public_keys": {"a": "KEY", "b": {"openssh-key": "KEY"}, "c": ["junk", 1]}}"#);
        assert_eq!(instance.unwrap().public_keys.len(), 1);
        assert_eq!(
            findings,
            [
                "meta_data.json: public_keys.b: expected a public key or a list of them, found an object",
                "meta_data.json: public_keys.c[0]: this is not a public key; it is left out",
                "meta_data.json: public_keys.c[1]: expected a public key, found a number",
            ]
        );
    }

    #[test]
    fn a_null_is_nothing_and_never_the_word() {
        let (instance, findings) = instance(
            r#"{"uuid": "x", "hostname": null, "public_keys": null, "files": null, "random_seed": null,
                "meta": {"a": null, "b": 1, "c": true, "d": ["e"], "f": ""}}"#,
        );
        let instance = instance.unwrap();
        assert_eq!(findings, [""; 0]);
        assert!(instance.hostname.is_none());
        let properties: Vec<_> = instance.properties.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(properties, ["b=1", "c=true", r#"d=["e"]"#, "f="]);
    }

    #[test]
    fn what_the_peer_reads_by_other_names_is_read() {
        let (instance, findings) = instance(
            r#"{"uuid": 12, "local-hostname": "a.example", "region": "R", "placement": {"availability-zone": "z"}}"#,
        );
        let instance = instance.unwrap();
        assert_eq!(findings, [""; 0]);
        assert_eq!((instance.id.value.as_str(), instance.hostname.unwrap().as_str()), ("12", "a.example"));
        assert_eq!((instance.region.as_deref(), instance.availability_zone.as_deref()), (Some("R"), Some("z")));
    }

    #[test]
    fn a_bad_entry_is_reported_and_drops_no_neighbour() {
        let (instance, findings) = instance(
            r#"{"uuid": "x", "hostname": "a\nb", "name": 3, "random_seed": "*", "meta": [], "files": [
                {"path": "/etc/../shadow", "content_path": "/content/0000"}, {"path": "etc/motd/"},
                {"path": "/a", "content_path": "/content/0001"}, 7, {"path": "/", "content_path": "/content/0000"},
                {"path": "/etc//./good", "content_path": "/content/0000"}]}"#,
        );
        let instance = instance.unwrap();
        assert_eq!(instance.files.len(), 1);
        assert_eq!(instance.files[0].path, Path::new("/etc/good"));
        assert_eq!(
            findings,
            [
                r#"meta_data.json: hostname: "a\nb" can't be a host name: it has '\n' in it"#,
                "meta_data.json: name: expected a string, found a number",
                "meta_data.json: meta: expected an object, found a list",
                r#"meta_data.json: files[0].path: "/etc/../shadow" has `..` in it; the file is left out"#,
                r#"meta_data.json: files[1].path: "etc/motd/" names no file; the file is left out"#,
                "meta_data.json: files[2].content_path: there is no `/content/0001` to write to /a; the file is left out",
                "meta_data.json: files[3].path: expected a string; the file is left out",
                r#"meta_data.json: files[4].path: "/" names no file; the file is left out"#,
                "meta_data.json: random_seed: this is not base64; it is left out",
            ]
        );
    }

    #[test]
    fn a_document_that_cannot_be_read_says_where() {
        for (json, expected) in [
            ("{\"uuid\": \"x\",\n \"meta\"", "meta_data.json:2:7: not JSON: EOF while parsing an object\n"),
            ("", "meta_data.json:1:1: not JSON: EOF while parsing a value\n"),
            ("[]", "meta_data.json: expected an object, found a list"),
            ("{}", "meta_data.json: uuid: it is missing: which instance this is can't be told\n"),
            (r#"{"uuid": ""}"#, "meta_data.json: uuid: it is missing: which instance this is can't be told\n"),
            (&"[".repeat(100_000), "meta_data.json:1:128: not JSON: recursion limit exceeded\n"),
        ] {
            let error = instance(json).0.unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
