// SPDX-License-Identifier: Apache-2.0
//! What a file is that somebody wants checked: told by its name, else by its content.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use serde_json::Value;

use crate::cli::network_format::{self, Format};
use crate::config::base::Settings;
use crate::datasource;
use crate::error::{At, Result};
use crate::finding::Findings;
use crate::input;
use crate::root::Root;
use crate::seed::{Document, MetaFormat, NetworkFormat, Seed};

/// The most that one file may hold.
const LIMIT: u64 = 64 << 20;

/// What is to be checked.
pub(super) enum Input {
    /// A whole seed, or one with a single document.
    Seed(Box<Seed>),
    /// The image's own settings.
    Settings(Document),
    /// A kernel's, for the network that it asks for.
    CommandLine(Document),
}

/// Reads `file`. The text of a document goes to `findings` as it stands, until its reader knows better.
pub(super) fn input(file: &Path, root: &Root, findings: &mut Findings) -> Result<Input> {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if is_medium(file)? {
        return seed(file, root, findings).map(|seed| Input::Seed(Box::new(seed)));
    }
    let document = Document::new(file.to_string_lossy(), input::read(file, LIMIT)?);
    if let Ok(text) = std::str::from_utf8(&document.bytes) {
        findings.read(&document.origin(), text);
    }
    let mut seed = Seed {
        datasource: "check".to_owned(),
        place: file.to_string_lossy().into_owned(),
        meta_format: MetaFormat::OpenStack,
        meta_data: Document::new("meta_data.json", br#"{"uuid": "00000000-0000-0000-0000-000000000000"}"#),
        more_meta_data: Vec::new(),
        network: None,
        user_data: None,
        vendor_data: Vec::new(),
        content: Default::default(),
    };
    match kind(&name, &document.bytes) {
        Kind::MetaData => seed.meta_data = document,
        Kind::Network(format) => seed.network = Some((format, document)),
        Kind::VendorData => seed.vendor_data.push(document),
        Kind::UserData => seed.user_data = Some(document),
        Kind::Settings => return Ok(Input::Settings(document)),
        Kind::CommandLine => return Ok(Input::CommandLine(document)),
        Kind::NoCloud => (seed.meta_format, seed.meta_data) = (MetaFormat::NoCloud, document),
    }
    Ok(Input::Seed(Box::new(seed)))
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    MetaData,
    Network(NetworkFormat),
    VendorData,
    UserData,
    Settings,
    CommandLine,
    NoCloud,
}

impl From<Format> for Kind {
    fn from(format: Format) -> Self {
        match format {
            Format::Document(format) => Self::Network(format),
            Format::CommandLine => Self::CommandLine,
        }
    }
}

fn kind(name: &str, bytes: &[u8]) -> Kind {
    match name {
        "meta_data.json" => return Kind::MetaData,
        "vendor_data.json" | "vendor_data2.json" | "vendor-data" => return Kind::VendorData,
        "user_data" | "user-data" => return Kind::UserData,
        "meta-data" => return Kind::NoCloud,
        _ => {}
    }
    if let Some(format) = network_format::by_name(name) {
        return format.into();
    }
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    if bytes.trim_ascii_start().starts_with(b"{") {
        let document = serde_json::from_slice::<Value>(bytes).ok();
        let text = String::from_utf8_lossy(bytes);
        // Of one that is broken any mention of the key will do.
        let has = |key: &str| match &document {
            Some(document) => document.get(key).is_some(),
            None => text.contains(&format!("\"{key}\"")),
        };
        return match network_format::by_content(bytes) {
            _ if has("uuid") => Kind::MetaData,
            Some(format) => format.into(),
            _ if has("instance-id") || has("local-hostname") => Kind::NoCloud,
            _ if has("cloud-init") => Kind::VendorData,
            None => Kind::UserData,
        };
    }
    let is_user_data = bytes.trim_ascii_start().to_ascii_lowercase().starts_with(b"#cloud-config");
    let has = |key: &[u8]| bytes.split(|byte| *byte == b'\n').any(|line| line.starts_with(key));
    match network_format::by_content(bytes) {
        _ if is_user_data => Kind::UserData,
        _ if has(b"firstlight:") || has(b"datasource:") => Kind::Settings,
        Some(format) => format.into(),
        _ if has(b"instance-id:") || has(b"local-hostname:") => Kind::NoCloud,
        None => Kind::UserData,
    }
}

fn seed(medium: &Path, root: &Root, findings: &mut Findings) -> Result<Seed> {
    let seed = datasource::from_source(&medium.to_string_lossy(), root, &Settings::default(), findings)?;
    let others = [seed.network.as_ref().map(|(_, document)| document), seed.user_data.as_ref()];
    for document in seed.all_meta_data().chain(others.into_iter().flatten()).chain(&seed.vendor_data) {
        if let Ok(text) = std::str::from_utf8(&document.bytes) {
            findings.read(&document.origin(), text);
        }
    }
    Ok(seed)
}

/// A directory, an ISO 9660 image by its signature, or a disk image by its name.
fn is_medium(file: &Path) -> Result<bool> {
    let mut opened = input::open(file)?;
    if opened.metadata().at("read", file)?.is_dir() || file.extension().is_some_and(|extension| extension == "img") {
        return Ok(true);
    }
    let mut head = [0; 6];
    let read = opened.seek(SeekFrom::Start(32768)).and_then(|_| opened.read_exact(&mut head));
    Ok(read.is_ok() && head.ends_with(b"CD001"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_told_by_its_name_else_by_its_content() {
        for (name, content, expected) in [
            ("meta_data.json", "", Kind::MetaData),
            ("x.json", "{\"uuid\": \"a\"}", Kind::MetaData),
            ("x.json", " {\"links\": []}", Kind::Network(NetworkFormat::OpenStack)),
            ("network-config", "version: 2\n", Kind::Network(NetworkFormat::NetworkConfig)),
            ("x.json", "{\"network\": {}}", Kind::Network(NetworkFormat::NetworkConfig)),
            ("50-cloud-init.yaml", "# x\nnetwork:\n  version: 2\n", Kind::Network(NetworkFormat::NetworkConfig)),
            ("x.yaml", "version: 1\nconfig: []\n", Kind::Network(NetworkFormat::NetworkConfig)),
            ("x.yaml", "version: 2\nvlans: {}\n", Kind::Network(NetworkFormat::NetworkConfig)),
            ("x.json", "\u{feff}{\"bonds\": {}}", Kind::Network(NetworkFormat::NetworkConfig)),
            ("x.json", "{\"02:00:00:00:00:01/\": {}}", Kind::Network(NetworkFormat::Ec2)),
            ("eni", "# by hand\nauto ens3\niface ens3 inet dhcp\n", Kind::Network(NetworkFormat::Interfaces)),
            ("x", "#!/bin/sh\ncat > eni <<.\niface ens3 inet dhcp\n.\n", Kind::UserData),
            ("x.yaml", "#cloud-config\nnetwork: {}\n", Kind::UserData),
            ("x.yaml", "firstlight: {}\nnetwork: {}\n", Kind::Settings),
            ("vendor_data2.json", "[]", Kind::VendorData),
            ("x", "{\"cloud-init\": \"\"}", Kind::VendorData),
            ("x.json", "{\"uuid\": ", Kind::MetaData),
            ("x.json", "{", Kind::UserData),
            ("config.yaml", "# x\nfirstlight: {}\n", Kind::Settings),
            ("x.yaml", "## template: jinja\ntimezone: UTC\nfirstlight:\n", Kind::Settings),
            ("x.yaml", "#cloud-config\nfirstlight: {}\n", Kind::UserData),
            ("config.yaml", "datasource: {}\n", Kind::Settings),
            ("user-data", "firstlight: {}\n", Kind::UserData),
            ("cmdline", "quiet ip=dhcp\n", Kind::CommandLine),
            ("meta-data", "x", Kind::NoCloud),
            ("x.yaml", "# x\nlocal-hostname: x\n", Kind::NoCloud),
            ("x.json", "{\"instance-id\": 1}", Kind::NoCloud),
            ("vendor-data", "x", Kind::VendorData),
            ("x", "#!/bin/sh\n", Kind::UserData),
        ] {
            assert_eq!(kind(name, content.as_bytes()), expected, "{name}: {content}");
        }
    }
}
