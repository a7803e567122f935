// SPDX-License-Identifier: Apache-2.0
//! One run at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::{Duration, Instant};

use crate::error::{At, Error, Result};
use crate::root::Root;
use crate::state;

/// How long another run is waited for: a stage of the boot behind the one before it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Held for the length of a run; the kernel lets go of it with the process.
pub struct Lock(#[allow(dead_code)] File);

impl Lock {
    /// Waits for the lock, bounded. It lies in a directory of root's, where nobody else can take it.
    ///
    /// # Errors
    /// Transient: another run holds it.
    pub fn take(root: &Root) -> Result<Self> {
        let path = root.join(state::LOCK.as_ref());
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).at("make", parent)?;
        }
        let file =
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path).at("open", &path)?;
        let started = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::WouldBlock) if started.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(50))
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::transient("another run of firstlight is at work")
                        .help(format!("it holds {}; `firstlight status` tells what it is doing", path.display())));
                }
                Err(TryLockError::Error(error)) => return Err(error).at("lock", &path),
            }
        }
    }
}
