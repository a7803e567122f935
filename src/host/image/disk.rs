// SPDX-License-Identifier: Apache-2.0
//! An image file as the guest sees it: its format by its content, and the bytes of the disk that it holds.

use std::fs::File;
use std::io;
use std::path::Path;

use super::qcow2::{self, Qcow2};
use crate::error::{At as _, Error, Result};
use crate::input;
use crate::media::Bytes;

/// How a file holds a disk. A file without a known mark is raw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The bytes themselves.
    Raw,
    /// QEMU's.
    Qcow2,
    /// VMware's.
    Vmdk,
    /// Connectix's and Microsoft's older one, as Azure takes it.
    Vpc,
    /// Hyper-V's.
    Vhdx,
    /// VirtualBox's.
    Vdi,
}

/// What a file of each format begins with, by offset.
const MARKS: &[(usize, &[u8], Format)] = &[
    (0, qcow2::MAGIC, Format::Qcow2),
    (0, b"KDMV", Format::Vmdk),
    (0, b"# Disk DescriptorFile", Format::Vmdk),
    (0, b"conectix", Format::Vpc),
    (0, b"vhdxfile", Format::Vhdx),
    (0x40, &[0x7f, 0x10, 0xda, 0xbe], Format::Vdi),
];

/// What people try to use as an image that holds one only after it was unpacked.
const PACKED: &[(&[u8], &str, &str)] = &[
    (&[0x1f, 0x8b], "gzip", "gunzip"),
    (b"\xfd7zXZ\0", "xz", "xz -d"),
    (&[0x28, 0xb5, 0x2f, 0xfd], "zstd", "zstd -d"),
    (b"BZh", "bzip2", "bunzip2"),
    (b"PK\x03\x04", "zip", "unzip"),
];

impl Format {
    /// As `qemu-img` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Raw => "raw",
            Format::Qcow2 => "qcow2",
            Format::Vmdk => "vmdk",
            Format::Vpc => "vpc",
            Format::Vhdx => "vhdx",
            Format::Vdi => "vdi",
        }
    }

    /// The format of the file at `path`, by its content.
    ///
    /// # Errors
    /// Absent; malformed where it is empty or compressed and so no image; fatal where it can't be read.
    pub fn of(path: &Path) -> Result<Self> {
        let file = input::open(path)?;
        let length = file.metadata().at("look at", path)?.len();
        let mut head = vec![0; 512];
        let count = Bytes::read_at(&file, 0, &mut head).at("read", path)?;
        if let Some((_, name, how)) = PACKED.iter().find(|(mark, ..)| head.starts_with(mark)) {
            let what = format!("{} is no disk image but a {name} file", path.display());
            return Err(Error::malformed(what).help(format!("unpack it first: {how} {}", path.display())));
        }
        if count < head.len() {
            return Err(Error::malformed(format!("{} is no disk image: it has {length} bytes", path.display())));
        }
        let known = MARKS.iter().find(|(at, mark, _)| head.get(*at..).is_some_and(|rest| rest.starts_with(mark)));
        Ok(known.map_or(Format::Raw, |(.., format)| *format))
    }
}

/// The disk in an image file, to be read.
pub enum Disk {
    /// The file's bytes are the disk's.
    Raw(File, u64),
    /// Looked up in the file's tables.
    Qcow2(Box<Qcow2>),
}

impl Disk {
    /// Opens the disk in the image at `path`.
    ///
    /// # Errors
    /// As [`Format::of`]; malformed also where its tables are damaged, or it is of a format that only qemu-img reads.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_as(path, Format::of(path)?)
    }

    /// The same where the format is known.
    pub fn open_as(path: &Path, format: Format) -> Result<Self> {
        Self::open_below(path, format, 0)
    }

    /// The disk beneath `depth` overlays.
    pub(super) fn open_below(path: &Path, format: Format, depth: usize) -> Result<Self> {
        let file = input::open(path)?;
        match format {
            Format::Raw => {
                let length = file.metadata().at("look at", path)?.len();
                Ok(Disk::Raw(file, length))
            }
            Format::Qcow2 => Ok(Disk::Qcow2(Box::new(
                Qcow2::open(file, path, depth).map_err(|error| error.while_doing(path.display()))?,
            ))),
            other => Err(Error::malformed(format!("{} is a {} image", path.display(), other.name()))
                .help(format!("convert it first: qemu-img convert -O qcow2 {} IMAGE.qcow2", path.display()))),
        }
    }

    /// Bytes of the disk (not of the file).
    pub fn size(&self) -> u64 {
        match self {
            Disk::Raw(_, size) => *size,
            Disk::Qcow2(qcow2) => qcow2.size,
        }
    }
}

impl Bytes for Disk {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Disk::Raw(file, _) => Bytes::read_at(file, offset, buffer),
            Disk::Qcow2(qcow2) => qcow2.read_at(offset, buffer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_tells_the_format_and_what_is_no_image() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("image");
        let of = |at: usize, mark: &[u8]| {
            let mut content = vec![0; 4096];
            content[at..at + mark.len()].copy_from_slice(mark);
            std::fs::write(&path, content).unwrap();
            Format::of(&path)
        };
        for (at, mark, format) in MARKS {
            assert_eq!(of(*at, mark).unwrap(), *format);
        }
        assert_eq!(of(510, &[0x55, 0xaa]).unwrap(), Format::Raw);
        for (mark, name, _) in PACKED {
            let error = of(0, mark).unwrap_err().to_string();
            assert!(error.contains(&format!("no disk image but a {name} file")), "{error}");
        }
        std::fs::write(&path, "short").unwrap();
        assert!(Format::of(&path).unwrap_err().to_string().contains("it has 5 bytes"));
        assert!(Format::of(&directory.path().join("none")).unwrap_err().is_absent());
    }
}
