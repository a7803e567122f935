// SPDX-License-Identifier: Apache-2.0
//! The lock that everybody takes who changes accounts: `/etc/.pwd.lock`, as lckpwdf(3) does.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, openat};
use nix::libc;
use nix::sys::stat::Mode;

use crate::error::{At as _, Error, Result};
use crate::root::{Last, Links, Root};

const LOCK: &str = "/etc/.pwd.lock";
/// How long lckpwdf waits.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// Holds the lock of the accounts until it is dropped; waits for others at most `patience`.
///
/// useradd, passwd, vipw and systemd-sysusers all hold this one; the `/etc/passwd.lock` that shadow's tools make besides
/// only keeps them from each other.
pub(super) fn accounts(root: &Root, patience: Duration) -> Result<File> {
    let path = Path::new(LOCK);
    let place = root.open_parent(path, Last::Keep, Links::Trusted)?;
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let file = openat(&*place.directory, place.name.as_os_str(), flags, Mode::from_bits_truncate(0o600))
        .at("open the lock", path)?;
    let deadline = Instant::now() + patience;
    loop {
        match fcntl(file.as_fd(), FcntlArg::F_SETLK(&whole_file())) {
            Ok(_) => return Ok(File::from(file)),
            Err(Errno::EACCES | Errno::EAGAIN) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(Errno::EACCES | Errno::EAGAIN) => {
                return Err(Error::transient(format!("somebody else has held {LOCK} for {} s", patience.as_secs()))
                    .help("another program is changing accounts; `fuser /etc/.pwd.lock` names it"));
            }
            Err(error) => return Err(error).at("lock", path),
        }
    }
}

/// A write lock on all of a file.
fn whole_file() -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn what_another_holds_is_waited_for_and_given_up() {
        let scratch = Scratch::new();
        scratch.file("/etc/passwd", "");
        let root = scratch.root();
        // A lock of the open file keeps this very process out too, as another process's would.
        let other = File::create(scratch.path(LOCK)).unwrap();
        fcntl(other.as_fd(), FcntlArg::F_OFD_SETLK(&whole_file())).unwrap();
        assert!(accounts(&root, Duration::ZERO).unwrap_err().is_transient());
        drop(other);
        accounts(&root, Duration::ZERO).unwrap();
    }
}
