// SPDX-License-Identifier: Apache-2.0
//! Bytes at a place: a device, an image file or memory; and numbers out of them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::error::{Error, Result};

/// Bytes that can be read from anywhere.
pub trait Bytes {
    /// Reads what there is at `offset`, at most the length of `buffer`; nothing past the end.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Exactly `length` bytes; an image that ends before is malformed. The caller bounds `length`.
    fn take(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let mut done = 0;
        while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.read_at(offset.saturating_add(done as u64), rest) {
                Ok(0) => {
                    let end = offset.saturating_add(length as u64);
                    return Err(Error::malformed(format!("the image is cut off: something stands up to byte {end}"))
                        .help("make or copy the image again; it is shorter than it says"));
                }
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::fatal(format!("cannot read at byte {offset}")).because(error)),
            }
        }
        Ok(bytes)
    }
}

impl Bytes for File {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        // The kernel's offsets are signed; past that there is nothing.
        if i64::try_from(offset).is_err() { Ok(0) } else { FileExt::read_at(self, buffer, offset) }
    }
}

impl Bytes for Vec<u8> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..)).unwrap_or_default();
        Ok(buffer.iter_mut().zip(rest).map(|(to, from)| *to = *from).count())
    }
}

/// The little-endian number of two bytes at `at`; nought past the end.
pub fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().map_or(0, u16::from_le_bytes)
}

/// The little-endian number of four bytes at `at`; nought past the end.
pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().map_or(0, u32::from_le_bytes)
}

/// The byte at `at`; nought past the end.
pub fn u8_at(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}
