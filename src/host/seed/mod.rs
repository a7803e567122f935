// SPDX-License-Identifier: Apache-2.0
//! `firstlight-host seed`.

pub mod localds;
pub mod medium;

use std::process::ExitCode;

use clap::Args;

use crate::error::{Error, Result};
use crate::host::Common;

/// seed
#[derive(Args)]
pub struct Arguments {}

impl Arguments {
    pub(super) fn exec(&self, _common: &Common) -> Result<ExitCode> {
        Err(Error::fatal("seed is not built yet"))
    }
}
