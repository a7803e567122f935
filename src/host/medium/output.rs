// SPDX-License-Identifier: Apache-2.0
//! Where a medium goes: a file that is written beside and renamed, or standard output.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, IsTerminal as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::libc;
use nix::unistd::linkat;
use tempfile::{Builder, TempPath};

use super::image::Image;
use crate::error::{At as _, Error, Result};

/// Writes `image` to `output`; `-` is standard output.
pub fn write(image: &Image, output: &Path) -> Result<()> {
    if output == Path::new("-") {
        return stream(image);
    }
    let output = place(output)?;
    let beside = directory_of(&output);
    let mut named = Builder::new();
    named.prefix(".firstlight-").permissions(fs::Permissions::from_mode(0o600));
    let fill = |file: &File| image.write_into(file).and_then(|()| file.sync_all()).at("write", &output);
    let path = match unnamed(beside) {
        Some(file) => {
            fill(&file)?;
            let link = format!("{DESCRIPTORS}/{}", file.as_raw_fd());
            let name = |path: &Path| linkat(AT_FDCWD, link.as_str(), AT_FDCWD, path, AtFlags::AT_SYMLINK_FOLLOW);
            let named = named.make_in(beside, |path| name(path).map_err(io::Error::from));
            named.at("write", &output)?.into_temp_path()
        }
        None => {
            // Its errors are the system's own; `tempfile_in` tells of a name that nobody has heard of.
            let create = |path: &Path| OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            let file = named.make_in(beside, create).at("write", &output).map_err(|error| nowhere(error, beside))?;
            fill(file.as_file())?;
            file.into_temp_path()
        }
    };
    path.persist(&output).map_err(|error| error.error).at("rename to", &output)?;
    sync_directory_of(&output)
}

fn nowhere(error: Error, directory: &Path) -> Error {
    match error.is_absent() {
        true => error.help(format!("make the directory {} first", directory.display())),
        false => error,
    }
}

/// A directory beside `output`, for what is to be renamed to it; gone with all in it when this is dropped.
pub struct Beside(TempPath);

impl Beside {
    /// # Errors
    /// Absent: the directory of `output` is not there. Fatal: nothing can be made in it.
    pub fn new(output: &Path) -> Result<Self> {
        let directory = directory_of(output);
        let create = |path: &Path| DirBuilder::new().mode(0o700).create(path);
        let made = Builder::new().prefix(".firstlight-").make_in(directory, create).at("write", output);
        Ok(Self(made.map_err(|error| nowhere(error, directory))?.into_temp_path()))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Where the kernel shows what a process has open.
const DESCRIPTORS: &str = "/proc/self/fd";

/// A file without a name, of which nothing is left where this process is killed. Not every file system has those, and it
/// takes /proc to give one a name.
fn unnamed(directory: &Path) -> Option<File> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600).custom_flags(libc::O_TMPFILE);
    Path::new(DESCRIPTORS).exists().then(|| options.open(directory).ok())?
}

fn stream(image: &Image) -> Result<()> {
    let mut out = io::stdout().lock();
    if out.is_terminal() {
        return Err(Error::fatal("a medium is not written to a terminal").help("name a file, or pipe it"));
    }
    image.stream(&mut out).map_err(|error| Error::fatal("cannot write to standard output").because(error))
}

/// The file that `output` names, behind symbolic links. A place that something else than a file has is refused.
fn place(output: &Path) -> Result<PathBuf> {
    let Ok(facts) = fs::metadata(output) else { return Ok(output.to_owned()) };
    let what = match facts.file_type() {
        kind if kind.is_file() => return output.canonicalize().at("open", output),
        kind if kind.is_dir() => "a directory",
        _ => "a device, a pipe or a socket",
    };
    Err(Error::fatal(format!("cannot write {}: it is {what}", output.display()))
        .help("name a file; `-` is standard output, for a pipe or `dd`"))
}

/// The directory that a path stands in.
pub fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes what has been renamed in the directory of `path` outlive a loss of power.
pub fn sync_directory_of(path: &Path) -> Result<()> {
    let directory = directory_of(path);
    File::open(directory).and_then(|directory| directory.sync_all()).at("write", directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(text: &'static str) -> Image {
        let mut image = Image::default();
        image.put(0, text);
        image
    }

    #[test]
    fn a_file_is_replaced_whole_and_is_its_owners() {
        let scratch = tempfile::tempdir().unwrap();
        let (file, link) = (scratch.path().join("seed.iso"), scratch.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink("seed.iso", &link).unwrap();
        write(&image("new"), &link).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&scratch).unwrap().count(), 2);
    }

    #[test]
    fn what_is_no_file_is_left_alone() {
        let scratch = tempfile::tempdir().unwrap();
        for (output, why) in [(scratch.path(), "it is a directory"), (Path::new("/dev/null"), "it is a device")] {
            let error = write(&image("new"), output).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        let error = write(&image("new"), &scratch.path().join("none/seed.iso")).unwrap_err();
        assert!(error.is_absent() && !error.to_string().contains(".firstlight-"), "{error}");
        assert!(error.advice().is_some_and(|help| help.ends_with("/none first")), "{error}");
    }
}
