// SPDX-License-Identifier: Apache-2.0
//! An archive that the kernel unpacks as its first root: cpio's "newc" form, as in the kernel's buffer-format.rst.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

const DIRECTORY: u32 = 0o040_000;
const FILE: u32 = 0o100_000;

/// The archive being written; paths are relative to the root.
pub struct Archive<W> {
    to: W,
    entries: u32,
    directories: BTreeSet<String>,
}

impl<W: Write> Archive<W> {
    /// An empty one.
    pub fn new(to: W) -> Self {
        Self { to, entries: 0, directories: BTreeSet::new() }
    }

    /// An empty directory, where it was not there, and those above it.
    pub fn directory(&mut self, path: &str) -> io::Result<()> {
        if path.is_empty() || !self.directories.insert(path.to_owned()) {
            return Ok(());
        }
        self.parent(path)?;
        self.entry(path, DIRECTORY | 0o755, 0, io::empty())
    }

    /// A file of these bytes.
    pub fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        self.parent(path)?;
        self.entry(path, FILE | mode, content.len() as u64, content)
    }

    /// What is in the file at `from`.
    pub fn copy(&mut self, path: &str, mode: u32, from: &Path) -> io::Result<()> {
        let file = File::open(from)?;
        self.parent(path)?;
        self.entry(path, FILE | mode, file.metadata()?.len(), file)
    }

    /// Its end.
    pub fn finish(mut self) -> io::Result<W> {
        self.entry("TRAILER!!!", 0, 0, io::empty())?;
        self.to.flush()?;
        Ok(self.to)
    }

    fn parent(&mut self, path: &str) -> io::Result<()> {
        path.rsplit_once('/').map_or(Ok(()), |(parent, _)| self.directory(parent))
    }

    fn entry(&mut self, path: &str, mode: u32, size: u64, mut content: impl Read) -> io::Result<()> {
        self.entries += 1;
        let size = u32::try_from(size).map_err(|_| io::Error::other(format!("{path} has more than 4 GiB")))?;
        let name = u32::try_from(path.len() + 1).map_err(io::Error::other)?;
        let links = if mode & DIRECTORY == 0 { 1 } else { 2 };
        write!(self.to, "070701{:08x}{mode:08x}", self.entries)?;
        for field in [0, 0, links, 0, size, 0, 0, 0, 0, name, 0] {
            write!(self.to, "{field:08x}")?;
        }
        self.to.write_all(path.as_bytes())?;
        // The name's own end, and then whole words of four bytes from the header's beginning.
        self.pad(1, 110 + name - 1)?;
        let copied = io::copy(&mut content.by_ref().take(size.into()), &mut self.to)?;
        if copied != u64::from(size) {
            return Err(io::Error::other(format!("{path} became shorter while it was read")));
        }
        self.pad(0, size)
    }

    fn pad(&mut self, at_least: u32, length: u32) -> io::Result<()> {
        let end = (length + at_least).next_multiple_of(4);
        (length..end).try_for_each(|_| self.to.write_all(&[0]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_begins_at_a_word_and_directories_come_before_what_is_in_them() {
        let mut archive = Archive::new(Vec::new());
        archive.file("bin/a", 0o755, b"12345").unwrap();
        archive.file("bin/b", 0o600, b"").unwrap();
        let bytes = archive.finish().unwrap();
        let (mut at, mut seen) = (0, Vec::new());
        while at < bytes.len() {
            let header = std::str::from_utf8(&bytes[at..at + 110]).unwrap();
            let field = |n: usize| usize::from_str_radix(&header[6 + n * 8..14 + n * 8], 16).unwrap();
            assert_eq!(&header[..6], "070701");
            let (mode, size, name) = (field(1), field(6), field(11));
            seen.push((String::from_utf8_lossy(&bytes[at + 110..at + 110 + name - 1]).into_owned(), mode, size));
            at = (at + 110 + name).next_multiple_of(4) + size.next_multiple_of(4);
        }
        let expected = [("bin", 0o40755, 0), ("bin/a", 0o100755, 5), ("bin/b", 0o100600, 0)];
        let expected = expected.map(|(name, mode, size)| (name.to_owned(), mode, size));
        assert_eq!(seen[..3], expected);
        assert_eq!(seen[3].0, "TRAILER!!!");
    }
}
