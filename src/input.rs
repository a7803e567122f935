// SPDX-License-Identifier: Apache-2.0
//! Files that a person names on the command line: outside of any root, and of any kind.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::error::{At, Error, Result};

/// Opens `path` to read it. What is no file is read too (`check <(make-user-data)`); a pipe that nobody writes to is
/// empty, and is not waited for.
pub fn open(path: &Path) -> Result<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path).at("read", path)?;
    // From here on whoever writes is waited for.
    fcntl(&file, FcntlArg::F_SETFL(OFlag::empty())).at("read", path)?;
    Ok(file)
}

/// The whole content, at most `limit` bytes (whole MiB); more are malformed. `-` is standard input.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = match path == Path::new("-") {
        true => io::stdin().lock().take(limit + 1).read_to_end(&mut bytes),
        false => open(path)?.take(limit + 1).read_to_end(&mut bytes),
    };
    read.at("read", path)?;
    if bytes.len() as u64 > limit {
        return Err(Error::malformed(format!("{} is larger than {} MiB", path.display(), limit >> 20)));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    #[test]
    fn what_has_no_end_is_bounded_and_what_has_no_writer_is_empty() {
        let error = read(Path::new("/dev/zero"), 1 << 20).unwrap_err().to_string();
        assert_eq!(error, "/dev/zero is larger than 1 MiB");
        let scratch = tempfile::tempdir().unwrap();
        let pipe = scratch.path().join("pipe");
        mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        assert!(read(&pipe, 1 << 20).unwrap().is_empty());
    }

    #[test]
    fn a_pipe_is_read_to_its_end() {
        let scratch = tempfile::tempdir().unwrap();
        let pipe = scratch.path().join("pipe");
        mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        // Held open both ways, so that neither side waits for the other to open it.
        let mut held = OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
        std::io::Write::write_all(&mut held, b"#cloud-config\n").unwrap();
        let mut opened = open(&pipe).unwrap();
        drop(held);
        let mut text = String::new();
        opened.read_to_string(&mut text).unwrap();
        assert_eq!(text, "#cloud-config\n");
    }
}
