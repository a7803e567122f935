// SPDX-License-Identifier: Apache-2.0
//! What a person can do when the system refuses a change.

use std::io;
use std::path::Path;

use nix::errno::Errno;

use crate::error::{At, Result};

/// [`At`] with advice.
pub(super) trait Advise<T> {
    /// `doing` is a verb: "write", "rename".
    fn advise(self, doing: &str, path: &Path) -> Result<T>;
}

impl<T, E: Into<io::Error>> Advise<T> for std::result::Result<T, E> {
    fn advise(self, doing: &str, path: &Path) -> Result<T> {
        let error: io::Error = match self {
            Ok(value) => return Ok(value),
            Err(error) => error.into(),
        };
        let help = match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ENOSPC | Errno::EDQUOT) => Some("the file system is full: make room, then run again"),
            Some(Errno::EROFS) => Some("the file system is mounted read-only: mount it for writing, then run again"),
            Some(Errno::EACCES | Errno::EPERM) => {
                Some("run as root, or look for attributes (lsattr) and mount options")
            }
            Some(Errno::ENOTEMPTY | Errno::EISDIR | Errno::EEXIST) => {
                Some("something else has the place: move it away")
            }
            Some(Errno::EINVAL) => Some("the file system or the container does not allow this owner or mode"),
            _ => None,
        };
        let failed = Err(error).at(doing, path);
        match help {
            Some(help) => failed.map_err(|error| error.help(help)),
            None => failed,
        }
    }
}
