// SPDX-License-Identifier: Apache-2.0
//! The volume descriptors of a disc: the primary one and Joliet's (ECMA-119 8.4 and 8.5).

use super::SECTOR;
use super::field::{NO_TIME, both16, both32, long_time, wide};
use super::hierarchy::Names;
use crate::host::medium::stamp::Stamp;

/// The sign of every descriptor, and its version.
const SIGN: &[u8] = b"CD001\x01";
/// Joliet's escape sequence of UCS-2 level 3.
const LEVEL_3: &[u8] = b"%/E";

/// What a descriptor says.
pub struct Descriptor<'a> {
    pub names: Names,
    pub label: &'a str,
    /// What stands for the identity of the volume set.
    pub set: &'a [u8; 32],
    /// Of the whole disc.
    pub sectors: u32,
    /// How many bytes the path table has.
    pub path_table: u32,
    /// The sectors of the little-endian and of the big-endian path table.
    pub tables: [u32; 2],
    /// The record of the root directory.
    pub root: &'a [u8],
    pub stamp: Stamp,
}

impl Descriptor<'_> {
    /// Its sector.
    pub fn bytes(&self) -> Vec<u8> {
        let [little, big] = self.tables;
        let (kind, escape): (u8, &[u8]) = match self.names {
            Names::RockRidge => (1, b""),
            Names::Joliet => (2, LEVEL_3),
        };
        let set: String = self.set.iter().take(16).map(|byte| format!("{byte:02X}")).collect();
        let mut bytes = vec![kind];
        bytes.extend_from_slice(SIGN);
        bytes.push(0);
        self.text(&mut bytes, "LINUX", 32);
        self.text(&mut bytes, self.label, 32);
        bytes.extend([0; 8]);
        bytes.extend(both32(self.sectors));
        bytes.extend_from_slice(escape);
        bytes.resize(bytes.len() + 32 - escape.len(), 0);
        bytes.extend(both16(1)); // discs in the set
        bytes.extend(both16(1)); // this one's number
        bytes.extend(both16(SECTOR as u16));
        bytes.extend(both32(self.path_table));
        bytes.extend(little.to_le_bytes());
        bytes.extend([0; 4]); // no second copy
        bytes.extend(big.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend_from_slice(self.root);
        self.text(&mut bytes, &set, 128);
        self.text(&mut bytes, "", 128); // publisher
        self.text(&mut bytes, "", 128); // data preparer
        self.text(&mut bytes, "FIRSTLIGHT", 128);
        (0..3).for_each(|_| self.text(&mut bytes, "", 37)); // files of copyright, abstract and bibliography
        bytes.extend(long_time(self.stamp)); // creation
        bytes.extend(long_time(self.stamp)); // modification
        bytes.extend_from_slice(NO_TIME); // expiration
        bytes.extend_from_slice(NO_TIME); // effective
        bytes.push(1); // version of the structure
        bytes.resize(SECTOR, 0);
        bytes
    }

    /// A text padded with spaces; in a field of odd length Joliet leaves the last byte alone.
    fn text(&self, bytes: &mut Vec<u8>, text: &str, length: usize) {
        let (mut field, space): (Vec<u8>, &[u8]) = match self.names {
            Names::RockRidge => (text.as_bytes().to_vec(), b" "),
            Names::Joliet => (wide(text), b"\0 "),
        };
        while field.len() + space.len() <= length {
            field.extend_from_slice(space);
        }
        field.resize(length, 0);
        bytes.extend(field);
    }
}

/// The descriptor after the last.
pub fn terminator() -> Vec<u8> {
    let mut bytes = vec![255];
    bytes.extend_from_slice(SIGN);
    bytes.resize(SECTOR, 0);
    bytes
}
