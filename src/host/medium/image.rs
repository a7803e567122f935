// SPDX-License-Identifier: Apache-2.0
//! The bytes of a medium as pieces at places, with holes of zeroes between them.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt as _;

use bytes::Bytes;

/// An image that is known whole before its first byte is written. Its pieces share their bytes with the tree.
#[derive(Debug, Default)]
pub struct Image {
    /// In the order of their places; none reaches into the next.
    pieces: Vec<(u64, Bytes)>,
    size: u64,
}

impl Image {
    /// Puts `bytes` at `place`, behind all that was put before; no bytes stand nowhere.
    pub fn put(&mut self, place: u64, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        if !bytes.is_empty() {
            debug_assert!(place >= self.size, "pieces are put in their order");
            self.size = place + bytes.len() as u64;
            self.pieces.push((place, bytes));
        }
    }

    /// Ends the image with zeroes at `size`, where it does not reach that far.
    pub fn fill_to(&mut self, size: u64) {
        self.size = self.size.max(size);
    }

    /// In bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The pieces and their places.
    pub fn pieces(&self) -> impl Iterator<Item = (u64, &Bytes)> {
        self.pieces.iter().map(|(place, bytes)| (*place, bytes))
    }

    /// Writes it into an empty file; holes stay holes.
    pub fn write_into(&self, file: &File) -> io::Result<()> {
        file.set_len(self.size)?;
        self.pieces().try_for_each(|(place, bytes)| file.write_all_at(bytes, place))
    }

    /// Writes it from its first byte to its last.
    pub fn stream(&self, to: &mut impl Write) -> io::Result<()> {
        let mut at = 0;
        for (place, bytes) in self.pieces() {
            zeroes(to, place - at)?;
            to.write_all(bytes)?;
            at = place + bytes.len() as u64;
        }
        zeroes(to, self.size - at)?;
        to.flush()
    }
}

fn zeroes(to: &mut impl Write, count: u64) -> io::Result<()> {
    io::copy(&mut io::Read::take(io::repeat(0), count), to).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_and_a_stream_are_the_same() {
        let mut image = Image::default();
        image.put(3, "abc");
        image.put(6, "");
        image.put(100_000, "de");
        image.fill_to(100_100);
        image.fill_to(5);
        let mut streamed = Vec::new();
        image.stream(&mut streamed).unwrap();
        assert_eq!(
            (streamed.len(), &streamed[..7], &streamed[99_999..100_003]),
            (100_100, &b"\0\0\0abc\0"[..], &b"\0de\0"[..])
        );
        let mut file = tempfile::NamedTempFile::new().unwrap();
        image.write_into(file.as_file_mut()).unwrap();
        assert_eq!(std::fs::read(file.path()).unwrap(), streamed);
    }
}
