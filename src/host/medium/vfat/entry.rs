// SPDX-License-Identifier: Apache-2.0
//! The entries of a FAT directory: short names, and before them the long ones in pieces.

use std::collections::HashSet;

use super::geometry::ENTRY;
use crate::error::{Error, Result};
use crate::host::medium::short_name::{ShortName, ShortNames};
use crate::host::medium::stamp::Stamp;

/// UTF-16 units in one piece of a long name, and in the longest name.
const PIECE: usize = 13;
const MAX_UNITS: usize = 255;
/// Attributes.
const VOLUME: u8 = 0x08;
const DIRECTORY: u8 = 0x10;
const ARCHIVE: u8 = 0x20;
const LONG_NAME: u8 = 0x0F;

/// What an entry leads to.
pub enum Target {
    /// The number of the file in its directory, and its bytes.
    File { number: usize, size: u32 },
    /// The number of the directory among all.
    Directory(usize),
}

/// The entries of one directory.
pub struct Entries {
    is_root: bool,
    named: Vec<Named>,
    short: ShortNames,
    /// In lower case: names are the same in either.
    taken: HashSet<String>,
}

struct Named {
    short: [u8; 11],
    /// With its end and what fills the last piece; empty where the short name says it all.
    long: Vec<u16>,
    target: Target,
}

/// The first clusters.
pub struct Places<'a> {
    pub own: u32,
    /// That of the directory above; nought for the root.
    pub above: u32,
    /// Of the files of this directory, by number.
    pub files: &'a [u32],
    /// Of all directories, by number.
    pub directories: &'a [u32],
}

impl Entries {
    /// Those of an empty directory.
    pub fn new(is_root: bool) -> Self {
        Self { is_root, named: Vec::new(), short: ShortNames::fat(), taken: HashSet::new() }
    }

    /// Adds a name. One that a FAT can't hold is malformed, and so is one that differs from another by case alone.
    pub fn add(&mut self, name: &str, target: Target) -> Result<()> {
        let refuse = |why: &str| {
            Err(Error::malformed(format!("the name `{}` can't stand on a FAT: {why}", name.escape_debug()))
                .help("take another name, or the form iso"))
        };
        if let Some(c) = name.chars().find(|c| c.is_control() || "\"*/:<>?\\|".contains(*c)) {
            return refuse(&format!("it has the character `{}`", c.escape_debug()));
        }
        if name.ends_with(['.', ' ']) {
            return refuse("it ends with a dot or a space, which is not kept");
        }
        let mut long: Vec<u16> = name.encode_utf16().collect();
        if long.len() > MAX_UNITS {
            return refuse("it is longer than 255 characters");
        }
        if !self.taken.insert(name.to_lowercase()) {
            return refuse("another is the same but for its case");
        }
        let ShortName { base, extension } = self.short.take(name, true);
        let whole = if extension.is_empty() { base.clone() } else { format!("{base}.{extension}") };
        if whole == name {
            long.clear();
        } else if !long.len().is_multiple_of(PIECE) {
            long.push(0);
            long.resize(long.len().next_multiple_of(PIECE), 0xFFFF);
        }
        let mut short = [b' '; 11];
        let text = format!("{base:<8}{extension:<3}");
        short.iter_mut().zip(text.bytes()).for_each(|(to, byte)| *to = byte);
        self.named.push(Named { short, long, target });
        Ok(())
    }

    /// How many bytes they have.
    pub fn length(&self) -> usize {
        let extra = if self.is_root { 1 } else { 2 };
        ENTRY * (extra + self.named.iter().map(|named| 1 + named.long.len() / PIECE).sum::<usize>())
    }

    /// The bytes of the directory; `label` is the volume's, which stands in the root.
    pub fn bytes(&self, label: &str, places: &Places, stamp: Stamp) -> Vec<u8> {
        let mut bytes = Vec::new();
        if self.is_root {
            let mut name = [b' '; 11];
            name.iter_mut().zip(label.bytes()).for_each(|(to, byte)| *to = byte);
            bytes.extend(entry(&name, VOLUME, 0, 0, stamp));
        } else {
            bytes.extend(entry(b".          ", DIRECTORY, places.own, 0, stamp));
            bytes.extend(entry(b"..         ", DIRECTORY, places.above, 0, stamp));
        }
        for named in &self.named {
            pieces(named).for_each(|piece| bytes.extend(piece));
            let (attribute, cluster, size) = match named.target {
                Target::File { number, size } => (ARCHIVE, places.files.get(number), size),
                Target::Directory(number) => (DIRECTORY, places.directories.get(number), 0),
            };
            bytes.extend(entry(&named.short, attribute, cluster.copied().unwrap_or_default(), size, stamp));
        }
        bytes
    }
}

/// The pieces of a long name, the last first.
fn pieces(named: &Named) -> impl Iterator<Item = Vec<u8>> {
    let checksum = named.short.iter().fold(0u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte));
    let count = named.long.len() / PIECE;
    named.long.chunks(PIECE).enumerate().rev().map(move |(index, units)| {
        let number = index + 1;
        let last = if number == count { 0x40 } else { 0 };
        let mut units = units.iter().flat_map(|unit| unit.to_le_bytes());
        let mut bytes = vec![number as u8 | last];
        bytes.extend(units.by_ref().take(10));
        bytes.extend([LONG_NAME, 0, checksum]);
        bytes.extend(units.by_ref().take(12));
        bytes.extend([0, 0]);
        bytes.extend(units);
        bytes
    })
}

/// A short entry.
fn entry(name: &[u8; 11], attributes: u8, cluster: u32, size: u32, stamp: Stamp) -> Vec<u8> {
    let date = ((stamp.year - 1980) << 9 | u16::from(stamp.month) << 5 | u16::from(stamp.day)).to_le_bytes();
    let time = (u16::from(stamp.hour) << 11 | u16::from(stamp.minute) << 5 | u16::from(stamp.second / 2)).to_le_bytes();
    let [low, second, high, highest] = cluster.to_le_bytes();
    let mut bytes = name.to_vec();
    bytes.extend([attributes, 0, 0]);
    bytes.extend(time.into_iter().chain(date).chain(date)); // made, last read
    bytes.extend([high, highest]);
    bytes.extend(time.into_iter().chain(date)); // last written
    bytes.extend([low, second]);
    bytes.extend(size.to_le_bytes());
    bytes
}
