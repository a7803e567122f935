// SPDX-License-Identifier: Apache-2.0
//! The changes of one action while they are worked out: each is seen by the next.

use std::path::Path;

use crate::error::{Error, Result};
use crate::plan::change::{Change, Old};
use crate::plan::day::Day;
use crate::plan::overlay::Overlay;
use crate::root::{FileKind, READ_LIMIT, Stat, Tree};

/// Changes so far, and the tree as they leave it.
pub(super) struct Draft<'a> {
    tree: Overlay<'a>,
    changes: Vec<Change>,
    /// The day that passwords are dated with.
    pub today: Day,
}

/// What a file or directory is to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attributes {
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

impl Attributes {
    /// root's.
    pub fn root(mode: u32) -> Self {
        Self { mode, uid: 0, gid: 0 }
    }

    /// As it is.
    pub fn of(stat: &Stat) -> Self {
        Self { mode: stat.mode, uid: stat.uid, gid: stat.gid }
    }

    fn are(&self, stat: &Stat, owners: bool) -> bool {
        self.mode == stat.mode && (!owners || (self.uid, self.gid) == (stat.uid, stat.gid))
    }
}

impl<'a> Draft<'a> {
    /// No changes on `tree` yet.
    pub fn new(tree: &'a dyn Tree, today: Day) -> Self {
        Self { tree: Overlay::new(tree), changes: Vec::new(), today }
    }

    /// The tree as the changes so far leave it.
    pub fn tree(&self) -> &Overlay<'a> {
        &self.tree
    }

    /// All changes, in order.
    pub fn into_changes(self) -> Vec<Change> {
        self.changes
    }

    /// One more change.
    pub fn push(&mut self, change: Change) -> Result<()> {
        self.tree.apply(&change)?;
        self.changes.push(change);
        Ok(())
    }

    /// A file that has `content` and `attributes`, in directories that exist.
    pub fn file(&mut self, path: &Path, content: Vec<u8>, attributes: Attributes, secret: bool) -> Result<()> {
        let old = match self.tree.stat(path)? {
            Some(stat) if stat.kind != FileKind::File => return Err(in_the_way(path, &stat)),
            // Too much to compare or to show: replaced unseen.
            Some(stat) if stat.size > READ_LIMIT => None,
            Some(stat) => {
                let old = self.tree.read(path)?;
                if old.as_deref() == Some(&content) && attributes.are(&stat, self.tree.owners()) {
                    return Ok(());
                }
                old.map(|content| Old { content, mode: stat.mode })
            }
            None => None,
        };
        let Attributes { mode, uid, gid } = attributes;
        self.push(Change::File { path: path.to_owned(), content, old, mode, uid, gid, secret })
    }

    /// A directory that has `attributes`; its parents exist.
    pub fn directory(&mut self, path: &Path, attributes: Attributes) -> Result<()> {
        match self.tree.stat(path)? {
            Some(stat) if stat.kind != FileKind::Directory => return Err(in_the_way(path, &stat)),
            Some(stat) if attributes.are(&stat, self.tree.owners()) => return Ok(()),
            _ => {}
        }
        let Attributes { mode, uid, gid } = attributes;
        self.push(Change::Directory { path: path.to_owned(), mode, uid, gid })
    }

    /// The directories above `path` that are missing, where its links lead.
    pub fn parents(&mut self, path: &Path, attributes: Attributes) -> Result<()> {
        let path = self.tree.resolve(path)?;
        let mut missing = Vec::new();
        for parent in path.ancestors().skip(1) {
            match self.tree.stat(parent)? {
                None => missing.push(parent),
                Some(stat) if stat.kind == FileKind::Directory => break,
                Some(stat) => return Err(in_the_way(parent, &stat)),
            }
        }
        missing.into_iter().rev().try_for_each(|parent| self.directory(parent, attributes))
    }
}

/// Something else has the place.
pub(super) fn in_the_way(path: &Path, stat: &Stat) -> Error {
    let what = match stat.kind {
        FileKind::File => "a file",
        FileKind::Directory => "a directory",
        FileKind::Other => "a device, pipe or socket",
    };
    Error::malformed(format!("{} is {what}; it is left as it is", path.display()))
        .help("name another path, or move it away first")
}
