// SPDX-License-Identifier: Apache-2.0
//! Mounting a drive where the image's settings ask for it: other programs read it there.
//!
//! The agent itself reads drives through the device (see [`crate::media::Image`]): no kernel module has to be loaded, no
//! file system of the kernel meets a hostile image, and there is nothing to unmount on the way out.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use log::debug;
use sys_mount::{Mount, MountFlags};

use super::FileSystem;
use crate::error::{At, Error, Result};

/// Mounts `device` at `place`, to stay. Already there: nothing is done.
pub fn keep(device: &Path, file_system: FileSystem, place: &Path) -> Result<()> {
    fs::create_dir_all(place).at("create", place)?;
    match device_of(place) {
        Some(mounted) if mounted == fs::metadata(device).at("read", device)?.rdev() => Ok(()),
        Some(_) => Err(Error::fatal(format!("something else is mounted at {}", place.display()))
            .help("unmount it, or name another directory in `firstlight: config_drive: keep_mounted`")),
        None => mount(device, file_system, place).map(|_| ()),
    }
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
