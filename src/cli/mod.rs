// SPDX-License-Identifier: Apache-2.0
//! One file for each command: its arguments and what it does, thin.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use ::log::LevelFilter;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand};

use crate::boot::Options;
use crate::error::{Error, Result};
use crate::finding::is_command;
use crate::report::log;
use crate::root::Root;

mod bootstrap;
pub(crate) mod check;
mod clean;
mod demo;
mod detect;
mod install;
pub(crate) mod network_format;
mod plan;
mod query;
mod render;
mod run;
pub(crate) mod status;

/// Configures a virtual machine the first time it wakes up.
#[derive(Parser)]
#[command(name = "firstlight", version, about, long_about = LONG_ABOUT, after_help = AFTER_HELP, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

const LONG_ABOUT: &str = "Configures a virtual machine the first time it wakes up.\n\n\
    Firstlight finds the configuration that the hypervisor attached (an OpenStack config drive), works out what has to \
    change, shows it or does it, and runs the site's bootstrap script until it succeeds.";

const AFTER_HELP: &str = "\
Exit codes: 0 fine, 1 failed, 2 finished with recoverable errors, 64 usage.

Begin with `firstlight demo`, which needs no privileges, or with what would happen here:
  firstlight plan --source DRIVE.iso --root /mnt/image";

/// What every command takes.
#[derive(Args)]
#[command(next_help_heading = "Common options")]
struct Common {
    /// Look at and change the system below DIR (an image's root) in place of the running one
    #[arg(long, global = true, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// Take the configuration from here and look nowhere else: a directory, an ISO or FAT image, a block device, the URL of
    /// a NoCloud seed, or `openstack:URL` or `ec2:URL` of a metadata service
    #[arg(long, global = true, value_name = "SPEC", value_parser = NonEmptyStringValueParser::new())]
    source: Option<String>,
    /// Read the image's settings from FILE in place of /etc/firstlight
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Say more on standard error; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

impl Common {
    fn options(&self) -> Result<Options> {
        Ok(Options { root: Root::open(&self.root)?, source: self.source.clone(), config: self.config.clone() })
    }

    /// Logs to standard error as `-v` asks, and where the root is `changed` to its log file and the system's log too.
    fn log(&self, root: &Root, changed: bool) {
        let level = match self.verbose {
            0 if changed => LevelFilter::Info,
            0 => LevelFilter::Warn,
            1 => LevelFilter::Info,
            _ => LevelFilter::Debug,
        };
        log::init(log::Options {
            level,
            stderr: self.verbose > 0,
            file: changed.then(|| root.clone()),
            system: changed && root.is_live(),
        });
    }
}

#[derive(Subcommand)]
enum Command {
    Run(run::Arguments),
    Plan(plan::Arguments),
    Bootstrap(bootstrap::Arguments),
    Detect(detect::Arguments),
    Status(status::Arguments),
    Query(query::Arguments),
    Check(check::Arguments),
    Render(render::Arguments),
    Clean(clean::Arguments),
    Install(install::Arguments),
    Demo(demo::Arguments),
}

impl Cli {
    /// Parses the command line and calls its command. Errors of usage are printed here.
    pub fn main() -> ExitCode {
        let cli = match Cli::try_parse() {
            Ok(cli) => cli,
            Err(error) => {
                // Nobody is left to tell where standard error is closed.
                let _ = error.print();
                return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
            }
        };
        match cli.exec() {
            Ok(code) => code,
            Err(error) => {
                tell(&format!("firstlight: {error}"));
                ExitCode::FAILURE
            }
        }
    }

    pub(crate) fn exec(self) -> Result<ExitCode> {
        let common = &self.common;
        match self.command {
            Command::Run(arguments) => arguments.exec(common),
            Command::Plan(arguments) => arguments.exec(common),
            Command::Bootstrap(arguments) => arguments.exec(common),
            Command::Detect(arguments) => arguments.exec(common),
            Command::Status(arguments) => arguments.exec(common),
            Command::Query(arguments) => arguments.exec(common),
            Command::Check(arguments) => arguments.exec(common),
            Command::Render(arguments) => arguments.exec(common),
            Command::Clean(arguments) => arguments.exec(common),
            Command::Install(arguments) => arguments.exec(common),
            Command::Demo(arguments) => arguments.exec(),
        }
    }
}

/// As sysexits.h has it.
pub(crate) const USAGE: u8 = 64;

/// Prints a value as JSON on standard output.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<ExitCode> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Error::fatal("cannot write JSON").because(error))?;
    // Only a string can hold such a character, and there its escape stands for the same.
    let escape = |c: char| format!("\\u{:04x}", u32::from(c));
    write(&format!("{}\n", replace_commands(&text, escape)))
}

/// Prints text for a person on standard output; what a terminal would obey is shown as its escape.
pub(crate) fn print(text: &str) -> Result<ExitCode> {
    write(&visible(text))
}

/// Prints text on standard output as it is, for the program that reads it; on a terminal as [`print`] does.
pub(crate) fn print_exact(text: &str) -> Result<ExitCode> {
    if io::stdout().is_terminal() { print(text) } else { write(text) }
}

/// Says something on standard error. Nobody is told where that is closed.
pub(crate) fn tell(text: &str) {
    let _ = io::stderr().write_all(format!("{}\n", visible(text)).as_bytes());
}

fn visible(text: &str) -> String {
    replace_commands(text, |c| c.escape_default().to_string())
}

/// Names, paths and contents come from the configuration, and that may come from anybody.
fn replace_commands(text: &str, escape: impl Fn(char) -> String) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_command(c) && !matches!(c, '\n' | '\t') { shown.push_str(&escape(c)) } else { shown.push(c) }
    }
    shown
}

/// A reader that has gone is no error (`firstlight plan | head`).
pub(crate) fn write(text: &str) -> Result<ExitCode> {
    write_bytes(text.as_bytes())
}

/// Prints what may be no text, as it is; on a terminal as far as it is text.
fn print_bytes(bytes: &[u8]) -> Result<ExitCode> {
    if io::stdout().is_terminal() { print(&String::from_utf8_lossy(bytes)) } else { write_bytes(bytes) }
}

pub(crate) fn write_bytes(bytes: &[u8]) -> Result<ExitCode> {
    match io::stdout().lock().write_all(bytes) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::fatal("cannot write to standard output").because(error))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}
