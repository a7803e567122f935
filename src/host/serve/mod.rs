// SPDX-License-Identifier: Apache-2.0
//! `firstlight-host serve`.

mod callers;
mod link_local;
mod page;
mod store;

use std::process::ExitCode;

use clap::Args;

use crate::error::{Error, Result};
use crate::host::Common;

/// serve
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    who: callers::Arguments,
    #[command(flatten)]
    link_local: link_local::Arguments,
}

impl Arguments {
    pub(super) fn exec(&self, _common: &Common) -> Result<ExitCode> {
        Err(Error::fatal("serve is not built yet"))
    }
}
