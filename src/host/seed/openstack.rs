// SPDX-License-Identifier: Apache-2.0
//! The documents of OpenStack's config drive, as nova lays them out (`nova/virt/configdrive.py`, `api/metadata/base.py`).
//!
//! Each version has the same `meta_data.json`; nova leaves keys out of the older ones. A document stands in the versions
//! that knew it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::finding::Findings;
use crate::host::medium::Tree;
use crate::host::openstack::VERSIONS;
use crate::host::seed::request::{Made, OPTIONS, Request};
use crate::host::seed::{account, identity};
use crate::json;
use crate::seed::{Document, MetaFormat, NetworkFormat, Seed};

/// The volume's name, by which guests find it.
const LABEL: &str = "config-2";
/// The versions of EC2's documents on the same drive.
const EC2_VERSIONS: [&str; 2] = ["2009-04-04", "latest"];
/// Since when there is vendor-data, the network, the second vendor-data.
const VENDOR_DATA: &str = "2013-10-17";
const NETWORK_DATA: &str = "2015-10-15";
const VENDOR_DATA_2: &str = "2016-10-06";

/// The seed of that request.
///
/// # Errors
/// Malformed where a document can't be read, with its place, or the config drive has no place for what is asked.
pub fn make(request: &Request) -> Result<Made> {
    let config = account::cloud_config(&request.account, &[]);
    let drive = Drive {
        request,
        own: own(request)?,
        user_data: account::user_data(request, config.as_deref())?,
        vendor_data: vendor_data(request)?,
        network: network(request)?,
    };
    let given = request.instance_id.clone().or_else(|| Some(drive.own.get("uuid")?.as_str()?.to_owned()));
    let id = match given.filter(|id| !id.trim().is_empty()) {
        Some(id) => id,
        None => identity::uuid(&drive.tree("", None)?),
    };
    let meta_data = drive.meta_data(&id, request.random_seed.as_deref());
    // As it is in the drive; the person's own has its places where the options add nothing to it.
    let name = match &request.meta_data {
        Some(document) if meta_data == drive.own => document.clone(),
        _ => Document::new("meta_data.json", written(&meta_data)?),
    };
    let checked = Seed {
        datasource: "config-drive".to_owned(),
        place: OPTIONS.to_owned(),
        meta_format: MetaFormat::OpenStack,
        meta_data: name,
        more_meta_data: Vec::new(),
        network: drive.network.clone(),
        user_data: request.user_data.clone(),
        vendor_data: request.beside_user_data(config),
        content: drive.content().into_iter().map(|(path, bytes)| (path, bytes.to_vec())).collect(),
    };
    let files = drive.tree(&id, request.random_seed.as_deref())?;
    Ok(Made { id, label: LABEL, files, checked })
}

/// The person's meta_data.json.
fn own(request: &Request) -> Result<Map<String, Value>> {
    let Some(document) = &request.meta_data else { return Ok(Map::new()) };
    let origin = document.origin();
    match json::parse(&document.bytes, &origin, &mut Findings::default())? {
        Value::Object(own) => Ok(own),
        other => Err(Error::malformed(format!("{origin}: expected an object, found {}", json::described(&other)))),
    }
}

/// JSON as it is; other text where cloud-init looks for it.
fn vendor_data(request: &Request) -> Result<Vec<u8>> {
    let Some(document) = &request.vendor_data else { return Ok(b"{}".to_vec()) };
    if serde_json::from_slice::<Value>(&document.bytes).is_ok() {
        return Ok(document.bytes.clone());
    }
    match std::str::from_utf8(&document.bytes) {
        Ok(text) => Ok(json!({ "cloud-init": text }).to_string().into_bytes()),
        Err(_) => Err(Error::malformed(format!(
            "{}: vendor-data of OpenStack is JSON, and this is not even text",
            document.name
        ))),
    }
}

fn network(request: &Request) -> Result<Option<(NetworkFormat, Document)>> {
    match request.network()? {
        // nova wrote interfaces(5) for years; agents still read it.
        known @ (None | Some((NetworkFormat::OpenStack | NetworkFormat::Interfaces, _))) => Ok(known),
        Some((_, document)) => {
            let wrong = format!("{}: a config drive has no place for a network of this kind", document.name);
            Err(Error::malformed(wrong).help("write it as network_data.json, or as interfaces(5); network-config is for NoCloud: leave out --openstack"))
        }
    }
}

/// What stands on the drive, all but the id.
struct Drive<'a> {
    request: &'a Request,
    own: Map<String, Value>,
    user_data: Option<Vec<u8>>,
    vendor_data: Vec<u8>,
    network: Option<(NetworkFormat, Document)>,
}

impl Drive<'_> {
    fn tree(&self, id: &str, random_seed: Option<&[u8]>) -> Result<Tree> {
        let mut tree = Tree::new();
        let meta_data = written(&self.meta_data(id, random_seed))?;
        for version in VERSIONS {
            let mut add = |since: &str, name: &str, bytes: &[u8]| match version >= since {
                true => tree.add(&format!("openstack/{version}/{name}"), bytes.to_vec()),
                false => Ok(()),
            };
            add("", "meta_data.json", &meta_data)?;
            if let Some(user_data) = &self.user_data {
                add("", "user_data", user_data)?;
            }
            add(VENDOR_DATA, "vendor_data.json", &self.vendor_data)?;
            if let Some((NetworkFormat::OpenStack, network)) = &self.network {
                add(NETWORK_DATA, "network_data.json", &network.bytes)?;
            }
            add(VENDOR_DATA_2, "vendor_data2.json", b"{}")?;
        }
        for (path, bytes) in self.content() {
            tree.add(&format!("openstack{path}"), bytes.to_vec())?;
        }
        let ec2 = written(&self.ec2(id))?;
        for version in EC2_VERSIONS {
            tree.add(&format!("ec2/{version}/meta-data.json"), ec2.clone())?;
            if let Some(user_data) = &self.user_data {
                tree.add(&format!("ec2/{version}/user-data"), user_data.clone())?;
            }
        }
        Ok(tree)
    }

    /// Files by the path at which meta-data refers to them.
    fn content(&self) -> BTreeMap<String, &[u8]> {
        let files = self.request.files.iter().map(|file| file.content.as_slice());
        files
            .chain(self.interfaces().map(|document| document.bytes.as_slice()))
            .enumerate()
            .map(|(at, bytes)| (content_path(at), bytes))
            .collect()
    }

    fn interfaces(&self) -> Option<&Document> {
        self.network.as_ref().filter(|(format, _)| *format == NetworkFormat::Interfaces).map(|(_, document)| document)
    }

    /// nova's keys, those of the person's own that are not nova's, and over both what the options say.
    fn meta_data(&self, id: &str, random_seed: Option<&[u8]>) -> Map<String, Value> {
        let request = self.request;
        let mut all = self.own.clone();
        let usual = [
            ("availability_zone", json!("nova")),
            ("launch_index", json!(0)),
            ("devices", json!([])),
            ("dedicated_cpus", json!([])),
        ];
        // A document of the person's own is whole; what it leaves out it leaves out.
        if request.meta_data.is_none() {
            all.extend(usual.map(|(key, value)| (key.to_owned(), value)));
        }
        let mut set = |key: &str, value: Value| drop(all.insert(key.to_owned(), value));
        set("uuid", id.into());
        let hostname = request.hostname.clone().or_else(|| Some(host_name(request.name.as_ref()?, id)));
        let words = [
            ("name", request.name.as_ref().or(request.hostname.as_ref())),
            ("hostname", hostname.as_ref()),
            ("availability_zone", request.availability_zone.as_ref()),
            ("project_id", request.project_id.as_ref()),
        ];
        for (key, word) in words {
            if let Some(word) = word {
                set(key, word.as_str().into());
            }
        }
        if !request.properties.is_empty() {
            let mut properties = self.own.get("meta").and_then(Value::as_object).cloned().unwrap_or_default();
            properties.extend(request.properties.iter().map(|(key, value)| (key.clone(), value.as_str().into())));
            set("meta", properties.into());
        }
        if !request.keys.is_empty() {
            let named = self.keys();
            let listed = named.iter().map(|(name, key)| json!({ "name": name, "type": "ssh", "data": key })).collect();
            set("public_keys", named.into());
            set("keys", listed);
        }
        if !request.files.is_empty() {
            let file = |(at, file): (usize, &super::request::GuestFile)| json!({ "path": file.path, "content_path": content_path(at) });
            set("files", request.files.iter().enumerate().map(file).collect());
        }
        if self.interfaces().is_some() {
            set(
                "network_config",
                json!({ "name": "network_config", "content_path": content_path(request.files.len()) }),
            );
        }
        if let Some(seed) = random_seed {
            set("random_seed", STANDARD.encode(seed).into());
        }
        all
    }

    /// The person's named keys and those of the options: nova has one for a server, and a second one gets a number.
    fn keys(&self) -> Map<String, Value> {
        let mut named = self.own.get("public_keys").and_then(Value::as_object).cloned().unwrap_or_default();
        for key in &self.request.keys {
            let base = &self.request.key_name;
            let numbered = (2..).map(|number| format!("{base}-{number}"));
            let free = std::iter::once(base.clone()).chain(numbered).find(|name| !named.contains_key(name));
            named.extend(free.map(|name| (name, key.as_str().into())));
        }
        named
    }

    /// EC2's meta-data of the same instance, as far as it is known here.
    fn ec2(&self, id: &str) -> Map<String, Value> {
        let meta_data = self.meta_data(id, None);
        let text = |key: &str| meta_data.get(key).and_then(Value::as_str).unwrap_or_default();
        let digits: String = id.chars().filter(char::is_ascii_hexdigit).take(8).collect();
        let mut ec2 = Map::from_iter([
            ("instance-id".to_owned(), format!("i-{digits}").into()),
            ("instance-action".to_owned(), "none".into()),
            ("ami-launch-index".to_owned(), meta_data.get("launch_index").cloned().unwrap_or(0.into())),
            ("hostname".to_owned(), text("hostname").into()),
            ("local-hostname".to_owned(), text("hostname").into()),
            ("placement".to_owned(), json!({ "availability-zone": text("availability_zone") })),
        ]);
        if let Some(Value::Object(keys)) = meta_data.get("public_keys") {
            let keys = keys.iter().enumerate().map(|(at, (name, key))| {
                (at.to_string(), json!({ "_name": format!("{at}={name}"), "openssh-key": key }))
            });
            ec2.insert("public-keys".to_owned(), Value::Object(keys.collect()));
        }
        ec2
    }
}

/// The host name of a server of that name, as nova makes it: a name is for people and may have blanks.
fn host_name(name: &str, id: &str) -> String {
    let mut host = String::new();
    for c in name.chars() {
        match c {
            _ if c.is_whitespace() || c == '_' => host.push('-'),
            _ if c.is_ascii_alphanumeric() || matches!(c, '-' | '.') => host.push(c.to_ascii_lowercase()),
            _ => (),
        }
    }
    let host: String = host.trim_matches(['-', '.']).chars().take(63).collect();
    match host.trim_end_matches(['-', '.']) {
        "" => format!("server-{id}"),
        host => host.to_owned(),
    }
}

fn content_path(at: usize) -> String {
    format!("/content/{at:04}")
}

fn written(keys: &Map<String, Value>) -> Result<Vec<u8>> {
    serde_json::to_vec(keys).map_err(|error| Error::fatal("cannot write meta_data.json").because(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::seed::request::GuestFile;
    use crate::media::{Directory, Medium as _};

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDlZrvrghHGLBOqnwHms/gi1daP5AElq0hZC0etyIHr0 me";

    fn request() -> Request {
        Request {
            user_data: Some(Document::new("u", "#!/bin/sh\n")),
            name: Some("public-3".to_owned()),
            keys: vec![KEY.to_owned(), KEY.replace(" me", " you")],
            key_name: "ops".to_owned(),
            properties: [("edgeproxy".to_owned(), "172.24.4.1".to_owned())].into(),
            files: vec![GuestFile { path: "edgeconfig".to_owned(), content: b"edge\n".to_vec() }],
            network: Some(Document::new("n", "auto eth0\niface eth0 inet dhcp\n")),
            random_seed: Some(vec![7; 512]),
            ..Request::default()
        }
    }

    #[test]
    fn the_agent_reads_back_all_that_was_asked_for() {
        let made = make(&request()).unwrap();
        let scratch = tempfile::tempdir().unwrap();
        for (path, bytes) in made.files.files() {
            let path = scratch.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let root = crate::root::Root::open(std::path::Path::new("/")).unwrap();
        let (place, settings) = (scratch.path().to_string_lossy(), Default::default());
        let mut findings = Findings::default();
        let seed = crate::datasource::from_source(&place, &root, &settings, &mut findings).unwrap();
        let instance = crate::instance::Instance::from_seed(&seed, &mut findings).unwrap();
        assert!(findings.is_empty(), "{findings:?}");
        assert_eq!((instance.id.as_str(), instance.name.unwrap().as_str()), (made.id.as_str(), "public-3"));
        assert_eq!(instance.public_keys.len(), 2);
        assert_eq!(instance.properties["edgeproxy"], "172.24.4.1");
        assert_eq!(instance.files[0].content, b"edge\n");
        assert_eq!(instance.random_seed.unwrap().value, [7; 512]);
        assert_eq!(seed.network.unwrap().0, NetworkFormat::Interfaces);
        assert_eq!(seed.user_data.unwrap().bytes, b"#!/bin/sh\n");
        let drive = Directory::open(scratch.path()).unwrap();
        let versions: Vec<_> = VERSIONS.iter().copied().chain(["content"]).collect();
        assert_eq!(
            drive.list("openstack").unwrap().iter().filter(|name| !versions.contains(&name.as_str())).count(),
            0
        );
    }

    #[test]
    fn a_name_that_is_none_for_a_host_is_one_for_a_server() {
        let host = |name: &str| host_name(name, "5f0c");
        for (name, expected) in [
            ("public-3", "public-3"),
            ("My Server_\u{fc} 2", "my-server--2"),
            ("web.Example.org.", "web.example.org"),
            ("\u{65e5}\u{672c}", "server-5f0c"),
            (&"x-".repeat(40), ("x-".repeat(31) + "x").as_str()),
        ] {
            assert_eq!(host(name), expected, "{name}");
        }
        let made = make(&Request { name: Some("Web 1".to_owned()), ..Request::default() }).unwrap();
        let (_, bytes) = made.files.files().find(|(path, _)| path.ends_with("latest/meta_data.json")).unwrap();
        let written: Value = serde_json::from_slice(bytes).unwrap();
        assert_eq!((&written["name"], &written["hostname"]), (&json!("Web 1"), &json!("web-1")));
    }

    #[test]
    fn random_bytes_are_no_part_of_who_it_is() {
        let plain = make(&Request { random_seed: None, ..request() }).unwrap();
        let seeded = make(&request()).unwrap();
        assert_eq!(plain.id, seeded.id);
        assert_ne!(plain.files.digest(), seeded.files.digest());
    }

    #[test]
    fn a_key_never_takes_the_name_of_another() {
        let own = format!("{{\"uuid\": \"u\", \"public_keys\": {{\"ops\": \"{KEY}\"}}}}");
        let made = make(&Request { meta_data: Some(Document::new("m", own)), ..request() }).unwrap();
        let (_, bytes) = made.files.files().find(|(path, _)| path.ends_with("latest/meta_data.json")).unwrap();
        let written: Value = serde_json::from_slice(bytes).unwrap();
        let names: Vec<_> = written["public_keys"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["ops", "ops-2", "ops-3"]);
        assert_eq!((made.id.as_str(), written.get("launch_index")), ("u", None));
    }

    #[test]
    fn what_the_drive_has_no_place_for_is_refused() {
        let network = Some(Document::new("n.yaml", "version: 2\nethernets: {}\n"));
        let error = make(&Request { network, ..request() }).map(|made| made.id).unwrap_err().to_string();
        assert!(error.starts_with("n.yaml: a config drive has no place for a network of this kind\n"), "{error}");
        let vendor_data = Some(Document::new("v", [0xff, 0xfe]));
        assert!(make(&Request { vendor_data, ..request() }).is_err());
    }
}
