// SPDX-License-Identifier: Apache-2.0
//! The file tree that is looked at and changed: the live system or an image's root. Every look-up stays beneath it.

pub mod files;
mod follow;
mod label;
mod lock;
mod state_files;
mod walk;

use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::dir::Dir;
use nix::fcntl::{OFlag, readlinkat};
use nix::sys::stat::Mode;
use nix::unistd::geteuid;

use crate::error::{At, Error, OrAbsent, Result};
use crate::netlink;

pub use follow::follow;
pub use lock::Lock;
pub use walk::{Last, Links, Place};
use walk::{Missing, stat_of};

/// The largest file that is read whole without being asked for more.
pub const READ_LIMIT: u64 = 16 << 20;

/// The most entries of a directory that are listed.
const LIST_LIMIT: usize = 100_000;

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
    /// The names in a directory that are UTF-8, sorted; empty where it is not there.
    fn list(&self, path: &Path) -> Result<Vec<String>>;
    /// Whether this is the running system, which has a host name and a pool of random numbers.
    fn is_live(&self) -> bool;
    /// Whether files can be given to others. An ordinary user cannot: owners are left as they are and not compared.
    fn owners(&self) -> bool;

    /// What the kernel has of a network; `None` for an image, whether or not it is looked at as if it were running.
    fn network(&self) -> Result<Option<netlink::State>> {
        Ok(None)
    }

    /// The path behind all links, as the guest would find it. Parts that are not there stay as they are named.
    fn resolve(&self, path: &Path) -> Result<PathBuf> {
        follow(path, &|path| self.read_link(path))
    }

    /// The content as text (invalid UTF-8 replaced); `None` where it is not there.
    fn read_text(&self, path: &Path) -> Result<Option<String>> {
        Ok(self.read(path)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Whether there is something.
    fn exists(&self, path: &Path) -> bool {
        matches!(self.stat(path), Ok(Some(_)))
    }
}

/// The live system (`/`) or an image's root. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct Root {
    path: PathBuf,
    top: Arc<OwnedFd>,
    is_copy: bool,
}

impl Root {
    /// The tree at `path`, which must be a directory.
    pub fn open(path: &Path) -> Result<Self> {
        let path = std::fs::canonicalize(path).at("find the root", path)?;
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let top = nix::fcntl::open(&path, flags, Mode::empty()).at("open the root", &path);
        let top = top.map_err(|error| error.help("the root of an image is the directory where it is mounted"))?;
        Ok(Self { path, top: Arc::new(top), is_copy: false })
    }

    /// Whether this is the running system.
    pub fn is_live(&self) -> bool {
        self.path == Path::new("/")
    }

    /// It as the copy of a machine: its `sys`, `proc` and `dev` are looked at too. Still nothing runs in it.
    pub fn as_machine(self) -> Self {
        Self { is_copy: true, ..self }
    }

    /// Whether a machine can be seen in it: the running system, or the copy of one. An image has none.
    pub fn is_machine(&self) -> bool {
        self.is_live() || self.is_copy
    }

    /// Where the tree is on the machine that runs the agent.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where what the guest has at `path` is on the machine that runs the agent, its links followed within the tree:
    /// for other programs. The agent itself reads and writes beneath the root.
    pub fn outside(&self, path: &Path) -> Result<PathBuf> {
        let found = self.resolve(path)?;
        Ok(self.path.join(found.strip_prefix("/").unwrap_or(&found)))
    }

    /// The directory that `path` is in, open, and the name it has there.
    ///
    /// With [`Links::Trusted`] for whatever will be written: a link that somebody else could have planted is refused.
    /// Errors: absent where a directory on the way is not there.
    pub fn open_parent(&self, path: &Path, last: Last, links: Links) -> Result<Place> {
        walk::walk(&self.top, path, last, links, Missing::Tell)
    }

    /// The place of something that exists; `None` where it, or a directory on the way to it, does not.
    fn find(&self, path: &Path, last: Last) -> Result<Option<(Place, Stat)>> {
        let place = self.open_parent(path, last, Links::Any).or_absent()?;
        Ok(place.and_then(|place| place.stat.map(|stat| (place, stat))))
    }
}

impl Tree for Root {
    fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        Ok(self.find(path, Last::Follow)?.map(|(_, stat)| stat))
    }

    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        let Some((place, _)) = self.find(path, Last::Follow)? else { return Ok(None) };
        let file = files::open(&place, path, OFlag::O_RDONLY, 0)?;
        // By what is really there: files of /proc and /sys say that they are empty.
        let mut content = Vec::new();
        file.take(READ_LIMIT + 1).read_to_end(&mut content).at("read", path)?;
        if content.len() as u64 > READ_LIMIT {
            return Err(Error::malformed(format!("{} is larger than {} MiB", path.display(), READ_LIMIT >> 20)));
        }
        Ok(Some(content))
    }

    fn read_link(&self, path: &Path) -> Result<Option<PathBuf>> {
        let Some((place, _)) = self.find(path, Last::Keep)? else { return Ok(None) };
        if !place.link {
            return Ok(None);
        }
        let target = readlinkat(&*place.directory, place.name.as_os_str()).at("read the link", path)?;
        Ok(Some(target.into()))
    }

    fn list(&self, path: &Path) -> Result<Vec<String>> {
        let Some((place, _)) = self.find(path, Last::Follow)? else { return Ok(Vec::new()) };
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut directory =
            Dir::openat(&*place.directory, place.name.as_os_str(), flags, Mode::empty()).at("list", path)?;
        let mut names = Vec::new();
        for entry in directory.iter() {
            let entry = entry.at("list", path)?;
            if let Ok(name) = entry.file_name().to_str()
                && name != "."
                && name != ".."
            {
                names.push(name.to_owned());
            }
            if names.len() > LIST_LIMIT {
                let full = io::Error::other(format!("more than {LIST_LIMIT} entries"));
                return Err(full).at("list", path);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn is_live(&self) -> bool {
        Root::is_live(self)
    }

    fn owners(&self) -> bool {
        geteuid().is_root()
    }

    fn network(&self) -> Result<Option<netlink::State>> {
        if !Root::is_live(self) {
            return Ok(None);
        }
        let read = netlink::Socket::open().and_then(|mut socket| netlink::State::read(&mut socket));
        let state = read.map_err(|error| Error::fatal("cannot ask the kernel for its network").because(error))?;
        Ok(Some(state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use std::os::unix::fs::symlink;

    #[test]
    fn absolute_links_start_again_at_the_root_of_the_tree() {
        let scratch = Scratch::new();
        scratch.file("/etc/os-release", "ID=outer");
        scratch.file("/image/usr/lib/os-release", "ID=inner");
        std::fs::create_dir(scratch.path("/image/etc")).unwrap();
        symlink("/usr/lib/os-release", scratch.path("/image/etc/os-release")).unwrap();
        symlink("../../../../../etc", scratch.path("/image/usr/escape")).unwrap();

        let root = Root::open(&scratch.path("/image")).unwrap();
        for path in ["/etc/os-release", "/usr/escape/os-release", "/../../etc/./os-release"] {
            assert_eq!(root.read_text(Path::new(path)).unwrap().as_deref(), Some("ID=inner"), "{path}");
        }
        assert_eq!(root.read_link(Path::new("/etc/os-release")).unwrap(), Some("/usr/lib/os-release".into()));
        assert_eq!(root.read_link(Path::new("/usr/lib/os-release")).unwrap(), None);
        assert_eq!(root.resolve(Path::new("/usr/escape/new")).unwrap(), Path::new("/etc/new"));
        assert_eq!(root.outside(Path::new("/usr/escape/new")).unwrap(), scratch.path("/image/etc/new"));
    }

    #[test]
    fn what_is_not_there_is_no_error() {
        let scratch = Scratch::new();
        scratch.file("/file", "");
        symlink("nowhere/at/all", scratch.path("/dangling")).unwrap();
        let root = scratch.root();
        for path in ["/missing", "/missing/deeper", "/file/below", "/dangling"] {
            let path = Path::new(path);
            assert_eq!(root.stat(path).unwrap(), None, "{path:?}");
            assert_eq!(root.read(path).unwrap(), None, "{path:?}");
            assert!(root.list(path).unwrap().is_empty(), "{path:?}");
        }
        assert!(Root::open(&scratch.path("/missing")).unwrap_err().is_absent());
    }

    #[test]
    fn loops_pipes_and_depths_end() {
        let scratch = Scratch::new();
        symlink("loop", scratch.path("/loop")).unwrap();
        nix::unistd::mkfifo(&scratch.path("/pipe"), Mode::S_IRWXU).unwrap();
        let root = scratch.root();
        assert!(root.stat(Path::new("/loop")).unwrap_err().to_string().contains("links"));
        assert!(root.resolve(Path::new("/loop")).is_err());
        assert!(root.read(Path::new("/pipe")).unwrap_err().to_string().contains("not a regular file"));
        let deep = format!("/{}", "a/".repeat(100_000));
        assert!(root.stat(Path::new(&deep)).is_err());
        assert!(root.resolve(Path::new(&deep)).is_err());
    }

    #[test]
    fn files_of_the_kernel_are_read_though_they_say_they_are_empty() {
        let live = Root::open(Path::new("/")).unwrap();
        assert!(live.is_live());
        assert_eq!(live.stat(Path::new("/proc/self/status")).unwrap().unwrap().size, 0);
        assert!(live.read_text(Path::new("/proc/self/status")).unwrap().unwrap().starts_with("Name:"));
    }

    #[test]
    fn a_directory_is_listed_in_order() {
        let scratch = Scratch::new();
        for name in ["b", "a", ".hidden"] {
            scratch.file(&format!("/d/{name}"), "");
        }
        assert_eq!(scratch.root().list(Path::new("/d")).unwrap(), [".hidden", "a", "b"]);
    }
}
