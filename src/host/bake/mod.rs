// SPDX-License-Identifier: Apache-2.0
//! `firstlight-host bake`.

use std::process::ExitCode;

use clap::Args;

use crate::error::{Error, Result};
use crate::host::{Common, job};

/// bake
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    job: job::Arguments,
}

impl Arguments {
    pub(super) fn exec(&self, common: &Common) -> Result<ExitCode> {
        if self.job.is_wanted() {
            return self.job.exec(common);
        }
        Err(Error::fatal("bake is not built yet"))
    }
}
