// SPDX-License-Identifier: Apache-2.0
//! qemu-img, which writes images: overlays, other formats.

use std::ffi::OsStr;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::disk::{Disk, Format};
use crate::error::{Error, Result};
use crate::host::programs;
use crate::host::tell::Work;
use crate::host::tether::tether;

/// Bytes of what it says that are kept.
const SAID: usize = 64 << 10;

/// How clusters of a qcow2 image are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Compression {
    /// Every QEMU reads it
    Zlib,
    /// Faster and smaller; QEMU 5.1 and newer read it
    Zstd,
}

/// Fails where a guest, or another program, has the image open for writing, or what is behind it is missing.
///
/// # Errors
/// Fatal: in use. Absent: no qemu-img.
pub fn free(path: &Path, format: Format) -> Result<()> {
    run(&["info".as_ref(), "-f".as_ref(), format.name().as_ref(), absolute(path)?.as_ref()], path, None).map(drop)
}

/// What the image says that it lies on, without opening that.
///
/// # Errors
/// As [`free`].
pub fn backing(path: &Path, format: Format) -> Result<Option<String>> {
    let arguments = ["info", "--output=json", "-f", format.name()].map(OsStr::new);
    let place = absolute(path)?;
    let said = run(&[&arguments[..], &[place.as_os_str()]].concat(), path, None)?;
    let told: serde_json::Value = serde_json::from_slice(&said)
        .map_err(|error| Error::fatal("what qemu-img tells of the image is not understood").because(error))?;
    Ok(told.get("backing-filename").and_then(|name| name.as_str()).map(str::to_owned))
}

/// Makes a qcow2 image at `at` that shows what `base` has and takes what is written; `size` (bytes) where it is to be
/// larger than the base.
///
/// # Errors
/// As [`free`], and where there is no space. Malformed: `size` would cut off the end of the base.
pub fn overlay(base: &Path, format: Format, at: &Path, size: Option<u64>) -> Result<()> {
    if let (Some(size), Ok(disk)) = (size, Disk::open_as(base, format))
        && size < disk.size()
    {
        let (base, has) = (base.display(), disk.size());
        return Err(Error::malformed(format!("a disk of {size} bytes is too small for {base}, which has {has}"))
            .help("ask for a larger one, or for none: it then has the image's own size"));
    }
    let size = size.map(|size| size.to_string());
    let base = absolute(base)?;
    let mut arguments: Vec<&OsStr> = ["create", "-q", "-f", "qcow2", "-F", format.name(), "-b"].map(OsStr::new).into();
    arguments.extend([base.as_os_str(), at.as_os_str()]);
    arguments.extend(size.as_deref().map(OsStr::new));
    run(&arguments, &base, None).map(drop)
}

/// Makes an empty qcow2 image of `size` bytes at `at`.
///
/// # Errors
/// As [`overlay`].
pub fn empty(at: &Path, size: u64) -> Result<()> {
    let at = absolute(at)?;
    let size = size.to_string();
    let arguments = ["create", "-q", "-f", "qcow2"].map(OsStr::new);
    run(&[&arguments[..], &[at.as_os_str(), size.as_ref()]].concat(), &at, None).map(drop)
}

/// Writes what the image at `from` holds to a new one, sparse, without anything behind it; raw can't be compressed.
///
/// # Errors
/// As [`overlay`].
pub fn convert(
    (from, format): (&Path, Format),
    (to, wanted): (&Path, Format),
    compression: Option<Compression>,
    work: &Work,
) -> Result<()> {
    let mut arguments: Vec<&OsStr> = ["convert", "-p", "-f", format.name(), "-O", wanted.name()].map(OsStr::new).into();
    match compression {
        Some(Compression::Zlib) => arguments.push("-c".as_ref()),
        Some(Compression::Zstd) => {
            arguments.extend(["-c", "-o", "compression_type=zstd"].map(OsStr::new));
        }
        None => {}
    }
    arguments.extend([from.as_os_str(), to.as_os_str()]);
    run(&arguments, from, Some(work)).map(drop)
}

/// qemu-img takes what is before a colon for a protocol, and a relative name for one beside the overlay.
fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| Error::fatal(format!("no path: {}", path.display())).because(error))
}

/// Runs it; where an image is in use that is `image`.
fn run(arguments: &[&OsStr], image: &Path, work: Option<&Work>) -> Result<Vec<u8>> {
    let cannot = |error: io::Error| Error::fatal("cannot run qemu-img").because(error);
    let mut command = Command::new(programs::qemu_img()?);
    tether(&mut command, Vec::new());
    let mut child = command
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(cannot)?;
    let complaint = child.stderr.take();
    let complaint = std::thread::spawn(move || complaint.map(|stderr| kept(stderr, |_| {})).unwrap_or_default());
    let output = child.stdout.take().map(|stdout| kept(stdout, |said| progress(said, work))).unwrap_or_default();
    let status = child.wait().map_err(cannot)?;
    let complaint = complaint.join().unwrap_or_default();
    if status.success() { Ok(output) } else { Err(refused(image, &String::from_utf8_lossy(&complaint))) }
}

/// All that it says, read to its end so that it never waits, and the beginning kept.
fn kept(stream: impl Read, mut each: impl FnMut(&[u8])) -> Vec<u8> {
    let mut stream = BufReader::new(stream);
    let (mut kept, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        let said = buffer.get(..count).unwrap_or_default();
        each(said);
        kept.extend(said.iter().take(SAID.saturating_sub(kept.len())));
    }
    kept
}

/// `    (12.34/100%)`, each over the last.
fn progress(said: &[u8], work: Option<&Work>) {
    let said = String::from_utf8_lossy(said);
    let percent = said.rsplit_once("/100%").and_then(|(before, _)| before.rsplit_once('('));
    if let (Some(work), Some(percent)) =
        (work, percent.and_then(|(_, percent)| percent.split('.').next()?.parse().ok()))
    {
        work.at(percent);
    }
}

fn refused(image: &Path, complaint: &str) -> Error {
    let lines: Vec<&str> = complaint.lines().map(|line| line.trim().trim_start_matches("qemu-img: ")).collect();
    let error = Error::fatal(format!("qemu-img: {}", lines.join("; ")));
    if complaint.contains(" lock") {
        return Error::fatal(format!("{} is in use", image.display()))
            .help("a guest or another program has it open: shut that down first")
            .because(lines.join("; "));
    }
    if complaint.contains("No space left") {
        return error.help("make room, or name another file system: --output, --work-dir, TMPDIR");
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_that_is_in_use_is_named_and_not_the_disk_s_size() {
        let complaint =
            "qemu-img: x: Failed to get shared \"write\" lock\nIs another process using the image [/a.img]?";
        let error = refused(Path::new("/a.img"), complaint).to_string();
        assert!(error.starts_with("/a.img is in use"), "{error}");
    }
}
