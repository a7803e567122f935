// SPDX-License-Identifier: Apache-2.0
//! The agent's own files written beneath the root: every link on the way is followed as the guest would follow it, and
//! none that a less trusted user could have planted.
//!
//! Directories on the way that are not there are made, 0755. Whoever writes holds a [`Lock`](super::Lock) where somebody
//! else might write the same file.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::files::{self, Attributes};
use super::follow::bounded;
use super::walk::{Missing, walk};
use super::{Last, Links, Place, Root};
use crate::error::{At as _, OrAbsent as _, Result};

impl Root {
    /// A file with this content and mode in place of what is there: readers see the old one or the new one, whole.
    pub fn write(&self, path: &Path, content: &[u8], mode: u32) -> Result<()> {
        let place = self.open_making_parents(path, Last::Follow)?;
        files::file(&place, path, content, Attributes { mode, owner: None }, false)
    }

    /// As [`Self::write`], and on the disk when this returns: not even a power cut forgets it.
    pub fn write_durably(&self, path: &Path, content: &[u8], mode: u32) -> Result<()> {
        let place = self.open_making_parents(path, Last::Follow)?;
        files::file(&place, path, content, Attributes { mode, owner: None }, true)?;
        files::sync(&place, path)
    }

    /// A regular file to be appended to, made with `mode` where it is not there.
    pub fn append(&self, path: &Path, mode: u32) -> Result<File> {
        let place = self.open_making_parents(path, Last::Follow)?;
        files::open(&place, path, OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_CREAT, mode)
    }

    /// A directory of this mode; one that is there gets the mode.
    pub fn make_directory(&self, path: &Path, mode: u32) -> Result<()> {
        let place = self.open_making_parents(path, Last::Follow)?;
        files::directory(&place, path, Attributes { mode, owner: None })
    }

    /// A symbolic link in place of the file or link that is there.
    pub fn link(&self, path: &Path, target: &Path) -> Result<()> {
        files::link(&self.open_making_parents(path, Last::Keep)?, path, target)
    }

    /// Gives what is at `from` the name `to`, in place of what has it. Links are renamed themselves.
    pub fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let (old, new) =
            (self.open_parent(from, Last::Keep, Links::Trusted)?, self.open_making_parents(to, Last::Keep)?);
        renameat(&*old.directory, old.name.as_os_str(), &*new.directory, new.name.as_os_str()).at("rename", from)
    }

    /// Takes away a file, or a link itself. One that is not there is no error.
    pub fn remove(&self, path: &Path) -> Result<()> {
        match self.open_parent(path, Last::Keep, Links::Trusted).or_absent()? {
            Some(place) => files::remove(&place, path),
            None => Ok(()),
        }
    }

    /// As [`Self::remove`], and a directory with all that is in it, but never what a link leads to.
    pub fn remove_tree(&self, path: &Path) -> Result<()> {
        match self.open_parent(path, Last::Keep, Links::Trusted).or_absent()? {
            Some(place) => remove_tree(&*place.directory, &place.name, 0, path),
            None => Ok(()),
        }
    }

    /// As [`Root::open_parent`] for what will be written, the directories on the way made.
    pub(super) fn open_making_parents(&self, path: &Path, last: Last) -> Result<Place> {
        walk(&self.top, path, last, Links::Trusted, Missing::Make)
    }
}

/// By open directories, so that none can be exchanged for a link in the middle.
fn remove_tree(parent: impl AsFd, name: &OsStr, depth: usize, path: &Path) -> Result<()> {
    bounded(path, 0, depth)?;
    match unlinkat(&parent, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => return Ok(()),
        Err(Errno::EISDIR) => {}
        refused => return refused.at("remove", path),
    }
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut directory = Dir::openat(&parent, name, flags, Mode::empty()).at("remove", path)?;
    // All names first: a directory that changes while it is listed may leave some out.
    let entries: Vec<OsString> = (directory.iter())
        .map(|entry| entry.map(|entry| OsStr::from_bytes(entry.file_name().to_bytes()).to_owned()))
        .collect::<nix::Result<_>>()
        .at("list", path)?;
    for entry in entries.iter().filter(|entry| *entry != "." && *entry != "..") {
        remove_tree(&directory, entry, depth + 1, path)?;
    }
    unlinkat(&parent, name, UnlinkatFlags::RemoveDir).at("remove", path)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::root::Tree as _;
    use crate::scratch::Scratch;

    /// Every file of a directory outside, and its content.
    fn outside(scratch: &Scratch) -> Vec<(String, String)> {
        let root = scratch.root();
        let names = root.list(Path::new("/outside")).unwrap();
        names.into_iter().map(|name| (scratch.text(&format!("/outside/{name}")), name)).collect()
    }

    #[test]
    fn an_image_s_links_lead_nowhere_outside() {
        let scratch = Scratch::new();
        for name in ["kept", "machine-id"] {
            scratch.file(&format!("/outside/{name}"), name);
        }
        fs::create_dir_all(scratch.path("/image/etc")).unwrap();
        let directory = scratch.path("/outside");
        for link in ["/image/lib", "/image/relative"] {
            let up = Path::new("../../../../..").join(directory.strip_prefix("/").unwrap());
            symlink(if link == "/image/lib" { &directory } else { &up }, scratch.path(link)).unwrap();
        }
        symlink(directory.join("machine-id"), scratch.path("/image/etc/machine-id")).unwrap();
        let before = outside(&scratch);
        let root = Root::open(&scratch.path("/image")).unwrap();

        for top in ["/lib", "/relative"] {
            let at = |name: &str| Path::new(top).join(name);
            root.write(&at("kept"), b"new", 0o600).unwrap();
            root.write_durably(&at("deep/er"), b"new", 0o600).unwrap();
            root.append(&at("log"), 0o640).unwrap().write_all(b"line\n").unwrap();
            root.make_directory(&at("made"), 0o700).unwrap();
            root.link(&at("link"), Path::new("made")).unwrap();
            root.rename(&at("log"), &at("moved")).unwrap();
            assert!(root.lock(&at("lock"), "test", std::time::Duration::ZERO).is_ok());
            // As the guest sees it, what was written is where the link leads: the same place within the image.
            assert_eq!(root.read_text(&directory.join("moved")).unwrap().as_deref(), Some("line\n"));
            for name in ["kept", "deep", "made", "link", "moved", "lock", "machine-id"] {
                root.remove_tree(&at(name)).unwrap();
            }
            assert!(root.list(Path::new(top)).unwrap().is_empty());
        }
        root.write(Path::new("/etc/machine-id"), b"", 0o444).unwrap();
        assert_eq!(outside(&scratch), before);
    }

    #[test]
    fn modes_are_as_asked_and_directories_on_the_way_are_made() {
        let scratch = Scratch::new();
        let root = scratch.root();
        root.write(Path::new("/a/b/open"), b"1", 0o644).unwrap();
        root.write(Path::new("/a/b/open"), b"2", 0o600).unwrap();
        root.append(Path::new("/a/log"), 0o640).unwrap();
        root.make_directory(Path::new("/a/private"), 0o755).unwrap();
        root.make_directory(Path::new("/a/private"), 0o700).unwrap();
        let mode = |path: &str| fs::metadata(scratch.path(path)).unwrap().permissions().mode() & 0o7777;
        for (path, expected) in
            [("/a", 0o755), ("/a/b", 0o755), ("/a/b/open", 0o600), ("/a/log", 0o640), ("/a/private", 0o700)]
        {
            assert_eq!(mode(path), expected, "{path}");
        }
        assert_eq!(scratch.text("/a/b/open"), "2");
        assert_eq!(root.list(Path::new("/a/b")).unwrap(), ["open"], "nothing is left beside it");
    }

    #[test]
    fn a_tree_goes_and_what_its_links_lead_to_stays() {
        let scratch = Scratch::new();
        for path in ["/kept/file", "/tree/a/b/file", "/tree/file"] {
            scratch.file(path, "");
        }
        symlink(scratch.path("/kept"), scratch.path("/tree/a/directory")).unwrap();
        symlink("/kept/file", scratch.path("/tree/file-link")).unwrap();
        symlink("/kept", scratch.path("/link")).unwrap();
        let root = scratch.root();
        assert!(root.remove(Path::new("/tree")).is_err(), "a file was meant");
        assert!(root.exists(Path::new("/tree/file")));
        for path in ["/tree", "/link", "/missing/deeper"] {
            root.remove_tree(Path::new(path)).unwrap();
        }
        assert_eq!(root.list(Path::new("/")).unwrap(), ["kept"]);
        assert!(root.exists(Path::new("/kept/file")));
    }

    #[test]
    fn a_log_is_no_device_and_no_pipe() {
        let scratch = Scratch::new();
        nix::unistd::mkfifo(&scratch.path("/pipe"), Mode::S_IRWXU).unwrap();
        let error = scratch.root().append(Path::new("/pipe"), 0o640).unwrap_err().to_string();
        assert!(error.contains("not a regular file"), "{error}");
    }
}
