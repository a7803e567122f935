// SPDX-License-Identifier: Apache-2.0
//! `firstlight run`: do what is due.

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use crate::boot;
use crate::cli::{Common, USAGE, print};
use crate::error::Result;
use crate::plan::step::Stage;
use crate::report::console;

/// Find the configuration and do what is due: what the units call
///
/// Repeating it changes nothing. By hand, without --stage, all stages run one after the other. The stages network and
/// final take what the local stage kept and look for nothing, so --source is refused with them.
#[derive(Args)]
pub struct Arguments {
    /// Which stage of the boot
    #[arg(long, value_enum, default_value = "all")]
    stage: Stages,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stages {
    /// Before the network: local datasources, network configuration, users, keys, files
    Local,
    /// Once the network is up: what local could not do
    Network,
    /// After login is possible: commands and scripts
    Final,
    /// The three, one after the other
    All,
}

impl Arguments {
    pub(super) fn exec(&self, common: &Common) -> Result<ExitCode> {
        if common.source.is_some() && matches!(self.stage, Stages::Network | Stages::Final) {
            eprintln!("firstlight: --source is for the local stage: the later ones take what that kept");
            eprintln!("    help: leave --source out, or --stage, to run all stages");
            return Ok(ExitCode::from(USAGE));
        }
        let options = common.options()?;
        common.log(&options.root, true);
        let stages: &[Stage] = match self.stage {
            Stages::Local => &[Stage::Local],
            Stages::Network => &[Stage::Network],
            Stages::Final => &[Stage::Final],
            Stages::All => &Stage::ALL,
        };
        let mut status = boot::run(&options, stages)?;
        for line in status.summary() {
            if console::started_by_init() { console::say(&line) } else { print(&format!("{line}\n")).map(drop)? }
        }
        boot::change_power(&options, &mut status)?;
        Ok(ExitCode::from(status.status.exit_code()))
    }
}
