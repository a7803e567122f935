// SPDX-License-Identifier: Apache-2.0
//! One bootstrap at a time.
//!
//! The lock is the kernel's, on a file in a directory that only root writes to: nobody else can take it first, and it
//! goes with the process that holds it, however that ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::libc::O_NOFOLLOW;

use crate::bootstrap::files::{below, make_directory, read_start};
use crate::error::{At, Error, Result};
use crate::root::Root;
use crate::state;

/// Held until it is dropped.
pub struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing would do only once no child between fork and exec has the descriptor any more.
        let _ = self.0.unlock();
    }
}

/// Takes the lock.
///
/// # Errors
/// Fatal where another process has it, naming that process.
pub fn take(root: &Root) -> Result<Lock> {
    let path = below(root, Path::new(state::BOOTSTRAP_LOCK))?;
    if let Some(parent) = path.parent() {
        make_directory(parent, 0o755)?;
    }
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(O_NOFOLLOW);
    let mut file = options.open(&path).at("open", &path)?;
    match file.try_lock() {
        Ok(()) => {
            // For the message below, no more: a file that can't be written is still locked.
            let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
            Ok(Lock(file))
        }
        Err(TryLockError::WouldBlock) => {
            let holder = read_start(&path, 20).unwrap_or_default();
            Err(Error::fatal(format!("another bootstrap is running (process {})", holder.trim()))
                .help("wait for it, or stop it: systemctl stop firstlight-bootstrap"))
        }
        Err(TryLockError::Error(error)) => Err(error).at("lock", &path),
    }
}
