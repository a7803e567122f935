// SPDX-License-Identifier: Apache-2.0
//! ISO 9660 (ECMA-119) read without a mount; names as Rock Ridge or Joliet give them, else as the kernel maps plain ones.
//!
//! Rock Ridge goes before Joliet, as in the kernel. A file in more than one extent (above 4 GiB) is refused.

use std::collections::VecDeque;

use super::bytes::{Bytes, u8_at, u32_at};
use super::{MAX_DEPTH, MAX_ENTRIES, Medium, too_large};
use crate::error::{Error, Result};

mod record;

use record::{Kind, Record};

const SECTOR: usize = 2048;
const FIRST_DESCRIPTOR: u64 = 16;
/// How many volume descriptors are looked at; a disc has two or three.
const MAX_DESCRIPTORS: u64 = 32;
/// A directory of more bytes is refused.
const MAX_DIRECTORY: u64 = 4 << 20;
/// How many names one path may come to, those of symbolic links counted.
const MAX_STEPS: usize = 64;

/// How names are written on a disc.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    /// In the system use areas, after so many bytes of something else.
    RockRidge {
        skip: usize,
    },
    Joliet,
    Plain,
}

/// What the volume descriptors say.
#[derive(Debug)]
pub struct Volume {
    labels: Vec<String>,
    root: Record,
    names: Names,
}

impl Volume {
    /// Reads the descriptors; `None` where there are none.
    pub fn read(bytes: &impl Bytes) -> Result<Option<Self>> {
        let mut primary = None;
        let mut joliet = None;
        for number in FIRST_DESCRIPTOR..FIRST_DESCRIPTOR + MAX_DESCRIPTORS {
            let Ok(descriptor) = bytes.take(number * SECTOR as u64, SECTOR) else { break };
            if descriptor.get(1..6) != Some(b"CD001") {
                break;
            }
            match u8_at(&descriptor, 0) {
                1 if primary.is_none() => primary = Some(descriptor),
                2 if is_joliet(&descriptor) && joliet.is_none() => joliet = Some(descriptor),
                255 => break,
                _ => {}
            }
        }
        let Some(primary) = primary else { return Ok(None) };
        let mut labels = vec![label(&primary, Names::Plain)];
        labels.extend(joliet.as_ref().map(|descriptor| label(descriptor, Names::Joliet)));
        labels.retain(|label| !label.is_empty());
        labels.dedup();

        let root = root(&primary)?;
        let volume = match (rock_ridge(bytes, &root), &joliet) {
            (Some(skip), _) => Self { labels, root, names: Names::RockRidge { skip } },
            (None, Some(joliet)) => Self { labels, root: self::root(joliet)?, names: Names::Joliet },
            (None, None) => Self { labels, root, names: Names::Plain },
        };
        Ok(Some(volume))
    }
}

/// The escape sequences of UCS-2 levels 1 to 3.
fn is_joliet(descriptor: &[u8]) -> bool {
    [b"%/@", b"%/C", b"%/E"].iter().any(|escape| descriptor.get(88..91) == Some(escape.as_slice()))
}

fn label(descriptor: &[u8], names: Names) -> String {
    let field = descriptor.get(40..72).unwrap_or_default();
    let text = if names == Names::Joliet { record::ucs2(field) } else { String::from_utf8_lossy(field).into_owned() };
    text.trim_matches(['\0', ' ']).to_owned()
}

fn root(descriptor: &[u8]) -> Result<Record> {
    let record = descriptor.get(156..190).unwrap_or_default();
    let mut root = Record::parse(record, Names::Plain, &Vec::<u8>::new())?;
    root.kind = Kind::Directory;
    Ok(root)
}

/// How many bytes to skip in each system use area, where the root's first record says that there is Rock Ridge.
fn rock_ridge(bytes: &impl Bytes, root: &Record) -> Option<usize> {
    let sector = bytes.take(root.offset, SECTOR).ok()?;
    let own = sector.get(..usize::from(u8_at(&sector, 0)))?;
    let area = record::system_use(own)?;
    let sharing = area.get(..7).filter(|entry| entry.starts_with(b"SP") && entry.get(4..6) == Some(&[0xBE, 0xEF]))?;
    Some(usize::from(u8_at(sharing, 6)))
}

/// The disc.
pub struct Iso<B> {
    bytes: B,
    volume: Volume,
}

impl<B: Bytes> Iso<B> {
    /// The disc with these descriptors.
    pub fn new(bytes: B, volume: Volume) -> Self {
        Self { bytes, volume }
    }

    /// Volume id of the primary descriptor, then of Joliet's where it differs.
    pub fn labels(&self) -> Vec<String> {
        self.volume.labels.clone()
    }

    /// The records of a directory but `.` and `..`.
    fn entries(&self, directory: &Record) -> Result<Vec<Record>> {
        // A directory that Rock Ridge moved because it was too deep: its size is in its own first record.
        let size = match directory.kind {
            Kind::Relocated => u32_at(&self.bytes.take(directory.offset, SECTOR)?, 10).into(),
            _ => directory.size,
        };
        if size > MAX_DIRECTORY {
            return Err(Error::malformed(format!("the directory `{}` has {size} bytes", directory.name)));
        }
        let mut entries = Vec::new();
        for number in 0..size.div_ceil(SECTOR as u64) {
            let sector = self.bytes.take(directory.offset + number * SECTOR as u64, SECTOR)?;
            let mut rest = sector.as_slice();
            // A record never crosses a sector; a length of nought ends the sector.
            while let Some(length) = rest.first().map(|length| usize::from(*length)).filter(|length| *length > 0) {
                let Some((bytes, after)) = rest.split_at_checked(length) else {
                    return Err(Error::malformed(format!("the directory `{}` is damaged", directory.name)));
                };
                rest = after;
                let record = Record::parse(bytes, self.volume.names, &self.bytes)?;
                if record.kind == Kind::Itself || record.moved {
                    continue;
                }
                if entries.len() == MAX_ENTRIES {
                    let name = &directory.name;
                    return Err(Error::malformed(format!("the directory `{name}` has over {MAX_ENTRIES} entries")));
                }
                entries.push(record);
            }
        }
        Ok(entries)
    }

    fn find(&self, path: &str) -> Result<Option<Record>> {
        let mut left: VecDeque<String> = path.split('/').map(str::to_owned).collect();
        let mut here = self.volume.root.clone();
        let mut above: Vec<Record> = Vec::new();
        let mut steps = 0;
        while let Some(part) = left.pop_front() {
            steps += 1;
            if steps > MAX_STEPS {
                return Err(Error::malformed(format!("{path} passes too many names; do its links go in a circle?")));
            }
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    here = above.pop().unwrap_or(here);
                    continue;
                }
                _ => {}
            }
            if !here.is_directory() {
                return Ok(None);
            }
            if above.len() == MAX_DEPTH {
                return Err(Error::malformed(format!("{path} is deeper than {MAX_DEPTH} directories")));
            }
            let Some(next) = self.entries(&here)?.into_iter().find(|entry| self.same(&entry.name, &part)) else {
                return Ok(None);
            };
            let Kind::Link(target) = next.kind else {
                above.push(std::mem::replace(&mut here, next));
                continue;
            };
            if target.starts_with('/') {
                above.clear();
                here = self.volume.root.clone();
            }
            target.split('/').rev().for_each(|part| left.push_front(part.to_owned()));
        }
        Ok(Some(here))
    }

    fn same(&self, name: &str, wanted: &str) -> bool {
        match self.volume.names {
            Names::RockRidge { .. } => name == wanted,
            Names::Joliet | Names::Plain => name.eq_ignore_ascii_case(wanted),
        }
    }
}

impl<B: Bytes> Medium for Iso<B> {
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let Some(file) = self.find(path)?.filter(|found| found.kind == Kind::File) else { return Ok(None) };
        let file = file.in_one_piece(path)?;
        match usize::try_from(file.size) {
            Ok(size) if file.size <= limit => {
                self.bytes.take(file.offset, size).map(Some).map_err(|error| error.while_doing(path))
            }
            _ => Err(too_large(path, file.size, limit)),
        }
    }

    fn list(&self, path: &str) -> Result<Vec<String>> {
        let Some(directory) = self.find(path)?.filter(Record::is_directory) else { return Ok(Vec::new()) };
        let mut names: Vec<String> = self.entries(&directory)?.into_iter().map(|entry| entry.name).collect();
        names.sort();
        Ok(names)
    }
}
