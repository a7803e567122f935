// SPDX-License-Identifier: Apache-2.0
//! Block devices: their labels, and reading what is on them with and without a mount.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::libc;

use crate::error::{At, Error, Result};

pub mod bytes;
pub mod device;
pub mod directory;
pub mod fat;
pub mod iso9660;
pub mod mount;
pub mod signature;
pub mod uevent;

pub use bytes::Bytes;
pub use directory::Directory;
pub use fat::Fat;
pub use iso9660::Iso;

/// How deep a path may go below the root of a medium.
const MAX_DEPTH: usize = 16;
/// How many entries a directory of a medium may have.
const MAX_ENTRIES: usize = 10_000;

/// A tree of files that a seed can be read from. Paths have no leading `/` and are relative to its root.
pub trait Medium {
    /// The whole file; `None` where there is no such file. More than `limit` bytes are malformed.
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>>;
    /// The names in a directory, sorted; empty where it is not there.
    fn list(&self, path: &str) -> Result<Vec<String>>;
}

/// The file systems that a seed comes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileSystem {
    /// ISO 9660, with or without Rock Ridge or Joliet.
    Iso9660,
    /// FAT12, FAT16 or FAT32 with long names.
    Vfat,
}

impl FileSystem {
    /// As mount(2) knows it.
    pub fn name(self) -> &'static str {
        match self {
            FileSystem::Iso9660 => "iso9660",
            FileSystem::Vfat => "vfat",
        }
    }
}

/// A file system that is read without the kernel's help.
pub enum Image<B> {
    /// ISO 9660.
    Iso(Iso<B>),
    /// FAT.
    Fat(Fat<B>),
}

impl<B: Bytes> Image<B> {
    /// Looks which file system `bytes` holds; `None` for any other or none. Only its superblock has to be sound.
    pub fn open(bytes: B) -> Result<Option<Self>> {
        if let Some(volume) = iso9660::Volume::read(&bytes)? {
            return Ok(Some(Image::Iso(Iso::new(bytes, volume))));
        }
        Ok(fat::Layout::read(&bytes)?.map(|layout| Image::Fat(Fat::new(bytes, layout))))
    }

    /// Which one it is.
    pub fn file_system(&self) -> FileSystem {
        match self {
            Image::Iso(_) => FileSystem::Iso9660,
            Image::Fat(_) => FileSystem::Vfat,
        }
    }

    /// Its volume labels: a FAT has up to two (boot sector and root directory), and so has a disc with Joliet.
    pub fn labels(&self) -> Vec<String> {
        match self {
            Image::Iso(iso) => iso.labels(),
            Image::Fat(fat) => fat.labels(),
        }
    }
}

impl<B: Bytes> Medium for Image<B> {
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        match self {
            Image::Iso(iso) => iso.read(path, limit),
            Image::Fat(fat) => fat.read(path, limit),
        }
    }

    fn list(&self, path: &str) -> Result<Vec<String>> {
        match self {
            Image::Iso(iso) => iso.list(path),
            Image::Fat(fat) => fat.list(path),
        }
    }
}

/// Opens the file system on a device or in an image file; `None` where it is neither ISO 9660 nor FAT.
pub fn open(path: &Path) -> Result<Option<Image<std::fs::File>>> {
    // Without O_NONBLOCK, opening a drive with an open tray waits for a disc.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC).open(path);
    Image::open(file.at("open", path)?).map_err(|error| error.while_doing(path.display()))
}

/// The error for a file above its limit.
fn too_large(path: &str, size: u64, limit: u64) -> Error {
    Error::malformed(format!("{path} has {size} bytes, and at most {limit} are read"))
}

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod tests;
