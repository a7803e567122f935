// SPDX-License-Identifier: Apache-2.0
//! The documents of NoCloud: meta-data and user-data, and where they are asked for vendor-data and network-config.

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::finding::Findings;
use crate::host::medium::Tree;
use crate::host::seed::request::{Made, OPTIONS, Request};
use crate::host::seed::{account, identity};
use crate::instance::nocloud::{self, NAME};
use crate::seed::{Document, MetaFormat, NetworkFormat, Seed};

/// The volume's name, by which guests find it.
const LABEL: &str = "cidata";

/// The seed of that request.
///
/// # Errors
/// Malformed where a document can't be read, with its place, or NoCloud has no place for what is asked.
pub fn make(request: &Request) -> Result<Made> {
    let config = account::cloud_config(&request.account, &request.files);
    let user_data = account::user_data(request, config.as_deref())?.unwrap_or_default();
    let network = network(request)?;
    let tree = |meta_data: Vec<u8>| -> Result<Tree> {
        let mut tree = Tree::new();
        tree.add("meta-data", meta_data)?;
        // Without one cloud-init takes the medium for no seed at all.
        tree.add("user-data", user_data.clone())?;
        for (name, document) in [("vendor-data", &request.vendor_data), ("network-config", &network)] {
            if let Some(document) = document {
                tree.add(name, document.bytes.clone())?;
            }
        }
        Ok(tree)
    };
    let meta_data = MetaData::read(request)?;
    let id = match meta_data.id() {
        Some(id) => id,
        None => identity::word(&tree(meta_data.with_id("")?)?),
    };
    let files = tree(meta_data.with_id(&id)?)?;
    let checked = Seed {
        datasource: NAME.to_owned(),
        place: OPTIONS.to_owned(),
        meta_format: MetaFormat::NoCloud,
        meta_data: Document::new(OPTIONS, written(&meta_data.options(&id))?),
        more_meta_data: request.meta_data.iter().cloned().collect(),
        network: network.map(|document| (NetworkFormat::NetworkConfig, document)),
        user_data: request.user_data.clone(),
        // In the seed it is a part of user-data; so its places do not move those of the person's own.
        vendor_data: request.beside_user_data(config),
        content: Default::default(),
    };
    Ok(Made { id, label: LABEL, files, checked })
}

/// The network-config.
fn network(request: &Request) -> Result<Option<Document>> {
    match request.network()? {
        None => Ok(None),
        Some((NetworkFormat::NetworkConfig, document)) => Ok(Some(document)),
        Some((_, document)) => {
            let wrong = format!("{}: NoCloud has no place for a network of this kind", document.name);
            Err(Error::malformed(wrong)
                .help("write it as network-config, version 1 or 2; network_data.json is for --openstack"))
        }
    }
}

/// The person's meta-data, and what the options put over it.
struct MetaData<'a> {
    request: &'a Request,
    /// The person's, as JSON.
    own: Map<String, Value>,
    /// All public keys, of both.
    keys: Vec<String>,
}

impl<'a> MetaData<'a> {
    fn read(request: &'a Request) -> Result<Self> {
        let Some(document) = &request.meta_data else {
            return Ok(Self { request, own: Map::new(), keys: request.keys.clone() });
        };
        // What is wrong in it is for the check to say.
        let mut unsaid = Findings::default();
        let own = match nocloud::parse(document, &mut unsaid)?.to_json() {
            Value::Object(own) => own,
            _ => Map::new(),
        };
        let alone = Seed {
            datasource: NAME.to_owned(),
            place: String::new(),
            meta_format: MetaFormat::NoCloud,
            meta_data: document.clone(),
            more_meta_data: Vec::new(),
            network: None,
            user_data: None,
            vendor_data: Vec::new(),
            content: Default::default(),
        };
        let known = nocloud::read(&alone, &mut unsaid)?.public_keys.into_iter().map(|key| key.value);
        Ok(Self { request, own, keys: known.chain(request.keys.iter().cloned()).collect() })
    }

    /// The id that somebody gave.
    fn id(&self) -> Option<String> {
        let own = ["instance-id", "instance_id"].iter().find_map(|key| self.own.get(*key));
        let own = own.and_then(|id| id.as_str().map(str::to_owned).or_else(|| id.as_number().map(ToString::to_string)));
        self.request.instance_id.clone().or(own).filter(|id| !id.trim().is_empty())
    }

    /// What the options say.
    fn options(&self, id: &str) -> Map<String, Value> {
        let Request { hostname, dsmode, keys, properties, .. } = self.request;
        let mut options = Map::from_iter([("instance-id".to_owned(), id.into())]);
        let words = [("local-hostname", hostname), ("dsmode", dsmode)];
        options.extend(words.into_iter().filter_map(|(key, word)| Some((key.to_owned(), word.clone()?.into()))));
        if !keys.is_empty() {
            options.insert("public-keys".to_owned(), self.keys.clone().into());
        }
        if !properties.is_empty() {
            let mut all = self.own.get("meta").and_then(Value::as_object).cloned().unwrap_or_default();
            all.extend(properties.iter().map(|(key, value)| (key.clone(), value.as_str().into())));
            options.insert("meta".to_owned(), all.into());
        }
        options
    }

    /// The document: the person's as it is where there is nothing to add, else both as JSON, which is YAML too.
    fn with_id(&self, id: &str) -> Result<Vec<u8>> {
        let options = self.options(id);
        if let Some(document) = self.request.meta_data.as_ref().filter(|_| options.len() == 1)
            && self.own.get("instance-id").and_then(Value::as_str) == Some(id)
        {
            return Ok(document.bytes.clone());
        }
        let mut all = self.own.clone();
        // The same key may be written with underscores.
        all.retain(|key, _| !options.contains_key(&key.replace('_', "-")));
        all.extend(options);
        written(&all)
    }
}

fn written(keys: &Map<String, Value>) -> Result<Vec<u8>> {
    let text =
        serde_json::to_string_pretty(keys).map_err(|error| Error::fatal("cannot write meta-data").because(error))?;
    Ok(format!("{text}\n").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDlZrvrghHGLBOqnwHms/gi1daP5AElq0hZC0etyIHr0 me";

    fn file<'a>(made: &'a Made, name: &str) -> &'a str {
        made.files
            .files()
            .find(|(path, _)| *path == name)
            .map(|(_, bytes)| std::str::from_utf8(bytes).unwrap())
            .unwrap()
    }

    fn meta_data(text: &str) -> Option<Document> {
        Some(Document::new("m.yaml", text))
    }

    #[test]
    fn an_edit_of_anything_is_another_instance() {
        let id = |change: fn(&mut Request)| {
            let mut request = Request { user_data: Some(Document::new("u", "#!/bin/sh\n")), ..Request::default() };
            change(&mut request);
            make(&request).unwrap().id
        };
        let changes: [fn(&mut Request); 7] = [
            |_| {},
            |request| request.user_data = Some(Document::new("u", "#!/bin/bash\n")),
            |request| request.hostname = Some("web".to_owned()),
            |request| request.keys = vec![KEY.to_owned()],
            |request| request.meta_data = meta_data("rack: 7\n"),
            |request| request.network = Some(Document::new("n", "version: 2\nethernets: {}\n")),
            |request| request.properties = [("a".to_owned(), "b".to_owned())].into(),
        ];
        let ids: std::collections::BTreeSet<String> = changes.into_iter().map(id).collect();
        assert_eq!(ids.len(), changes.len());
        assert_eq!(id(|request| request.user_data = Some(Document::new("moved/u", "#!/bin/sh\n"))), id(|_| {}));
    }

    #[test]
    fn meta_data_with_an_id_stays_as_it_is() {
        let text = "instance-id: i-7 # mine\nlocal-hostname: web\n";
        let made = make(&Request { meta_data: meta_data(text), ..Request::default() }).unwrap();
        assert_eq!((made.id.as_str(), file(&made, "meta-data")), ("i-7", text));
    }

    #[test]
    fn options_stand_over_the_persons_own() {
        let text = format!(
            "instance_id: i-7\nlocal_hostname: old\nrack: 7\npublic_keys: {{a: {KEY}}}\nmeta: {{a: x, b: y}}\n"
        );
        let request = Request {
            meta_data: meta_data(&text),
            instance_id: Some("i-8".to_owned()),
            hostname: Some("web".to_owned()),
            keys: vec![KEY.replace("me", "you")],
            properties: [("a".to_owned(), "z".to_owned())].into(),
            ..Request::default()
        };
        let made = make(&request).unwrap();
        let written: Value = serde_json::from_str(file(&made, "meta-data")).unwrap();
        assert_eq!(
            written,
            serde_json::json!({"instance-id": "i-8", "local-hostname": "web", "rack": 7, "meta": {"a": "z", "b": "y"},
                "public-keys": [KEY, KEY.replace("me", "you")]})
        );
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        let error = |request: Request| make(&request).map(|made| made.id).unwrap_err().to_string();
        let broken = error(Request { meta_data: meta_data("instance-id: [\n"), ..Request::default() });
        assert!(broken.starts_with("m.yaml:2:1: "), "{broken}");
        let network = Some(Document::new("n.json", "{\"links\": [], \"networks\": []}"));
        let refused = error(Request { network, ..Request::default() });
        assert!(refused.starts_with("n.json: NoCloud has no place for a network of this kind\n"), "{refused}");
    }
}
