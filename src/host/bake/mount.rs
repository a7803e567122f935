// SPDX-License-Identifier: Apache-2.0
//! A file system mounted for this process alone: nobody else sees it, and it goes with the process however that ends.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::mount::{MsFlags, mount, umount};
use nix::sched::{CloneFlags, unshare};
use serde::{Deserialize, Serialize};

use crate::error::{At as _, Error, Result};
use crate::program;

/// How long mount(8) may take; a journal is played back in it.
const PATIENCE: Duration = Duration::from_secs(120);
/// Bytes of what it says.
const SAID: usize = 4096;

/// Where a file system is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Source {
    /// A block device, or an image file.
    pub device: PathBuf,
    /// Of an image file: its first byte and how many, through a loop device.
    pub part: Option<(u64, u64)>,
    /// As `mount -t` calls it.
    pub file_system: String,
}

/// It, mounted.
pub struct Mounted<'a> {
    at: &'a Path,
}

impl<'a> Mounted<'a> {
    /// Mounts it at the directory `at`, in a mount namespace of this process's own.
    ///
    /// # Errors
    /// Fatal: not root, the kernel does not know the file system, or it is damaged.
    pub fn new(source: &Source, at: &'a Path) -> Result<Self> {
        unshare(CloneFlags::CLONE_NEWNS).at("make a mount namespace for", at)?;
        // A kernel's first file system can't be made private, and in a namespace that has no other nobody listens.
        let _ = mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>);
        match source.part {
            None => {
                let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
                let kind = Some(source.file_system.as_str());
                mount(Some(&source.device), at, kind, flags, None::<&str>).at("mount", &source.device)?;
            }
            Some(part) => through_loop(source, part, at)?,
        }
        Ok(Self { at })
    }

    /// Unmounts it: all is written when this returns.
    pub fn end(self) -> Result<()> {
        nix::unistd::sync();
        umount(self.at).at("unmount", self.at)
    }
}

/// mount(8) has the kernel detach the loop device by itself when nothing is mounted from it any more.
fn through_loop(source: &Source, (start, length): (u64, u64), at: &Path) -> Result<()> {
    let options = format!("loop,offset={start},sizelimit={length},nosuid,nodev");
    let (device, place) = (source.device.to_string_lossy(), at.to_string_lossy());
    let arguments = ["-t", &source.file_system, "-o", &options, &device, &place];
    let answer = program::ask(Path::new("mount"), &arguments, SAID, PATIENCE)?;
    if answer.success {
        return Ok(());
    }
    Err(Error::fatal(format!("cannot mount the {} file system of the image: {}", source.file_system, answer.complaint))
        .help("see the kernel's log (dmesg); --way appliance needs no mount here"))
}
