// SPDX-License-Identifier: Apache-2.0
//! One of the two trees of directories on a disc, with its path tables (ECMA-119 6.8 and 9.4).

use std::collections::{HashMap, HashSet};

use bytes::Bytes;

use super::SECTOR;
use super::field::wide;
use super::record::{Continuation, Extent, announcement, attributes, record};
use crate::host::medium::short_name::ShortNames;
use crate::host::medium::stamp::Stamp;
use crate::host::medium::tree::{Directory, Entry};

/// How names are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Short ones, the real ones beside them.
    RockRidge,
    /// Wide ones.
    Joliet,
}

/// How many UTF-16 units a name of Joliet may have.
const MAX_WIDE: usize = 64;

/// Directories in the order of the path table: by depth, then by parent, then by identifier. The root is the first.
pub struct Hierarchy<'a> {
    pub names: Names,
    directories: Vec<Listed<'a>>,
}

struct Listed<'a> {
    identifier: Vec<u8>,
    parent: usize,
    /// By identifier.
    items: Vec<Item<'a>>,
}

struct Item<'a> {
    identifier: Vec<u8>,
    name: &'a str,
    target: Target<'a>,
}

enum Target<'a> {
    File(&'a Bytes),
    /// The number of the directory.
    Directory(usize),
}

/// Where everything stands.
pub struct Places<'a> {
    /// The first sector and the bytes of each directory.
    pub directories: Vec<(u32, u32)>,
    /// The first sector of what did not fit into records.
    pub continuation: u32,
    pub contents: &'a Contents,
}

/// The first sector of each content. They are told apart by where they are in memory, so that none is read for it.
#[derive(Default)]
pub struct Contents(HashMap<(*const u8, usize), u32>);

impl Contents {
    /// Says where `content` stands.
    pub fn insert(&mut self, content: &Bytes, sector: u32) {
        self.0.insert((content.as_ptr(), content.len()), sector);
    }

    /// Where it stands; nought for an empty file, which stands nowhere.
    fn sector(&self, content: &Bytes) -> u32 {
        self.0.get(&(content.as_ptr(), content.len())).copied().unwrap_or_default()
    }
}

/// The bytes of a hierarchy.
pub struct Built {
    /// The record of the root, for the descriptor.
    pub root: Vec<u8>,
    /// Whole sectors each.
    pub directories: Vec<Vec<u8>>,
    pub continuation: Vec<u8>,
}

impl<'a> Hierarchy<'a> {
    /// The directories below `root` under such names.
    pub fn new(root: &Directory<'a>, names: Names) -> Self {
        let mut directories = vec![Listed { identifier: vec![0], parent: 0, items: Vec::new() }];
        let mut level = vec![(0, root)];
        while !level.is_empty() {
            let mut below = Vec::new();
            for (number, directory) in level {
                let mut items = Vec::new();
                for (identifier, name, entry) in identified(directory, names) {
                    let target = match entry {
                        Entry::File(content) => Target::File(content),
                        Entry::Directory(directory) => {
                            let child = directories.len();
                            directories.push(Listed {
                                identifier: identifier.clone(),
                                parent: number,
                                items: Vec::new(),
                            });
                            below.push((child, directory));
                            Target::Directory(child)
                        }
                    };
                    items.push(Item { identifier, name, target });
                }
                if let Some(listed) = directories.get_mut(number) {
                    listed.items = items;
                }
            }
            level = below;
        }
        Self { names, directories }
    }

    /// How many directories there are.
    pub fn count(&self) -> usize {
        self.directories.len()
    }

    /// The path table, its numbers big-endian or little-endian; sectors are nought where no places are given.
    pub fn path_table(&self, places: &[(u32, u32)], big: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (number, directory) in self.directories.iter().enumerate() {
            let sector = places.get(number).map_or(0, |(sector, _)| *sector);
            let parent = directory.parent as u16 + 1;
            bytes.extend([directory.identifier.len() as u8, 0]);
            bytes.extend(if big { sector.to_be_bytes() } else { sector.to_le_bytes() });
            bytes.extend(if big { parent.to_be_bytes() } else { parent.to_le_bytes() });
            bytes.extend_from_slice(&directory.identifier);
            bytes.resize(bytes.len().next_multiple_of(2), 0);
        }
        bytes
    }

    /// The directories as they stand at `places`.
    pub fn build(&self, places: &Places, stamp: Stamp) -> Built {
        let mut continuation = Continuation { sector: places.continuation, bytes: Vec::new() };
        let extent = |number: usize| {
            let (sector, size) = places.directories.get(number).copied().unwrap_or_default();
            Extent { sector, size, is_directory: true }
        };
        let mut directories = Vec::new();
        for (number, directory) in self.directories.iter().enumerate() {
            let mut itself = if number == 0 { announcement() } else { Vec::new() };
            itself.extend(attributes(true, self.links(number)));
            let above = attributes(true, self.links(directory.parent));
            let mut records = vec![
                self.record(&[0], extent(number), stamp, &itself),
                self.record(&[1], extent(directory.parent), stamp, &above),
            ];
            for item in &directory.items {
                let (extent, links) = match item.target {
                    Target::File(content) => {
                        let sector = places.contents.sector(content);
                        (Extent { sector, size: content.len() as u32, is_directory: false }, 1)
                    }
                    Target::Directory(number) => (extent(number), self.links(number)),
                };
                let mut more = attributes(extent.is_directory, links);
                if self.names == Names::RockRidge {
                    more.extend(continuation.name(item.name, item.identifier.len(), more.len()));
                }
                records.push(self.record(&item.identifier, extent, stamp, &more));
            }
            directories.push(in_sectors(&records));
        }
        let root = record(&[0], extent(0), stamp, &[]);
        Built { root, directories, continuation: continuation.bytes }
    }

    fn record(&self, identifier: &[u8], extent: Extent, stamp: Stamp, rock_ridge: &[u8]) -> Vec<u8> {
        record(identifier, extent, stamp, if self.names == Names::RockRidge { rock_ridge } else { &[] })
    }

    /// How many names a directory has: its own, `.`, and the `..` of each below.
    fn links(&self, number: usize) -> u32 {
        let items = self.directories.get(number).map(|directory| directory.items.as_slice()).unwrap_or_default();
        2 + items.iter().filter(|item| matches!(item.target, Target::Directory(_))).count() as u32
    }
}

/// The entries of a directory with their identifiers, in the order of these.
fn identified<'a, 'b>(directory: &'b Directory<'a>, names: Names) -> Vec<(Vec<u8>, &'a str, &'b Entry<'a>)> {
    let (mut short, mut wide_names) = (ShortNames::iso9660(), WideNames::default());
    let mut entries = Vec::new();
    for (name, entry) in &directory.entries {
        let is_file = matches!(entry, Entry::File(_));
        let identifier = match names {
            Names::RockRidge => {
                let name = short.take(name, is_file);
                if is_file { format!("{}.{};1", name.base, name.extension) } else { name.base }.into_bytes()
            }
            Names::Joliet => wide(&wide_names.take(name)),
        };
        entries.push((identifier, *name, entry));
    }
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    entries
}

/// The names of Joliet in one directory.
#[derive(Default)]
struct WideNames {
    taken: HashSet<String>,
    last: HashMap<String, u32>,
}

impl WideNames {
    /// The name itself where Joliet can hold it, else one like it that no other has.
    fn take(&mut self, name: &str) -> String {
        let fit = |c: char| if c.is_control() || "*/:;?\\".contains(c) { '_' } else { c };
        let wanted = cut(&name.chars().map(fit).collect::<String>(), MAX_WIDE);
        let mut found = wanted.clone();
        while self.taken.contains(&found) {
            let last = self.last.entry(wanted.clone()).or_default();
            *last += 1;
            let tail = format!("_{last}");
            found = cut(&wanted, MAX_WIDE.saturating_sub(tail.len())) + &tail;
        }
        self.taken.insert(found.clone());
        found
    }
}

/// As much of `name` as that many UTF-16 units hold.
fn cut(name: &str, units: usize) -> String {
    let mut left = units;
    let fits = |c: &char| left.checked_sub(c.len_utf16()).map(|rest| left = rest).is_some();
    name.chars().take_while(fits).collect()
}

/// Records one after the other; none crosses a sector.
fn in_sectors(records: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes: Vec<u8> = Vec::new();
    for record in records {
        if bytes.len() % SECTOR + record.len() > SECTOR {
            bytes.resize(bytes.len().next_multiple_of(SECTOR), 0);
        }
        bytes.extend_from_slice(record);
    }
    bytes.resize(bytes.len().next_multiple_of(SECTOR), 0);
    bytes
}
