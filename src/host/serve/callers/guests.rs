// SPDX-License-Identifier: Apache-2.0
//! A file that says who is who, for guests of no libvirt: lines `NAME KEY...`.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use log::{info, warn};

use crate::error::{At as _, Error, Result};
use crate::finding::{Finding, Origin};
use crate::host::serve::callers::names::{is_name, is_uuid};
use crate::input;
use crate::network::prefix::Mac;

/// Bytes of the file at most.
const MOST: u64 = 16 << 20;

/// What a line knows a guest by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Its card.
    Mac(Mac),
    /// Where it asks from.
    Address(IpAddr),
    /// libvirt's uuid of it, in lower case.
    Uuid(String),
}

impl Key {
    fn parse(text: &str) -> Option<Self> {
        if let Ok(mac) = text.parse() {
            return Some(Self::Mac(mac));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Self::Address(address.to_canonical()));
        }
        is_uuid(text).then(|| Self::Uuid(text.to_ascii_lowercase()))
    }
}

/// The file, as it is now.
pub struct Guests {
    path: PathBuf,
    read: Mutex<Read>,
}

struct Read {
    stamp: Stamp,
    names: Arc<BTreeMap<Key, String>>,
}

/// What changes when a file does.
type Stamp = (u64, u64, u64, i64, i64);

fn stamp(file: &Metadata) -> Stamp {
    (file.dev(), file.ino(), file.size(), file.mtime(), file.mtime_nsec())
}

impl Guests {
    /// Reads the file.
    ///
    /// # Errors
    /// It can't be read, or a line of it says nothing, or contradicts one before: with the place.
    pub fn read(path: &Path) -> Result<Self> {
        let stamp = stamp(&std::fs::metadata(path).at("read", path)?);
        let read = Read { stamp, names: Arc::new(load(path)?) };
        Ok(Self { path: path.to_owned(), read: Mutex::new(read) })
    }

    /// The name of whom any of the keys means, the first one first. A file that has changed is read again; where that fails,
    /// what it said before holds.
    pub fn name(&self, keys: &[Key]) -> Option<String> {
        let names = self.now();
        keys.iter().find_map(|key| names.get(key)).cloned()
    }

    fn now(&self) -> Arc<BTreeMap<Key, String>> {
        let mut read = self.lock();
        let new = std::fs::metadata(&self.path).ok().map(|file| stamp(&file)).filter(|new| *new != read.stamp);
        if let Some(new) = new {
            // Even where it is wrong: it is not read again for each request.
            read.stamp = new;
            match load(&self.path) {
                Ok(names) => {
                    info!("{} has changed: {} entries", self.path.display(), names.len());
                    read.names = Arc::new(names);
                }
                Err(error) => warn!("what was known of the guests still holds: {error}"),
            }
        }
        Arc::clone(&read.names)
    }

    fn lock(&self) -> MutexGuard<'_, Read> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn load(path: &Path) -> Result<BTreeMap<Key, String>> {
    let bytes = input::read(path, MOST)?;
    let origin = Origin::document(path.display().to_string());
    let text = std::str::from_utf8(&bytes).map_err(|_| Error::from(Finding::error(&origin, "not UTF-8 text")))?;
    parse(text, &origin)
}

fn parse(text: &str, origin: &Origin) -> Result<BTreeMap<Key, String>> {
    let mut names = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let wrong = |message: String| -> Error { Finding::error(&origin.clone().at(number, 1), message).into() };
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(name) = words.next() else { continue };
        if !is_name(name) {
            return Err(wrong(format!("`{name}` is no name for a guest")));
        }
        let mut keys = words.peekable();
        if keys.peek().is_none() {
            return Err(wrong(format!("nothing says who {name} is")).help("lines are `NAME KEY...`"));
        }
        for word in keys {
            let key = Key::parse(word)
                .ok_or_else(|| wrong(format!("`{word}` is neither a MAC address nor an IP address nor a uuid")))?;
            let other = names.insert(key, name.to_owned()).filter(|other| other != name);
            if let Some(other) = other {
                return Err(wrong(format!("{word} is {other}'s already")));
            }
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key::parse(text).unwrap()
    }

    #[test]
    fn a_guest_is_known_by_any_of_its_keys() {
        let text = "# the rack\nweb 52:54:00:00:00:01 192.0.2.7 # front\n\n db\t52-54-00-00-00-0A 2001:DB8::1\n\
                    db 6695EB01-f6a4-8304-79aa-97f2502e193f\n";
        let names = parse(text, &Origin::document("guests")).unwrap();
        for (word, name) in [
            ("52:54:00:00:00:01", "web"),
            ("::ffff:192.0.2.7", "web"),
            ("52:54:00:00:00:0a", "db"),
            ("2001:db8:0::1", "db"),
            ("6695eb01-f6a4-8304-79aa-97f2502e193F", "db"),
        ] {
            assert_eq!(names.get(&key(word)).map(String::as_str), Some(name), "{word}");
        }
        assert_eq!(names.len(), 5);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, message) in [
            ("web\n", "guests:1:1: nothing says who web is"),
            ("\nweb here\n", "guests:2:1: `here` is neither"),
            ("../web 192.0.2.1", "guests:1:1: `../web` is no name"),
            ("a 192.0.2.1\nb ::ffff:192.0.2.1", "guests:2:1: ::ffff:192.0.2.1 is a's already"),
        ] {
            let error = parse(text, &Origin::document("guests")).unwrap_err().to_string();
            assert!(error.starts_with(message), "{text:?}: {error}");
        }
    }

    #[test]
    fn an_edit_takes_effect_at_the_next_request_and_a_mistake_changes_nothing() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("guests");
        // Another file each time, as editors do it: then its time need not be another.
        let write = |text: &str| {
            let beside = scratch.path().join(format!("new-{}", text.len()));
            std::fs::write(&beside, text).unwrap();
            std::fs::rename(beside, &path).unwrap();
        };
        write("web 192.0.2.1");
        let guests = Guests::read(&path).unwrap();
        let asks = |address: &str| guests.name(&[key("52:54:00:00:00:01"), key(address)]);
        assert_eq!((asks("192.0.2.1").as_deref(), asks("192.0.2.2")), (Some("web"), None));
        write("other 192.0.2.1\n");
        assert_eq!(asks("192.0.2.1").as_deref(), Some("other"));
        write("web 192.0.2.1 and more");
        assert_eq!(asks("192.0.2.1").as_deref(), Some("other"));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(asks("192.0.2.1").as_deref(), Some("other"));
    }
}
