// SPDX-License-Identifier: Apache-2.0
//! A lock for one process at a time, beneath the root.
//!
//! It is the kernel's, on a file in a directory that only root writes to: nobody else can take it first, and it goes with
//! the process that holds it, however that ends.

use std::fs::{File, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::fstatat;

use super::{Last, Links, Root, Tree as _, files};
use crate::error::{At as _, Error, OrAbsent as _, Result};

/// How often a lock that another process holds is asked for.
const PAUSE: Duration = Duration::from_millis(50);

/// Held until it is dropped.
#[derive(Debug)]
pub struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing would do only once no child between fork and exec has the descriptor any more.
        let _ = self.0.unlock();
    }
}

impl Root {
    /// Takes the lock at `path`, waiting for another holder at most `patience`. Its file is made, 0600, and holds the
    /// number of the process. Who holds it may take the file away.
    ///
    /// # Errors
    /// Transient where `what` ("run", say) holds it in another process, naming that process.
    pub fn lock(&self, path: &Path, what: &str, patience: Duration) -> Result<Lock> {
        let deadline = Instant::now() + patience;
        loop {
            let mut file = self.open_lock(path)?;
            match file.try_lock() {
                Ok(()) if self.is_there(&file, path)? => {
                    // For the message below, no more: a file that can't be written is still locked.
                    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
                    return Ok(Lock(file));
                }
                // The one who held it took the file away: others see the next file of that name, not this one.
                Ok(()) => {}
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    let holder: String = self.read_text(path)?.unwrap_or_default().trim().chars().take(20).collect();
                    return Err(Error::transient(format!("another {what} is at work (process {holder})")));
                }
                Err(TryLockError::Error(error)) => return Err(error).at("lock", path),
            }
        }
    }

    fn open_lock(&self, path: &Path) -> Result<File> {
        let place = self.open_making_parents(path, Last::Follow)?;
        files::open(&place, path, OFlag::O_RDWR | OFlag::O_CREAT, 0o600)
    }

    /// Whether `file` is what has that name now.
    fn is_there(&self, file: &File, path: &Path) -> Result<bool> {
        let own = file.metadata().at("look at", path)?;
        let place = self.open_parent(path, Last::Follow, Links::Trusted).or_absent()?;
        let Some(place) = place else { return Ok(false) };
        let named = fstatat(&*place.directory, place.name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW);
        Ok(named.is_ok_and(|named| (named.st_dev, named.st_ino) == (own.dev(), own.ino())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn there_is_one_holder_and_it_is_named() {
        let scratch = Scratch::new();
        let (root, path) = (scratch.root(), Path::new("/run/lock"));
        let held = root.lock(path, "run", Duration::ZERO).unwrap();
        let error = root.lock(path, "run", PAUSE).unwrap_err();
        assert!(error.is_transient());
        assert_eq!(error.to_string(), format!("another run is at work (process {})", std::process::id()));
        drop(held);
        root.lock(path, "run", Duration::ZERO).unwrap();
    }

    #[test]
    fn a_holder_that_takes_the_file_away_leaves_no_second_lock() {
        let scratch = Scratch::new();
        let (root, path) = (scratch.root(), Path::new("/run/lock"));
        let held = root.lock(path, "run", Duration::ZERO).unwrap();
        // A process that waits has the file open already.
        let waiting = root.open_lock(path).unwrap();
        root.remove_tree(Path::new("/run")).unwrap();
        drop(held);
        waiting.try_lock().unwrap();
        assert!(!root.is_there(&waiting, path).unwrap(), "so it looks again");
        root.lock(path, "run", Duration::ZERO).unwrap();
    }
}
