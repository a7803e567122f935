// SPDX-License-Identifier: Apache-2.0
//! The entries of a FAT directory: short names, the long names before them, and the volume label.

use super::ENTRY;
use crate::error::{Error, Result};
use crate::media::MAX_ENTRIES;
use crate::media::bytes::{u8_at, u16_at, u32_at};

const VOLUME: u8 = 0x08;
const DIRECTORY: u8 = 0x10;
const LONG_NAME: u8 = 0x0F;
const DELETED: u8 = 0xE5;

/// A file or a directory.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The long name, else the short one.
    pub name: String,
    pub directory: bool,
    /// Its first cluster.
    pub cluster: u32,
    /// Its bytes; nought for a directory.
    pub size: u64,
}

impl Entry {
    /// Names are the same in either case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// The entries of a directory but `.`, `..`, deleted ones and the label.
pub fn parse(directory: &[u8]) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut long = LongName::default();
    for raw in in_use(directory) {
        let attributes = u8_at(raw, 11);
        if attributes & 0x3F == LONG_NAME {
            long.add(raw);
            continue;
        }
        let name = std::mem::take(&mut long).finish(raw).unwrap_or_else(|| short_name(raw));
        if attributes & VOLUME != 0 || name == "." || name == ".." {
            continue;
        }
        if entries.len() == MAX_ENTRIES {
            return Err(Error::malformed(format!("a directory has over {MAX_ENTRIES} entries")));
        }
        let directory = attributes & DIRECTORY != 0;
        entries.push(Entry {
            name,
            directory,
            cluster: u32::from(u16_at(raw, 20)) << 16 | u32::from(u16_at(raw, 26)),
            size: u32_at(raw, 28).into(),
        });
    }
    Ok(entries)
}

/// The label that stands in the root directory.
pub fn volume_label(root: &[u8]) -> Option<String> {
    let is_label = |raw: &&[u8]| u8_at(raw, 11) & (VOLUME | DIRECTORY) == VOLUME && u8_at(raw, 11) & 0x3F != LONG_NAME;
    in_use(root).find(is_label).map(|raw| label(raw.get(..11).unwrap_or_default()))
}

/// A padded label as text.
pub fn label(field: &[u8]) -> String {
    String::from_utf8_lossy(field).trim_end_matches([' ', '\0']).to_owned()
}

/// Up to the first entry that was never used.
fn in_use(directory: &[u8]) -> impl Iterator<Item = &[u8]> {
    directory.chunks_exact(ENTRY).take_while(|raw| u8_at(raw, 0) != 0).filter(|raw| u8_at(raw, 0) != DELETED)
}

/// `README.TXT`, in lower case where the flags that Windows NT brought say so.
fn short_name(raw: &[u8]) -> String {
    let part = |from: usize, to: usize, lower: u8| {
        let mut bytes = raw.get(from..to).unwrap_or_default().to_vec();
        // 0x05 stands for a first byte that would look deleted.
        if let (0, Some(first @ 0x05)) = (from, bytes.first_mut()) {
            *first = DELETED;
        }
        let text = label(&bytes);
        if u8_at(raw, 12) & lower != 0 { text.to_ascii_lowercase() } else { text }
    };
    match (part(0, 8, 0x08), part(8, 11, 0x10)) {
        (base, extension) if extension.is_empty() => base,
        (base, extension) => format!("{base}.{extension}"),
    }
}

/// A long name stands in pieces of 13 before its short entry, the last piece first.
#[derive(Default)]
struct LongName {
    units: Vec<u16>,
    /// The number of the piece that came last; 1 when all are here.
    piece: u8,
    checksum: u8,
}

impl LongName {
    fn add(&mut self, raw: &[u8]) {
        let order = u8_at(raw, 0);
        let number = order & 0x3F;
        let checksum = u8_at(raw, 13);
        if order & 0x40 != 0 {
            *self = Self { units: Vec::new(), piece: number, checksum };
        } else if checksum == self.checksum && number.checked_add(1) == Some(self.piece) {
            self.piece = number;
        } else {
            *self = Self::default();
            return;
        }
        let places = (1..11).step_by(2).chain((14..26).step_by(2)).chain((28..32).step_by(2));
        self.units.splice(..0, places.map(|at| u16_at(raw, at)));
    }

    /// The name, where its pieces belong to this short entry.
    fn finish(self, raw: &[u8]) -> Option<String> {
        let short = raw.get(..11)?;
        let checksum = short.iter().fold(0u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte));
        if self.piece != 1 || checksum != self.checksum {
            return None;
        }
        let units = self.units.into_iter().take_while(|unit| *unit != 0);
        Some(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
    }
}
