// SPDX-License-Identifier: Apache-2.0
//! User-data and vendor-data: from raw bytes to a merged cloud-config document and scripts.

use serde_json::Value;

use crate::config::document::Node;
use crate::config::merge::overlay;
use crate::finding::{Finding, Findings};
use crate::seed::Document;
use crate::userdata::layers::VendorData;
use crate::userdata::parts::Parts;

mod archive;
mod form;
mod include;
mod layers;
mod mime;
mod parts;
mod patch;
mod script;
mod unknown;
mod vendor;

pub use include::{Files, Includes};
pub use layers::Layers;
pub use parts::SIZE_LIMIT;
pub use script::{Run, Script};

/// What user-data comes to.
#[derive(Debug, Clone)]
pub struct UserData {
    /// Its cloud-config.
    pub config: Node,
    /// Its scripts, in the order in which they were found: vendor-data's, then user-data's.
    pub scripts: Vec<Script>,
    /// Something that it names cannot be known before the network is up.
    pub incomplete: bool,
}

/// What user-data may refer to.
struct Context<'a> {
    instance_data: &'a Value,
    includes: &'a dyn Includes,
}

impl Context<'_> {
    /// The number of this instance among those that were launched together, where the platform tells it.
    fn launch_index(&self) -> Option<i64> {
        let meta_data = self.instance_data.pointer("/ds/meta_data")?;
        let index = ["launch-index", "launch_index", "ami-launch-index"].iter().find_map(|key| meta_data.get(key))?;
        index.as_i64().or_else(|| index.as_str()?.trim().parse().ok())
    }
}

/// All layers as one: the image's defaults, vendor-data in its order, user-data on top.
///
/// [`Layers`] of the image and of the user can leave some out; the user has the last word.
pub fn combine(
    image: Node,
    vendor: &[Document],
    user: Option<&Document>,
    instance_data: &Value,
    includes: &dyn Includes,
    findings: &mut Findings,
) -> UserData {
    let by_image = Layers::take(&image, findings);
    let refused = by_image.allow_userdata == Some(false);
    if let (true, Some(document)) = (refused, user) {
        let left_out = "left out: the image's settings say `allow_userdata: false`";
        findings.push(Finding::note(&document.origin(), left_out));
    }
    let user = user.filter(|_| !refused).map(|document| decode(document, instance_data, includes, findings));
    let by_user = user.as_ref().map(|user| Layers::take(&user.config, findings)).unwrap_or_default();

    let mut layers = Vec::new();
    for document in vendor {
        let wanted = by_user.of_vendor(&document.name).over(by_image.of_vendor(&document.name));
        if wanted.enabled != Some(false) {
            layers.push(decode_vendor(document, wanted, instance_data, includes, findings));
        }
    }
    layers.extend(user);
    let mut all = UserData { config: image, scripts: Vec::new(), incomplete: false };
    for layer in layers {
        all.incomplete |= layer.incomplete;
        all.config = overlay(all.config, layer.config);
        for mut script in layer.scripts {
            // Both vendor-data count their parts from one.
            let (run, vendor) = (script.run, script.vendor);
            while all.scripts.iter().any(|other| (other.run, other.vendor, &other.name) == (run, vendor, &script.name))
            {
                script.name += "-2";
            }
            all.scripts.push(script);
        }
    }
    all
}

/// One user-data document, whichever form it has.
fn decode(document: &Document, instance_data: &Value, includes: &dyn Includes, findings: &mut Findings) -> UserData {
    let context = Context { instance_data, includes };
    let mut parts = Parts::new(document, Vec::new(), &context, findings);
    parts.blob(&document.bytes, &document.origin(), 0);
    parts.into_user_data()
}

/// One vendor-data document: text like user-data, or JSON that holds such text.
fn decode_vendor(
    document: &Document,
    wanted: VendorData,
    instance_data: &Value,
    includes: &dyn Includes,
    findings: &mut Findings,
) -> UserData {
    let context = Context { instance_data, includes };
    let texts = vendor::parts(document, findings);
    let disabled = wanted.disabled_handlers.unwrap_or_default().0;
    let mut parts = Parts::new(document, disabled, &context, findings);
    for (bytes, origin) in texts {
        parts.blob(&bytes, &origin, 0);
    }
    let mut vendor = parts.into_user_data();
    let prefix = wanted.prefix.unwrap_or_default().0;
    for script in &mut vendor.scripts {
        script.vendor = true;
        if script.run == Run::User {
            script.prefix.clone_from(&prefix);
        }
    }
    vendor
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document;
    use crate::finding::Origin;
    use flate2::{Compression, write::GzEncoder};
    use serde_json::json;
    use std::io::Write as _;

    /// Documents that hold each other, and nothing else.
    struct NoNetwork;

    impl Includes for NoNetwork {
        fn fetch(&self, url: &str, _: bool, _: &Origin) -> crate::error::Result<Option<Vec<u8>>> {
            Ok(url.strip_prefix("file://").map(|path| match path {
                "/loop" => b"#include\nfile:///loop\n".to_vec(),
                "/many" => [b"#include\n".to_vec(), b"file:///part\n".repeat(200)].concat(),
                path => format!("#cloud-config\n{}: 1\n", path.trim_matches('/')).into_bytes(),
            }))
        }
    }

    pub(super) fn read(bytes: &[u8]) -> (UserData, Vec<String>) {
        let mut findings = Findings::default();
        let data = json!({"meta": {"role": "web"}, "ds": {"meta_data": {"launch_index": 1}}});
        let read = decode(&Document::new("user_data", bytes), &data, &NoNetwork, &mut findings);
        (read, findings.iter().map(ToString::to_string).collect())
    }

    pub(super) fn value(user_data: &UserData, key: &str) -> Option<String> {
        user_data.config.get(key).and_then(Node::text).map(str::to_owned)
    }

    #[test]
    fn config_and_scripts_plain_and_compressed() {
        let (config, findings) = read(b"#cloud-config\nhostname: a\n");
        assert_eq!((value(&config, "hostname").as_deref(), findings.len()), (Some("a"), 0));
        assert_eq!(config.config.get("hostname").unwrap().origin.to_string(), "user_data:2:11");

        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(b"#!/bin/sh\necho \xff\n").unwrap();
        let (script, findings) = read(&encoder.finish().unwrap());
        assert_eq!(findings, [""; 0]);
        assert_eq!(script.scripts[0].name, "part-001");
        assert_eq!(script.scripts[0].content, b"#!/bin/sh\necho \xff\n");
        for empty in ["", "\n", "#cloud-config", "#cloud-config\n---\n"] {
            let (nothing, findings) = read(empty.as_bytes());
            assert!(nothing.config.entries().is_empty() && nothing.scripts.is_empty(), "{empty:?}");
            assert_eq!(findings, [""; 0], "{empty:?}");
        }
    }

    #[test]
    fn what_the_peers_would_not_read_is_read_with_a_note() {
        for text in ["\u{feff}#cloud-config\na: 1", "---\n#cloud-config\na: 1", "##template:jinja\n#cloud-config\na: 1"]
        {
            let (config, findings) = read(text.as_bytes());
            assert_eq!(value(&config, "a").as_deref(), Some("1"), "{text:?}");
            assert!(findings.len() == 1 && findings[0].contains(": note: "), "{findings:?}");
        }
        let (script, findings) = read(b"\n#!/bin/sh\r\necho a\r\n");
        assert_eq!(script.scripts[0].content, b"#!/bin/sh\necho a\n");
        assert_eq!(findings.len(), 2);
        assert_eq!(value(&read(b"#cloud-config\r\na: |\r\n  x\r\n").0, "a").as_deref(), Some("x\n"));
    }

    #[test]
    fn documents_are_included_and_what_needs_the_network_is_told() {
        let (all, findings) = read(b"#include\nfile:///a\nhttps://me:hunter2@host/b?k=v\nfile:///c\n");
        assert!(all.incomplete && value(&all, "a").is_some() && value(&all, "c").is_some());
        assert_eq!(all.config.get("c").unwrap().origin.to_string(), "file:///c:2:4");
        assert_eq!(findings, ["user_data:3:1: note: https://host/b is fetched when the network is up"]);
    }

    #[test]
    fn what_the_peers_would_not_read_is_told_of_parts_too() {
        let message = "MIME-Version: 1.0\nContent-Type: text/plain\n\n";
        for (text, note) in [
            (format!("{message}\u{feff}#cloud-config\na: 1"), "user_data part 1: note: a byte order mark"),
            (format!("\n\n{message}---\n#Cloud-Config\na: 1"), "user_data part 1: note: `---` stands before"),
            (format!("{message}##template:jinja\n#cloud-config\na: 1"), "user_data part 1:4:1: note: cloud-init reads"),
            ("\u{feff}#cloud-config-archive\n- 'a: 1'".to_owned(), "user_data: note: a byte order mark"),
        ] {
            let (all, findings) = read(text.as_bytes());
            assert_eq!(value(&all, "a").as_deref(), Some("1"), "{text:?}");
            assert!(findings.len() == 1 && findings[0].starts_with(note), "{findings:?}");
        }
    }

    #[test]
    fn includes_end_at_a_bound() {
        assert!(read(b"#include\nfile:///loop\n").1[0].contains("more than 10 levels deep"));
        let (_, findings) = read(b"#include\nfile:///many\n");
        assert!(findings.len() == 1 && findings[0].contains("more than 100 documents"), "{findings:?}");
    }

    #[test]
    fn templates_are_rendered_and_looked_at_again() {
        let (config, findings) = read(b"## template: jinja\n#cloud-config\na: {{ meta.role }}\nb: {{ nothing }}\n");
        assert_eq!(value(&config, "a").as_deref(), Some("web"));
        assert_eq!(config.config.get("a").unwrap().origin.to_string(), "user_data:3:4");
        assert!(findings[0].starts_with("user_data:4:1: warning"), "{findings:?}");

        let (config, _) = read(b"## template: jinja\n#cloud-config\n{% if meta.role %}\na: 1\n{% endif %}\n");
        assert_eq!(config.config.get("a").unwrap().origin.to_string(), "user_data (rendered):2:4");

        let (script, _) = read(b"## template: jinja\n#!/bin/sh\necho {{ meta.role }}\n");
        assert_eq!(script.scripts[0].content, b"#!/bin/sh\necho web\n");

        let (nested, findings) = read(b"## template: jinja\n## template: jinja\n#cloud-config\na: 1");
        assert!(nested.config.entries().is_empty());
        assert!(findings[0].contains("a template that makes a template"));
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        for (bytes, start) in [
            (&b"#part-handler\ndef list_types(): pass\n"[..], "user_data:1:1: error: a part handler is Python code"),
            (b"\xfd7zXZ\0\0", "user_data: error: compressed with xz, which is not supported here"),
            (b"BZh91AY&SY\xff", "user_data: error: compressed with bzip2"),
            (b"\xff\xfe#\0!\0", "user_data: error: UTF-16"),
            (b"I2Nsb3VkLWNv\nbmZpZwphOiAx\n", "user_data:1:1: error: base64; it is left out"),
            (b"TUlNRS1WZXJzaW9uOiAxLjAKCg==", "user_data:1:1: error: base64"),
            (b"users: []\n", "user_data:1:1: error: the first line does not say what this is"),
            (b"# cloud-config\n", "user_data:1:1: error: the first line is not quite `#cloud-config`"),
            (b"\x89PNG\0", "user_data: error: binary, and not gzip"),
            (b"\x1f\x8b\x08rubbish", "user_data: error: not a whole gzip file"),
            (b"#cloud-config\n- a\n", "user_data:2:1: error: expected keys such as `users:`, found a list"),
            (b"#cloud-config\na:\n\tb\n", "user_data:3:1: error: not YAML: a tab"),
            (b"#cloud-config\na: \xff\n", "user_data:2:1: error: not UTF-8"),
        ] {
            let (read, findings) = read(bytes);
            assert!(read.config.entries().is_empty() && read.scripts.is_empty());
            assert!(findings.len() == 1 && findings[0].starts_with(start), "{findings:?}");
        }
        assert!(read(&vec![b'#'; SIZE_LIMIT + 1]).1[0].contains("larger than 16 MiB"));
    }

    fn layers(image: &str, vendor: &[&str], user: &str) -> (UserData, Vec<String>) {
        let mut findings = Findings::default();
        let image = document::parse(image, &Origin::document("image"), &mut findings).unwrap();
        let vendor: Vec<_> = vendor.iter().map(|text| Document::new("vendor_data.json", *text)).collect();
        let all =
            combine(image, &vendor, Some(&Document::new("user_data", user)), &json!({}), &NoNetwork, &mut findings);
        (all, findings.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_user_has_the_last_word_and_the_image_the_first() {
        let vendor =
            [r##"{"cloud-init": "#cloud-config\na: v1\nb: v1\nc: v1"}"##, r##"["#cloud-config\nb: v2", "#!/bin/v"]"##];
        let (all, findings) = layers("a: image\nd: image", &vendor, "#cloud-config\nc: user");
        let values: Vec<_> = ["a", "b", "c", "d"].iter().map(|key| value(&all, key).unwrap()).collect();
        assert_eq!(values, ["v1", "v2", "user", "image"]);
        assert!(all.scripts[0].name == "part-002" && all.scripts[0].vendor);
        assert_eq!(findings, [""; 0]);
    }

    #[test]
    fn layers_can_be_switched_off() {
        let vendor = ["\"#cloud-config\\na: vendor\""];
        assert_eq!(value(&layers("{}", &vendor, "#cloud-config\nvendor_data: {enabled: no}").0, "a"), None);
        assert_eq!(value(&layers("vendor_data: {enabled: no}", &vendor, "").0, "a"), None);
        assert_eq!(
            value(
                &layers("vendor_data: {enabled: no}", &vendor, "#cloud-config\nvendor_data: {enabled: 'yes'}").0,
                "a"
            )
            .as_deref(),
            Some("vendor")
        );
        assert_eq!(value(&layers("{}", &vendor, "#cloud-config\nvendor_data: false").0, "a"), None);
        let (all, findings) = layers("allow_userdata: false", &vendor, "#cloud-config\na: user");
        assert_eq!(value(&all, "a").as_deref(), Some("vendor"));
        assert!(findings[0].contains("allow_userdata"));
    }

    #[test]
    fn the_user_decides_how_vendor_data_runs() {
        let vendor = ["[\"#!/bin/a\", \"#cloud-boothook\\n#!/bin/b\", \"#cloud-config\\na: vendor\"]"];
        let user = "#cloud-config\nvendor_data:\n  prefix: [timeout, 30]\n  disabled_handlers: [text/cloud-config]\n";
        let (all, findings) = layers("vendor_data: {prefix: nice}", &vendor, user);
        assert_eq!(value(&all, "a"), None);
        let prefixes: Vec<_> = all.scripts.iter().map(|script| (script.run, script.prefix.join(" "))).collect();
        assert_eq!(prefixes, [(Run::User, "timeout 30".to_owned()), (Run::Boothook, String::new())]);
        assert_eq!(findings, ["vendor_data.json: [2]: note: left out: `disabled_handlers` names text/cloud-config"]);
    }
}
