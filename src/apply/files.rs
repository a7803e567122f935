// SPDX-License-Identifier: Apache-2.0
//! Files, directories and links put in their place in one go: made beside it, complete, then renamed.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::{Mode, fchmod, mkdirat};
use nix::sys::statfs::{FsType, PROC_SUPER_MAGIC, SYSFS_MAGIC, fstatfs};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, fsync, symlinkat, unlinkat};

use crate::apply::label;
use crate::error::{At as _, Error, Result};
use crate::root::{FileKind, Place};

/// What a file or directory ends up with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attributes {
    pub mode: u32,
    /// User and group; `None` leaves them as they come.
    pub owner: Option<(u32, u32)>,
}

impl Attributes {
    /// The owner first: changing it takes set-id bits away.
    fn give(self, file: impl AsFd, path: &Path) -> Result<()> {
        if let Some((uid, gid)) = self.owner {
            fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))).at("give the owner of", path)?;
        }
        fchmod(&file, Mode::from_bits_truncate(self.mode)).at("set the mode of", path)
    }
}

/// A regular file with that content in place of what is there. `path` is for messages.
///
/// Readers see the old file or the new one, never a part, and the new one never without its mode and owner.
pub(super) fn file(place: &Place, path: &Path, content: &[u8], attributes: Attributes) -> Result<()> {
    if place.stat.is_some_and(|stat| stat.kind != FileKind::File) {
        return Err(Error::fatal(format!("{} is no regular file; it is left as it is", path.display())));
    }
    if is_the_kernel_s(place) {
        return in_place(place, path, content);
    }
    let beside = Beside::of(place);
    beside.clear(path)?;
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let new = openat(&*beside.directory, beside.name.as_os_str(), flags, Mode::from_bits_truncate(0o600));
    let mut new = File::from(new.at("make a file beside", path)?);
    new.write_all(content).at("write", path)?;
    if let Ok(old) = open(place, OFlag::O_RDONLY) {
        label::carry(old, &new).at("label", path)?;
    }
    attributes.give(&new, path)?;
    fsync(&new).at("write to the disk", path)?;
    match renameat(&*beside.directory, beside.name.as_os_str(), &*place.directory, place.name.as_os_str()) {
        // A file that is itself a mount point, as a container's /etc/hosts, can only be written over.
        Err(Errno::EBUSY) => in_place(place, path, content),
        renamed => renamed.at("replace", path),
    }
}

/// A directory; one that is there gets the mode and the owner.
pub(super) fn directory(place: &Place, path: &Path, attributes: Attributes) -> Result<()> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let open = |directory: &OwnedFd, name: &OsStr| {
        openat(directory, name, flags, Mode::empty()).at("open the directory", path)
    };
    if place.stat.is_some() {
        return attributes.give(open(&place.directory, &place.name)?, path);
    }
    let beside = Beside::of(place);
    beside.clear(path)?;
    mkdirat(&*beside.directory, beside.name.as_os_str(), Mode::from_bits_truncate(0o700))
        .at("make the directory", path)?;
    attributes.give(open(&beside.directory, &beside.name)?, path)?;
    renameat(&*beside.directory, beside.name.as_os_str(), &*place.directory, place.name.as_os_str())
        .at("make the directory", path)
}

/// A symbolic link in place of what is there.
pub(super) fn link(place: &Place, path: &Path, target: &Path) -> Result<()> {
    let beside = Beside::of(place);
    beside.clear(path)?;
    symlinkat(target, &*beside.directory, beside.name.as_os_str()).at("make the link", path)?;
    renameat(&*beside.directory, beside.name.as_os_str(), &*place.directory, place.name.as_os_str())
        .at("make the link", path)
}

/// A file or a link away.
pub(super) fn remove(place: &Place, path: &Path) -> Result<()> {
    match unlinkat(&*place.directory, place.name.as_os_str(), UnlinkatFlags::NoRemoveDir) {
        Err(Errno::ENOENT) => Ok(()),
        removed => removed.at("remove", path),
    }
}

/// The directory that `place` is in, on the disk.
pub(super) fn sync(place: &Place, path: &Path) -> Result<()> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let directory = openat(&*place.directory, ".", flags, Mode::empty()).at("open the directory of", path)?;
    match fsync(directory) {
        // The file systems of the kernel's own have no disk.
        Err(Errno::EINVAL) => Ok(()),
        synced => synced.at("write to the disk the directory of", path),
    }
}

/// Written over what is there, where no other file can be put in its place.
fn in_place(place: &Place, path: &Path, content: &[u8]) -> Result<()> {
    let file = open(place, OFlag::O_WRONLY | OFlag::O_TRUNC).at("open for writing", path)?;
    File::from(file).write_all(content).at("write", path)
}

fn open(place: &Place, how: OFlag) -> nix::Result<OwnedFd> {
    let flags = how | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    openat(&*place.directory, place.name.as_os_str(), flags, Mode::empty())
}

/// Whether it is a setting of the running kernel, below /proc or /sys.
fn is_the_kernel_s(place: &Place) -> bool {
    let of: Option<FsType> = fstatfs(&*place.directory).ok().map(|fs| fs.filesystem_type());
    of.is_some_and(|of| of == PROC_SUPER_MAGIC || of == SYSFS_MAGIC)
}

/// The hidden name beside a place, where something is made; taken away again unless it was renamed.
///
/// Always the same name for a place, so that what an earlier attempt left is found.
struct Beside {
    directory: Arc<OwnedFd>,
    name: OsString,
}

impl Beside {
    fn of(place: &Place) -> Self {
        // A name has room for 255 bytes; the end of a long one is not needed.
        let start = place.name.as_bytes().get(..200).unwrap_or(place.name.as_bytes());
        let mut name = OsString::from(".");
        name.push(OsStr::from_bytes(start));
        name.push(".firstlight-new");
        Self { directory: place.directory.clone(), name }
    }

    /// Takes away what an interrupted attempt left.
    fn clear(&self, path: &Path) -> Result<()> {
        match self.unlink() {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            left => left.at("clear the place beside", path),
        }
    }

    fn unlink(&self) -> nix::Result<()> {
        match unlinkat(&*self.directory, self.name.as_os_str(), UnlinkatFlags::NoRemoveDir) {
            Err(Errno::EISDIR) => unlinkat(&*self.directory, self.name.as_os_str(), UnlinkatFlags::RemoveDir),
            unlinked => unlinked,
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = self.unlink();
    }
}
