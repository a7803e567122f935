// SPDX-License-Identifier: Apache-2.0
//! One directory record of ISO 9660, and what Rock Ridge (RRIP 1.12) adds to it: names, links, moved directories.

use super::{Names, SECTOR};
use crate::error::{Error, Result};
use crate::media::bytes::{Bytes, u8_at, u32_at};

/// How often a system use area may go on elsewhere, at most a sector each time; that bounds names and links too.
const MAX_CONTINUATIONS: usize = 8;

/// What a record stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    File,
    Directory,
    /// A directory that stands elsewhere because it was too deep; its size is not known here.
    Relocated,
    /// A symbolic link with its target.
    Link(String),
    /// `.` or `..`.
    Itself,
}

/// A directory record.
#[derive(Debug, Clone)]
pub struct Record {
    pub name: String,
    pub kind: Kind,
    /// Where its bytes begin.
    pub offset: u64,
    /// How many there are.
    pub size: u64,
    /// The place that a moved directory was put, not shown there.
    pub moved: bool,
    /// In several extents, or interleaved.
    pieces: bool,
}

impl Record {
    /// Reads a record of exactly its length.
    pub fn parse(record: &[u8], names: Names, bytes: &impl Bytes) -> Result<Self> {
        let flags = u8_at(record, 25);
        let identifier = record.get(33..33 + usize::from(u8_at(record, 32)));
        let Some(identifier) = identifier.filter(|identifier| !identifier.is_empty()) else {
            return Err(Error::malformed("a directory record is damaged"));
        };
        let kind = match identifier {
            [0] | [1] => Kind::Itself,
            _ if flags & 2 != 0 => Kind::Directory,
            _ => Kind::File,
        };
        // An extended attribute record, counted in sectors, stands before the content.
        let sector = u64::from(u32_at(record, 2)) + u64::from(u8_at(record, 1));
        let mut found = Self {
            name: if names == Names::Joliet { without_version(&ucs2(identifier)) } else { plain(identifier) },
            kind,
            offset: sector * SECTOR as u64,
            size: u32_at(record, 10).into(),
            moved: false,
            pieces: flags & 0x80 != 0 || u8_at(record, 26) != 0,
        };
        if let (Names::RockRidge { skip }, Some(area)) = (names, system_use(record))
            && found.kind != Kind::Itself
        {
            found.apply(RockRidge::read(area.get(skip..).unwrap_or_default(), bytes)?);
        }
        Ok(found)
    }

    fn apply(&mut self, rock_ridge: RockRidge) {
        if !rock_ridge.name.is_empty() {
            self.name = String::from_utf8_lossy(&rock_ridge.name).into_owned();
        }
        if let Some(target) = rock_ridge.link {
            self.kind = Kind::Link(target);
        }
        if let Some(sector) = rock_ridge.child {
            self.kind = Kind::Relocated;
            self.offset = u64::from(sector) * SECTOR as u64;
        }
        self.moved = rock_ridge.moved;
    }

    /// Whether it can be entered.
    pub fn is_directory(&self) -> bool {
        matches!(self.kind, Kind::Directory | Kind::Relocated)
    }

    /// Refuses what does not stand in one place.
    pub fn in_one_piece(self, path: &str) -> Result<Self> {
        if self.pieces { Err(Error::malformed(format!("{path} is stored in several pieces"))) } else { Ok(self) }
    }
}

/// The area behind the identifier and its padding.
pub fn system_use(record: &[u8]) -> Option<&[u8]> {
    let length = usize::from(u8_at(record, 32));
    record.get(33 + length + (1 - length % 2)..)
}

/// The text of big-endian UCS-2.
pub fn ucs2(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([u8_at(pair, 0), u8_at(pair, 1)]));
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// `META_DATA.JSON;1` as the kernel shows it: lower case, no version, no empty extension.
fn plain(identifier: &[u8]) -> String {
    without_version(&String::from_utf8_lossy(identifier).to_ascii_lowercase()).trim_end_matches('.').to_owned()
}

fn without_version(name: &str) -> String {
    match name.rsplit_once(';') {
        Some((stem, version)) if version.bytes().all(|byte| byte.is_ascii_digit()) => stem.to_owned(),
        _ => name.to_owned(),
    }
}

/// What the system use entries of one record say.
#[derive(Default)]
struct RockRidge {
    name: Vec<u8>,
    link: Option<String>,
    child: Option<u32>,
    moved: bool,
    /// Whether the last component of the link goes on in the next one.
    unfinished: bool,
}

impl RockRidge {
    fn read(area: &[u8], bytes: &impl Bytes) -> Result<Self> {
        let mut found = Self::default();
        let mut continuation = found.entries(area);
        for _ in 0..MAX_CONTINUATIONS {
            let Some((sector, offset, length)) = continuation else { return Ok(found) };
            let place = u64::from(sector) * SECTOR as u64 + u64::from(offset);
            let length = usize::try_from(length).unwrap_or(SECTOR).min(SECTOR);
            continuation = found.entries(&bytes.take(place, length)?);
        }
        if continuation.is_some() {
            return Err(Error::malformed("a directory record is continued without end"));
        }
        Ok(found)
    }

    /// Reads the entries of one area; returns where it goes on.
    fn entries(&mut self, area: &[u8]) -> Option<(u32, u32, u32)> {
        let mut continuation = None;
        let mut rest = area;
        while let Some((entry, after)) = rest.split_at_checked(usize::from(u8_at(rest, 2))) {
            let (Some(signature), Some(data)) = (entry.get(..2), entry.get(4..)) else { break };
            rest = after;
            match signature {
                // Both byte orders are written, little-endian first.
                b"CE" => continuation = Some((u32_at(data, 0), u32_at(data, 8), u32_at(data, 16))),
                b"NM" => self.name(data),
                b"SL" => self.link(data),
                b"CL" => self.child = Some(u32_at(data, 0)),
                b"RE" => self.moved = true,
                b"ST" => break,
                _ => {}
            }
        }
        continuation
    }

    fn name(&mut self, data: &[u8]) {
        const SPECIAL: u8 = 0b110;
        if let Some((flags, text)) = data.split_first()
            && flags & SPECIAL == 0
        {
            self.name.extend_from_slice(text);
        }
    }

    fn link(&mut self, data: &[u8]) {
        let link = self.link.get_or_insert_default();
        let mut rest = data.get(1..).unwrap_or_default();
        while let Some((component, after)) = rest.split_at_checked(2 + usize::from(u8_at(rest, 1))) {
            rest = after;
            let flags = u8_at(component, 0);
            if !link.is_empty() && !link.ends_with('/') && !self.unfinished {
                link.push('/');
            }
            self.unfinished = flags & 1 != 0;
            match flags & 0b1110 {
                2 => link.push('.'),
                4 => link.push_str(".."),
                8 => link.push('/'),
                _ => link.push_str(&String::from_utf8_lossy(component.get(2..).unwrap_or_default())),
            }
        }
    }
}
