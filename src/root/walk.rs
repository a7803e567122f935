// SPDX-License-Identifier: Apache-2.0
//! Walking a path beneath a root by open directories, so that nobody can move it away under our feet.
//!
//! `openat2` with `RESOLVE_IN_ROOT` would do most of this in one call, but kernels before 5.6 do not have it and some
//! container managers refuse it; and it cannot tell whose link it followed.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, fchmod, fstat, mkdirat};
use nix::unistd::geteuid;

use super::follow::{bounded, parts};
use super::{FileKind, Stat};
use crate::error::{At, Error, Result};

/// What to do where the last part of a path is a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Last {
    /// Go where it points.
    Follow,
    /// Take the link itself.
    Keep,
}

/// Which links are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// All: for reading what may be shown to the one who asks.
    Any,
    /// None that a user without our rights could have planted: for writing.
    Trusted,
}

/// What to do about a directory on the way that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// Say so.
    Tell,
    /// Make it, 0755.
    Make,
}

/// A name in an open directory.
#[derive(Debug)]
pub struct Place {
    /// The directory, opened with `O_PATH`.
    pub directory: Arc<OwnedFd>,
    /// The name in it; `.` where the path is that directory.
    pub name: OsString,
    /// What is there, if something is.
    pub stat: Option<Stat>,
    /// Whether that is a link (only with [`Last::Keep`]).
    pub link: bool,
}

/// The place of `path` beneath `top`.
pub(super) fn walk(top: &Arc<OwnedFd>, path: &Path, last: Last, links: Links, missing: Missing) -> Result<Place> {
    let mut pending = parts(path)?;
    let mut above = Vec::new();
    let mut here = top.clone();
    let mut place = itself(&here, path)?;
    let mut followed = 0;
    while let Some(name) = pending.pop() {
        if name == ".." {
            here = above.pop().unwrap_or(here);
            place = itself(&here, path)?;
            continue;
        }
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = match openat(&*here, name.as_os_str(), flags, Mode::empty()) {
            Err(Errno::ENOENT) if pending.is_empty() => {
                return Ok(Place { directory: here, name, stat: None, link: false });
            }
            Err(Errno::ENOENT) if missing == Missing::Make => {
                make(&here, &name).at("make a directory on the way to", path)?;
                openat(&*here, name.as_os_str(), flags, Mode::empty()).at("find", path)?
            }
            opened => opened.at("find", path)?,
        };
        let raw = fstat(&fd).at("look at", path)?;
        let stat = stat_of(&raw);
        let link = is_link(&raw);
        if link && (last == Last::Follow || !pending.is_empty()) {
            followed += 1;
            if links == Links::Trusted {
                trusted(top, &here, stat, path, &name)?;
            }
            let target = readlinkat(&fd, "").at("read a link on the way to", path)?;
            if Path::new(&target).is_absolute() {
                above.clear();
                here = top.clone();
            }
            pending.extend(parts(Path::new(&target))?);
            bounded(path, followed, pending.len() + above.len())?;
            place = itself(&here, path)?;
            continue;
        }
        if !pending.is_empty() && stat.kind != FileKind::Directory {
            let name = Path::new(&name).display();
            return Err(Error::absent(format!("cannot find {}: `{name}` is not a directory", path.display())));
        }
        place = Place { directory: here.clone(), name, stat: Some(stat), link };
        if stat.kind == FileKind::Directory {
            above.push(std::mem::replace(&mut here, Arc::new(fd)));
        }
    }
    Ok(place)
}

/// A directory with its mode whatever the umask. Another process may be as quick.
fn make(here: &OwnedFd, name: &OsStr) -> nix::Result<()> {
    let mode = Mode::from_bits_truncate(0o755);
    match mkdirat(here, name, mode) {
        Err(Errno::EEXIST) => return Ok(()),
        made => made?,
    }
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    fchmod(openat(here, name, flags, Mode::empty())?, mode)
}

/// An open directory as a place in itself.
fn itself(directory: &Arc<OwnedFd>, path: &Path) -> Result<Place> {
    let stat = stat_of(&fstat(&**directory).at("look at", path)?);
    Ok(Place { directory: directory.clone(), name: ".".into(), stat: Some(stat), link: false })
}

/// Refuses a link that somebody without our rights could have made: one in a directory of another user, or another
/// user's in a directory that everybody writes to. Who owns the top of the tree has all of it anyway.
fn trusted(top: &OwnedFd, directory: &OwnedFd, link: Stat, path: &Path, name: &OsString) -> Result<()> {
    let top = fstat(top).at("look at", path)?.st_uid;
    let known = |uid| uid == 0 || uid == geteuid().as_raw() || uid == top;
    let directory = stat_of(&fstat(directory).at("look at", path)?);
    let stranger = if !known(directory.uid) {
        directory.uid
    } else if directory.mode & 0o002 != 0 && !known(link.uid) {
        link.uid
    } else {
        return Ok(());
    };
    Err(Error::fatal(format!(
        "will not write to {}: on the way, `{}` is a link that user {stranger} controls and could point anywhere",
        path.display(),
        Path::new(name).display(),
    ))
    .help("put a real file or directory in the place of the link, or write to where it should lead"))
}

fn is_link(raw: &FileStat) -> bool {
    raw.st_mode & nix::libc::S_IFMT == nix::libc::S_IFLNK
}

/// The kernel's answer in our words.
pub(super) fn stat_of(raw: &FileStat) -> Stat {
    let kind = match raw.st_mode & nix::libc::S_IFMT {
        nix::libc::S_IFREG => FileKind::File,
        nix::libc::S_IFDIR => FileKind::Directory,
        _ => FileKind::Other,
    };
    let size = u64::try_from(raw.st_size).unwrap_or(0);
    Stat { kind, mode: raw.st_mode & 0o7777, uid: raw.st_uid, gid: raw.st_gid, size }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use nix::unistd::{Uid, chown};
    use std::os::unix::fs::symlink;

    #[test]
    fn a_link_in_another_user_s_directory_is_not_written_through() {
        if !geteuid().is_root() {
            return eprintln!("skipped: needs root to make another user's directory");
        }
        let scratch = Scratch::new();
        scratch.file("/etc/shadow", "");
        scratch.file("/home/user/notes", "");
        symlink("/etc", scratch.path("/home/user/.ssh")).unwrap();
        symlink("/home", scratch.path("/people")).unwrap();
        chown(&scratch.path("/home/user"), Some(Uid::from_raw(4242)), None).unwrap();
        let root = scratch.root();
        let place = |path: &str, links| root.open_parent(Path::new(path), Last::Follow, links);

        let refused = place("/home/user/.ssh/shadow", Links::Trusted).unwrap_err().to_string();
        assert!(refused.contains("`.ssh` is a link that user 4242 controls"), "{refused}");
        assert!(place("/home/user/.ssh/shadow", Links::Any).is_ok());
        assert!(place("/home/user/notes", Links::Trusted).is_ok());
        assert!(place("/people/user/notes", Links::Trusted).is_ok(), "a link of root's is followed");
    }

    #[test]
    fn another_user_s_link_in_a_shared_directory_is_not_written_through() {
        if !geteuid().is_root() {
            return eprintln!("skipped: needs root to make another user's link");
        }
        let scratch = Scratch::new();
        scratch.file("/etc/passwd", "");
        std::fs::create_dir(scratch.path("/tmp")).unwrap();
        nix::sys::stat::fchmodat(
            nix::fcntl::AT_FDCWD,
            &scratch.path("/tmp"),
            Mode::from_bits_truncate(0o1777),
            nix::sys::stat::FchmodatFlags::FollowSymlink,
        )
        .unwrap();
        symlink("/etc/passwd", scratch.path("/tmp/mine")).unwrap();
        symlink("/etc/passwd", scratch.path("/tmp/planted")).unwrap();
        std::os::unix::fs::lchown(scratch.path("/tmp/planted"), Some(4242), None).unwrap();
        let root = scratch.root();
        assert!(root.open_parent(Path::new("/tmp/mine"), Last::Follow, Links::Trusted).is_ok());
        assert!(root.open_parent(Path::new("/tmp/planted"), Last::Follow, Links::Trusted).is_err());
        assert!(root.open_parent(Path::new("/tmp/planted"), Last::Keep, Links::Trusted).is_ok());
    }
}
