// SPDX-License-Identifier: Apache-2.0
//! `firstlight-host bake`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::error::{Error, Result};
use crate::host::{Common, job};

/// bake
#[derive(Args)]
pub struct Arguments {
    /// With --job: a file or directory of the guest to publish, beside what the job puts into $JOB_OUTPUT
    #[arg(long, value_name = "PATH")]
    output: Vec<PathBuf>,
    /// With --job: start this kernel in place of the image's boot loader
    #[arg(long, value_name = "FILE")]
    kernel: Option<PathBuf>,
    #[command(flatten)]
    job: job::Arguments,
}

impl Arguments {
    pub(super) fn exec(&self, common: &Common) -> Result<ExitCode> {
        if self.job.is_wanted() {
            return self.job.exec(common, &self.output, self.kernel.as_deref());
        }
        Err(Error::fatal("bake is not built yet"))
    }
}
