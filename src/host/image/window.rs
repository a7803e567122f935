// SPDX-License-Identifier: Apache-2.0
//! A part of a disk, such as a partition, and the ext4 file system on it, read without mounting.

use std::error::Error as StdError;
use std::io;
use std::rc::Rc;

use ext4_view::{Ext4, Ext4Read};

use super::disk::Disk;
use crate::error::{Error, Result};
use crate::media::Bytes;

/// From `start`, `length` bytes of the disk.
#[derive(Clone)]
pub struct Window {
    disk: Rc<Disk>,
    /// Its first byte on the disk.
    pub start: u64,
    /// Bytes.
    pub length: u64,
}

impl Window {
    /// That part of the disk.
    pub fn new(disk: &Rc<Disk>, start: u64, length: u64) -> Self {
        Self { disk: Rc::clone(disk), start, length }
    }

    /// The ext2, ext3 or ext4 file system on it. A journal that was not played back is looked through.
    pub fn ext4(&self) -> Result<Ext4> {
        Ext4::load(Box::new(self.clone())).map_err(|error| {
            Error::malformed("the ext4 file system can't be read")
                .because(error)
                .help("try e2fsck on a copy of it; what it does not mend this program can't read either")
        })
    }
}

impl Bytes for Window {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX).min(buffer.len());
        self.disk.read_at(self.start.saturating_add(offset), buffer.get_mut(..left).unwrap_or_default())
    }
}

impl Ext4Read for Window {
    fn read(&mut self, start_byte: u64, dst: &mut [u8]) -> Result<(), Box<dyn StdError + Send + Sync>> {
        dst.copy_from_slice(&self.take(start_byte, dst.len())?);
        Ok(())
    }
}

/// The content of the file at `path`, its links followed; `None` where it is not there.
///
/// Malformed where it is larger than `limit` bytes, or the file system is damaged.
pub fn read(files: &Ext4, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
    let said =
        |error: ext4_view::Ext4Error| Error::malformed(format!("cannot read {path} in the image")).because(error);
    match files.metadata(path) {
        Err(ext4_view::Ext4Error::NotFound) => Ok(None),
        Err(error) => Err(said(error)),
        Ok(found) if found.len() > limit => {
            Err(Error::malformed(format!("{path} in the image is larger than {limit} bytes")))
        }
        Ok(_) => files.read(path).map(Some).map_err(said),
    }
}

/// The names in a directory, sorted; none where it is not there. At most `limit` of them.
pub fn names(files: &Ext4, path: &str, limit: usize) -> Vec<String> {
    let Ok(entries) = files.read_dir(path) else { return Vec::new() };
    let names = entries.take(limit).filter_map(|entry| Some(entry.ok()?.file_name().as_str().ok()?.to_owned()));
    let mut names: Vec<String> = names.filter(|name| name != "." && name != "..").collect();
    names.sort();
    names
}
