// SPDX-License-Identifier: Apache-2.0
//! The file tree that is looked at and changed: the live system or an image's root. Every look-up stays beneath it.

use std::path::{Path, PathBuf};

use crate::error::Result;

/// The largest file that is read whole without being asked for more.
pub const READ_LIMIT: u64 = 16 << 20;

/// What a path is, its last link followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// File, directory or something else.
    pub kind: FileKind,
    /// Permission bits, with set-id and sticky.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes.
    pub size: u64,
}

/// The kinds of file that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum FileKind {
    File,
    Directory,
    Other,
}

/// A tree of files that can be read: a [`Root`], or a plan's overlay on one.
///
/// Paths are absolute paths of the guest. Links are followed as the guest would follow them: an absolute link starts
/// again at the root of the tree, and `..` never leaves it.
pub trait Tree {
    /// What `path` is; `None` where it is not there.
    fn stat(&self, path: &Path) -> Result<Option<Stat>>;
    /// The whole content, at most [`READ_LIMIT`]; `None` where it is not there.
    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>>;
    /// Where the link at `path` itself points; `None` where there is no link.
    fn read_link(&self, path: &Path) -> Result<Option<PathBuf>>;
    /// The names in a directory, sorted; empty where it is not there.
    fn list(&self, path: &Path) -> Result<Vec<String>>;

    /// The content as text (invalid UTF-8 replaced); `None` where it is not there.
    fn read_text(&self, path: &Path) -> Result<Option<String>> {
        Ok(self.read(path)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Whether there is something.
    fn exists(&self, path: &Path) -> bool {
        matches!(self.stat(path), Ok(Some(_)))
    }
}

/// The live system (`/`) or an image's root.
#[derive(Debug, Clone)]
pub struct Root {
    path: PathBuf,
}

impl Root {
    /// The tree at `path`, which must be a directory.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self { path: path.to_owned() })
    }

    /// Whether this is the running system.
    pub fn is_live(&self) -> bool {
        self.path == Path::new("/")
    }

    /// Where the tree is on the machine that runs the agent.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
