// SPDX-License-Identifier: Apache-2.0
//! `firstlight detect`: which datasources were looked for, what was found, why not.

use std::process::ExitCode;

use clap::Args;

use crate::boot;
use crate::cli::{Common, print, print_json};
use crate::error::Result;

/// Tell which datasources were looked for, what was found, and why not
#[derive(Args)]
pub struct Arguments {
    /// For programs
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) fn exec(&self, common: &Common) -> Result<ExitCode> {
        let options = common.options()?;
        common.log(&options.root, false);
        let detection = boot::detect(&options)?;
        if self.json { print_json(&detection) } else { print(&detection.to_string()) }
    }
}
