// SPDX-License-Identifier: Apache-2.0
//! FAT12, FAT16 and FAT32 with long names, read without a mount.

use super::bytes::{Bytes, u8_at, u16_at, u32_at};
use super::{MAX_DEPTH, Medium, too_large};
use crate::error::{Error, Result};

mod entry;

use entry::Entry;

/// The bytes of one directory entry.
const ENTRY: usize = 32;
/// The most that a directory may hold by the specification; a loop in its chain ends there.
const MAX_DIRECTORY: u64 = 2 << 20;

/// How wide a number in the table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    Twelve,
    Sixteen,
    ThirtyTwo,
}

/// What the boot sector says.
#[derive(Debug)]
pub struct Layout {
    width: Width,
    /// Bytes of a cluster.
    cluster: u64,
    /// How many clusters there are.
    clusters: u32,
    /// Where the table begins.
    table: u64,
    /// Where the first cluster, number 2, begins.
    data: u64,
    root: Root,
    label: String,
}

/// Where the root directory is.
#[derive(Debug, Clone, Copy)]
enum Root {
    Fixed { offset: u64, size: usize },
    Chain(u32),
}

impl Layout {
    /// Reads the boot sector; `None` where it is not FAT's.
    ///
    /// There is no sure sign, so each field must be what it may be; and as in the kernel FAT32 is what has no 16-bit
    /// table size.
    pub fn read(bytes: &impl Bytes) -> Result<Option<Self>> {
        let Ok(boot) = bytes.take(0, 512) else { return Ok(None) };
        let sector = u64::from(u16_at(&boot, 11));
        let per_cluster = u64::from(u8_at(&boot, 13));
        let reserved = u64::from(u16_at(&boot, 14));
        let tables = u64::from(u8_at(&boot, 16));
        let root_size = usize::from(u16_at(&boot, 17)) * ENTRY;
        let sectors = match u16_at(&boot, 19) {
            0 => u64::from(u32_at(&boot, 32)),
            small => small.into(),
        };
        let is_32 = u16_at(&boot, 22) == 0;
        let table_sectors = if is_32 { u64::from(u32_at(&boot, 36)) } else { u16_at(&boot, 22).into() };
        let sound = boot.get(510..) == Some(&[0x55, 0xAA])
            && [512, 1024, 2048, 4096].contains(&sector)
            && per_cluster.is_power_of_two()
            && reserved > 0
            && (1..=2).contains(&tables)
            && table_sectors > 0
            && u8_at(&boot, 21) >= 0xF0;
        if !sound {
            return Ok(None);
        }
        let root = (reserved + tables * table_sectors) * sector;
        let data = root + (root_size as u64).next_multiple_of(sector);
        let Some(space) = (sectors * sector).checked_sub(data) else { return Ok(None) };
        let cluster = per_cluster * sector;
        let Ok(clusters) = u32::try_from(space / cluster) else { return Ok(None) };
        let width = match clusters {
            _ if is_32 => Width::ThirtyTwo,
            0..4085 => Width::Twelve,
            _ => Width::Sixteen,
        };
        let (root, label) = match width {
            Width::ThirtyTwo => (Root::Chain(u32_at(&boot, 44)), boot.get(71..82)),
            _ => (Root::Fixed { offset: root, size: root_size }, boot.get(43..54)),
        };
        let label = entry::label(label.unwrap_or_default());
        Ok(Some(Self { width, cluster, clusters, table: reserved * sector, data, root, label }))
    }
}

/// The file system.
pub struct Fat<B> {
    bytes: B,
    layout: Layout,
}

impl<B: Bytes> Fat<B> {
    /// The file system with this boot sector.
    pub fn new(bytes: B, layout: Layout) -> Self {
        Self { bytes, layout }
    }

    /// The label of the root directory, then that of the boot sector: tools change one and forget the other.
    pub fn labels(&self) -> Vec<String> {
        let root = self.directory(self.layout.root).unwrap_or_default();
        let mut labels: Vec<String> = entry::volume_label(&root).into_iter().collect();
        labels.push(self.layout.label.clone());
        labels.retain(|label| !label.is_empty() && label != "NO NAME");
        labels.dedup();
        labels
    }

    /// The cluster after `cluster`; `None` at the end of the chain.
    fn next(&self, cluster: u32) -> Result<Option<u32>> {
        let at = u64::from(cluster);
        let (place, length) = match self.layout.width {
            Width::Twelve => (at + at / 2, 2),
            Width::Sixteen => (at * 2, 2),
            Width::ThirtyTwo => (at * 4, 4),
        };
        let bytes = self.bytes.take(self.layout.table + place, length)?;
        let (next, end) = match self.layout.width {
            Width::Twelve if cluster.is_multiple_of(2) => (u32::from(u16_at(&bytes, 0)) & 0xFFF, 0xFF8),
            Width::Twelve => (u32::from(u16_at(&bytes, 0)) >> 4, 0xFF8),
            Width::Sixteen => (u16_at(&bytes, 0).into(), 0xFFF8),
            Width::ThirtyTwo => (u32_at(&bytes, 0) & 0x0FFF_FFFF, 0x0FFF_FFF8),
        };
        Ok(if next >= end { None } else { Some(next) })
    }

    /// The first `size` bytes of a chain, or all of a chain that ends before.
    fn chain(&self, first: u32, size: u64) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        // Only FAT32 has the upper half; others keep something else there.
        let mut cluster = if self.layout.width == Width::ThirtyTwo { first } else { first & 0xFFFF };
        loop {
            let left = size - content.len() as u64;
            if left == 0 {
                return Ok(content);
            }
            let Some(number) = cluster.checked_sub(2).filter(|number| *number < self.layout.clusters) else {
                return Err(Error::malformed(format!("the chain of clusters is damaged at {cluster}")));
            };
            let offset = self.layout.data + u64::from(number) * self.layout.cluster;
            let length = usize::try_from(left.min(self.layout.cluster)).unwrap_or(usize::MAX);
            content.extend(self.bytes.take(offset, length)?);
            match self.next(cluster)? {
                Some(next) => cluster = next,
                None => return Ok(content),
            }
        }
    }

    fn directory(&self, place: Root) -> Result<Vec<u8>> {
        match place {
            Root::Fixed { offset, size } => self.bytes.take(offset, size),
            Root::Chain(first) => self.chain(first, MAX_DIRECTORY),
        }
    }

    /// The entries of the directory `path`; `None` where it is not there.
    fn entries(&self, path: &[&str]) -> Result<Option<Vec<Entry>>> {
        let mut entries = entry::parse(&self.directory(self.layout.root)?)?;
        for part in path {
            let found = entries.into_iter().find(|entry| entry.is(part) && entry.directory);
            let Some(found) = found else { return Ok(None) };
            entries = entry::parse(&self.directory(Root::Chain(found.cluster))?)?;
        }
        Ok(Some(entries))
    }
}

/// The directories and the last name of `path`.
fn parts(path: &str) -> Result<Vec<&str>> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.len() > MAX_DEPTH {
        return Err(Error::malformed(format!("{path} is deeper than {MAX_DEPTH} directories")));
    }
    Ok(parts)
}

impl<B: Bytes> Medium for Fat<B> {
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let parts = parts(path)?;
        let Some((name, directory)) = parts.split_last() else { return Ok(None) };
        let entries = self.entries(directory)?.unwrap_or_default();
        let Some(file) = entries.into_iter().find(|entry| entry.is(name) && !entry.directory) else { return Ok(None) };
        if file.size > limit {
            return Err(too_large(path, file.size, limit));
        }
        let content = self.chain(file.cluster, file.size).map_err(|error| error.while_doing(path))?;
        if (content.len() as u64) < file.size {
            return Err(Error::malformed(format!("{path} ends after {} of {} bytes", content.len(), file.size)));
        }
        Ok(Some(content))
    }

    fn list(&self, path: &str) -> Result<Vec<String>> {
        let entries = self.entries(&parts(path)?)?.unwrap_or_default();
        let mut names: Vec<String> = entries.into_iter().map(|entry| entry.name).collect();
        names.sort();
        Ok(names)
    }
}
