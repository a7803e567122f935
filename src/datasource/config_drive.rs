// SPDX-License-Identifier: Apache-2.0
//! The config drive: a disc or disk labelled `config-2` that OpenStack attaches to a guest.
//!
//! Layout as `nova/api/metadata/base.py` writes it. Of two drives the first in the order of `media::device` is taken; one
//! that cannot be read gives way to the next.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use log::{debug, info};

use crate::datasource::{Certainty, Context, Datasource, Drive, Fetched, Probe};
use crate::error::{Error, Result};
use crate::finding::{Finding, Findings, Origin, Severity};
use crate::guest::Guest;
use crate::media::device::{self, Labelled};
use crate::media::mount::Mounted;
use crate::media::uevent::Uevents;
use crate::media::{self, Medium};
use crate::seed::{Document, MetaFormat, NetworkFormat, Seed};

/// See the file's head.
pub const DATASOURCE: Datasource = Datasource { name: NAME, probe, fetch };

const NAME: &str = "config-drive";
const LABELS: [&str; 2] = ["config-2", "CONFIG-2"];

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

/// Bytes of `meta_data.json`, `network_data.json` and each vendor document.
const JSON_LIMIT: u64 = 4 << 20;
/// Bytes of `user_data`, and of one file in `content`.
const FILE_LIMIT: u64 = 16 << 20;
/// Bytes, and number, of all files in `content`.
const CONTENT_LIMIT: u64 = 64 << 20;
const MAX_CONTENT: usize = 1000;

/// What an OpenStack cloud writes into its guests' DMI, as ds-identify knows it.
const PRODUCTS: [&str; 2] = ["OpenStack Nova", "OpenStack Compute"];
const VENDORS: [&str; 1] = ["OpenStack Foundation"];
const ASSET_TAGS: [&str; 6] = [
    "OpenStack Nova",
    "OpenStack Compute",
    "OpenTelekomCloud",
    "HUAWEICLOUD",
    "SAP CCloud VM",
    "Samsung Cloud Platform",
];

/// The drives on this machine now, in the order in which they are taken.
fn drives(context: &Context) -> Vec<Labelled> {
    if !context.root.is_live() {
        return Vec::new();
    }
    let mut drives = device::labelled(context.root.path());
    drives.retain(|drive| drive.labels.iter().any(|label| LABELS.contains(&label.as_str())));
    drives
}

fn probe(context: &Context) -> Probe {
    if let Some(drive) = drives(context).first() {
        return Probe { certainty: Certainty::Here, reason: place(drive) };
    }
    let nothing = "no device is labelled config-2";
    match expected(context.guest) {
        _ if !context.root.is_live() => Probe {
            certainty: Certainty::Unlikely,
            reason: "the devices of this machine are not those of the image".to_owned(),
        },
        Some(why) => Probe { certainty: Certainty::Expected, reason: format!("{nothing}, but {why}") },
        None => {
            Probe { certainty: Certainty::Unlikely, reason: format!("{nothing}, and nothing says that one is to come") }
        }
    }
}

/// What says that a drive is to come.
fn expected(guest: &Guest) -> Option<String> {
    let asked = |word: &str| {
        let Some((key, value)) = word.split_once('=') else { return false };
        let source = value.split([';', ',']).next().unwrap_or_default().to_ascii_lowercase().replace(['-', '_'], "");
        ["ds", "ci.ds", "ci.datasource", "firstlight.datasource"].contains(&key) && source == "configdrive"
    };
    if let Some(word) = guest.command_line.split_ascii_whitespace().find(|word| asked(word)) {
        return Some(format!("the kernel's command line says `{word}`"));
    }
    let dmi = &guest.dmi;
    let names = [
        (dmi.product_name.as_str(), PRODUCTS.as_slice()),
        (&dmi.sys_vendor, &VENDORS),
        (&dmi.chassis_asset_tag, &ASSET_TAGS),
    ];
    let (name, _) = names.into_iter().find(|(name, known)| known.contains(name))?;
    Some(format!("the firmware names `{name}`"))
}

fn place(drive: &Labelled) -> String {
    let label = drive.labels.first().map_or("", String::as_str);
    format!("{} ({}, {label})", drive.device.path.display(), drive.file_system.name())
}

fn fetch(context: &Context, deadline: Instant, findings: &mut Findings) -> Result<Fetched> {
    // Before the first look, so that a drive which comes meanwhile is not missed.
    let uevents = Uevents::open();
    let mut waiting = false;
    let found = loop {
        let found = drives(context);
        if !found.is_empty() {
            break found;
        }
        if !waiting {
            info!("waiting up to {:?} for a config drive", context.wait);
            waiting = true;
        }
        if !context.root.is_live() || !uevents.wait(deadline) {
            return Err(Error::absent(format!("no device labelled config-2 within {:?}", context.wait)));
        }
    };
    first_readable(&found, context.mount, findings)
}

/// The seed of the first drive that can be read; says of each other why not.
fn first_readable(drives: &[Labelled], mount: bool, findings: &mut Findings) -> Result<Fetched> {
    let mut last = Error::absent("no config drive");
    for (number, drive) in drives.iter().enumerate() {
        let origin = Origin::document(place(drive));
        match read_drive(drive, mount, findings) {
            Ok(seed) => {
                for other in drives.iter().skip(number + 1) {
                    let message =
                        format!("is a config drive too; {} was taken: {}", place(drive), why_before(drive, other));
                    findings.push(Finding::note(&Origin::document(place(other)), message).help("detach one of them"));
                }
                let drive = Drive { device: drive.device.path.clone(), file_system: drive.file_system };
                return Ok(Fetched { seed, drive: Some(drive) });
            }
            Err(error) if number + 1 < drives.len() => {
                let finding = error.while_doing("the next config drive is tried").finding(&origin);
                findings.push(Finding { severity: Severity::Warning, ..finding });
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn why_before(taken: &Labelled, other: &Labelled) -> &'static str {
    use device::Kind;
    match (taken.device.kind, other.device.kind) {
        (Kind::Optical, Kind::Disk | Kind::Partition) => "discs go before disks",
        (Kind::Disk, Kind::Partition) => "whole disks go before partitions",
        _ => "its name comes first",
    }
}

/// Mounted, as a person would look at it; where that can't be, through the device.
fn read_drive(drive: &Labelled, mount: bool, findings: &mut Findings) -> Result<Seed> {
    let path: &Path = &drive.device.path;
    if mount {
        match Mounted::open(path, drive.file_system) {
            Ok(mounted) => return read(&mounted, &place(drive), findings),
            Err(error) => debug!("{error}; reading {} without a mount", path.display()),
        }
    }
    match media::open(path)? {
        Some(image) => read(&image, &place(drive), findings),
        None => Err(Error::absent(format!("the medium in {} is gone", path.display()))),
    }
}

/// Reads the tree of a config drive.
///
/// Errors: malformed where there is no `meta_data.json`. A document that can't be read is a finding, and the others are
/// used.
pub fn read(medium: &dyn Medium, place: &str, findings: &mut Findings) -> Result<Seed> {
    let (version, meta_data) = newest(medium, place)?;
    debug!("{place}: version {version}");
    let mut document = |name: &str, limit: u64| match medium.read(&format!("openstack/{version}/{name}"), limit) {
        Ok(bytes) => bytes.map(|bytes| Document::new(name, bytes)),
        Err(error) => {
            findings.push(left_out(name, error));
            None
        }
    };
    let network = document("network_data.json", JSON_LIMIT).map(|document| (NetworkFormat::OpenStack, document));
    let user_data = document("user_data", FILE_LIMIT).filter(|document| !document.bytes.is_empty());
    let vendor_data = ["vendor_data.json", "vendor_data2.json"];
    let vendor_data = vendor_data.into_iter().filter_map(|name| document(name, JSON_LIMIT)).collect();
    let content = content(medium, &meta_data, findings);
    Ok(Seed {
        datasource: NAME.to_owned(),
        place: place.to_owned(),
        meta_format: MetaFormat::OpenStack,
        meta_data,
        network,
        user_data,
        vendor_data,
        content,
    })
}

fn left_out(name: &str, error: Error) -> Finding {
    error.while_doing("left out").finding(&Origin::document(name))
}

/// The newest version that is known and there, with its `meta_data.json`; else `latest`.
fn newest(medium: &dyn Medium, place: &str) -> Result<(&'static str, Document)> {
    const NAME: &str = "meta_data.json";
    let there = medium.list("openstack").map_err(|error| error.while_doing(place))?;
    for version in VERSIONS.into_iter().chain(["latest"]).filter(|version| there.iter().any(|name| name == version)) {
        let read = medium.read(&format!("openstack/{version}/{NAME}"), JSON_LIMIT);
        if let Some(bytes) = read.map_err(|error| error.while_doing(place))? {
            return Ok((version, Document::new(NAME, bytes)));
        }
    }
    let wrong = if there.is_empty() { "has no directory `openstack`" } else { "has no `openstack/*/meta_data.json`" };
    Err(Error::malformed(format!("{place} {wrong}"))
        .help("a config drive holds at least openstack/latest/meta_data.json, with the instance's `uuid`"))
}

/// The files that `meta_data` refers to. What is wrong with the references is said when they are read.
fn content(medium: &dyn Medium, meta_data: &Document, findings: &mut Findings) -> BTreeMap<String, Vec<u8>> {
    let mut content = BTreeMap::new();
    let mut left = CONTENT_LIMIT;
    let meta: serde_json::Value = serde_json::from_slice(&meta_data.bytes).unwrap_or_default();
    let files = meta.get("files").and_then(serde_json::Value::as_array).map_or(&[][..], Vec::as_slice);
    for path in files.iter().filter_map(|file| file.get("content_path")?.as_str()) {
        if content.contains_key(path) || path.split('/').any(|part| part == "..") {
            continue;
        }
        if content.len() == MAX_CONTENT {
            let many = Error::malformed(format!("at most {MAX_CONTENT} files are read from a config drive"));
            findings.push(left_out(path, many));
            break;
        }
        match medium.read(&format!("openstack/{}", path.trim_start_matches('/')), FILE_LIMIT.min(left)) {
            Ok(Some(bytes)) => {
                left -= bytes.len() as u64;
                content.insert(path.to_owned(), bytes);
            }
            Ok(None) => {}
            Err(error) => findings.push(left_out(path, error)),
        }
    }
    content
}
