// SPDX-License-Identifier: Apache-2.0
//! `firstlight check`: validate a configuration before a VM reads it.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::boot::{self, Options};
use crate::cli::check::input::{Input, input};
use crate::cli::check::problem::Problem;
use crate::cli::{Common, print_json, write};
use crate::error::Result;
use crate::finding::{Findings, Origin, Severity};
use crate::guest::{Guest, Nic};
use crate::network::command_line;
use crate::schema;
use crate::seed::Document;

mod excerpt;
mod input;
pub(crate) mod problem;

/// Validate user-data, vendor-data, meta-data, network data, the image's settings, or a whole seed
///
/// Each problem is printed as FILE:LINE:COLUMN with its line and a remedy; what a key says is a secret is not shown. Exit
/// code 1 where something would not be applied, 0 with warnings only. Time zones are looked for on this machine, and
/// network interfaces not at all, unless --root DIR names the guest.
#[derive(Args)]
pub struct Arguments {
    /// What to read; which document a file is, is told by its name, else by its content
    #[arg(required_unless_present = "schema", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// For editors: a list of {file, line, column, end_column, severity, message, help}
    #[arg(long)]
    json: bool,
    /// Also fail on warnings: what is done, and probably not what was meant
    #[arg(long)]
    strict: bool,
    /// Print a JSON Schema (draft 2020-12) of cloud-config, for editors
    #[arg(long, conflicts_with_all = ["files", "json", "strict"])]
    schema: bool,
}

impl Arguments {
    pub(super) fn exec(&self, common: &Common) -> Result<ExitCode> {
        if self.schema {
            return print_json(&schema::cloud_config());
        }
        let options = common.options()?;
        common.log(&options.root, false);
        let problems: Vec<Problem> = self.files.iter().flat_map(|file| check(file, &options)).collect();
        let worst = problems.iter().map(|problem| problem.severity).max();
        let bound = if self.strict { Severity::Warning } else { Severity::Error };
        if self.json {
            print_json(&problems)?;
        } else if problems.is_empty() {
            write("no problems\n")?;
        } else {
            let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
            write(&problems.iter().map(|problem| problem.shown(colour)).collect::<String>())?;
        }
        Ok(if worst >= Some(bound) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// What there is to say of one input, from its top to its end.
fn check(file: &Path, options: &Options) -> Vec<Problem> {
    let mut findings = Findings::keeping_texts();
    let checked = match input(file, &options.root, &mut findings) {
        Ok(Input::Seed(seed)) => boot::check(options, *seed, &mut findings),
        Ok(Input::Settings(document)) => boot::check_settings(options, document, &mut findings),
        Ok(Input::CommandLine(document)) => check_command_line(&document, options, &mut findings),
        Err(error) => Err(error),
    };
    if let Err(error) = checked {
        findings.push(error.finding(&Origin::document(file.to_string_lossy())));
    }
    problem::problems(findings)
}

/// Which interface `ip=dhcp` comes to is known where the guest is; here there is one.
fn check_command_line(document: &Document, options: &Options, findings: &mut Findings) -> Result<()> {
    let one = Nic { name: "eth0".to_owned(), hardware: true, ..Nic::default() };
    let nics = match options.root.is_live() {
        true => None,
        false => Guest::read(&options.root)?.nics,
    };
    let text = String::from_utf8_lossy(&document.bytes);
    command_line::read_of(&document.origin(), text.trim(), Some(&nics.unwrap_or_else(|| vec![one])), findings);
    Ok(())
}
