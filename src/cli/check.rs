// SPDX-License-Identifier: Apache-2.0
//! `firstlight check`: validate user-data, meta-data and network data before a VM reads them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::boot;
use crate::cli::{Common, print, print_json};
use crate::error::{At, Result};
use crate::finding::{Finding, Findings};
use crate::seed::Document;

/// Validate user-data, meta_data.json, network_data.json, or a whole seed (directory or image)
///
/// Each problem is printed as FILE:LINE:COLUMN with a remedy; exit code 1 where something would not be applied.
#[derive(Args)]
pub struct Arguments {
    /// What to read; a JSON file is told by its name
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
        let mut findings = Findings::default();
        for file in &self.files {
            check(file, &options, &mut findings)?;
        }
        let warned = self.strict && findings.iter().any(|finding| finding.severity >= crate::finding::Severity::Warning);
        let code = if findings.has_errors() || warned { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        if self.json {
            print_json(&findings.iter().collect::<Vec<&Finding>>())?;
        } else if findings.is_empty() {
            print("no problems\n")?;
        } else {
            print(&findings.iter().map(|finding| format!("{finding}\n")).collect::<String>())?;
        }
        Ok(code)
    }
}

/// The most that one file may hold.
const LIMIT: u64 = 64 << 20;

fn check(file: &Path, options: &boot::Options, findings: &mut Findings) -> Result<()> {
    use std::io::{Read as _, Seek as _};
    let meta = std::fs::metadata(file).at("read", file)?;
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut opened = std::fs::File::open(file).at("read", file)?;
    let mut head = [0; 6];
    let is_image = !meta.is_dir()
        && opened.seek(std::io::SeekFrom::Start(32768)).is_ok()
        && opened.read_exact(&mut head).is_ok()
        && head.get(1..6) == Some(b"CD001");
    if meta.is_dir() || is_image || name.ends_with(".img") {
        return boot::check_seed(options, &file.to_string_lossy(), findings);
    }
    opened.rewind().at("read", file)?;
    let mut bytes = Vec::new();
    opened.take(LIMIT).read_to_end(&mut bytes).at("read", file)?;
    let document = Document::new(file.to_string_lossy(), bytes);
    match name.as_str() {
        "meta_data.json" => boot::check_meta_data(document, findings),
        "network_data.json" => boot::check_network(&document, findings),
        _ => boot::check_user_data(options, &document, findings),
    }
}
