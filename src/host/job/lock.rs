// SPDX-License-Identifier: Apache-2.0
//! Locks among programs that publish into the same directory: so many guests at a time, and one job of a name at a time.
//!
//! A lock is a file that somebody holds; the kernel lets go of it whatever ends its holder.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use crate::error::{At as _, Error, OrAbsent as _, Result};

/// Held until it is dropped; its file goes with it.
pub struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// None where another has it.
    ///
    /// # Errors
    /// The file can't be made.
    pub fn try_take(path: &Path) -> Result<Option<Self>> {
        loop {
            if let Some(directory) = path.parent() {
                make(directory)?;
            }
            let made = File::options().write(true).create(true).truncate(false).open(path);
            let made = match made {
                // Another user's, who has the same directory of results.
                Err(error) if error.kind() == ErrorKind::PermissionDenied => File::open(path).map_err(|_| error),
                made => made,
            };
            let made = made.at("make", path);
            // Its directory goes with the last who holds a lock.
            let Some(file) = made.or_absent()? else { continue };
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error).at("lock", path),
            }
            // Its last holder may have taken it away in between; then another is in its place, or none.
            let held = file.metadata().at("look at", path)?;
            if fs::metadata(path).is_ok_and(|there| (there.dev(), there.ino()) == (held.dev(), held.ino())) {
                return Ok(Some(Self { path: path.to_owned(), _file: file }));
            }
        }
    }
}

/// A directory of locks, for whoever may publish into the one that it is in.
fn make(directory: &Path) -> Result<()> {
    match fs::create_dir(directory) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
        made => made.at("make", directory)?,
    }
    let mode = directory.parent().and_then(|above| fs::metadata(above).ok()).map(|data| data.permissions());
    // Where that can't be, others are told that they may not.
    let _ = mode.map(|mode| fs::set_permissions(directory, mode));
    Ok(())
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While it is still held. A file that stays is only untidy.
        let _ = fs::remove_file(&self.path);
        // Succeeds when nothing else is in it.
        let _ = self.path.parent().map(fs::remove_dir);
    }
}

/// Who tidies up holds every lock for a moment: only who holds it longer is at work.
const TIDYING: Duration = Duration::from_millis(50);
const TRIES: usize = 6;
/// The most that is tidied at a time.
const LEFT: usize = 10_000;

/// The locks of a directory of results.
pub struct Locks {
    directory: PathBuf,
}

impl Locks {
    /// Those of `base_dir`, in its hidden directory `.jobs`.
    ///
    /// The files of those who were killed, which nobody holds any more, are taken away.
    pub fn of(base_dir: &Path) -> Self {
        let directory = base_dir.join(".jobs");
        for entry in fs::read_dir(&directory).into_iter().flatten().take(LEFT).flatten() {
            // Let go of at once; what can't be taken is somebody's, or only untidy.
            drop(Lock::try_take(&entry.path()));
        }
        Self { directory }
    }

    /// One of `count` places to run a guest in, if one is free.
    pub fn place(&self, count: u32) -> Result<Option<Lock>> {
        for number in 1..=count {
            if let Some(lock) = Lock::try_take(&self.directory.join(format!("place-{number}")))? {
                return Ok(Some(lock));
            }
        }
        Ok(None)
    }

    /// The name, which nobody else may be working for.
    pub fn name(&self, name: &str) -> Result<Lock> {
        let path = self.directory.join(format!("name-{name}"));
        for _ in 0..TRIES {
            if let Some(lock) = Lock::try_take(&path)? {
                return Ok(lock);
            }
            sleep(TIDYING);
        }
        Err(Error::transient(format!("another program is at a job called {name}"))
            .help("wait for it, or give another --name"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_places_and_one_of_each_name() {
        let scratch = tempfile::tempdir().unwrap();
        let (one, other) = (Locks::of(scratch.path()), Locks::of(scratch.path()));
        let first = one.place(2).unwrap();
        assert!(first.is_some());
        let second = other.place(2).unwrap();
        assert!(second.is_some());
        assert!(other.place(2).unwrap().is_none());
        drop(first);
        assert!(other.place(1).unwrap().is_some());
        let name = one.name("image").unwrap();
        assert!(other.name("image").is_err_and(|error| error.is_transient()));
        other.name("another").unwrap();
        drop((name, second));
        other.name("image").unwrap();
        assert!(!scratch.path().join(".jobs").exists());
    }

    #[test]
    fn who_only_tidies_up_stands_in_nobodys_way_and_who_may_publish_may_lock() {
        let scratch = tempfile::tempdir().unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        fs::set_permissions(scratch.path(), mode).unwrap();
        let locks = Locks::of(scratch.path());
        let tidying = Lock::try_take(&scratch.path().join(".jobs/name-x")).unwrap();
        assert_eq!(fs::metadata(scratch.path().join(".jobs")).unwrap().mode() & 0o7777, 0o777);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                sleep(TIDYING);
                drop(tidying);
            });
            locks.name("x").unwrap();
        });
    }

    #[test]
    fn what_the_killed_left_goes_with_the_next_who_comes() {
        let scratch = tempfile::tempdir().unwrap();
        let held = Locks::of(scratch.path()).name("held").unwrap();
        fs::write(scratch.path().join(".jobs/place-1"), "").unwrap();
        Locks::of(scratch.path());
        let left: Vec<_> =
            fs::read_dir(scratch.path().join(".jobs")).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert_eq!(left, ["name-held"]);
        drop(held);
        assert!(!scratch.path().join(".jobs").exists());
    }

    #[test]
    fn a_lock_is_never_two_peoples_while_its_file_comes_and_goes() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("locks/lock");
        let held = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let Some(lock) = Lock::try_take(&path).unwrap() else { continue };
                        assert_eq!(held.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                        held.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
    }
}
