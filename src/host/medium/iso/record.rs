// SPDX-License-Identifier: Apache-2.0
//! Directory records (ECMA-119 9.1), and what Rock Ridge adds to them: the real name and the mode.

use super::SECTOR;
use super::field::{both16, both32, short_time};
use crate::host::medium::stamp::Stamp;

/// The most that a record may be long; lengths are even.
const MAX_RECORD: usize = 254;
/// The bytes of an NM entry before its text.
const NM: usize = 5;
/// The bytes of a CE entry.
const CE: usize = 28;

/// What a record leads to.
#[derive(Clone, Copy)]
pub struct Extent {
    pub sector: u32,
    /// In bytes.
    pub size: u32,
    pub is_directory: bool,
}

/// A record, its length even.
pub fn record(identifier: &[u8], extent: Extent, stamp: Stamp, system_use: &[u8]) -> Vec<u8> {
    let mut record = vec![0, 0]; // its length comes last; no extended attributes
    record.extend(both32(extent.sector));
    record.extend(both32(extent.size));
    record.extend(short_time(stamp));
    record.push(if extent.is_directory { 2 } else { 0 });
    record.extend([0, 0]); // not interleaved
    record.extend(both16(1)); // number of the disc
    record.push(identifier.len() as u8);
    record.extend_from_slice(identifier);
    pad(&mut record);
    record.extend_from_slice(system_use);
    pad(&mut record);
    let length = record.len() as u8;
    if let Some(first) = record.first_mut() {
        *first = length;
    }
    record
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(2), 0);
}

/// The first entries of the root's own record: that the sharing protocol is used, and for Rock Ridge.
pub fn announcement() -> Vec<u8> {
    let mut bytes = b"SP\x07\x01\xBE\xEF\0".to_vec();
    // The description and its source may be empty.
    bytes.extend_from_slice(b"ER\x12\x01\x0A\0\0\x01RRIP_1991A");
    bytes
}

/// The mode: root's, and readable by all who may read the disc, as OpenStack's config drives are.
pub fn attributes(is_directory: bool, links: u32) -> Vec<u8> {
    let mode = if is_directory { 0o040_555 } else { 0o100_444 };
    let mut bytes = b"PX\x24\x01".to_vec();
    for number in [mode, links, 0, 0] {
        bytes.extend(both32(number));
    }
    bytes
}

/// Where what does not fit into records goes on; no piece crosses a sector.
pub struct Continuation {
    /// Its first sector.
    pub sector: u32,
    pub bytes: Vec<u8>,
}

impl Continuation {
    /// The entries of the real name, for a record with that `identifier` and `before` bytes of other entries.
    pub fn name(&mut self, name: &str, identifier: usize, before: usize) -> Vec<u8> {
        let room = MAX_RECORD.saturating_sub((33 + identifier).next_multiple_of(2) + before);
        if NM + name.len() <= room {
            return entry(name.as_bytes(), false);
        }
        let (here, rest) = name.as_bytes().split_at(room.saturating_sub(CE + NM).min(name.len()));
        let rest = entry(rest, false);
        if self.bytes.len() % SECTOR + rest.len() > SECTOR {
            self.bytes.resize(self.bytes.len().next_multiple_of(SECTOR), 0);
        }
        let at = self.bytes.len();
        let mut bytes = entry(here, true);
        bytes.extend_from_slice(b"CE\x1C\x01");
        for number in [self.sector + (at / SECTOR) as u32, (at % SECTOR) as u32, rest.len() as u32] {
            bytes.extend(both32(number));
        }
        self.bytes.extend(rest);
        bytes
    }
}

/// A piece of a name.
fn entry(text: &[u8], goes_on: bool) -> Vec<u8> {
    let mut bytes = b"NM".to_vec();
    bytes.extend([(NM + text.len()) as u8, 1, u8::from(goes_on)]);
    bytes.extend_from_slice(text);
    bytes
}
