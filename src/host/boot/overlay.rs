// SPDX-License-Identifier: Apache-2.0
//! The guest's disks: overlays over images that are never written, and empty ones.

use std::path::Path;
use std::time::Duration;

use super::plan;
use crate::error::{At as _, Error, Result};
use crate::host::image::Format;
use crate::host::qemu::{Disk, find};
use crate::program;

const PATIENCE: Duration = Duration::from_secs(60);
const SAID: usize = 64 * 1024;
const GIB: u64 = 1 << 30;

/// Makes the disk at `path`.
///
/// # Errors
/// Absent: there is no such image, or no qemu-img. Malformed: it is no image. Fatal: it is in use, or there is no space.
pub fn make(disk: &plan::Disk, path: &Path) -> Result<Disk> {
    let mut arguments = ["create", "-q", "-f", "qcow2"].map(str::to_owned).to_vec();
    if let Some(base) = &disk.base {
        if base.is_dir() {
            return Err(Error::malformed(format!("{} is a directory, and an image is wanted", base.display())));
        }
        let format = Format::of(base)?;
        let base = base.canonicalize().at("find", base)?;
        arguments.extend(["-F".to_owned(), format.name().to_owned(), "-b".to_owned(), text(&base)?]);
    }
    arguments.push(text(path)?);
    if let Some(size) = disk.size_gib {
        arguments.push((size * GIB).to_string());
    }
    let qemu_img = find("qemu-img", "qemu-utils (Debian), qemu-img (Fedora)")?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let answer = program::ask(&qemu_img, &arguments, SAID, PATIENCE)?;
    if !answer.success {
        return Err(refused(disk.base.as_deref(), &answer.complaint));
    }
    let path = path.to_owned();
    Ok(Disk { path, format: "qcow2".to_owned(), ..Disk::default() })
}

fn text(path: &Path) -> Result<String> {
    path.to_str().map(str::to_owned).ok_or_else(|| Error::malformed(format!("{} is not UTF-8", path.display())))
}

fn refused(base: Option<&Path>, complaint: &str) -> Error {
    let base = base.map_or_else(|| "the disk".to_owned(), |base| base.display().to_string());
    if complaint.contains("Is another process using the image") {
        return Error::fatal(format!("{base} is in use by another process"))
            .help("switch off the guest that writes to it first");
    }
    if complaint.contains("No space left") {
        return Error::fatal("no space is left for the overlay").help("name a larger place with --work-dir");
    }
    let last = complaint.trim().lines().next_back().unwrap_or_default().trim_start_matches("qemu-img: ").to_owned();
    Error::fatal(format!("qemu-img makes no overlay over {base}: {last}"))
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
        let locked = refused(
            Some(Path::new("/a.img")),
            "qemu-img: x: Failed to get shared \"write\" lock\nIs another process using the image [/a.img]?",
        );
        assert!(locked.to_string().starts_with("/a.img is in use"));
    }
}
