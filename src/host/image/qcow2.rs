// SPDX-License-Identifier: Apache-2.0
//! The disk in a qcow2 file, read: tables, compressed clusters, what stands behind an overlay.
//!
//! The format is QEMU's (docs/interop/qcow2). With it an image is looked at before any other program has to run.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::disk::{Disk, Format};
use super::unpack::{self, Method};
use crate::error::{Error, Result};
use crate::media::Bytes;

/// The first bytes of the file.
pub const MAGIC: &[u8] = b"QFI\xfb";
/// How many overlays may lie on each other.
const DEPTH: usize = 16;
/// Bytes of the first table; QEMU's own bound.
const L1_LIMIT: u64 = 32 << 20;
/// The feature of one whose data is elsewhere.
const DATA_FILE: u64 = 1 << 2;
/// Bit numbers of features without which a file can't be read, and what they mean here.
const UNREADABLE: &[(u64, &str)] = &[
    (1 << 1, "it is marked as damaged: try qemu-img check -r all"),
    (DATA_FILE, "its data lies in a file of its own"),
    (1 << 4, "it has subclusters"),
];
/// What is known beside those: "in use or not closed", and a compression method other than zlib.
const READABLE: u64 = 1 | 1 << 3;
/// An overlay's header extension with the format of what is behind it.
const BACKING_FORMAT: u32 = 0xe279_2aca;

/// The bits of a table's entry that are a place in the file.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;

/// The disk.
pub struct Qcow2 {
    file: File,
    /// Bytes of the disk.
    pub size: u64,
    cluster: u64,
    zstd: bool,
    l1: Vec<u64>,
    backing: Option<Disk>,
    /// The table, and the decompressed cluster, that were last used, with where they are in the file.
    table: RefCell<(u64, Vec<u8>)>,
    unpacked: RefCell<(u64, Vec<u8>)>,
}

/// Where a cluster's bytes are.
enum Place {
    Nowhere,
    Zeros,
    At(u64),
    Compressed { at: u64, length: u64 },
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().map_or(0, u32::from_be_bytes)
}

fn be64(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().map_or(0, u64::from_be_bytes)
}

/// As what memory is counted in.
fn length(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

impl Qcow2 {
    /// The disk in `file`, which is at `path` beneath `depth` overlays.
    pub fn open(file: File, path: &Path, depth: usize) -> Result<Self> {
        let head = file.take(0, 512)?;
        let version = be32(&head, 4);
        let features = if version >= 3 { be64(&head, 72) } else { 0 };
        let cluster_bits = be32(&head, 20);
        let damaged = |what: &str| Error::malformed(format!("this qcow2 image can't be read: {what}"));
        if !(2..=3).contains(&version) || !(9..=21).contains(&cluster_bits) {
            return Err(damaged("its header is none"));
        }
        if be32(&head, 32) != 0 {
            return Err(damaged("it is encrypted").help("decrypt it with qemu-img convert first"));
        }
        if let Some((_, why)) = UNREADABLE.iter().find(|(bit, _)| features & bit != 0) {
            return Err(damaged(why));
        }
        if features & !READABLE != 0 {
            return Err(damaged("it has features that are not known here"));
        }
        let l1_bytes = u64::from(be32(&head, 36)) * 8;
        if l1_bytes > L1_LIMIT {
            return Err(damaged("its table has no bound"));
        }
        let l1 = file.take(be64(&head, 40), length(l1_bytes))?;
        Ok(Self {
            backing: backing(&file, &head, version, path, depth)?,
            size: be64(&head, 24),
            cluster: 1 << cluster_bits,
            zstd: features & 1 << 3 != 0 && head.get(104) == Some(&1),
            l1: l1.chunks_exact(8).map(|entry| be64(entry, 0)).collect(),
            table: RefCell::default(),
            unpacked: RefCell::default(),
            file,
        })
    }

    fn place(&self, cluster: u64) -> Result<Place> {
        let entries = self.cluster / 8;
        let l1 = usize::try_from(cluster / entries).ok().and_then(|index| self.l1.get(index));
        let table_at = l1.map_or(0, |entry| entry & OFFSET);
        if table_at == 0 {
            return Ok(Place::Nowhere);
        }
        let mut table = self.table.borrow_mut();
        if table.0 != table_at {
            *table = (table_at, self.file.take(table_at, length(self.cluster))?);
        }
        let entry = be64(&table.1, length((cluster % entries) * 8));
        if entry & 1 << 62 != 0 {
            let width = 62 - (self.cluster.trailing_zeros() - 8);
            let at = entry & ((1 << width) - 1);
            let sectors = (entry & ((1 << 62) - 1)) >> width;
            return Ok(Place::Compressed { at, length: (sectors + 1) * 512 - at % 512 });
        }
        Ok(match (entry & 1 != 0, entry & OFFSET) {
            (true, _) => Place::Zeros,
            (false, 0) => Place::Nowhere,
            (false, at) => Place::At(at),
        })
    }

    fn unpack(&self, at: u64, packed: u64) -> Result<()> {
        let mut unpacked = self.unpacked.borrow_mut();
        if unpacked.0 == at {
            return Ok(());
        }
        let mut bytes = vec![0; length(packed.min(2 * self.cluster))];
        // The last sector may be cut where the file ends in it.
        let count = Bytes::read_at(&self.file, at, &mut bytes).map_err(|error| cannot(at).because(error))?;
        bytes.truncate(count);
        let method = if self.zstd { Method::Zstd } else { Method::Deflate };
        let content = unpack::up_to(self.cluster, method, &bytes).map_err(|error| cannot(at).because(error))?;
        if content.len() as u64 != self.cluster {
            return Err(cannot(at));
        }
        *unpacked = (at, content);
        Ok(())
    }
}

fn cannot(at: u64) -> Error {
    Error::malformed(format!("the compressed cluster at byte {at} is damaged"))
}

impl Bytes for Qcow2 {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let within = offset % self.cluster;
        let left = (self.cluster - within).min(self.size.saturating_sub(offset)).min(buffer.len() as u64);
        let buffer = buffer.get_mut(..length(left)).unwrap_or_default();
        if buffer.is_empty() {
            return Ok(0);
        }
        match self.place(offset / self.cluster).map_err(io::Error::other)? {
            Place::At(at) => return Bytes::read_at(&self.file, at + within, buffer),
            Place::Compressed { at, length: packed } => {
                self.unpack(at, packed).map_err(io::Error::other)?;
                return Bytes::read_at(&self.unpacked.borrow().1, within, buffer);
            }
            Place::Nowhere => {
                // What is behind may be smaller; there an overlay reads as zeros.
                let count = self.backing.as_ref().map_or(Ok(0), |backing| backing.read_at(offset, buffer))?;
                if count > 0 {
                    return Ok(count);
                }
            }
            Place::Zeros => {}
        }
        buffer.fill(0);
        Ok(buffer.len())
    }
}

/// What the image in `file` names beside itself, as it is written there.
pub fn named(file: &File) -> Result<Option<String>> {
    let head = file.take(0, 512)?;
    if be32(&head, 4) >= 3 && be64(&head, 72) & DATA_FILE != 0 {
        return Ok(Some("a file of its own for its data".to_owned()));
    }
    name_behind(file, &head)
}

fn name_behind(file: &File, head: &[u8]) -> Result<Option<String>> {
    let (at, size) = (be64(head, 8), be32(head, 16));
    if at == 0 || size == 0 {
        return Ok(None);
    }
    if size > 1023 {
        return Err(Error::malformed("this qcow2 image can't be read: the name of what is behind it has no bound"));
    }
    Ok(Some(String::from_utf8_lossy(&file.take(at, length(size.into()))?).into_owned()))
}

/// What the overlay at `path` lies on.
fn backing(file: &File, head: &[u8], version: u32, path: &Path, depth: usize) -> Result<Option<Disk>> {
    let Some(name) = name_behind(file, head)? else { return Ok(None) };
    if depth >= DEPTH {
        return Err(Error::malformed(format!("more than {DEPTH} images lie on each other")));
    }
    // Relative to the overlay, as QEMU takes it; `file:` is how QEMU writes a name that has a colon.
    let name = PathBuf::from(name.strip_prefix("file:").unwrap_or(&name));
    let place = path.parent().unwrap_or(Path::new(".")).join(name);
    let format = match format_behind(head, version).as_deref() {
        Some("raw") => Format::Raw,
        _ => Format::of(&place).map_err(|error| error.while_doing("the image behind it"))?,
    };
    Disk::open_below(&place, format, depth + 1).map(Some).map_err(|error| error.while_doing("the image behind it"))
}

/// What the header extensions, which begin in the first 512 bytes, say of it.
fn format_behind(head: &[u8], version: u32) -> Option<String> {
    let mut at = if version >= 3 { length(be32(head, 100).into()) } else { 72 };
    while let (kind @ 1.., size) = (be32(head, at), length(be32(head, at.checked_add(4)?).into())) {
        let content = head.get(at.checked_add(8)?..)?.get(..size)?;
        if kind == BACKING_FORMAT {
            return Some(String::from_utf8_lossy(content).into_owned());
        }
        at = at.checked_add(8 + size.next_multiple_of(8))?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// qemu-img is there wherever images are; without it there is nothing to compare with.
    fn qemu_img(arguments: &[&str], directory: &Path) -> bool {
        match Command::new("qemu-img").args(arguments).current_dir(directory).output() {
            Ok(output) => {
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                true
            }
            Err(_) => false,
        }
    }

    fn content() -> Vec<u8> {
        (0u32..300_000).flat_map(|n| if n % 70_000 < 30_000 { [0; 4] } else { (n / 7).to_le_bytes() }).collect()
    }

    #[test]
    fn what_qemu_img_wrote_is_read_back_whole() {
        let scratch = tempfile::tempdir().unwrap();
        std::fs::write(scratch.path().join("raw"), content()).unwrap();
        let forms: [&[&str]; 4] =
            [&[], &["-c"], &["-c", "-o", "compression_type=zstd"], &["-o", "compat=0.10,cluster_size=512"]];
        for form in forms {
            let arguments = [&["convert", "-f", "raw", "-O", "qcow2"], form, &["raw", "image"]].concat();
            if !qemu_img(&arguments, scratch.path()) {
                return;
            }
            let disk = Disk::open(&scratch.path().join("image")).unwrap();
            let size = usize::try_from(disk.size()).unwrap();
            assert!(disk.take(0, content().len()).unwrap() == content(), "{form:?}");
            assert_eq!(disk.take(size as u64 - 10, 10).unwrap().len(), 10);
            assert!(disk.take(size as u64, 1).is_err(), "nothing past the end");
        }
    }

    #[test]
    fn an_overlay_shows_what_is_behind_it_and_zeros_past_that() {
        let scratch = tempfile::tempdir().unwrap();
        std::fs::write(scratch.path().join("raw"), content()).unwrap();
        let size = format!("{}", 4 << 20);
        if !qemu_img(&["create", "-q", "-f", "qcow2", "-b", "raw", "-F", "raw", "over", &size], scratch.path()) {
            return;
        }
        let disk = Disk::open(&scratch.path().join("over")).unwrap();
        assert_eq!(disk.size(), 4 << 20);
        let whole = disk.take(0, 4 << 20).unwrap();
        let (behind, past) = whole.split_at(content().len());
        assert!(behind == content() && past.iter().all(|byte| *byte == 0));
        std::fs::remove_file(scratch.path().join("raw")).unwrap();
        let error = Disk::open(&scratch.path().join("over")).err().unwrap().to_string();
        assert!(error.contains("the image behind it"), "{error}");
    }

    #[test]
    fn damaged_headers_are_refused_and_nothing_panics() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("image");
        if !qemu_img(&["create", "-q", "-f", "qcow2", "image", "1M"], scratch.path()) {
            return;
        }
        let whole = std::fs::read(&path).unwrap();
        for at in 0..112 {
            for value in [0xff, 0x80, 0x01] {
                let mut bytes = whole.clone();
                bytes[at] ^= value;
                std::fs::write(&path, bytes).unwrap();
                if let Ok(disk) = Disk::open_as(&path, Format::Qcow2) {
                    let _ = disk.read_at(0, &mut [0; 512]);
                    let _ = disk.read_at(u64::MAX - 5, &mut [0; 512]);
                }
            }
        }
    }
}
