// SPDX-License-Identifier: Apache-2.0
//! How a finished file gets its name: whole, on the disk, and at once. Whoever looks sees the old one or the new one.

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;

use crate::error::{At as _, Error, OrAbsent as _, Result};

/// What a new file may be read by.
const MODE: u32 = 0o644;

/// The directory that `path` is in.
pub fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Fails where `path` can't become a file: it is something else, or there is no such directory.
pub fn possible(path: &Path) -> Result<()> {
    let there = fs::symlink_metadata(path).at("look at", path).or_absent()?;
    if there.is_some_and(|there| !there.is_file()) {
        return Err(Error::fatal(format!("{} is no file: nothing is written over it", path.display())));
    }
    fs::read_dir(directory(path)).at("write into", directory(path)).map(drop)
}

/// Gives the finished file at `from`, which is on the same file system, the name `to`, with the mode and owner of what
/// has that name.
pub fn file(from: &Path, to: &Path) -> Result<()> {
    let there = fs::metadata(to).ok();
    let mode = there.as_ref().map_or(MODE, |there| there.mode() & 0o7777);
    fs::set_permissions(from, Permissions::from_mode(mode)).at("set the mode of", from)?;
    if let Some(there) = there {
        // An ordinary user can't, and then it is the user's own.
        let _ = chown(from, Some(there.uid()), Some(there.gid()));
    }
    File::open(from).and_then(|file| file.sync_all()).at("write to the disk", from)?;
    fs::rename(from, to).at("rename", to)?;
    File::open(directory(to)).and_then(|file| file.sync_all()).at("write to the disk", directory(to))
}

/// A file of these bytes at `to`.
pub fn bytes(to: &Path, content: &[u8]) -> Result<()> {
    let mut beside = tempfile::NamedTempFile::new_in(directory(to)).at("write beside", to)?;
    beside.write_all(content).at("write", to)?;
    file(beside.path(), to)?;
    // It has the name that it is to keep.
    let _ = beside.keep();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_keeps_its_mode_and_nothing_is_left_beside() {
        let scratch = tempfile::tempdir().unwrap();
        let to = scratch.path().join("list");
        fs::write(&to, "old").unwrap();
        fs::set_permissions(&to, Permissions::from_mode(0o640)).unwrap();
        bytes(&to, b"new").unwrap();
        assert_eq!(fs::read(&to).unwrap(), b"new");
        assert_eq!(fs::metadata(&to).unwrap().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1);
        assert!(possible(scratch.path()).is_err() && possible(Path::new("/nonexistent/image")).is_err());
    }
}
