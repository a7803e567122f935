// SPDX-License-Identifier: Apache-2.0
//! What is on a block device, by its first bytes: a partition table, a file system, swap, a part of an array.
//!
//! Magic numbers and offsets as in the kernel's headers of each. It has to know more than the agent makes: what is
//! known here is what no user-data destroys by mistake.

use crate::error::{At as _, Result};
use crate::media::Image;
use crate::media::bytes::{Bytes, u8_at, u16_at, u32_at};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::libc;

/// Up to the end of the superblock of btrfs, the last one that is looked at.
const LENGTH: usize = (64 << 10) + 4096;

/// What stands on a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// As `mkfs` and `mount` call the file system, else what is usual: `ext4`, `swap`, `gpt`, `dos`, `LUKS`.
    pub name: &'static str,
    /// Its label; empty where it has none, or this does not know where it is.
    pub label: String,
    /// How far a file system that can grow reaches, in bytes.
    pub bytes: Option<u64>,
    /// False where its making was stopped: nothing can have been kept on it yet.
    pub finished: bool,
}

impl Signature {
    fn new(name: &'static str) -> Self {
        Self { name, label: String::new(), bytes: None, finished: true }
    }

    /// Whether it is a partition table.
    pub fn is_table(&self) -> bool {
        matches!(self.name, "gpt" | "dos")
    }
}

/// What never shares its place with a partition table, by offset and magic.
const FIRST: &[(usize, &[u8], &str)] = &[
    (512, b"EFI PART", "gpt"),
    (4096, b"EFI PART", "gpt"),
    (3, b"NTFS    ", "ntfs"),
    (3, b"EXFAT   ", "exfat"),
    (3, b"-FVE-FS-", "BitLocker"),
];

/// What may stand beside the remains of a table.
const MORE: &[(usize, &[u8], &str)] = &[
    (0, b"LUKS\xba\xbe", "LUKS"),
    (512, b"LABELONE", "LVM2"),
    (0, b"LABELONE", "LVM2"),
    (4096, &[0xfc, 0x4e, 0x2b, 0xa9], "RAID"),
    (0, &[0xfc, 0x4e, 0x2b, 0xa9], "RAID"),
    (0, b"hsqs", "squashfs"),
    (1024, &[0xe2, 0xe1, 0xf5, 0xe0], "erofs"),
    (0x8001, b"CD001", "iso9660"),
    (0x8000, b"JFS1", "jfs"),
    (0x10034, b"ReIsEr", "reiserfs"),
    (4096 + 24, &[0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca], "bcache"),
    (4096 + 24, &[0xc6, 0x85, 0x73, 0xf6, 0x66, 0xce, 0x90, 0xa9], "bcachefs"),
    (16384 + 24, b"version", "zfs"),
    (0, b"bluestore block device", "Ceph"),
];

/// What is on the device or in the file at `path`; `None` where nothing is known there.
pub fn of(path: &Path) -> Result<Option<Signature>> {
    let flags = libc::O_NONBLOCK | libc::O_CLOEXEC;
    read(&OpenOptions::new().read(true).custom_flags(flags).open(path).at("open", path)?)
}

fn read(file: &File) -> Result<Option<Signature>> {
    let mut head = vec![0; LENGTH];
    let mut done = 0;
    while let Some(rest) = head.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match Bytes::read_at(file, done as u64, rest).at("read", Path::new("the device"))? {
            0 => break,
            count => done += count,
        }
    }
    let listed = |list: &[(usize, &[u8], &'static str)]| {
        let found = list.iter().find(|(at, magic, _)| slice(&head, *at, magic.len()) == *magic);
        found.map(|(_, _, name)| Signature::new(name))
    };
    let found = listed(FIRST);
    Ok(found.or_else(|| fat(file)).or_else(|| dos(&head)).or_else(|| rich(&head)).or_else(|| listed(MORE)))
}

/// `length` bytes at `at`; fewer at the end.
fn slice(bytes: &[u8], at: usize, length: usize) -> &[u8] {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.get(..length).unwrap_or(rest)
}

/// Text up to its first NUL.
fn text(bytes: &[u8], at: usize, length: usize) -> String {
    let text = slice(bytes, at, length);
    String::from_utf8_lossy(text.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

fn fat(file: &File) -> Option<Signature> {
    match Image::open(file.try_clone().ok()?).ok()?? {
        image @ Image::Fat(_) => Some(Signature {
            label: image.labels().into_iter().next().unwrap_or_default(),
            finished: has_tables(file).unwrap_or(true),
            ..Signature::new("vfat")
        }),
        Image::Iso(_) => None,
    }
}

/// Whether the last of the tables of a FAT begins as it should: mkfs writes them after the boot sector.
fn has_tables(file: &File) -> Option<bool> {
    let boot = file.take(0, 512).ok()?;
    let short = u64::from(u16_at(&boot, 22));
    let length = if short == 0 { u64::from(u32_at(&boot, 36)) } else { short };
    let before = length.checked_mul(u64::from(u8_at(&boot, 16)).checked_sub(1)?)?;
    let sector = before.checked_add(u16_at(&boot, 14).into())?;
    let first = file.take(sector.checked_mul(u16_at(&boot, 11).into())?, 1).ok()?;
    Some(u8_at(&first, 0) == u8_at(&boot, 21))
}

/// A table of the old kind, where its entries are sound: boot code alone ends with the same two bytes.
fn dos(head: &[u8]) -> Option<Signature> {
    let sound = |at: usize| u8_at(head, at) & 0x7f == 0;
    let marked = slice(head, 510, 2) == [0x55, 0xaa];
    (marked && (446..510).step_by(16).all(sound)).then(|| Signature::new("dos"))
}

/// The file systems whose superblock tells a label and a size.
fn rich(head: &[u8]) -> Option<Signature> {
    let found = if slice(head, 1024 + 0x38, 2) == [0x53, 0xef] {
        ext(slice(head, 1024, 1024))
    } else if slice(head, 0, 4) == b"XFSB" {
        let number =
            |at: usize, length: usize| slice(head, at, length).iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
        Signature {
            label: text(head, 108, 12),
            bytes: number(4, 4).checked_mul(number(8, 8)),
            finished: u8_at(head, 126) == 0,
            ..Signature::new("xfs")
        }
    } else if slice(head, 0x10040, 8) == b"_BHRfS_M" {
        let size = u64_at(head, 0x10000 + 0x70);
        // Of a file system on several devices that is the size of all.
        let alone = u64_at(head, 0x10000 + 0x88) == 1;
        Signature { label: text(head, 0x10000 + 0x12b, 256), bytes: alone.then_some(size), ..Signature::new("btrfs") }
    } else if slice(head, 1024, 4) == [0x10, 0x20, 0xf5, 0xf2] {
        let units: Vec<u16> = slice(head, 1024 + 124, 1024)
            .chunks_exact(2)
            .map(|pair| u16::from(u8_at(pair, 0)) | u16::from(u8_at(pair, 1)) << 8)
            .take_while(|unit| *unit != 0)
            .collect();
        let size = u64_at(head, 1024 + 36).checked_shl(u32_at(head, 1024 + 16));
        Signature { label: String::from_utf16_lossy(&units), bytes: size, ..Signature::new("f2fs") }
    } else {
        // At the end of the first page, which is larger on some machines.
        let ends = [4096, 8192, 16384, 32768, 65536];
        let swap = ends.iter().any(|end| [&b"SWAPSPACE2"[..], b"SWAP-SPACE"].contains(&slice(head, end - 10, 10)));
        return swap.then(|| Signature { label: text(head, 1024 + 28, 16), ..Signature::new("swap") });
    };
    Some(found)
}

fn ext(block: &[u8]) -> Signature {
    let (compatible, incompatible) = (u32_at(block, 0x5c), u32_at(block, 0x60));
    // Extents, 64 bit or flexible groups; a journal.
    let name = match (incompatible & 0x2c0 != 0, compatible & 0x4 != 0) {
        (true, _) => "ext4",
        (false, true) => "ext3",
        (false, false) => "ext2",
    };
    let high = if incompatible & 0x80 == 0 { 0 } else { u64::from(u32_at(block, 0x150)) };
    let blocks = high << 32 | u64::from(u32_at(block, 4));
    let size = 1024u64.checked_shl(u32_at(block, 0x18)).and_then(|size| size.checked_mul(blocks));
    Signature { label: text(block, 0x78, 16), bytes: size, ..Signature::new(name) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::fixtures::{NOVA_ISO, VFAT};

    /// A device with these bytes at these places.
    fn device(parts: &[(usize, &[u8])]) -> Option<Signature> {
        let mut bytes = vec![0; LENGTH * 2];
        parts.iter().for_each(|(at, part)| bytes[*at..*at + part.len()].copy_from_slice(part));
        on(&bytes)
    }

    fn on(bytes: &[u8]) -> Option<Signature> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("device");
        std::fs::write(&path, bytes).unwrap();
        of(&path).unwrap()
    }

    fn name(parts: &[(usize, &[u8])]) -> &'static str {
        device(parts).map_or("nothing", |found| found.name)
    }

    #[test]
    fn what_must_not_be_lost_is_known_by_its_magic() {
        assert_eq!(device(&[]), None);
        assert_eq!(on(b""), None);
        for (at, magic, expected) in FIRST.iter().chain(MORE) {
            assert_eq!(name(&[(*at, magic)]), *expected);
        }
        assert_eq!(on(&VFAT.image()).unwrap(), Signature { label: "config-2".into(), ..Signature::new("vfat") });
        assert_eq!(on(&NOVA_ISO.image()).unwrap().name, "iso9660");
        let mut stopped = VFAT.image();
        stopped[512..].fill(0);
        assert!(!on(&stopped).unwrap().finished, "no tables yet");
    }

    #[test]
    fn a_table_is_told_from_boot_code_and_from_what_was_there_before() {
        let (mark, ext) = ((510, &[0x55, 0xaa][..]), (1080, &[0x53, 0xef][..]));
        assert_eq!(name(&[mark]), "dos");
        assert_eq!(name(&[mark, ext]), "dos", "the disk was partitioned over it");
        assert_eq!(name(&[mark, (446, b"boot code"), ext]), "ext2");
        assert_eq!(name(&[mark, (512, b"EFI PART")]), "gpt", "behind its protective table");
        assert!(device(&[mark]).unwrap().is_table() && !device(&[ext]).unwrap().is_table());
    }

    #[test]
    fn a_superblock_tells_label_and_size() {
        let ext4 = device(&[
            (1024 + 4, &1000u32.to_le_bytes()),
            (1024 + 0x18, &2u32.to_le_bytes()),
            (1080, &[0x53, 0xef]),
            (1024 + 0x60, &0xc0u32.to_le_bytes()),
            (1024 + 0x78, b"data"),
            (1024 + 0x150, &1u32.to_le_bytes()),
        ]);
        let size = ((1 << 32) + 1000) * 4096;
        assert_eq!(ext4, Some(Signature { label: "data".into(), bytes: Some(size), ..Signature::new("ext4") }));
        let xfs = |doing: u8| {
            device(&[
                (0, b"XFSB"),
                (4, &4096u32.to_be_bytes()),
                (8, &512u64.to_be_bytes()),
                (108, b"logs"),
                (126, &[doing]),
            ])
        };
        let expected = Signature { label: "logs".into(), bytes: Some(2 << 20), ..Signature::new("xfs") };
        assert_eq!(xfs(0), Some(expected.clone()));
        assert_eq!(xfs(1), Some(Signature { finished: false, ..expected }));
        for page in [4096, 65536] {
            let swap = device(&[(page - 10, b"SWAPSPACE2"), (1052, b"spare")]).unwrap();
            assert_eq!((swap.name, swap.label.as_str()), ("swap", "spare"));
        }
        let damaged = device(&[(1080, &[0x53, 0xef]), (1024, &[0xff; 0x38])]).unwrap();
        assert_eq!(damaged.bytes, None, "a size that no device has");
    }
}
