// SPDX-License-Identifier: Apache-2.0
//! A tree with changes on top that are not made: how a plan knows what its later steps will find.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::netlink::State;
use crate::plan::change::Change;
use crate::root::{FileKind, Stat, Tree, follow};

/// Where a running system says its host name.
pub const HOSTNAME: &str = "/proc/sys/kernel/hostname";

/// A tree as it will be.
pub struct Overlay<'a> {
    below: &'a dyn Tree,
    /// By path without links.
    above: BTreeMap<PathBuf, Entry>,
    /// An image is looked at as if it were running.
    booted: bool,
}

#[derive(Debug)]
enum Entry {
    File(Stat, Vec<u8>),
    Directory(Stat),
    Link(PathBuf),
    Gone,
}

impl<'a> Overlay<'a> {
    /// `below`, with nothing changed yet.
    pub fn new(below: &'a dyn Tree) -> Self {
        Self { below, above: BTreeMap::new(), booted: false }
    }

    /// From here on an image is what it will be once it runs: what only a running system can do comes to changes too.
    pub fn boot(&mut self) {
        self.booted = true;
    }

    /// Takes `change` for made. What a program does and a server answers is not known, so it changes nothing here.
    pub fn apply(&mut self, change: &Change) -> Result<()> {
        let (path, entry) = match change {
            Change::File { path, content, mode, uid, gid, .. } => {
                let stat = stat(FileKind::File, *mode, *uid, *gid, content.len());
                (self.resolve(path)?, Entry::File(stat, content.clone()))
            }
            Change::Directory { path, mode, uid, gid } => {
                (self.resolve(path)?, Entry::Directory(stat(FileKind::Directory, *mode, *uid, *gid, 0)))
            }
            Change::Link { path, target } => (self.resolve_parent(path)?, Entry::Link(target.clone())),
            Change::Remove { path } => (self.resolve_parent(path)?, Entry::Gone),
            Change::Hostname(name) => {
                let stat = stat(FileKind::File, 0o644, 0, 0, 0);
                (HOSTNAME.into(), Entry::File(stat, format!("{name}\n").into_bytes()))
            }
            Change::Interfaces { .. }
            | Change::Entropy(_)
            | Change::HostKey { .. }
            | Change::RandomPassword { .. }
            | Change::Run(_)
            | Change::Request(_)
            | Change::Message(_)
            | Change::Report(_)
            | Change::PowerState(_) => return Ok(()),
        };
        self.above.insert(path, entry);
        Ok(())
    }

    /// Where a path without links before its last part points, should it be a link.
    fn link_at(&self, path: &Path) -> Result<Option<PathBuf>> {
        match self.above.get(path) {
            Some(Entry::Link(target)) => Ok(Some(target.clone())),
            Some(_) => Ok(None),
            None => self.below.read_link(path),
        }
    }

    /// The path behind all links but the last.
    fn resolve_parent(&self, path: &Path) -> Result<PathBuf> {
        match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => Ok(self.resolve(parent)?.join(name)),
            _ => self.resolve(path),
        }
    }
}

impl Tree for Overlay<'_> {
    fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        let path = self.resolve(path)?;
        match self.above.get(&path) {
            Some(Entry::File(stat, _) | Entry::Directory(stat)) => Ok(Some(*stat)),
            Some(Entry::Gone | Entry::Link(_)) => Ok(None),
            None => self.below.stat(&path),
        }
    }

    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        let path = self.resolve(path)?;
        match self.above.get(&path) {
            Some(Entry::File(_, content)) => Ok(Some(content.clone())),
            Some(Entry::Gone) => Ok(None),
            // A directory of ours may be one of below's with another owner; reading it is below's error.
            Some(Entry::Directory(_) | Entry::Link(_)) | None => self.below.read(&path),
        }
    }

    fn read_link(&self, path: &Path) -> Result<Option<PathBuf>> {
        self.link_at(&self.resolve_parent(path)?)
    }

    fn list(&self, path: &Path) -> Result<Vec<String>> {
        let path = self.resolve(path)?;
        let mut names: BTreeSet<String> = self.below.list(&path)?.into_iter().collect();
        let inside = self.above.range(path.clone()..).take_while(|(entry, _)| entry.starts_with(&path));
        for (entry, what) in inside.filter(|(entry, _)| entry.parent() == Some(&path)) {
            let Some(name) = entry.file_name().and_then(|name| name.to_str()) else { continue };
            match what {
                Entry::Gone => names.remove(name),
                _ => names.insert(name.to_owned()),
            };
        }
        Ok(names.into_iter().collect())
    }

    fn is_live(&self) -> bool {
        self.booted || self.below.is_live()
    }

    fn owners(&self) -> bool {
        self.below.owners()
    }

    fn network(&self) -> Result<Option<State>> {
        self.below.network()
    }

    fn resolve(&self, path: &Path) -> Result<PathBuf> {
        follow(path, &|path| self.link_at(path))
    }
}

fn stat(kind: FileKind, mode: u32, uid: u32, gid: u32, size: usize) -> Stat {
    Stat { kind, mode, uid, gid, size: size as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn file(path: &str, content: &str) -> Change {
        let (path, content) = (path.into(), content.into());
        Change::File { path, content, old: None, mode: 0o600, uid: 7, gid: 8, secret: false }
    }

    #[test]
    fn later_steps_see_what_earlier_ones_change() {
        let scratch = Scratch::new();
        scratch.file("/etc/old", "old");
        scratch.file("/etc/gone", "");
        let root = scratch.root();
        let mut tree = Overlay::new(&root);
        tree.apply(&file("/etc/old", "new")).unwrap();
        tree.apply(&Change::Directory { path: "/srv/data".into(), mode: 0o700, uid: 1, gid: 1 }).unwrap();
        tree.apply(&Change::Link { path: "/srv/etc".into(), target: "../etc".into() }).unwrap();
        tree.apply(&file("/srv/etc/through", "link")).unwrap();
        tree.apply(&Change::Remove { path: "/srv/etc/gone".into() }).unwrap();

        assert_eq!(tree.read_text(Path::new("/srv/etc/old")).unwrap().as_deref(), Some("new"));
        assert_eq!(tree.stat(Path::new("/etc/old")).unwrap().unwrap().mode, 0o600);
        assert_eq!(tree.read_link(Path::new("/srv/etc")).unwrap(), Some("../etc".into()));
        assert_eq!(tree.list(Path::new("/srv/etc")).unwrap(), ["old", "through"]);
        assert_eq!(tree.list(Path::new("/srv")).unwrap(), ["data", "etc"]);
        assert!(!tree.exists(Path::new("/etc/gone")));
        assert_eq!(scratch.text("/etc/old"), "old", "nothing is really changed");
    }

    #[test]
    fn a_link_that_leads_nowhere_is_written_where_it_leads() {
        let scratch = Scratch::new();
        scratch.file("/etc/hosts", "");
        std::os::unix::fs::symlink("/run/resolv.conf", scratch.path("/etc/resolv.conf")).unwrap();
        let root = scratch.root();
        let mut tree = Overlay::new(&root);
        tree.apply(&file("/etc/resolv.conf", "nameserver ::1")).unwrap();
        assert!(tree.exists(Path::new("/run/resolv.conf")));
        assert!(tree.read_link(Path::new("/etc/resolv.conf")).unwrap().is_some(), "still a link");
    }
}
