// SPDX-License-Identifier: Apache-2.0
//! The guest's disks: overlays over images that are never written, and empty ones.

use std::path::Path;

use super::plan;
use crate::error::{At as _, Error, Result};
use crate::host::image::{Format, tool};
use crate::host::qemu::Disk;

/// Makes the disk at `path`.
///
/// # Errors
/// Absent: there is no such image, or no qemu-img. Malformed: it is no image. Fatal: it is in use, or there is no space.
pub fn make(disk: &plan::Disk, path: &Path) -> Result<Disk> {
    match (&disk.base, disk.size) {
        (Some(base), _) if base.is_dir() => {
            return Err(Error::malformed(format!("{} is a directory, and an image is wanted", base.display())));
        }
        (Some(base), size) => {
            let format = Format::of(base)?;
            tool::overlay(&base.canonicalize().at("find", base)?, format, path, size)?;
        }
        (None, Some(size)) => tool::empty(path, size)?,
        (None, None) => return Err(Error::malformed("a disk needs an image or a size")),
    }
    let path = path.to_owned();
    Ok(Disk { path, format: "qcow2".to_owned(), ..Disk::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::scratch::Scratch;

    #[test]
    fn what_is_no_image_is_refused_before_any_program_runs() {
        let scratch = Scratch::new(None).unwrap();
        let said = |base: &Path| {
            let disk = plan::Disk { base: Some(base.to_owned()), ..plan::Disk::default() };
            make(&disk, &scratch.path().join("overlay")).unwrap_err().to_string()
        };
        assert!(said(Path::new("/nonexistent/base.img")).contains("/nonexistent/base.img"));
        assert!(said(scratch.path()).contains("is a directory"));
    }
}
