// SPDX-License-Identifier: Apache-2.0
//! The seed of a boot: a medium that is there, or one made of a directory, of user-data or of documents.

use std::path::Path;

use super::plan::Seed;
use super::prepare::disc_drive;
use crate::error::{Error, Result};
use crate::host::qemu::Disk;
use crate::host::scratch::Scratch;
use crate::media;

/// Makes the medium, where it is not one already, and gives the drive for it.
///
/// # Errors
/// Absent or malformed, as what it is made of.
pub fn medium(seed: &Seed, _scratch: &Scratch) -> Result<Disk> {
    match seed {
        Seed::Path(path) if path.is_file() => ready(path)?.ok_or_else(|| Error::fatal("seeds are not made yet")),
        _ => Err(Error::fatal("seeds are not made yet")),
    }
}

/// The drive for a medium that is one.
fn ready(path: &Path) -> Result<Option<Disk>> {
    Ok(media::open(path)?.map(|image| match image.file_system() {
        media::FileSystem::Iso9660 => disc_drive(path.to_owned()),
        media::FileSystem::Vfat => Disk { cdrom: false, ..disc_drive(path.to_owned()) },
    }))
}
