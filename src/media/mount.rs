// SPDX-License-Identifier: Apache-2.0
//! Mounting a drive: for as long as it is read, or to stay where the image's settings ask for it.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use log::{debug, warn};
use sys_mount::{Mount, MountFlags, Unmount, UnmountFlags};

use super::{Directory, FileSystem, Medium};
use crate::error::{At, Error, Result};
use crate::state;

/// A drive that is mounted until this is dropped.
pub struct Mounted {
    directory: Directory,
    mount: Mount,
}

impl Mounted {
    /// Mounts `device` at [`state::MOUNT`].
    ///
    /// Errors: a kernel without the file system, no privilege. Then the drive can still be read as an
    /// [`Image`](super::Image).
    pub fn open(device: &Path, file_system: FileSystem) -> Result<Self> {
        let place = Path::new(state::MOUNT);
        create(place, 0o700)?;
        // What a run that was killed has left.
        if device_of(place).is_some() {
            sys_mount::unmount(place, UnmountFlags::DETACH).at("unmount", place)?;
        }
        let mount = mount(device, file_system, place)?;
        match Directory::open(place) {
            Ok(directory) => Ok(Self { directory, mount }),
            Err(error) => {
                unmount(&mount);
                Err(error)
            }
        }
    }
}

impl Medium for Mounted {
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        self.directory.read(path, limit)
    }

    fn list(&self, path: &str) -> Result<Vec<String>> {
        self.directory.list(path)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        unmount(&self.mount);
    }
}

/// Mounts `device` at `place`, to stay. Already there: nothing is done.
pub fn keep(device: &Path, file_system: FileSystem, place: &Path) -> Result<()> {
    create(place, 0o755)?;
    match device_of(place) {
        Some(mounted) if mounted == fs::metadata(device).at("read", device)?.rdev() => Ok(()),
        Some(_) => Err(Error::fatal(format!("something else is mounted at {}", place.display()))
            .help("unmount it, or name another directory in `firstlight: config_drive: keep_mounted`")),
        None => mount(device, file_system, place).map(|_| ()),
    }
}

/// Only `place` itself has the mode; others look into what is above it.
fn create(place: &Path, mode: u32) -> Result<()> {
    if let Some(above) = place.parent() {
        fs::create_dir_all(above).at("create", above)?;
    }
    DirBuilder::new().recursive(true).mode(mode).create(place).at("create", place)
}

/// The device that is mounted at `place`; `None` where `place` is part of what its parent is part of.
fn device_of(place: &Path) -> Option<u64> {
    let own = fs::metadata(place).ok()?.dev();
    let above = fs::metadata(place.parent()?).ok()?.dev();
    (own != above).then_some(own)
}

/// The type is always given: trying all that the kernel knows fills its log, and misses what is not loaded yet.
fn mount(device: &Path, file_system: FileSystem, place: &Path) -> Result<Mount> {
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let mounted = Mount::builder().fstype(file_system.name()).flags(flags).mount(device, place);
    mounted.at("mount", device).inspect(|_| debug!("mounted {} at {}", device.display(), place.display()))
}

/// Lazily where somebody still looks at it.
fn unmount(mount: &Mount) {
    let done = match mount.unmount(UnmountFlags::empty()) {
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => mount.unmount(UnmountFlags::DETACH),
        done => done,
    };
    if let Err(error) = done {
        warn!("cannot unmount {}: {error}", mount.target_path().display());
    }
}
