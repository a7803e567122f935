// SPDX-License-Identifier: Apache-2.0
//! The host kit: what stands on the other side of the guest. One directory for each command, its arguments and what it does in
//! `mod.rs`; what two of them need is a room of its own here.
//!
//! Rooms from top to bottom, a paragraph below for each floor: a room imports only from its own floor and from those
//! beneath, and no two need each other.

use std::process::ExitCode;

use ::log::LevelFilter;
use clap::{Args, Parser, Subcommand};

use crate::cli;
use crate::error::Result;

mod bake;
mod boot;
mod seed;
mod serve;

mod job;

mod image;
/// Seen from outside for the trial of media, which writes any directory.
#[doc(hidden)]
pub mod medium;

mod qemu;

mod openstack;
mod scratch;
mod tell;
mod tether;

mod interrupt;
mod programs;
mod units;

/// Make seed media, serve metadata, bake images and boot them: what stands on the other side of the guest
#[derive(Parser)]
#[command(name = "firstlight-host", version, after_help = AFTER_HELP, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Exit codes: 0 fine, 1 failed, 2 finished with recoverable errors, 64 usage.";

/// What every command takes.
#[derive(Args)]
#[command(next_help_heading = "Common options")]
struct Common {
    /// Say it as JSON, for programs
    #[arg(long, global = true)]
    json: bool,
    /// Say more on standard error; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

impl Common {
    /// Warnings go to standard error, and with `-v` what leads to them.
    fn log(&self) {
        let level = match self.verbose {
            0 => LevelFilter::Warn,
            1 => LevelFilter::Info,
            _ => LevelFilter::Debug,
        };
        tell::log_to_stderr(level, self.json);
    }
}

#[derive(Subcommand)]
enum Command {
    Seed(Box<seed::Arguments>),
    Serve(Box<serve::Arguments>),
    Bake(Box<bake::Arguments>),
    Boot(Box<boot::Arguments>),
}

impl Cli {
    /// Parses the command line and calls its command. Called by the name of cloud-localds it takes that program's arguments.
    pub fn main() -> ExitCode {
        if let Some(code) = scratch::watch() {
            return code;
        }
        let called = std::env::args_os().next().unwrap_or_default();
        if let Some(code) = bake::inside(&called) {
            return code;
        }
        if seed::localds::is_its_name(called.as_ref()) {
            return seed::localds::main();
        }
        let cli = match Cli::try_parse() {
            Ok(cli) => cli,
            Err(error) => {
                // Nobody is left to tell where standard error is closed.
                let _ = error.print();
                return if error.use_stderr() { ExitCode::from(cli::USAGE) } else { ExitCode::SUCCESS };
            }
        };
        let json = cli.common.json;
        cli.exec().unwrap_or_else(|error| {
            tell::failed(&error, json);
            ExitCode::FAILURE
        })
    }

    fn exec(self) -> Result<ExitCode> {
        let common = &self.common;
        common.log();
        match self.command {
            Command::Seed(arguments) => arguments.exec(common),
            Command::Serve(arguments) => arguments.exec(common),
            Command::Bake(arguments) => arguments.exec(common),
            Command::Boot(arguments) => arguments.exec(common),
        }
    }
}
