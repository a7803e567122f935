// SPDX-License-Identifier: Apache-2.0
//! Writes a tree of files as a medium that a guest reads its seed from, in this process and without a mount.
//!
//! The same tree gives the same bytes: nothing comes from a clock, a random number or the order of a directory.
//! `hadris-iso` 2.5 stamps every record and volume of a disc with the present time, and `hadris-fat` 2.5 the label of a
//! volume; neither can be told another. Both want a file that they can seek in, so that neither writes to a pipe. As the
//! whole tree is known before the first byte, writing these formats once is little work, and done here.

mod directory;
mod image;
mod iso;
mod output;
mod qcow2;
mod short_name;
mod stamp;
mod tar;
mod tree;
mod vfat;

use std::fs::File;
use std::path::Path;
use std::str::FromStr;

use crate::error::{At as _, Error, Result};

pub(super) use output::Beside;
pub use tree::Tree;

use image::Image;
use stamp::Stamp;

/// How the files are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// ISO 9660 with Rock Ridge and Joliet: what every guest reads.
    Iso,
    /// FAT12, FAT16 or FAT32 with long names, by its size.
    Vfat,
    /// A tar archive (ustar; long names as GNU tar writes them).
    Tar,
    /// A directory.
    Directory,
}

impl FromStr for Form {
    type Err = Error;

    /// By the names that people and cloud-localds use.
    fn from_str(name: &str) -> Result<Self> {
        match name {
            "iso" | "iso9660" => Ok(Form::Iso),
            "vfat" | "fat" => Ok(Form::Vfat),
            "tar" => Ok(Form::Tar),
            "directory" | "dir" => Ok(Form::Directory),
            _ => Err(Error::malformed(format!("no form of media is called `{name}`"))
                .help("one of: iso, vfat, tar, directory")),
        }
    }
}

/// What the file system is put into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    /// Nothing: the file is the file system.
    Raw,
    /// A qcow2 image (version 3), as sparse as what it holds.
    Qcow2,
}

impl FromStr for Disk {
    type Err = Error;

    /// By the names that qemu-img uses.
    fn from_str(name: &str) -> Result<Self> {
        match name {
            "raw" => Ok(Disk::Raw),
            "qcow2" => Ok(Disk::Qcow2),
            "vmdk" | "vdi" | "vpc" | "vhdx" | "qed" | "qcow" | "parallels" | "dmg" => {
                Err(Error::malformed(format!("a disk of the format `{name}` is not written"))
                    .help(format!("write a raw one, then: qemu-img convert -f raw -O {name} SEED OUTPUT")))
            }
            _ => Err(Error::malformed(format!("no disk format is called `{name}`")).help("one of: raw, qcow2")),
        }
    }
}

/// Writes `tree` as a medium with the volume label `label` to `output`; `-` is standard output.
///
/// A file is written beside and renamed, so that `output` is either what it was or whole; only its owner may read it, as
/// user-data may hold secrets. Times on the medium are `SOURCE_DATE_EPOCH`, else 1980-01-01. Only a disc and a FAT have a
/// label, and only they can stand on a disk that is not raw.
pub fn write(tree: &Tree, label: &str, form: Form, disk: Disk, output: &Path) -> Result<()> {
    match image(tree, label, form, disk)? {
        Some(image) => output::write(&image, output),
        None => directory::write(tree, output),
    }
}

/// Writes the same into a file that is open, for somebody who does more with it; a directory is malformed there.
pub(super) fn write_into(tree: &Tree, label: &str, form: Form, file: &File, output: &Path) -> Result<()> {
    match image(tree, label, form, Disk::Raw)? {
        Some(image) => image.write_into(file).at("write", output),
        None => Err(Error::malformed("a directory is no file")),
    }
}

/// All bytes of it; `None` for a directory, which is none.
fn image(tree: &Tree, label: &str, form: Form, disk: Disk) -> Result<Option<Image>> {
    let stamp = Stamp::from_environment()?;
    let image = match form {
        Form::Iso => iso::image(tree, label, stamp)?,
        Form::Vfat => vfat::image(tree, label, stamp)?,
        Form::Tar | Form::Directory if disk == Disk::Qcow2 => {
            let what = if form == Form::Tar { "an archive" } else { "a directory" };
            return Err(Error::malformed(format!("{what} can't stand on a qcow2 disk"))
                .help("take the form iso or vfat, or the disk format raw"));
        }
        Form::Tar => tar::image(tree, stamp)?,
        Form::Directory => return Ok(None),
    };
    match disk {
        Disk::Raw => Ok(Some(image)),
        Disk::Qcow2 => qcow2::wrap(&image).map(Some),
    }
}
