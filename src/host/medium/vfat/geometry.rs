// SPDX-License-Identifier: Apache-2.0
//! How large the parts of a FAT are and where they stand: boot sectors, two tables, the root where it is fixed, clusters.

use crate::error::{Error, Result};

pub const SECTOR: usize = 512;
pub const CLUSTER: usize = 2048;
/// The bytes of one directory entry.
pub const ENTRY: usize = 32;
const PER_CLUSTER: u64 = (CLUSTER / SECTOR) as u64;
/// The size of the whole is a multiple of this many sectors (64 KiB), so that it has whole tracks for those who ask.
const STEP: u64 = 128;
/// The least size in sectors: 128 KiB, as cloud-localds makes them.
const MIN_SECTORS: u64 = 256;
/// The fewest entries that the fixed root of a FAT12 or FAT16 has.
const MIN_ROOT: usize = 512;
/// The most of them, a number of 16 bits that fills whole sectors.
const MAX_ROOT: usize = 65_520;

/// How wide a number in the table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Width {
    Twelve,
    Sixteen,
    ThirtyTwo,
}

impl Width {
    /// The numbers of clusters that mean this width. The specification ends FAT12 before 4085 and FAT16 before 65525, and
    /// says that some systems miscount near that: so none are near.
    fn range(self) -> (u64, u64) {
        match self {
            Width::Twelve => (1, 4000),
            Width::Sixteen => (4200, 65_400),
            Width::ThirtyTwo => (65_700, (1 << 28) - 64),
        }
    }

    fn bits(self) -> u64 {
        match self {
            Width::Twelve => 12,
            Width::Sixteen => 16,
            Width::ThirtyTwo => 32,
        }
    }
}

/// The parts.
#[derive(Debug)]
pub struct Geometry {
    pub width: Width,
    /// Sectors before the first table.
    pub reserved: u64,
    /// Sectors of one table.
    pub table: u64,
    /// Entries of a fixed root.
    pub root: usize,
    /// Sectors of the whole.
    pub sectors: u64,
    /// How many clusters there are.
    pub clusters: u32,
}

impl Geometry {
    /// For a root directory of `root` bytes and `used` clusters besides; `least` is the least width.
    pub fn new(root: usize, used: u64, least: Option<Width>) -> Result<Self> {
        let root_clusters = root.div_ceil(CLUSTER) as u64;
        let too_large = || Error::malformed("the files do not fit on a FAT").help("take the form iso");
        let fits = |width: &Width| {
            let needed = used + if *width == Width::ThirtyTwo { root_clusters } else { 0 };
            needed <= width.range().1 && Some(*width) >= least
        };
        let width = [Width::Twelve, Width::Sixteen, Width::ThirtyTwo].into_iter().find(fits).ok_or_else(too_large)?;
        let is_32 = width == Width::ThirtyTwo;
        let wanted = (used + if is_32 { root_clusters } else { 0 }).max(width.range().0);
        let entries = if is_32 { 0 } else { (root / ENTRY).next_multiple_of(SECTOR / ENTRY).max(MIN_ROOT) };
        if entries > MAX_ROOT {
            return Err(too_large());
        }
        let reserved = if is_32 { 32 } else { 1 };
        let root_sectors = (entries * ENTRY / SECTOR) as u64;
        // Room for what the last step adds.
        let numbers = 2 + wanted + MIN_SECTORS / PER_CLUSTER;
        let table = (numbers * width.bits()).div_ceil(8 * SECTOR as u64);
        let before = reserved + 2 * table + root_sectors;
        let sectors = (before + wanted * PER_CLUSTER).next_multiple_of(STEP).max(MIN_SECTORS);
        let clusters = u32::try_from((sectors - before) / PER_CLUSTER).map_err(|_| too_large())?;
        Ok(Self { width, reserved, table, root: entries, sectors, clusters })
    }

    /// In bytes.
    pub fn size(&self) -> u64 {
        self.sectors * SECTOR as u64
    }

    /// Where a table begins.
    pub fn table_at(&self, number: u64) -> u64 {
        (self.reserved + number * self.table) * SECTOR as u64
    }

    /// Where a fixed root begins.
    pub fn root_at(&self) -> u64 {
        self.table_at(2)
    }

    /// Where a cluster begins; the first has number 2.
    pub fn cluster_at(&self, cluster: u32) -> u64 {
        self.root_at() + (self.root * ENTRY) as u64 + u64::from(cluster.saturating_sub(2)) * CLUSTER as u64
    }

    /// The first number of the table, which repeats the kind of medium.
    pub fn media(&self) -> u32 {
        0xFFFF_FFF8
    }

    /// The numbers as they stand in a table.
    pub fn table(&self, numbers: &[u32]) -> Vec<u8> {
        match self.width {
            Width::Twelve => numbers.chunks(2).flat_map(twelve).collect(),
            Width::Sixteen => numbers.iter().flat_map(|number| (*number as u16).to_le_bytes()).collect(),
            Width::ThirtyTwo => numbers.iter().flat_map(|number| (number & 0x0FFF_FFFF).to_le_bytes()).collect(),
        }
    }
}

/// Two numbers in three bytes.
fn twelve(pair: &[u32]) -> [u8; 3] {
    let mut numbers = pair.iter().map(|number| number & 0xFFF);
    let both = numbers.next().unwrap_or(0) | numbers.next().unwrap_or(0) << 12;
    let [a, b, c, _] = both.to_le_bytes();
    [a, b, c]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_of_clusters_never_leaves_the_width_in_doubt() {
        for used in (0..70_000).step_by(7).chain([3999, 4000, 4001, 65_400, 65_401, 200_000, 1 << 27]) {
            let it = Geometry::new(64, used, None).unwrap();
            let by_count = match it.clusters {
                0..4085 => Width::Twelve,
                4085..65_525 => Width::Sixteen,
                _ => Width::ThirtyTwo,
            };
            assert_eq!(it.width, by_count, "{used}");
            assert!(u64::from(it.clusters) >= used);
            assert!((u64::from(it.clusters) + 2) * it.width.bits() <= it.table * 8 * SECTOR as u64, "{used}");
            assert!(it.cluster_at(it.clusters + 2) <= it.size());
        }
        assert!(Geometry::new(64, 1 << 28, None).is_err());
    }

    #[test]
    fn three_bytes_hold_two_numbers() {
        assert_eq!(twelve(&[0x123, 0xABC]), [0x23, 0xC1, 0xAB]);
        assert_eq!(twelve(&[0xFFF]), [0xFF, 0x0F, 0]);
    }
}
