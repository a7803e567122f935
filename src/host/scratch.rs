// SPDX-License-Identifier: Apache-2.0
//! A directory for what must not outlive a command: overlays, seeds, sockets. Gone at its end, by a signal, and after a kill.
//!
//! After a kill it is this program again that takes the directory away: it holds the reading end of a pipe, and looks after
//! the directory when that ends. Where it was killed too, the next start does: a lock tells the living from the dead.

use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::unistd::geteuid;

use crate::error::{At as _, Error, Result};
use crate::host::interrupt;
use crate::random;

const PREFIX: &str = "firstlight-host-";
const LOCK: &str = ".lock";
/// The hidden first argument of the process that looks after the directory.
const WATCH: &str = "--watch-scratch";
/// More neighbours than these are left to the start after the next.
const NEIGHBOURS: usize = 10_000;

/// The directory.
pub struct Scratch {
    path: PathBuf,
    kept: bool,
    _lock: Flock<File>,
    watcher: Option<Child>,
}

impl Scratch {
    /// Makes one below `parent` (default: TMPDIR), after taking away those whose makers were killed.
    ///
    /// # Errors
    /// Absent: there is no such parent. Fatal: nothing can be made there.
    pub fn new(parent: Option<&Path>) -> Result<Self> {
        let parent = parent.map_or_else(env::temp_dir, Path::to_owned);
        // Where it is stays true when the working directory changes, and for QEMU.
        let parent = parent.canonicalize().at("make a working directory in", &parent)?;
        sweep(&parent);
        let path = parent.join(format!("{PREFIX}{}", random::password()?));
        DirBuilder::new().mode(0o700).create(&path).at("make the working directory", &path)?;
        Self::held(path.clone()).inspect_err(|_| {
            interrupt::leave(&path);
            let _ = fs::remove_dir_all(&path);
        })
    }

    fn held(path: PathBuf) -> Result<Self> {
        interrupt::remove_at_end(&path)?;
        let lock = hold(&path)?;
        let watcher = watch_over(&path)?;
        Ok(Self { path, kept: false, _lock: lock, watcher })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the directory behind, for the person who asked for it, and tells where.
    ///
    /// # Errors
    /// Fatal: its lock can't be removed.
    pub fn keep(mut self) -> Result<PathBuf> {
        let lock = self.path.join(LOCK);
        fs::remove_file(&lock).at("remove", &lock)?;
        self.kept = true;
        Ok(self.path.clone())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.kept {
            remove(&self.path);
        }
        interrupt::leave(&self.path);
        if let Some(mut watcher) = self.watcher.take() {
            drop(watcher.stdin.take());
            let _ = watcher.wait();
        }
    }
}

/// The lock comes to its name locked: nobody meets it in between.
fn hold(directory: &Path) -> Result<Flock<File>> {
    let (name, unlocked) = (directory.join(LOCK), directory.join(".unlocked"));
    let file = File::create_new(&unlocked).at("make", &unlocked)?;
    let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock)
        .map_err(|(_, errno)| Error::fatal(format!("cannot lock {}", unlocked.display())).because(errno))?;
    fs::rename(&unlocked, &name).at("make", &name)?;
    Ok(lock)
}

fn watch_over(directory: &Path) -> Result<Option<Child>> {
    // There this program is the tests' own.
    if cfg!(test) {
        return Ok(None);
    }
    let mut command = Command::new("/proc/self/exe");
    // In a group of its own: what ends this program's group must not end it too.
    command.arg0("firstlight-host").arg(WATCH).arg(directory).current_dir("/").process_group(0);
    let watcher = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    watcher.map(Some).map_err(|error| Error::fatal("cannot start this program again").because(error))
}

/// Is the watcher, where this process was started as one.
pub fn watch() -> Option<ExitCode> {
    let mut arguments = env::args_os().skip(1);
    if arguments.next()? != WATCH {
        return None;
    }
    let directory = PathBuf::from(arguments.next()?);
    // It ends when the maker does.
    let _ = io::copy(&mut io::stdin().lock().take(1), &mut io::sink());
    if owned(&directory) && directory.join(LOCK).exists() {
        remove(&directory);
    }
    Some(ExitCode::SUCCESS)
}

/// What a program that is just being killed still makes in there is met by the next try.
fn remove(directory: &Path) {
    for _ in 0..20 {
        match fs::remove_dir_all(directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => sleep(Duration::from_millis(50)),
            _ => return,
        }
    }
}

/// Takes away what killed programs of this user have left. What can't be removed is no reason not to start.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.take(NEIGHBOURS).flatten() {
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) && owned(&path) && is_dead(&path) {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// TMPDIR is everybody's: somebody else's directory of that name is not ours to remove.
fn owned(directory: &Path) -> bool {
    fs::symlink_metadata(directory).is_ok_and(|data| data.is_dir() && data.uid() == geteuid().as_raw())
}

fn is_dead(directory: &Path) -> bool {
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
    let lock = OpenOptions::new().read(true).custom_flags(flags).open(directory.join(LOCK));
    lock.is_ok_and(|file| Flock::lock(file, FlockArg::LockExclusiveNonblock).is_ok())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn it_is_private_and_goes_with_all_in_it() {
        let parent = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(Some(parent.path())).unwrap();
        assert_eq!(fs::metadata(scratch.path()).unwrap().mode() & 0o7777, 0o700);
        fs::create_dir(scratch.path().join("deep")).unwrap();
        fs::write(scratch.path().join("deep/file"), "x").unwrap();
        drop(scratch);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_start_takes_away_what_the_dead_left_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let living = Scratch::new(Some(parent.path())).unwrap();
        let make = |name: &str, locked: bool| {
            let path = parent.path().join(name);
            fs::create_dir(&path).unwrap();
            if locked {
                fs::write(path.join(LOCK), "").unwrap();
            }
            path
        };
        let dead = make("firstlight-host-dead", true);
        let kept = make("firstlight-host-kept", false);
        let foreign = make("somebody-elses", true);
        let linked = parent.path().join("firstlight-host-link");
        symlink(&foreign, &linked).unwrap();

        let next = Scratch::new(Some(parent.path())).unwrap();
        assert!(!dead.exists());
        assert!([&kept, &foreign, &linked].iter().all(|path| path.join(LOCK).exists() || path.exists()));
        assert!(foreign.join(LOCK).exists() && living.path().join(LOCK).exists() && next.path().exists());
    }

    #[test]
    fn what_is_kept_stays() {
        let parent = tempfile::tempdir().unwrap();
        let kept = Scratch::new(Some(parent.path())).unwrap().keep().unwrap();
        drop(Scratch::new(Some(parent.path())).unwrap());
        assert!(kept.exists());
    }

    #[test]
    fn a_parent_that_is_not_there_is_named() {
        let error = Scratch::new(Some(Path::new("/nonexistent/place"))).err().unwrap();
        assert!(error.to_string().contains("/nonexistent/place"), "{error}");
    }
}
