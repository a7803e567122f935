// SPDX-License-Identifier: Apache-2.0
//! The tree of files on a config drive and in the metadata service, as `nova/api/metadata/base.py` writes it.

use std::collections::BTreeMap;

use log::debug;
use serde_json::Value;

use crate::datasource::documents::{DOCUMENT_LIMIT, FILE_LIMIT, dispensable, left_out, optional, says_something};
use crate::error::{Error, Result};
use crate::finding::Findings;
use crate::json;
use crate::media::Medium;
use crate::seed::{Document, MetaFormat, NetworkFormat, Seed};

/// The versions that nova has given out, newest first. They differ in what they leave out, so the newest known is
/// best; `latest` may be one that changes what is known.
const VERSIONS: [&str; 10] = [
    "2025-04-04",
    "2020-10-14",
    "2018-08-27",
    "2017-02-22",
    "2016-10-06",
    "2016-06-30",
    "2015-10-15",
    "2013-10-17",
    "2013-04-04",
    "2012-08-10",
];
const LATEST: &str = "latest";
/// What a service of the site makes.
pub(in crate::datasource) const VENDOR_DATA: [&str; 2] = ["vendor_data.json", "vendor_data2.json"];

/// Bytes, and number, of all files in `content`.
pub(crate) const CONTENT_LIMIT: u64 = 64 << 20;
pub(crate) const MAX_CONTENT: usize = 1000;

/// Reads the tree for the datasource of that name; its network is left out unless it is wanted.
///
/// # Errors
/// Absent where the server's properties want it left alone; malformed where there is no `meta_data.json`; transient where the instance would lack something that may still come. A
/// document that can't be read is a finding, and the others are used.
pub fn read(
    medium: &dyn Medium,
    datasource: &str,
    place: &str,
    wants_network: bool,
    findings: &mut Findings,
) -> Result<Seed> {
    let (version, meta_data) = newest(medium, place)?;
    debug!("{place}: version {version}");
    if is_disabled(&meta_data) {
        return Err(Error::absent(format!("{place}: its property `dsmode` is `disabled`")));
    }
    let read = |name: &str, limit: u64| medium.read(&format!("openstack/{version}/{name}"), limit);
    let mut network = None;
    if wants_network {
        const NAME: &str = "network_data.json";
        let data = optional(NAME, read(NAME, DOCUMENT_LIMIT), findings)?.filter(says_something);
        network = match data {
            Some(data) => Some((NetworkFormat::OpenStack, data)),
            None => interfaces(medium, &meta_data, findings)?.map(|text| (NetworkFormat::Interfaces, text)),
        };
    }
    let user_data = optional("user_data", read("user_data", FILE_LIMIT), findings)?;
    let content = content(medium, &meta_data, findings)?;
    // Last: a service of the site makes it, and where that fails the rest counts.
    let vendor_data =
        VENDOR_DATA.into_iter().filter_map(|name| dispensable(name, read(name, DOCUMENT_LIMIT), findings));
    Ok(Seed {
        datasource: datasource.to_owned(),
        place: place.to_owned(),
        meta_format: MetaFormat::OpenStack,
        vendor_data: vendor_data.collect(),
        meta_data,
        more_meta_data: Vec::new(),
        network,
        user_data: user_data.filter(|document| !document.bytes.is_empty()),
        content,
    })
}

/// Whether the server's property says that it is to be left alone, as with cloud-init.
fn is_disabled(meta_data: &Document) -> bool {
    let meta = json::quietly(&meta_data.bytes);
    meta.pointer("/meta/dsmode").and_then(Value::as_str) == Some("disabled")
}

/// The text of `/etc/network/interfaces` that `meta_data.json` refers to: what nova wrote before `network_data.json`, and
/// Proxmox does today.
fn interfaces(medium: &dyn Medium, meta_data: &Document, findings: &mut Findings) -> Result<Option<Document>> {
    let meta = json::quietly(&meta_data.bytes);
    let Some(path) = meta.pointer("/network_config/content_path").and_then(Value::as_str) else { return Ok(None) };
    let text = optional(path.trim_start_matches('/'), content_file(medium, path, DOCUMENT_LIMIT), findings)?;
    Ok(text.filter(says_something))
}

/// A file that `meta_data.json` refers to; `None` where it is not there, or would be outside of the tree.
fn content_file(medium: &dyn Medium, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
    if path.split('/').any(|part| part == "..") {
        return Ok(None);
    }
    medium.read(&format!("openstack/{}", path.trim_start_matches('/')), limit)
}

/// The newest version that is known and there, with its `meta_data.json`; else `latest`.
fn newest(medium: &dyn Medium, place: &str) -> Result<(&'static str, Document)> {
    const NAME: &str = "meta_data.json";
    let there = medium.list("openstack").map_err(|error| error.while_doing(place))?;
    for version in VERSIONS
        .into_iter()
        .chain([LATEST])
        .filter(|version| there.iter().any(|name| name.eq_ignore_ascii_case(version)))
    {
        let read = medium.read(&format!("openstack/{version}/{NAME}"), DOCUMENT_LIMIT);
        if let Some(bytes) = read.map_err(|error| error.while_doing(place))? {
            return Ok((version, Document::new(NAME, bytes)));
        }
    }
    let wrong = if there.is_empty() { "has no directory `openstack`" } else { "has no `openstack/*/meta_data.json`" };
    Err(Error::malformed(format!("{place} {wrong}"))
        .help("at least openstack/latest/meta_data.json has to be there, with the instance's `uuid`"))
}

/// The files that `meta_data` refers to. What is wrong with the references is said when they are read.
fn content(medium: &dyn Medium, meta_data: &Document, findings: &mut Findings) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut content = BTreeMap::new();
    let mut left = CONTENT_LIMIT;
    let meta = json::quietly(&meta_data.bytes);
    let files = meta.get("files").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for path in files.iter().filter_map(|file| file.get("content_path")?.as_str()) {
        if content.contains_key(path) {
            continue;
        }
        if content.len() == MAX_CONTENT {
            let many = Error::malformed(format!("at most {MAX_CONTENT} files are read"));
            findings.push(left_out(path, many));
            break;
        }
        if let Some(file) = optional(path, content_file(medium, path, FILE_LIMIT.min(left)), findings)? {
            left -= file.bytes.len() as u64;
            content.insert(file.name, file.bytes);
        }
    }
    Ok(content)
}

/// Whether that version of the tree is read.
pub fn is_known(version: &str) -> bool {
    VERSIONS.contains(&version) || version == LATEST
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::media::Directory;
    use crate::media::fixtures::Scratch;

    fn tree(name: &str, files: &[(&str, &str)]) -> Scratch {
        let scratch = Scratch::new(name);
        for (path, content) in files {
            let path = scratch.join("openstack").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        scratch
    }

    fn read_tree(tree: &Scratch) -> (Result<Seed>, Vec<String>) {
        let mut findings = Findings::default();
        let seed = read(&Directory::open(tree).unwrap(), "config-drive", "the drive", true, &mut findings);
        (seed, findings.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_byte_order_mark_hides_nothing() {
        let meta_data = "\u{feff}{\"uuid\": \"i\", \"files\": [{\"path\": \"/a\", \"content_path\": \"/content/0000\"}], \"network_config\": {\"content_path\": \"/content/0001\"}}";
        let files = [("latest/meta_data.json", meta_data), ("content/0000", "A"), ("content/0001", "auto lo\n")];
        let seed = read_tree(&tree("mark", &files)).0.unwrap();
        assert_eq!((seed.content.len(), seed.network.map(|(format, _)| format)), (1, Some(NetworkFormat::Interfaces)));
    }

    #[test]
    fn a_drive_that_is_to_be_left_alone_is_none() {
        let disabled = r#"{"uuid": "i", "meta": {"dsmode": "disabled"}}"#;
        let error = read_tree(&tree("disabled", &[("latest/meta_data.json", disabled)])).0.unwrap_err();
        assert!(error.is_absent(), "{error}");
    }

    #[test]
    fn the_newest_known_version_is_taken() {
        let tree = tree(
            "versions",
            &[
                ("2012-08-10/meta_data.json", "{\"old\": 1}"),
                ("2018-08-27/meta_data.json", "{}"),
                ("2018-08-27/vendor_data.json", "1"),
                ("2018-08-27/vendor_data2.json", "2"),
                ("2018-08-27/user_data", ""),
                ("2020-10-14/user_data", "without meta-data"),
                ("2999-01-01/meta_data.json", "{\"unknown\": 1}"),
                ("latest/meta_data.json", "{\"latest\": 1}"),
            ],
        );
        let (seed, findings) = read_tree(&tree);
        let seed = seed.unwrap();
        assert_eq!(findings, [""; 0]);
        assert_eq!(seed.meta_data, Document::new("meta_data.json", "{}"));
        let vendor: Vec<&str> = seed.vendor_data.iter().map(|document| document.name.as_str()).collect();
        assert_eq!(vendor, ["vendor_data.json", "vendor_data2.json"]);
        assert_eq!((seed.network, seed.user_data), (None, None));
    }

    #[test]
    fn interfaces_text_counts_where_there_is_no_network_data() {
        let meta = r#"{"network_config": {"name": "network_config", "content_path": "/content/0000"}}"#;
        let read = |name: &str, data: &str| {
            let tree = tree(
                name,
                &[("latest/meta_data.json", meta), ("latest/network_data.json", data), ("content/0000", "auto lo\n")],
            );
            read_tree(&tree).0.unwrap().network
        };
        let text = (NetworkFormat::Interfaces, Document::new("content/0000", "auto lo\n"));
        assert_eq!(read("proxmox", " {}\n"), Some(text));
        let data = (NetworkFormat::OpenStack, Document::new("network_data.json", "{\"links\": []}"));
        assert_eq!(read("both", "{\"links\": []}"), Some(data));
        let outside = r#"{"network_config": {"content_path": "/../secret"}}"#;
        let tree = tree("outside", &[("latest/meta_data.json", outside), ("../secret", "auto lo")]);
        assert_eq!(read_tree(&tree).0.unwrap().network, None);
    }

    #[test]
    fn a_drive_without_meta_data_says_so() {
        let error = read_tree(&tree("empty", &[])).0.unwrap_err().to_string();
        assert!(error.starts_with("the drive has no directory `openstack`\n"), "{error}");
        let error = read_tree(&tree("no-meta", &[("latest/user_data", "x")])).0.unwrap_err().to_string();
        assert!(error.starts_with("the drive has no `openstack/*/meta_data.json`\n"), "{error}");
    }

    #[test]
    fn a_document_past_its_bound_is_named_and_the_others_are_used() {
        let meta = r#"{"files": [{"path": "a", "content_path": "/content/0000"},
            {"path": "b", "content_path": "/content/0001"}, {"path": "c", "content_path": "/../secret"}]}"#;
        let tree = tree(
            "large",
            &[
                ("latest/meta_data.json", meta),
                ("latest/network_data.json", "{\"links\": []}"),
                ("latest/user_data", "x"),
                ("content/0000", "edge"),
                ("../secret", "outside"),
            ],
        );
        // A gibibyte that takes no place.
        fs::File::options()
            .write(true)
            .open(tree.join("openstack/latest/user_data"))
            .unwrap()
            .set_len(1 << 30)
            .unwrap();
        let (seed, findings) = read_tree(&tree);
        let seed = seed.unwrap();
        assert_eq!(
            findings,
            [
                "user_data: error: left out: openstack/latest/user_data has 1073741824 bytes, and at most 16777216 are read"
            ]
        );
        assert!(seed.user_data.is_none() && seed.network.is_some());
        assert_eq!(seed.content, BTreeMap::from([("/content/0000".to_owned(), b"edge".to_vec())]));
    }
}
