// SPDX-License-Identifier: Apache-2.0
//! `firstlight check`: validate user-data, meta-data and network data before a VM reads them.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::boot;
use crate::cli::{Common, print, print_json};
use crate::datasource;
use crate::error::{At, Result};
use crate::finding::{Finding, Findings, Origin, Severity};
use crate::input;
use crate::seed::{Document, MetaFormat, NetworkFormat, Seed};

/// Validate user-data, meta_data.json, network_data.json, or a whole seed (directory or image)
///
/// Each problem is printed as FILE:LINE:COLUMN with a remedy; exit code 1 where something would not be applied. Time
/// zones are looked for on this machine, and network interfaces not at all, unless --root DIR names the guest.
#[derive(Args)]
pub struct Arguments {
    /// What to read; meta_data.json and network_data.json are told by their names
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// For programs
    #[arg(long)]
    json: bool,
    /// Also fail on warnings: what is done, and probably not what was meant
    #[arg(long)]
    strict: bool,
}

impl Arguments {
    pub(super) fn exec(&self, common: &Common) -> Result<ExitCode> {
        let options = common.options()?;
        common.log(&options.root, false);
        let mut findings: Vec<Finding> = Vec::new();
        for file in &self.files {
            let mut found = Findings::default();
            let checked = seed(file, &mut found).and_then(|seed| boot::check(&options, seed, &mut found));
            if let Err(error) = checked {
                found.push(error.finding(&Origin::document(file.to_string_lossy())));
            }
            // Who mends a document goes through it from the top.
            let mut found: Vec<Finding> = found.into_iter().collect();
            found.sort_by(|one, other| one.origin.cmp(&other.origin));
            findings.extend(found);
        }
        let worst = findings.iter().map(|finding| finding.severity).max();
        let bound = if self.strict { Severity::Warning } else { Severity::Error };
        if self.json {
            print_json(&findings)?;
        } else if findings.is_empty() {
            print("no problems\n")?;
        } else {
            print(&findings.iter().map(|finding| format!("{finding}\n")).collect::<String>())?;
        }
        Ok(if worst >= Some(bound) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// The most that one file may hold.
const LIMIT: u64 = 64 << 20;

/// The file as a seed: a whole one, or one with this document only.
fn seed(file: &Path, findings: &mut Findings) -> Result<Seed> {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if is_medium(file)? {
        return datasource::from_source(&file.to_string_lossy(), findings);
    }
    let document = Document::new(file.to_string_lossy(), input::read(file, LIMIT)?);
    let mut seed = Seed {
        datasource: "check".to_owned(),
        place: file.to_string_lossy().into_owned(),
        meta_format: MetaFormat::OpenStack,
        meta_data: Document::new("meta_data.json", br#"{"uuid": "00000000-0000-0000-0000-000000000000"}"#),
        network: None,
        user_data: None,
        vendor_data: Vec::new(),
        content: Default::default(),
    };
    match name.as_str() {
        "meta_data.json" => seed.meta_data = document,
        "network_data.json" => seed.network = Some((NetworkFormat::OpenStack, document)),
        "vendor_data.json" | "vendor_data2.json" => seed.vendor_data.push(document),
        _ => seed.user_data = Some(document),
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
