// SPDX-License-Identifier: Apache-2.0
//! `firstlight bootstrap`: the site's script, tried until it succeeds.

use std::process::ExitCode;

use crate::bootstrap::Bootstrap;
use crate::error::Result;
use crate::report::console;
use crate::root::Root;

/// Fetch the site's bootstrap script and run it until it succeeds
///
/// Tries until the script exits with 0, or until as many tries as /root/bootstrap/bootstrap-max-retry says (10), over all
/// boots. Does nothing where /root/bootstrap/start-bootstrap is not there. Success is for ever. The script's output goes to
/// /var/log/vm-bootstrap.log; `firstlight status` shows the last of it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Try at most one time, and fail if that fails
    #[arg(long)]
    pub once: bool,
}

/// Exit code 0: succeeded, now or before, switched off, or told to end. 1: gave up, or with `--once` failed.
pub fn exec(args: &Args, root: &Root, bootstrap: &Bootstrap) -> Result<ExitCode> {
    let conclusion = bootstrap.run(root, args.once)?;
    console::say(&conclusion.to_string());
    Ok(if conclusion.is_failure() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
