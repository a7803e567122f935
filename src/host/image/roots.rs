// SPDX-License-Identifier: Apache-2.0
//! Which part of a disk holds the root file system.

use std::io::Write as _;
use std::path::Path;
use std::rc::Rc;

use super::disk::Disk;
use super::partitions;
use super::window::Window;
use crate::error::{At as _, Error, Result};
use crate::media::{Bytes as _, signature};

/// GPT's types of the root of a machine that runs Linux, by architecture (Discoverable Partitions Specification).
const ROOTS: [&str; 4] = [
    "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
    "b921b045-1df0-41c3-af44-4c6f280d3fae",
    "44479540-f297-41b2-9af7-d131d5f0458a",
    "69dad710-2ce4-4e3c-b16c-21a1d49abed3",
];
/// As much of a partition as tells what is on it: the signatures that are known end before 128 KiB.
const HEAD: u64 = 128 << 10;
/// What makes a file system a root, in either place of os-release(5).
pub const OS_RELEASE: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];

/// A file system that may be the root.
pub struct Candidate {
    /// As the kernel counts: `vdaN`; none where the disk has no partitions.
    pub partition: Option<u32>,
    /// Where it is.
    pub window: Window,
    /// As `mount -t` calls it.
    pub file_system: &'static str,
}

impl Candidate {
    /// As the first disk of a virtual machine has it: `/dev/vda1`.
    pub fn device(&self) -> String {
        format!("/dev/vda{}", self.partition.map_or_else(String::new, |number| number.to_string()))
    }

    fn is_ext(&self) -> bool {
        self.file_system.starts_with("ext")
    }

    /// Whether there is an operating system in it; `None` where this program can't read the file system.
    fn has_system(&self) -> Result<Option<bool>> {
        if !self.is_ext() {
            return Ok(None);
        }
        let files = self.window.ext4()?;
        // A link counts by itself: where it leads may be on another file system.
        Ok(Some(OS_RELEASE.iter().any(|path| files.symlink_metadata(*path).is_ok())))
    }
}

/// The file systems of the disk that may be its root, the likeliest first; where one is known to be it, that one alone.
///
/// # Errors
/// Malformed where there is none (with what there is instead), the table is damaged, or the file system is.
pub fn candidates(disk: &Rc<Disk>) -> Result<Vec<Candidate>> {
    let size = disk.size();
    let all = partitions::read(&**disk, size)?;
    let mut seen = Vec::new();
    let mut found = Vec::new();
    let whole = (None, 0, size, false);
    let places = all.iter().map(|one| (Some(one.number), one.start, one.length, ROOTS.contains(&one.kind.as_str())));
    let places: Vec<_> = if all.is_empty() { vec![whole] } else { places.collect() };
    for (partition, start, length, typed) in places {
        let window = Window::new(disk, start, length);
        let name = what(&window)?;
        seen.push(partition.map_or_else(|| name.to_owned(), |number| format!("{number}: {name}")));
        if !matches!(name, "ext2" | "ext3" | "ext4" | "xfs" | "btrfs") {
            continue;
        }
        let candidate = Candidate { partition, window, file_system: name };
        sound(&candidate)?;
        match candidate.has_system()? {
            Some(true) => return Ok(vec![candidate]),
            Some(false) => {}
            None if typed => found.insert(0, candidate),
            None => found.push(candidate),
        }
    }
    if found.is_empty() { Err(none(&seen)) } else { Ok(found) }
}

/// What is on that part of a disk, as a signature is called.
fn what(window: &Window) -> Result<&'static str> {
    let place = Path::new("a temporary file");
    let mut copy = tempfile::NamedTempFile::new().at("make", place)?;
    let head = window.take(0, usize::try_from(window.length.min(HEAD)).unwrap_or(0))?;
    copy.write_all(&head).at("write", place)?;
    Ok(signature::of(copy.path())?.map_or("nothing known", |found| found.name))
}

/// Errors that the kernel has noted in an ext file system, and that only e2fsck takes away.
fn sound(candidate: &Candidate) -> Result<()> {
    const ERRORS: u8 = 2;
    if !candidate.is_ext() {
        return Ok(());
    }
    let state = candidate.window.take(1024 + 0x3a, 1)?;
    if state.first().is_some_and(|state| state & ERRORS != 0) {
        let device = candidate.partition.map_or_else(String::new, |number| format!(" of partition {number}"));
        return Err(Error::malformed(format!("the file system{device} is marked as damaged"))
            .help("mend it first: e2fsck -f on it, in a guest or through a loop device"));
    }
    Ok(())
}

fn none(seen: &[String]) -> Error {
    let error = Error::malformed(format!("no root file system found; the disk has {}", seen.join(", ")));
    let held = |name: &str| seen.iter().any(|one| one.ends_with(name));
    if held("LVM2") {
        error.help("a root on LVM is not reached from outside: mount it and use bake --root DIR, or bake in a guest with --job")
    } else if held("LUKS") || held("BitLocker") {
        error.help("the root is encrypted: open and mount it, then use bake --root DIR")
    } else {
        error.help("a root has etc/os-release on ext2, ext3, ext4, xfs or btrfs, in a partition or on the bare disk")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::image::Format;

    fn refused(parts: &[(usize, &[u8])]) -> String {
        let mut bytes = vec![0; 1 << 20];
        parts.iter().for_each(|(at, part)| bytes[*at..*at + part.len()].copy_from_slice(part));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let disk = Rc::new(Disk::open_as(file.path(), Format::Raw).unwrap());
        candidates(&disk).err().map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn what_is_no_root_is_named_with_the_way_out() {
        assert!(refused(&[]).contains("the disk has nothing known"));
        assert!(refused(&[(512, b"LABELONE")]).contains("bake --root DIR, or bake in a guest"));
        assert!(refused(&[(0, b"LUKS\xba\xbe")]).contains("the root is encrypted"));
        let damaged = refused(&[(1080, &[0x53, 0xef]), (1024 + 0x3a, &[2])]);
        assert!(damaged.contains("marked as damaged") && damaged.contains("e2fsck"), "{damaged}");
        assert_eq!(refused(&[(0, b"XFSB")]), "", "only the kernel can tell");
    }
}
