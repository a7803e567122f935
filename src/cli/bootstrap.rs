// SPDX-License-Identifier: Apache-2.0
//! `firstlight bootstrap`: fetch the site's script and run it until it succeeds.

use std::process::ExitCode;

use clap::Args;

use crate::boot;
use crate::bootstrap::{self, Bootstrap};
use crate::cli::Common;
use crate::error::Result;
use crate::report::{self, console};

/// Fetch the site's bootstrap script and run it until it succeeds
///
/// It is tried until it exits with 0, or until the number of tries in bootstrap-max-retry is reached, over reboots.
/// Without the file start-bootstrap nothing is run, and neither while the settings have an error: what was lost could be
/// the digest or the key that seals the script.
#[derive(Args)]
pub struct Arguments {
    /// One try only
    #[arg(long)]
    once: bool,
}

impl Arguments {
    pub(super) fn exec(&self, common: &Common) -> Result<ExitCode> {
        let options = common.options()?;
        common.log(&options.root, true);
        report::unwanted(&options.root, bootstrap::UNIT)?;
        let (settings, findings) = boot::settings_of_instance(&options)?;
        let conclusion = Bootstrap::from_sound(&settings, &findings)?.run(&options.root, self.once)?;
        console::say(&conclusion.to_string());
        Ok(if conclusion.is_failure() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}
