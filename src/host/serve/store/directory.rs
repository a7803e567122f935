// SPDX-License-Identifier: Apache-2.0
//! The store in a directory, as Cheesy2 lays it out: looked at anew for each request, so that an edit takes effect at the
//! next one, and read again only where something changed.

use std::fs::{File, Metadata};
use std::io::{Read as _, Seek as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat};
use nix::sys::stat::{FileStat, Mode, fstatat};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::error::{At as _, Error, OrAbsent as _, Result};
use crate::host::serve::store::cache::Cache;
use crate::host::serve::store::{Key, LARGEST};
use crate::root::{FileKind, Last, Links, Root};

/// A file that changed less than this ago may change again without looking different: file systems tell time in ticks, of
/// up to a second where they are another machine's.
const TICK: Duration = Duration::from_secs(2);

/// A writer is at it: editors truncate a file, then fill it.
const QUIET: Duration = Duration::from_millis(25);

/// Who reads at a time, each with three files open at most: the rest of a storm waits here, and not for a free descriptor.
const READERS: usize = 32;

/// How often a file is looked at that changes while it is read.
const ATTEMPTS: u32 = 8;

/// The directory. Cloning it is cheap.
#[derive(Clone)]
pub struct Directory {
    path: PathBuf,
    read: Arc<Cache<(Stamp, Bytes)>>,
    readers: Arc<Semaphore>,
}

/// What tells a file from the one that was read before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(seen: &Metadata) -> Self {
        Self {
            device: seen.dev(),
            inode: seen.ino(),
            size: seen.size(),
            modified: (seen.mtime(), seen.mtime_nsec()),
            changed: (seen.ctime(), seen.ctime_nsec()),
        }
    }

    /// From a look at a name; none where a number makes no sense.
    fn at(seen: &FileStat) -> Option<Self> {
        Some(Self {
            device: seen.st_dev,
            inode: seen.st_ino,
            size: u64::try_from(seen.st_size).ok()?,
            modified: (seen.st_mtime, seen.st_mtime_nsec),
            changed: (seen.st_ctime, seen.st_ctime_nsec),
        })
    }

    /// Whether both have the same content: a file that another takes the place of meanwhile changes its link count alone.
    fn is_content_of(&self, other: &Self) -> bool {
        (self.size, self.modified) == (other.size, other.modified)
    }
}

/// How long ago that was; the future counts as long ago.
fn since((seconds, nanoseconds): (i64, i64)) -> Duration {
    let positive = |value: i64| u64::try_from(value).unwrap_or(0);
    let then = UNIX_EPOCH
        .checked_add(Duration::from_secs(positive(seconds)) + Duration::from_nanos(positive(nanoseconds)))
        .unwrap_or(UNIX_EPOCH);
    SystemTime::now().duration_since(then).unwrap_or(Duration::MAX)
}

impl Directory {
    /// The directory at `path`.
    pub fn open(path: &Path) -> Result<Self> {
        Root::open(path).map_err(|error| error.help("--data is the directory that holds NAME.json and NAME.data"))?;
        Ok(Self { path: path.to_owned(), read: Arc::default(), readers: Arc::new(Semaphore::new(READERS)) })
    }

    /// What is in the first file that is there, and its key. All are looked at by one thread that may wait for the disk: to
    /// hand a question over costs more than its answer.
    pub async fn first(&self, keys: Vec<Key>) -> Result<Option<(Key, Bytes)>> {
        let given_up = |error| Error::transient("the read was given up").because(error);
        let turn = Arc::clone(&self.readers).acquire_owned().await.map_err(|error| given_up(error.to_string()))?;
        let directory = self.clone();
        let looking = spawn_blocking(move || {
            // Kept by the thread: whoever asked may be gone before it is done.
            let _turn = turn;
            let glance = directory.glance();
            for key in keys {
                let known = glance.as_ref().and_then(|glance| directory.known(glance, &key));
                if let Some(content) = known.map_or_else(|| directory.get(&key), Ok)? {
                    return Ok(Some((key, content)));
                }
            }
            Ok(None)
        });
        looking.await.map_err(|error| given_up(error.to_string()))?
    }

    /// The directory as it is now, for [`Self::known`]; what is wrong with it is [`Self::get`]'s to say.
    fn glance(&self) -> Option<OwnedFd> {
        open(&self.path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()).ok()
    }

    /// What one look tells: that nothing is there, or that it is what was read before. `None` where it tells neither.
    fn known(&self, directory: &OwnedFd, key: &Key) -> Option<Option<Bytes>> {
        if key.as_str().contains('/') {
            return None;
        }
        let seen = match fstatat(directory, key.as_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(seen) => Stamp::at(&seen)?,
            Err(Errno::ENOENT) => return Some(None),
            Err(_) => return None,
        };
        self.read.get(key).filter(|(stamp, _)| *stamp == seen).map(|(_, content)| Some(content))
    }

    /// What is in the file of that key.
    ///
    /// # Errors
    /// Naming the file, where it is there and can't be served.
    pub fn get(&self, key: &Key) -> Result<Option<Bytes>> {
        self.look(key).map_err(|error| error.while_doing(self.path.display()))
    }

    fn look(&self, key: &Key) -> Result<Option<Bytes>> {
        // Opened once: where others take its place faster than it takes to see that nobody writes it, it is whole all the
        // same, and was there when the guest asked.
        let Some(mut file) = self.find(key)? else { return Ok(None) };
        let path = Path::new(key.as_str());
        for _ in 0..ATTEMPTS {
            let before = Stamp::of(&file.metadata().at("look at", path)?);
            if let Some((stamp, content)) = self.read.get(key)
                && stamp == before
            {
                return Ok(Some(content));
            }
            let content = read(&mut file, path)?;
            let after = Stamp::of(&file.metadata().at("look at", path)?);
            if content.len() as u64 == before.size && after.is_content_of(&before) && since(before.modified) >= QUIET {
                let settled = after == before && since(before.changed.max(before.modified)) >= TICK;
                self.read.put(key, settled.then(|| (before, content.clone())), content.len());
                return Ok(Some(content));
            }
            sleep(QUIET);
        }
        Err(Error::transient(format!("{key} is being written all the time"))
            .help("write to another file, and rename it when it is complete"))
    }

    /// The file, open. The directory is looked up each time: it may be a link that leads to the newest of several.
    fn find(&self, key: &Key) -> Result<Option<File>> {
        let root = Root::open(&self.path)
            .map_err(|error| Error::transient("the data is not there now").because(error.without_advice()))?;
        let path = Path::new("/").join(key.as_str());
        let place = match root.open_parent(&path, Last::Follow, Links::Any).or_absent()? {
            Some(place) if place.stat.is_some() => place,
            _ => return self.dangling(&root, &path),
        };
        match place.stat.map(|stat| stat.kind) {
            Some(FileKind::File) => (),
            Some(FileKind::Other) => return Err(Error::malformed(format!("{key} is not a regular file"))),
            // A directory has no content.
            Some(FileKind::Directory) | None => return Ok(None),
        }
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        match openat(&*place.directory, place.name.as_os_str(), flags, Mode::empty()) {
            // Renamed away since.
            Err(Errno::ENOENT) => Ok(None),
            Err(Errno::EACCES) => Err(Error::fatal(format!("{key} can't be read by this user"))
                .help("give it to the user that the server runs as, or let its group read it")),
            opened => Ok(Some(File::from(opened.at("open", Path::new(key.as_str()))?))),
        }
    }

    /// Nothing, unless a link is there that leads nowhere: who put it there means something by it.
    fn dangling(&self, root: &Root, path: &Path) -> Result<Option<File>> {
        match root.open_parent(path, Last::Keep, Links::Any).or_absent()? {
            Some(place) if place.link => {
                Err(Error::malformed(format!("{} is a link that leads to nothing in the directory", path.display()))
                    .help("links can't lead out of the served directory: put the file into it"))
            }
            _ => Ok(None),
        }
    }
}

fn read(file: &mut File, path: &Path) -> Result<Bytes> {
    let mut content = Vec::new();
    file.rewind().at("read", path)?;
    file.take(LARGEST + 1).read_to_end(&mut content).at("read", path)?;
    match content.len() as u64 > LARGEST {
        true => Err(Error::malformed(format!("{} is larger than {} MiB", path.display(), LARGEST >> 20))),
        false => Ok(content.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::scratch::Scratch;

    fn get(directory: &Directory, key: &str) -> Result<Option<String>> {
        let content = directory.get(&Key::new(key).unwrap())?;
        Ok(content.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()))
    }

    #[test]
    fn an_edit_takes_effect_at_the_next_request_however_it_was_made() {
        let scratch = Scratch::new();
        scratch.file("vm.json", "1");
        let directory = Directory::open(&scratch.path("")).unwrap();
        for number in 1..20 {
            let text = number.to_string();
            match number % 2 {
                0 => fs::write(scratch.path("vm.json"), &text).unwrap(),
                _ => {
                    scratch.file("new", &text);
                    fs::rename(scratch.path("new"), scratch.path("vm.json")).unwrap();
                }
            }
            assert_eq!(get(&directory, "vm.json").unwrap(), Some(text));
        }
        fs::remove_file(scratch.path("vm.json")).unwrap();
        assert_eq!(get(&directory, "vm.json").unwrap(), None);
    }

    #[test]
    fn a_file_that_is_old_is_read_once() {
        let scratch = Scratch::new();
        scratch.file("vm.data", "whole");
        let directory = Directory::open(&scratch.path("")).unwrap();
        let key = Key::new("vm.data").unwrap();
        directory.get(&key).unwrap();
        assert!(directory.read.get(&key).is_none(), "it may change within its tick");
        sleep(TICK);
        let first = directory.get(&key).unwrap().unwrap();
        let again = directory.get(&key).unwrap().unwrap();
        assert_eq!(first.as_ptr(), again.as_ptr());
        // Of the same length and age, by name of the old one.
        scratch.file("new", "other");
        let old = fs::metadata(scratch.path("vm.data")).unwrap().modified().unwrap();
        File::options().write(true).open(scratch.path("new")).unwrap().set_modified(old).unwrap();
        fs::rename(scratch.path("new"), scratch.path("vm.data")).unwrap();
        assert_eq!(get(&directory, "vm.data").unwrap().as_deref(), Some("other"));
    }

    #[tokio::test]
    async fn the_first_that_is_there_is_as_it_is_now() {
        let scratch = Scratch::new();
        scratch.file("data/default.json", "d");
        let directory = Directory::open(&scratch.path("data")).unwrap();
        let first = async || {
            let keys = ["web.json", "up/web.json", "default.json"].map(|key| Key::new(key).unwrap()).to_vec();
            let found = directory.first(keys).await?;
            Ok::<_, Error>(found.map(|(key, content)| format!("{key} {}", String::from_utf8_lossy(&content))))
        };
        let is = async |wanted: &str| assert_eq!(first().await.unwrap().as_deref(), Some(wanted));
        is("default.json d").await;
        tokio::time::sleep(TICK).await;
        is("default.json d").await;
        assert!(directory.read.get(&Key::new("default.json").unwrap()).is_some());
        fs::write(scratch.path("data/default.json"), "e").unwrap();
        is("default.json e").await;
        symlink("/real", scratch.path("data/web.json")).unwrap();
        assert!(first().await.is_err(), "a link that leads nowhere is no guest without data");
        scratch.file("data/real", "w");
        is("web.json w").await;
        // In place of the directory another one, as a link to the newest has it; then none.
        fs::rename(scratch.path("data"), scratch.path("old")).unwrap();
        assert!(first().await.unwrap_err().is_transient());
        scratch.file("data/default.json", "n");
        is("default.json n").await;
    }

    #[test]
    fn what_is_empty_only_while_it_is_written_is_not_served_empty() {
        let scratch = Scratch::new();
        scratch.file("vm.data", "#!/bin/sh\n");
        let directory = Directory::open(&scratch.path("")).unwrap();
        let path = scratch.path("vm.data");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..20 {
                    let file = File::create(&path).unwrap();
                    sleep(Duration::from_millis(5));
                    std::io::Write::write_all(&mut &file, b"#!/bin/sh\n").unwrap();
                    sleep(Duration::from_millis(60));
                }
            });
            for _ in 0..40 {
                assert_eq!(get(&directory, "vm.data").unwrap().as_deref(), Some("#!/bin/sh\n"));
            }
        });
    }

    #[test]
    fn what_is_replaced_all_the_time_is_served_whole() {
        let scratch = Scratch::new();
        scratch.file("vm.data", &"a".repeat(10_000));
        let directory = Directory::open(&scratch.path("")).unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for letter in ["b", "c", "d"].iter().cycle() {
                    if done.load(std::sync::atomic::Ordering::Relaxed) {
                        return;
                    }
                    fs::write(scratch.path("new"), letter.repeat(10_000)).unwrap();
                    fs::rename(scratch.path("new"), scratch.path("vm.data")).unwrap();
                }
            });
            let answers: Vec<_> = (0..10).map(|_| get(&directory, "vm.data")).collect();
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            for answer in answers {
                let text = answer.unwrap().unwrap();
                assert!(text.len() == 10_000 && text.starts_with(&text[..1].repeat(10_000)));
            }
        });
    }

    #[test]
    fn nothing_outside_and_nothing_that_is_no_file_is_served() {
        let scratch = Scratch::new();
        scratch.file("secret", "secret");
        scratch.file("data/real/vm.json", "{}");
        symlink(scratch.path("secret"), scratch.path("data/absolute")).unwrap();
        symlink("../secret", scratch.path("data/relative")).unwrap();
        symlink("..", scratch.path("data/up")).unwrap();
        symlink("real/vm.json", scratch.path("data/within")).unwrap();
        nix::unistd::mkfifo(&scratch.path("data/pipe"), Mode::S_IRWXU).unwrap();
        let directory = Directory::open(&scratch.path("data")).unwrap();
        assert_eq!(get(&directory, "within").unwrap().as_deref(), Some("{}"));
        for key in ["real", "up/secret", "missing", "real/vm.json/below"] {
            assert_eq!(get(&directory, key).unwrap(), None, "{key}");
        }
        for (key, reason) in [
            ("absolute", "leads to nothing in the directory"),
            ("relative", "leads to nothing in the directory"),
            ("pipe", "not a regular file"),
        ] {
            let error = get(&directory, key).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains("data"), "{error}");
        }
    }

    #[test]
    fn too_large_and_gone_are_said() {
        let scratch = Scratch::new();
        fs::create_dir(scratch.path("data")).unwrap();
        File::create(scratch.path("data/vm.data")).unwrap().set_len(LARGEST + 1).unwrap();
        let directory = Directory::open(&scratch.path("data")).unwrap();
        assert!(get(&directory, "vm.data").unwrap_err().to_string().contains("larger than 16 MiB"));
        fs::rename(scratch.path("data"), scratch.path("moved")).unwrap();
        assert!(get(&directory, "vm.data").unwrap_err().is_transient(), "it is no guest without data");
        assert!(Directory::open(&scratch.path("data")).err().unwrap().is_absent());
    }
}
