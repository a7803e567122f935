// SPDX-License-Identifier: Apache-2.0
//! The first sectors of a FAT.

use super::geometry::{CLUSTER, Geometry, SECTOR, Width};
use crate::host::medium::image::Image;

/// Where FAT32 keeps its count of free clusters, and a copy of its first sectors.
const INFO: u16 = 1;
const COPY: u16 = 6;

/// What the boot sector says of the volume.
pub struct Volume<'a> {
    pub label: &'a str,
    pub id: u32,
    /// How many clusters are free.
    pub free: u32,
    /// The first of them.
    pub next: u32,
}

/// Puts them at the begin of `image`.
pub fn put(image: &mut Image, geometry: &Geometry, volume: &Volume) {
    let boot = boot(geometry, volume);
    image.put(0, boot.clone());
    if geometry.width == Width::ThirtyTwo {
        let info = info(volume);
        image.put(u64::from(INFO) * SECTOR as u64, info.clone());
        image.put(u64::from(COPY) * SECTOR as u64, boot);
        image.put(u64::from(COPY + INFO) * SECTOR as u64, info);
    }
}

fn boot(geometry: &Geometry, volume: &Volume) -> Vec<u8> {
    let is_32 = geometry.width == Width::ThirtyTwo;
    // A number that does not fit stands in the larger field below.
    let small = |number: u64| if is_32 { 0 } else { u16::try_from(number).unwrap_or(0) };
    let sectors = small(geometry.sectors);
    let mut bytes = if is_32 { b"\xEB\x58\x90".to_vec() } else { b"\xEB\x3C\x90".to_vec() };
    bytes.extend_from_slice(b"MSWIN4.1"); // what the specification advises, as some drivers look at it
    bytes.extend((SECTOR as u16).to_le_bytes());
    bytes.push((CLUSTER / SECTOR) as u8);
    bytes.extend((geometry.reserved as u16).to_le_bytes());
    bytes.push(2); // tables
    bytes.extend((geometry.root as u16).to_le_bytes());
    bytes.extend(sectors.to_le_bytes());
    bytes.push(0xF8); // a fixed disk
    bytes.extend(small(geometry.table).to_le_bytes());
    bytes.extend(32u16.to_le_bytes()); // sectors of a track
    bytes.extend(2u16.to_le_bytes()); // heads
    bytes.extend(0u32.to_le_bytes()); // sectors before the volume
    bytes.extend(if sectors == 0 { geometry.sectors as u32 } else { 0 }.to_le_bytes());
    if is_32 {
        bytes.extend((geometry.table as u32).to_le_bytes());
        bytes.extend([0; 4]); // both tables are kept; version 0.0
        bytes.extend(2u32.to_le_bytes()); // the root's first cluster
        bytes.extend(INFO.to_le_bytes());
        bytes.extend(COPY.to_le_bytes());
        bytes.extend([0; 12]);
    }
    bytes.extend([0x80, 0, 0x29]); // a disk; the next three are there
    bytes.extend(volume.id.to_le_bytes());
    bytes.extend(format!("{:<11}", volume.label).bytes());
    bytes.extend_from_slice(match geometry.width {
        Width::Twelve => b"FAT12   ",
        Width::Sixteen => b"FAT16   ",
        Width::ThirtyTwo => b"FAT32   ",
    });
    signed(bytes)
}

fn info(volume: &Volume) -> Vec<u8> {
    let mut bytes = b"RRaA".to_vec();
    bytes.resize(484, 0);
    bytes.extend_from_slice(b"rrAa");
    bytes.extend(volume.free.to_le_bytes());
    bytes.extend(volume.next.to_le_bytes());
    signed(bytes)
}

fn signed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(SECTOR - 2, 0);
    bytes.extend([0x55, 0xAA]);
    bytes
}
