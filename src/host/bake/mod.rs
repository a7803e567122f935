// SPDX-License-Identifier: Apache-2.0
//! `firstlight-host bake`.

use std::process::ExitCode;

use clap::Args;

use crate::error::{Error, Result};
use crate::host::Common;

/// bake
#[derive(Args)]
pub struct Arguments {}

impl Arguments {
    pub(super) fn exec(&self, _common: &Common) -> Result<ExitCode> {
        Err(Error::fatal("bake is not built yet"))
    }
}
