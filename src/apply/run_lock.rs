// SPDX-License-Identifier: Apache-2.0
//! One run at a time.

use std::time::Duration;

use crate::error::Result;
use crate::root::{Lock, Root};
use crate::state;

/// How long another run is waited for: a stage of the boot behind the one before it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Takes the lock that is held by whatever changes the machine, waiting for another run, bounded.
///
/// # Errors
/// Transient: another run holds it.
pub fn take(root: &Root) -> Result<Lock> {
    root.lock(state::LOCK.as_ref(), "run of firstlight", PATIENCE).map_err(|error| {
        if error.is_transient() { error.help("`firstlight status` tells what it is doing") } else { error }
    })
}
