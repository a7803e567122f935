// SPDX-License-Identifier: Apache-2.0
//! Where a medium goes: a file that is written beside and renamed, or standard output.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::Builder;

use super::image::Image;
use crate::error::{At as _, Error, Result};

/// Writes `image` to `output`; `-` is standard output.
pub fn write(image: &Image, output: &Path) -> Result<()> {
    if output == Path::new("-") {
        return stream(image);
    }
    let output = place(output)?;
    let file = Builder::new()
        .prefix(".firstlight-")
        .permissions(fs::Permissions::from_mode(0o600))
        .tempfile_in(directory_of(&output))
        .at("write beside", &output)?;
    image.write_into(file.as_file()).at("write", &output)?;
    file.as_file().sync_all().at("write", &output)?;
    file.persist(&output).map_err(|error| error.error).at("write", &output)?;
    sync_directory_of(&output)
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
    fs::File::open(directory).and_then(|directory| directory.sync_all()).at("write", directory)
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
        assert!(error.is_absent(), "{error}");
    }
}
