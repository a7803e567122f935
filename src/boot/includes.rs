// SPDX-License-Identifier: Apache-2.0
//! Documents that user-data names: fetched once, kept with the instance, and never fetched again.
//!
//! Each is on the disk before it is used, so that later stages and boots decide by the same text, and a run that was
//! killed goes on with what it has.

use std::cell::Cell;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use crate::digest::sha256;
use crate::error::{Error, Result};
use crate::finding::Origin;
use crate::guest::Guest;
use crate::http::{self, Client};
use crate::network::{model::NetworkConfig, online};
use crate::root::{Root, Tree as _};
use crate::state;
use crate::userdata::{Files, Includes, SIZE_LIMIT};

/// For all documents together: a boot does not wait longer for servers that are not there.
const PATIENCE: Duration = Duration::from_secs(120);
/// For all documents of a run together, in bytes.
const ROOM: usize = 4 * SIZE_LIMIT;
/// For one try, so that one server that says nothing leaves time for the others.
const TRY: Duration = Duration::from_secs(30);

/// What becomes of a document that needs the network and is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remote {
    /// A later stage fetches it.
    Later,
    /// It is fetched.
    Now,
    /// An earlier stage of this boot did not get it; the next boot tries again.
    Never,
}

/// Finds the documents that the user-data of one instance names.
pub(super) struct Fetcher<'a> {
    root: &'a Root,
    id: &'a str,
    remote: Remote,
    /// What has to be up before a server can be asked, where the agent itself waits for it.
    network: Option<(&'a NetworkConfig, &'a Guest)>,
    /// When the asking ends; set with the first server.
    deadline: Cell<Option<Instant>>,
    room: Cell<usize>,
    asked: Cell<bool>,
    lacking: Cell<bool>,
}

impl<'a> Fetcher<'a> {
    pub(super) fn new(
        root: &'a Root,
        id: &'a str,
        remote: Remote,
        network: Option<(&'a NetworkConfig, &'a Guest)>,
    ) -> Self {
        let (asked, lacking) = (Cell::new(false), Cell::new(false));
        Self { root, id, remote, network, deadline: Cell::new(None), room: Cell::new(ROOM), asked, lacking }
    }

    /// Whether something was named that needs the network, kept or not.
    pub(super) fn names_servers(&self) -> bool {
        self.asked.get()
    }

    /// Whether a document could not be had.
    pub(super) fn lacks_something(&self) -> bool {
        self.lacking.get()
    }

    fn ask(&self, url: &str) -> Result<Vec<u8>> {
        if self.remote == Remote::Never {
            return Err(Error::absent("it could not be fetched in this boot")
                .help("the next boot tries again; what the rest of the user-data asks for is done"));
        }
        let deadline = self.deadline.get().unwrap_or_else(|| {
            if let Some((network, guest)) = self.network {
                online::wait(network, guest.nics.as_deref().unwrap_or_default());
            }
            Instant::now() + PATIENCE
        });
        self.deadline.set(Some(deadline));
        let client = Client::files();
        let limit = SIZE_LIMIT.min(self.room.get());
        let get = || client.get(url, limit as u64, deadline.min(Instant::now() + TRY));
        // A run that is told to end here is ended at once, and goes on with what it has kept.
        let sleep = |pause| {
            thread::sleep(pause);
            false
        };
        let body = http::retry(u32::MAX, deadline, sleep, get)?.body;
        self.room.set(self.room.get().saturating_sub(body.len()));
        if let Err(error) = self.keep(url, &body) {
            log::warn!("{error}; it will be fetched again");
        }
        Ok(body)
    }

    fn keep(&self, url: &str, body: &[u8]) -> Result<()> {
        self.root.make_directory(&state::instance(self.id), 0o700)?;
        self.root.make_directory(&state::includes(self.id), 0o700)?;
        self.root.write_durably(&self.place(url), body, 0o600)
    }

    fn place(&self, url: &str) -> PathBuf {
        state::includes(self.id).join(sha256(url.as_bytes()))
    }
}

impl Includes for Fetcher<'_> {
    /// What is kept is as good with `once` and without: an instance is configured once.
    fn fetch(&self, url: &str, once: bool, origin: &Origin) -> Result<Option<Vec<u8>>> {
        let local = Files(self.root).fetch(url, once, origin)?;
        if local.is_some() {
            return Ok(local);
        }
        self.asked.set(true);
        if let Some(kept) = self.root.read(&self.place(url))? {
            return Ok(Some(kept));
        }
        if self.remote == Remote::Later {
            return Ok(None);
        }
        self.ask(url).map(Some).inspect_err(|_| self.lacking.set(true))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::http::scripted::{Scripted, whole};
    use crate::scratch::Scratch;

    fn origin() -> Origin {
        Origin::document("user_data")
    }

    #[test]
    fn a_document_is_fetched_once_and_kept_for_root_alone() {
        let scratch = Scratch::new();
        let root = scratch.root();
        let busy = whole("503 Service Unavailable", "", "");
        let server = Scripted::start(vec![busy, whole("200 OK", "", "#cloud-config\n")]);
        let url = server.url("/part?token=secret");
        let fetch = |remote: Remote| Fetcher::new(&root, "i-1", remote, None).fetch(&url, false, &origin());
        assert_eq!(fetch(Remote::Later).unwrap(), None);
        assert!(fetch(Remote::Never).unwrap_err().is_absent());
        assert_eq!(server.requests().len(), 0);
        assert_eq!(fetch(Remote::Now).unwrap().unwrap(), b"#cloud-config\n");
        for remote in [Remote::Later, Remote::Now, Remote::Never] {
            assert_eq!(fetch(remote).unwrap().unwrap(), b"#cloud-config\n", "the server has gone");
        }
        assert_eq!(server.requests().len(), 2);
        let kept = scratch.path(&state::includes("i-1").to_string_lossy());
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let file = std::fs::read_dir(&kept).unwrap().next().unwrap().unwrap().path();
        assert_eq!((mode(&kept), mode(&file)), (0o700, 0o600));
        assert!(!file.to_string_lossy().contains("secret"));
        let other = Fetcher::new(&root, "i-2", Remote::Later, None).fetch(&url, true, &origin());
        assert_eq!(other.unwrap(), None, "of another instance");
    }

    #[test]
    fn what_cannot_be_had_is_told_apart_from_what_comes_later() {
        let scratch = Scratch::new();
        scratch.file("/etc/part", "here");
        let root = scratch.root();
        let server = Scripted::start(vec![whole("404 Not Found", "", "")]);
        let fetcher = Fetcher::new(&root, "i-1", Remote::Now, None);
        assert_eq!(fetcher.fetch("file:///etc/part", false, &origin()).unwrap().unwrap(), b"here");
        assert!(!fetcher.names_servers());
        assert!(fetcher.fetch(&server.url("/x"), false, &origin()).is_err());
        assert!(fetcher.names_servers() && fetcher.lacks_something());
        let later = Fetcher::new(&root, "i-1", Remote::Later, None);
        later.fetch(&server.url("/x"), false, &origin()).unwrap();
        assert!(later.names_servers() && !later.lacks_something());
    }
}
