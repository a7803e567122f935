// SPDX-License-Identifier: Apache-2.0
//! The files of a medium, by path.

use std::collections::BTreeMap;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

/// How many files a medium may have; the agent reads as many of one directory.
const MAX_FILES: usize = 10_000;
/// How many names a path may have; the agent follows as many.
const MAX_DEPTH: usize = 16;
/// How long one name may be, in bytes, as on Linux.
const MAX_NAME: usize = 255;
/// The most that one file may hold: sizes are 32-bit numbers on a disc and on a FAT.
const MAX_FILE: u64 = u32::MAX as u64;
/// The most that all files may hold together.
const MAX_TOTAL: u64 = 16 << 30;

/// Files by path, all of one owner (root) and one mode, without links and without directories that are empty.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    files: BTreeMap<String, Bytes>,
    total: u64,
}

/// A directory of the tree.
#[derive(Debug, Default)]
pub(super) struct Directory<'a> {
    pub entries: BTreeMap<&'a str, Entry<'a>>,
}

/// What has a name in a directory.
#[derive(Debug)]
pub(super) enum Entry<'a> {
    File(&'a Bytes),
    Directory(Directory<'a>),
}

impl<'a> Directory<'a> {
    /// `Tree::add` lets no path lead through a file, nor deeper than is bounded there.
    fn insert(&mut self, path: &'a str, content: &'a Bytes) {
        let Some((name, rest)) = path.split_once('/') else {
            self.entries.insert(path, Entry::File(content));
            return;
        };
        if let Entry::Directory(below) = self.entries.entry(name).or_insert_with(|| Entry::Directory(Self::default())) {
            below.insert(rest, content);
        }
    }
}

impl Tree {
    /// One without files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the file `path`, relative to the root of the medium, e.g. `openstack/latest/user_data`. A path that is there
    /// already, or that leads through a file, is malformed; so is what no medium can hold.
    pub fn add(&mut self, path: &str, content: impl Into<Bytes>) -> Result<()> {
        let content = content.into();
        let refuse = |why: String| Err(Error::malformed(format!("`{path}` can't stand on a medium: {why}")));
        let names: Vec<&str> = path.split('/').collect();
        if let Some(name) = names.iter().find(|name| matches!(**name, "" | "." | "..") || name.contains('\0')) {
            return refuse(format!("it has the part `{}`", name.escape_default()));
        }
        if names.iter().any(|name| name.len() > MAX_NAME) {
            return refuse(format!("a name in it is longer than {MAX_NAME} bytes"));
        }
        if names.len() > MAX_DEPTH {
            return refuse(format!("it has more than {MAX_DEPTH} names"));
        }
        let size = content.len() as u64;
        if size > MAX_FILE {
            return refuse(format!("it has {size} bytes, and a file may have {MAX_FILE} (4 GiB less one)"));
        }
        if self.files.len() == MAX_FILES {
            return refuse(format!("there are {MAX_FILES} files already, and no more fit"));
        }
        if self.total + size > MAX_TOTAL {
            return refuse(format!("with it, all files have over {MAX_TOTAL} bytes (16 GiB)"));
        }
        if self.files.contains_key(path) {
            return refuse("it is there already".to_owned());
        }
        let above = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
        if let Some(file) = above.into_iter().find(|above| self.files.contains_key(*above)) {
            return refuse(format!("`{file}` is a file"));
        }
        let below = format!("{path}/");
        if self.files.range(below.clone()..).next().is_some_and(|(other, _)| other.starts_with(&below)) {
            return refuse("it is a directory".to_owned());
        }
        self.total += size;
        self.files.insert(path.to_owned(), content);
        Ok(())
    }

    /// The same files below the directory `prefix`, e.g. `var/lib/cloud/seed/nocloud`.
    pub fn below(&self, prefix: &str) -> Result<Self> {
        let mut tree = Self::new();
        for (path, content) in &self.files {
            tree.add(&format!("{prefix}/{path}"), content.clone())?;
        }
        Ok(tree)
    }

    /// The files in the order of their paths.
    pub fn files(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        self.files.iter().map(|(path, content)| (path.as_str(), content))
    }

    /// A digest of all paths and contents; what a medium has instead of random identifiers.
    pub fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for (path, content) in &self.files {
            for part in [path.as_bytes(), content] {
                digest.update((part.len() as u64).to_le_bytes());
                digest.update(part);
            }
        }
        digest.finalize().into()
    }

    /// The root directory.
    pub(super) fn root(&self) -> Directory<'_> {
        let mut root = Directory::default();
        self.files.iter().for_each(|(path, content)| root.insert(path, content));
        root
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_medium_can_hold_is_refused_with_its_path() {
        let mut tree = Tree::new();
        tree.add("a/b", "1").unwrap();
        let long = "x".repeat(256);
        let deep = "d/".repeat(16) + "file";
        for (path, why) in [
            ("", "it has the part ``"),
            ("/a", "it has the part ``"),
            ("a//c", "it has the part ``"),
            ("a/../c", "it has the part `..`"),
            ("a\0", "it has the part `a\\u{0}`"),
            ("a/b", "it is there already"),
            ("a", "it is a directory"),
            ("a/b/c", "`a/b` is a file"),
            (&long, "longer than 255 bytes"),
            (&deep, "more than 16 names"),
        ] {
            let error = tree.add(path, "2").unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("`{path}` can't stand on a medium: ")) && error.contains(why),
                "{error}"
            );
        }
        tree.add("a.b", "sorts between `a` and `a/`").unwrap();
        assert!(tree.add("a", "").is_err());
        assert_eq!(tree.files().map(|(path, _)| path).collect::<Vec<_>>(), ["a.b", "a/b"]);
    }

    #[test]
    fn the_digest_knows_where_a_name_ends() {
        let digest = |path: &str, content: &'static str| {
            let mut tree = Tree::new();
            tree.add(path, content).unwrap();
            tree.digest()
        };
        assert_ne!(digest("a", "bc"), digest("ab", "c"));
        assert_eq!(digest("a", "bc"), digest("a", "bc"));
    }
}
