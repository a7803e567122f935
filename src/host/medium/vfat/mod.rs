// SPDX-License-Identifier: Apache-2.0
//! A FAT with long names: FAT12, FAT16 or FAT32 by what it holds, every file in one piece.
//!
//! As Microsoft's "FAT32 File System Specification" 1.03 has it. Clusters have 2 KiB whatever the size is: a seed is many small files,
//! and with one size the number of clusters, which is what tells the three apart, follows from the files alone.

mod boot;
mod entry;
mod geometry;

use bytes::Bytes;

use super::image::Image;
use super::stamp::Stamp;
use super::tree::{self, Tree};
use crate::error::{Error, Result};

use entry::Entries;
use geometry::{CLUSTER, Geometry, Width};

/// How long a label may be.
const MAX_LABEL: usize = 11;
/// The most that a directory may hold by the specification, in bytes.
const MAX_DIRECTORY: usize = 2 << 20;

/// The file system with these files.
pub fn image(tree: &Tree, label: &str, stamp: Stamp) -> Result<Image> {
    laid_out(tree, label, stamp, None)
}

/// The same; `least` is the least width of the table.
fn laid_out(tree: &Tree, label: &str, stamp: Stamp, least: Option<Width>) -> Result<Image> {
    let fits = |byte: u8| byte.is_ascii_graphic() && !b"\"*+,./:;<=>?[\\]|".contains(&byte);
    if label.is_empty() || label.len() > MAX_LABEL || !label.bytes().all(fits) {
        return Err(Error::malformed(format!("`{}` can't be the label of a FAT", label.escape_default()))
            .help(format!("give 1 to {MAX_LABEL} letters, digits and `-`; a seed has `cidata` or `config-2`")));
    }
    let directories = directories(&tree.root())?;
    let root_length = directories.first().map_or(0, |root| root.entries.length());
    let below: u64 = directories.iter().skip(1).map(|directory| clusters(directory.entries.length())).sum();
    let files: u64 = directories.iter().flat_map(|directory| &directory.files).map(|file| clusters(file.len())).sum();
    let geometry = Geometry::new(root_length, below + files, least)?;

    // Clusters follow each other: the root's where it has any, the other directories', the files'.
    let mut chains = Chains { next: 2, table: vec![geometry.media(), u32::MAX] };
    let mut places: Vec<u32> = Vec::new();
    for (number, directory) in directories.iter().enumerate() {
        let is_fixed = number == 0 && geometry.width != Width::ThirtyTwo;
        places.push(if is_fixed { 0 } else { chains.take(directory.entries.length()) });
    }
    let starts: Vec<Vec<u32>> = directories
        .iter()
        .map(|directory| directory.files.iter().map(|file| chains.take(file.len())).collect())
        .collect();

    let mut image = Image::default();
    let volume_id = u32::from_le_bytes(tree.digest().first_chunk().copied().unwrap_or_default());
    let free = geometry.clusters.saturating_sub(chains.next - 2);
    boot::put(&mut image, &geometry, &boot::Volume { label, id: volume_id, free, next: chains.next });
    let table: Bytes = geometry.table(&chains.table).into();
    image.put(geometry.table_at(0), table.clone());
    image.put(geometry.table_at(1), table);
    let place = |cluster: u32| if cluster == 0 { geometry.root_at() } else { geometry.cluster_at(cluster) };
    for (number, directory) in directories.iter().enumerate() {
        let own = places.get(number).copied().unwrap_or_default();
        // The root counts as cluster 0 for those below, wherever it stands.
        let above = if directory.parent == 0 { 0 } else { places.get(directory.parent).copied().unwrap_or_default() };
        let at = entry::Places {
            own,
            above,
            files: starts.get(number).map(Vec::as_slice).unwrap_or_default(),
            directories: &places,
        };
        image.put(place(own), directory.entries.bytes(label, &at, stamp));
    }
    for (file, start) in
        directories.iter().zip(&starts).flat_map(|(directory, starts)| directory.files.iter().zip(starts))
    {
        image.put(place(*start), (*file).clone());
    }
    image.fill_to(geometry.size());
    Ok(image)
}

/// How many clusters that many bytes take.
fn clusters(length: usize) -> u64 {
    length.div_ceil(CLUSTER) as u64
}

/// The table of which cluster follows which.
struct Chains {
    /// The first that is free.
    next: u32,
    table: Vec<u32>,
}

impl Chains {
    /// Clusters for that many bytes, one after the other; nought where there are no bytes.
    fn take(&mut self, length: usize) -> u32 {
        let (first, count) = (self.next, clusters(length) as u32);
        if count == 0 {
            return 0;
        }
        self.next += count;
        self.table.extend(first + 1..self.next);
        self.table.push(u32::MAX);
        first
    }
}

/// A directory and its files, in the order of its entries.
struct Listed<'a> {
    parent: usize,
    entries: Entries,
    files: Vec<&'a Bytes>,
}

/// All directories, the root first, each before those below it.
fn directories<'a>(root: &tree::Directory<'a>) -> Result<Vec<Listed<'a>>> {
    let mut listed = Vec::new();
    let mut waiting = std::collections::VecDeque::from([(0, root)]);
    let mut known = 1;
    while let Some((parent, directory)) = waiting.pop_front() {
        let mut entries = Entries::new(listed.is_empty());
        let mut files = Vec::new();
        for (name, entry) in &directory.entries {
            match entry {
                tree::Entry::File(content) => {
                    entries.add(name, entry::Target::File { number: files.len(), size: content.len() as u32 })?;
                    files.push(*content);
                }
                tree::Entry::Directory(below) => {
                    entries.add(name, entry::Target::Directory(known))?;
                    waiting.push_back((listed.len(), below));
                    known += 1;
                }
            }
        }
        if entries.length() > MAX_DIRECTORY {
            return Err(Error::malformed(format!(
                "a directory with {} names is too large for a FAT",
                directory.entries.len()
            ))
            .help("take the form iso"));
        }
        listed.push(Listed { parent, entries, files });
    }
    Ok(listed)
}

#[cfg(test)]
mod tests;
