// SPDX-License-Identifier: Apache-2.0
//! One bootstrap at a time.

use std::time::Duration;

use crate::error::Result;
use crate::root::{Lock, Root};
use crate::state;

/// Takes the lock of the loop; another one is not waited for.
///
/// # Errors
/// Transient where another process has it, naming that process.
pub fn take(root: &Root) -> Result<Lock> {
    let taken = root.lock(state::BOOTSTRAP_LOCK.as_ref(), "bootstrap", Duration::ZERO);
    let advice = "wait for it, or stop it: systemctl stop firstlight-bootstrap";
    taken.map_err(|error| if error.is_transient() { error.help(advice) } else { error })
}
