// SPDX-License-Identifier: Apache-2.0
//! User-data and vendor-data: from raw bytes to a merged cloud-config document and scripts.

use serde_json::Value;

use crate::config::document::{self, Data, Node};
use crate::config::merge::{overlay, replace_keys};
use crate::config::template::{self, Purpose};
use crate::finding::{Finding, Findings, Origin};
use crate::seed::Document;
use crate::userdata::form::{Before, Form, sniff};

pub mod compression;

mod form;
mod include;
mod vendor;

pub use include::{Files, Includes};

/// The largest user-data or vendor-data as the platform hands it over, in bytes.
pub const SIZE_LIMIT: usize = 16 << 20;

/// How deep documents may hold other documents.
const DEPTH_LIMIT: usize = 10;

/// A script of the user-data, run once for each instance in the final stage.
#[derive(Debug, Clone)]
pub struct Script {
    /// File name: `part-001`, `vendor-part-001`.
    pub name: String,
    /// The whole script, its `#!` line first.
    pub content: Vec<u8>,
    /// Where it came from.
    pub origin: Origin,
}

/// What user-data comes to.
#[derive(Debug, Clone)]
pub struct UserData {
    /// Its cloud-config.
    pub config: Node,
    /// Its scripts, in the order in which they run.
    pub scripts: Vec<Script>,
    /// Something that it names cannot be known before the network is up.
    pub incomplete: bool,
}

crate::keys! {
    /// Which layers count.
    pub struct Layers {
        /// `false` in the image's settings leaves user-data out.
        allow_userdata: bool,
        /// What becomes of vendor-data.
        vendor_data: VendorData,
    }
}

crate::keys! {
    /// What becomes of vendor-data.
    pub struct VendorData {
        /// `false` leaves it out.
        enabled: bool,
    }
}

/// All layers as one: the image's defaults, vendor-data in its order, user-data on top.
///
/// The scripts of vendor-data run before those of user-data. [`Layers`] of the image and of the user can leave some out.
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
    let by_user = user.as_ref().and_then(|user| Layers::take(&user.config, findings).vendor_data);
    let vendor_wanted = [by_user, by_image.vendor_data].into_iter().flatten().find_map(|vendor| vendor.enabled);

    let mut layers = Vec::new();
    if vendor_wanted != Some(false) {
        layers.extend(vendor.iter().map(|document| decode_vendor(document, instance_data, includes, findings)));
    }
    layers.extend(user);
    let mut all = UserData { config: image, scripts: Vec::new(), incomplete: false };
    for layer in layers {
        all.incomplete |= layer.incomplete;
        all.config = overlay(all.config, layer.config);
        all.scripts.extend(layer.scripts);
    }
    all
}

/// One user-data document, whichever form it has.
pub fn decode(
    document: &Document,
    instance_data: &Value,
    includes: &dyn Includes,
    findings: &mut Findings,
) -> UserData {
    let mut parts = Parts::new(document, "", instance_data, includes, findings);
    parts.blob(&document.bytes, &document.origin(), 0);
    parts.into_user_data()
}

/// One vendor-data document: text like user-data, or JSON that holds such text.
pub fn decode_vendor(
    document: &Document,
    instance_data: &Value,
    includes: &dyn Includes,
    findings: &mut Findings,
) -> UserData {
    let texts = vendor::parts(document, findings);
    let mut parts = Parts::new(document, "vendor-", instance_data, includes, findings);
    for (bytes, origin) in texts {
        parts.blob(&bytes, &origin, 0);
    }
    parts.into_user_data()
}

/// The parts of one document, as they are taken apart.
struct Parts<'a> {
    /// Before the name of each script.
    prefix: &'static str,
    instance_data: &'a Value,
    includes: &'a dyn Includes,
    findings: &'a mut Findings,
    config: Node,
    scripts: Vec<Script>,
    incomplete: bool,
    /// Parts so far; scripts without a name of their own are numbered by it.
    count: usize,
    /// Documents that were fetched.
    fetched: usize,
}

impl<'a> Parts<'a> {
    fn new(
        document: &Document,
        prefix: &'static str,
        instance_data: &'a Value,
        includes: &'a dyn Includes,
        findings: &'a mut Findings,
    ) -> Self {
        let config = Node::empty(document.origin());
        let (scripts, incomplete, count, fetched) = (Vec::new(), false, 0, 0);
        Self { prefix, instance_data, includes, findings, config, scripts, incomplete, count, fetched }
    }

    fn into_user_data(self) -> UserData {
        UserData { config: self.config, scripts: self.scripts, incomplete: self.incomplete }
    }

    /// Bytes as the platform gave them, compressed or not.
    fn blob(&mut self, bytes: &[u8], origin: &Origin, depth: usize) {
        if bytes.len() > SIZE_LIMIT {
            let large = format!("larger than {} MiB; it is not used", SIZE_LIMIT >> 20);
            return self.findings.push(Finding::error(origin, large).help("fetch large content from a server"));
        }
        if !compression::is_gzip(bytes) {
            return self.part(bytes, origin, false, depth);
        }
        match compression::gunzip(bytes, compression::LIMIT) {
            Ok(content) => self.part(&content, origin, false, depth),
            Err(error) => self.findings.push(Finding::error(origin, format!("{error}; it is not used"))),
        }
    }

    /// One part. This is where the forms that hold other parts (MIME, archive, include) come back to, once for each.
    fn part(&mut self, bytes: &[u8], origin: &Origin, rendered: bool, depth: usize) {
        let (form, before) = sniff(bytes);
        if !matches!(form, Form::Template | Form::Empty) {
            self.count += 1;
        }
        match form {
            Form::Empty => {}
            Form::Script => self.script(bytes, before, origin),
            Form::CloudConfig => self.cloud_config(bytes, before, origin),
            Form::Include => self.include(bytes, origin, depth + 1),
            Form::Template if !rendered => self.template(bytes, origin, depth),
            Form::Template => {
                self.findings.push(Finding::error(origin, "a template that makes a template; it is left out"));
            }
            Form::Unbuilt(name) => self.findings.push(
                Finding::error(
                    origin,
                    format!("user-data of the form `{name}` is known, not built yet; it is left out"),
                )
                .help("`#cloud-config` and `#!` scripts are applied"),
            ),
            Form::Unknown => self.unknown(bytes, origin),
        }
    }

    fn script(&mut self, bytes: &[u8], before: Before, origin: &Origin) {
        // The kernel looks for `#!` at the very first byte, and for no `\r` behind the interpreter.
        let mut content = bytes.get(before.length..).unwrap_or_default().to_vec();
        if before.length > 0 {
            self.findings.push(Finding::note(origin, "what stands before the `#!` of this script is removed"));
        }
        if content.split(|byte| *byte == b'\n').next().is_some_and(|line| line.ends_with(b"\r")) {
            self.findings.push(Finding::note(origin, "this script has line ends of Windows; they are changed"));
            content = without_carriage_returns(&content);
        }
        let name = format!("{}part-{:03}", self.prefix, self.count);
        self.scripts.push(Script { name, content, origin: origin.clone() });
    }

    fn cloud_config(&mut self, bytes: &[u8], before: Before, origin: &Origin) {
        if before.byte_order_mark || before.document_start {
            let what = if before.byte_order_mark { "a byte order mark" } else { "`---`" };
            let hidden = format!("{what} stands before `#cloud-config`; cloud-init would not read this");
            self.findings.push(Finding::note(origin, hidden));
        }
        let Some(text) = self.text(bytes, origin) else { return };
        let Some(config) = document::parse(text, origin, self.findings) else { return };
        match config.data {
            Data::Mapping(_) => {
                let earlier = std::mem::replace(&mut self.config, Node::empty(origin.clone()));
                self.config = replace_keys(earlier, config);
            }
            _ if config.is_null() => {}
            _ => {
                let found = config.described();
                let message = format!("expected keys such as `users:`, found {found}; nothing of it is used");
                self.findings.push(Finding::error(&config.origin, message));
            }
        }
    }

    fn template(&mut self, bytes: &[u8], origin: &Origin, depth: usize) {
        let Some(text) = self.text(bytes, origin) else { return };
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let header = template::split_header(text).map(|(header, _)| header.to_ascii_lowercase());
        if header.is_some_and(|header| !header.starts_with("## template: jinja")) {
            let loose = "cloud-init reads this only as `## template: jinja`, with these spaces";
            self.findings.push(Finding::note(&origin.at(1, 1), loose));
        }
        let Some(output) = template::render(text, origin, self.instance_data, Purpose::UserData, self.findings) else {
            return;
        };
        // Where blocks added or removed lines, places are places in what was rendered.
        let same_lines = output.lines().count() == text.lines().count();
        let rendered = Origin::document(format!("{} (rendered)", origin.document_name()));
        let (origin, output) = if same_lines { (origin, output.as_str()) } else { (&rendered, output.trim_start()) };
        self.part(output.as_bytes(), origin, true, depth);
    }

    /// The documents that `bytes` names, each of any form.
    fn include(&mut self, bytes: &[u8], origin: &Origin, depth: usize) {
        let Some(text) = self.text(bytes, origin) else { return };
        for line in include::lines(text, false) {
            let place = origin.at(line.number, line.column);
            if depth > DEPTH_LIMIT {
                let deep = format!("included more than {DEPTH_LIMIT} levels deep; it is left out");
                return self.findings.push(Finding::error(&place, deep).help("does a document include itself?"));
            }
            if self.fetched == include::COUNT_LIMIT {
                let many = format!("more than {} documents are included; this is left out", include::COUNT_LIMIT);
                return self.findings.push(Finding::error(&place, many));
            }
            self.fetched += 1;
            let name = include::shown(line.url);
            match self.includes.fetch(line.url, line.once, &place) {
                Ok(Some(content)) => self.blob(&content, &Origin::document(name), depth),
                Ok(None) => {
                    self.incomplete = true;
                    self.findings.push(Finding::note(&place, format!("{name} is fetched when the network is up")));
                }
                Err(error) => self.findings.push(error.while_doing(format!("cannot include {name}")).finding(&place)),
            }
        }
    }

    fn text<'b>(&mut self, bytes: &'b [u8], origin: &Origin) -> Option<&'b str> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Some(text),
            Err(error) => {
                let line = bytes.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count() + 1;
                let message = "not UTF-8 from here on; nothing of it is used";
                self.findings.push(Finding::error(&origin.at(line, 1), message).help("save it as UTF-8"));
                None
            }
        }
    }

    fn unknown(&mut self, bytes: &[u8], origin: &Origin) {
        let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
        let first = text.unwrap_or_default().trim_start().lines().next().unwrap_or_default();
        let bare: String = first.to_ascii_lowercase().split_whitespace().collect();
        let (message, help) = match text {
            None => ("binary, and not gzip; it is left out", "user-data is text, MIME or gzip"),
            Some(_) if bare.starts_with("#cloud-config") => {
                ("the first line is not quite `#cloud-config`; it is left out", "write it without spaces")
            }
            Some(_) => (
                "the first line does not say what this is; it is left out",
                "begin with `#cloud-config`, or with `#!` for a script",
            ),
        };
        self.findings.push(Finding::error(origin, message).help(help));
    }
}

fn without_carriage_returns(bytes: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\r\n") {
            Some(line) => {
                kept.extend_from_slice(line);
                kept.push(b'\n');
            }
            None => kept.extend_from_slice(line),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
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

    fn read(bytes: &[u8]) -> (UserData, Vec<String>) {
        let mut findings = Findings::default();
        let data = json!({"meta": {"role": "web"}});
        let read = decode(&Document::new("user_data", bytes), &data, &NoNetwork, &mut findings);
        (read, findings.iter().map(ToString::to_string).collect())
    }

    fn value(user_data: &UserData, key: &str) -> Option<String> {
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
            (
                &b"#cloud-boothook\n"[..],
                "user_data: error: user-data of the form `#cloud-boothook` is known, not built yet",
            ),
            (b"users: []\n", "user_data: error: the first line does not say what this is"),
            (b"# cloud-config\n", "user_data: error: the first line is not quite `#cloud-config`"),
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
        assert_eq!(all.scripts[0].name, "vendor-part-002");
        assert_eq!(findings, [""; 0]);
    }

    #[test]
    fn layers_can_be_switched_off() {
        let vendor = ["\"#cloud-config\\na: vendor\""];
        assert_eq!(value(&layers("{}", &vendor, "#cloud-config\nvendor_data: {enabled: no}").0, "a"), None);
        assert_eq!(value(&layers("vendor_data: {enabled: no}", &vendor, "").0, "a"), None);
        let (all, findings) = layers("allow_userdata: false", &vendor, "#cloud-config\na: user");
        assert_eq!(value(&all, "a").as_deref(), Some("vendor"));
        assert!(findings[0].contains("allow_userdata"));
    }
}
