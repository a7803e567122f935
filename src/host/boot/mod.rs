// SPDX-License-Identifier: Apache-2.0
//! `firstlight-host boot`.

use std::process::ExitCode;

use clap::Args;

use crate::error::{Error, Result};
use crate::host::Common;

/// boot
#[derive(Args)]
pub struct Arguments {}

impl Arguments {
    pub(super) fn exec(&self, _common: &Common) -> Result<ExitCode> {
        Err(Error::fatal("boot is not built yet"))
    }
}
