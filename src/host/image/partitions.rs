// SPDX-License-Identifier: Apache-2.0
//! Where the partitions of a disk are: GPT, and MBR with its chain of logical ones.

use crate::error::{Error, Result};
use crate::media::bytes::{Bytes, u8_at, u16_at, u32_at};

/// Partitions of one table that are looked at; the kernel itself names no more than 255.
const LIMIT: u32 = 255;
/// MBR's types of a partition that holds others.
const EXTENDED: [u8; 3] = [0x05, 0x0f, 0x85];
/// MBR's type of the entry that guards a GPT.
const PROTECTIVE: u8 = 0xee;

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// As the kernel counts: `vdaN`.
    pub number: u32,
    /// Its first byte on the disk.
    pub start: u64,
    /// Bytes.
    pub length: u64,
    /// GPT's type id in lower case, or MBR's type as two hex digits.
    pub kind: String,
}

/// The partitions of a disk of `size` bytes; none where it has no table.
///
/// # Errors
/// Malformed where a table is damaged: an entry reaches past the end, or a chain of logical partitions has none.
pub fn read(disk: &impl Bytes, size: u64) -> Result<Vec<Partition>> {
    let Ok(first) = disk.take(0, 512) else { return Ok(Vec::new()) };
    for sector in [512, 4096] {
        if size >= sector * 2 && disk.take(sector, 8)? == b"EFI PART" {
            return gpt(disk, size, sector);
        }
    }
    let entries = (446..510).step_by(16);
    let sound = u16_at(&first, 510) == 0xaa55 && entries.clone().all(|at| u8_at(&first, at) & 0x7f == 0);
    let used = entries.clone().any(|at| u8_at(&first, at + 4) != 0);
    if !sound || !used || entries.clone().any(|at| u8_at(&first, at + 4) == PROTECTIVE) || is_fat(&first) {
        return Ok(Vec::new());
    }
    mbr(disk, size, &first)
}

/// The boot sector of a FAT ends as a table does.
fn is_fat(first: &[u8]) -> bool {
    [54, 82].iter().any(|at| first.get(*at..).is_some_and(|rest| rest.starts_with(b"FAT")))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

fn gpt(disk: &impl Bytes, size: u64, sector: u64) -> Result<Vec<Partition>> {
    let header = disk.take(sector, 512)?;
    let (count, length) = (u32_at(&header, 80).min(LIMIT), u32_at(&header, 84));
    if !(128..=4096).contains(&length) {
        return Err(damaged("the size of its entries is none"));
    }
    let table = u64_at(&header, 72).checked_mul(sector).ok_or_else(|| damaged("it lies nowhere"))?;
    let mut found = Vec::new();
    for index in 0..count {
        let entry = disk.take(table.saturating_add(u64::from(index) * u64::from(length)), 128)?;
        let Some(kind) = entry.first_chunk::<16>().filter(|kind| kind.iter().any(|byte| *byte != 0)) else { continue };
        let (first, last) = (u64_at(&entry, 32), u64_at(&entry, 40));
        let sectors = last.checked_sub(first).and_then(|sectors| sectors.checked_add(1));
        found.push(partition(index + 1, first, sectors.unwrap_or(0), sector, size, guid(kind))?);
    }
    Ok(found)
}

/// As it is written; its first three groups are little-endian.
fn guid(bytes: &[u8; 16]) -> String {
    let mut bytes = *bytes;
    bytes.get_mut(..4).unwrap_or_default().reverse();
    bytes.get_mut(4..6).unwrap_or_default().reverse();
    bytes.get_mut(6..8).unwrap_or_default().reverse();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let (a, rest) = hex.split_at(8);
    let (b, rest) = rest.split_at(4);
    let (c, rest) = rest.split_at(4);
    let (d, e) = rest.split_at(4);
    format!("{a}-{b}-{c}-{d}-{e}")
}

fn mbr(disk: &impl Bytes, size: u64, first: &[u8]) -> Result<Vec<Partition>> {
    let mut found = Vec::new();
    for (number, at) in (1..).zip((446..510).step_by(16)) {
        let kind = u8_at(first, at + 4);
        let (start, sectors) = (u32_at(first, at + 8), u32_at(first, at + 12));
        if kind == 0 || sectors == 0 {
            continue;
        }
        if EXTENDED.contains(&kind) {
            logical(disk, size, start, &mut found)?;
        } else {
            found.push(partition(number, start.into(), sectors.into(), 512, size, format!("{kind:02x}"))?);
        }
    }
    found.sort_by_key(|partition| partition.number);
    Ok(found)
}

/// Each link of the chain tells of one partition, relative to the link, and of the next, relative to the first.
fn logical(disk: &impl Bytes, size: u64, extended: u32, found: &mut Vec<Partition>) -> Result<()> {
    let mut link = u64::from(extended);
    for number in 5..=LIMIT {
        let table = disk.take(link * 512, 512)?;
        if u16_at(&table, 510) != 0xaa55 {
            return Err(damaged("a logical partition has no table"));
        }
        let (kind, start, sectors) = (u8_at(&table, 450), u32_at(&table, 454), u32_at(&table, 458));
        if kind != 0 && sectors != 0 {
            found.push(partition(number, link + u64::from(start), sectors.into(), 512, size, format!("{kind:02x}"))?);
        }
        match u32_at(&table, 470) {
            0 => return Ok(()),
            next => link = u64::from(extended) + u64::from(next),
        }
    }
    Err(damaged("the chain of logical partitions has no end"))
}

fn partition(number: u32, first: u64, sectors: u64, sector: u64, size: u64, kind: String) -> Result<Partition> {
    let place = first.checked_mul(sector).zip(sectors.checked_mul(sector));
    let inside = place.filter(|(start, length)| {
        *start >= 512 && *length > 0 && start.checked_add(*length).is_some_and(|end| end <= size)
    });
    let (start, length) = inside.ok_or_else(|| {
        damaged(&format!("partition {number} does not lie on the disk, which has {size} bytes"))
            .help("the image is cut off: copy or make it again")
    })?;
    Ok(Partition { number, start, length, kind })
}

fn damaged(what: &str) -> Error {
    Error::malformed(format!("the partition table is damaged: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LINUX: &str = "0fc63daf-8483-4772-8e79-3d69d8477de4";

    fn put(disk: &mut [u8], at: usize, bytes: &[u8]) {
        disk[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn entry(disk: &mut [u8], at: usize, kind: u8, start: u32, sectors: u32) {
        put(disk, at + 4, &[kind]);
        put(disk, at + 8, &start.to_le_bytes());
        put(disk, at + 12, &sectors.to_le_bytes());
    }

    fn marked(disk: &mut [u8], sector: usize) {
        put(disk, sector * 512 + 510, &[0x55, 0xaa]);
    }

    fn gpt_disk(last: u64) -> Vec<u8> {
        let mut disk = vec![0; 64 << 10];
        marked(&mut disk, 0);
        entry(&mut disk, 446, PROTECTIVE, 1, 127);
        put(&mut disk, 512, b"EFI PART");
        put(&mut disk, 512 + 72, &2u64.to_le_bytes());
        put(&mut disk, 512 + 80, &[128, 0, 0, 0, 128, 0, 0, 0]);
        let linux = [0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4];
        put(&mut disk, 1024 + 128, &linux);
        put(&mut disk, 1024 + 128 + 32, &40u64.to_le_bytes());
        put(&mut disk, 1024 + 128 + 40, &last.to_le_bytes());
        disk
    }

    #[test]
    fn a_gpt_tells_number_place_and_type() {
        let disk = gpt_disk(49);
        let expected = Partition { number: 2, start: 40 * 512, length: 10 * 512, kind: LINUX.into() };
        assert_eq!(read(&disk, disk.len() as u64).unwrap(), [expected]);
        for last in [39, 128, u64::MAX] {
            assert!(read(&gpt_disk(last), 64 << 10).unwrap_err().to_string().contains("partition 2 does not lie"));
        }
    }

    #[test]
    fn logical_partitions_are_counted_from_five_and_their_chain_ends() {
        let mut disk = vec![0; 64 << 10];
        marked(&mut disk, 0);
        entry(&mut disk, 446, 0x83, 2, 8);
        entry(&mut disk, 462, 0x05, 20, 60);
        for (link, next) in [(20, 20), (40, 0)] {
            marked(&mut disk, link);
            entry(&mut disk, link * 512 + 446, 0x83, 2, 6);
            entry(&mut disk, link * 512 + 462, if next == 0 { 0 } else { 5 }, next, 8);
        }
        let numbers = |disk: &Vec<u8>| {
            read(disk, 64 << 10).map(|all| all.iter().map(|one| (one.number, one.start / 512)).collect::<Vec<_>>())
        };
        assert_eq!(numbers(&disk).unwrap(), [(1, 2), (5, 22), (6, 42)]);
        entry(&mut disk, 40 * 512 + 462, 5, 20, 8);
        assert!(numbers(&disk).unwrap_err().to_string().contains("has no end"));
    }

    #[test]
    fn a_bare_file_system_and_nothing_have_no_partitions() {
        assert_eq!(read(&vec![0; 8192], 8192).unwrap(), []);
        assert_eq!(read(&vec![0; 10], 10).unwrap(), []);
        let fat = crate::media::fixtures::VFAT.image();
        assert_eq!(read(&fat, fat.len() as u64).unwrap(), []);
    }

    proptest! {
        #[test]
        fn no_table_panics_or_leads_past_the_disk(bytes in proptest::collection::vec(any::<u8>(), 512..3000), signed: bool) {
            let mut disk = bytes;
            disk.resize(8192, 7);
            marked(&mut disk, 0);
            if signed {
                put(&mut disk, 512, b"EFI PART");
            }
            for partition in read(&disk, 8192).unwrap_or_default() {
                prop_assert!(partition.start + partition.length <= 8192);
            }
        }
    }
}
