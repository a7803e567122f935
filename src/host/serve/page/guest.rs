// SPDX-License-Identifier: Apache-2.0
//! What one guest did, within bounds: a guest chooses what it asks for and what it says.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

use crate::finding::escaped;
use crate::host::serve::callers::Identity;
use crate::report::clock;

/// Requests that are kept one by one.
const MOST_RECENT: usize = 50;

/// Paths that are counted one by one; a guest needs some tens of them.
const MOST_PATHS: usize = 100;

/// Fields of a report.
const MOST_FIELDS: usize = 20;

/// Characters of a path, a name or a field.
const LONGEST: usize = 200;

/// A guest that has not reported and says nothing for so long has perhaps lost its way.
const SILENT: Duration = Duration::from_secs(300);

/// How it is with a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Its first boot goes on.
    Asking,
    /// It asked, has not reported, and says nothing any more.
    Silent,
    /// It reported.
    Done,
}

impl State {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            State::Asking => "asking",
            State::Silent => "silent",
            State::Done => "done",
        }
    }
}

/// A guest.
#[derive(Debug, Clone, Serialize)]
pub struct Guest {
    /// In the order in which they came; for links.
    pub number: u64,
    /// Its best name.
    pub name: String,
    /// Where it asked from.
    pub address: Option<String>,
    /// Its card.
    pub mac: Option<String>,
    /// libvirt's uuid of it.
    pub uuid: Option<String>,
    /// Its first request.
    pub first: Time,
    /// Its last one.
    pub last: Time,
    /// How many there were.
    pub requests: u64,
    /// Those that were answered with a 500, or with 429: nothing of them is the guest's fault alone.
    pub failed: u64,
    /// When it reported, and what.
    pub report: Option<Report>,
    /// What it asked for.
    #[serde(skip)]
    pub paths: BTreeMap<Arc<str>, Asked>,
    /// The last requests, newest first.
    #[serde(skip)]
    pub recent: VecDeque<Request>,
}

/// A point in time, as ISO 8601 in UTC.
#[derive(Debug, Clone, Copy)]
pub struct Time(pub SystemTime);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&clock::utc(self.0))
    }
}

/// A path's requests.
#[derive(Debug, Clone, Serialize)]
pub struct Asked {
    pub count: u64,
    /// Of the last.
    pub status: u16,
    pub last: Time,
}

/// One request.
#[derive(Debug, Clone, Serialize)]
pub struct Request {
    pub at: Time,
    pub method: String,
    pub what: Arc<str>,
    pub status: u16,
    /// Why it was answered so, in the words of the access log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What the guest said of itself.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub at: Time,
    pub fields: Vec<(String, String)>,
}

impl Guest {
    /// One that came now.
    pub fn new(number: u64, who: &Identity, now: SystemTime) -> Self {
        let mut guest = Self {
            number,
            name: String::new(),
            address: None,
            mac: None,
            uuid: None,
            first: Time(now),
            last: Time(now),
            requests: 0,
            failed: 0,
            report: None,
            paths: BTreeMap::new(),
            recent: VecDeque::new(),
        };
        guest.seen(who, now);
        guest
    }

    /// It is there, by what is known of it now: its address may have changed.
    pub fn seen(&mut self, who: &Identity, now: SystemTime) {
        let address = who.address.map(|address| address.to_string());
        let name = who.domain.as_ref().or(who.names.first()).or(address.as_ref());
        self.name = name.map_or_else(|| "unknown".to_owned(), |name| short(name));
        self.address = address;
        self.mac = who.mac.as_deref().map(short);
        self.uuid = who.uuid.as_deref().map(short);
        self.last = Time(now);
    }

    /// It asked.
    pub fn asked(&mut self, now: SystemTime, method: &str, what: &str, (status, reason): (u16, Option<&str>)) {
        let (at, mut what) = (Time(now), Arc::<str>::from(short(what)));
        self.requests += 1;
        self.failed += u64::from(status >= 500 || status == 429);
        if !self.paths.contains_key(&what) && self.paths.len() >= MOST_PATHS {
            what = Arc::from("(other paths)");
        }
        let asked = self.paths.entry(what.clone()).or_insert(Asked { count: 0, status, last: at });
        *asked = Asked { count: asked.count + 1, status, last: at };
        self.recent.truncate(MOST_RECENT - 1);
        self.recent.push_front(Request { at, method: short(method), what, status, reason: reason.map(short) });
    }

    /// It reported. Keys of hosts are left out, whatever the caller did.
    pub fn reported(&mut self, now: SystemTime, fields: &[(String, String)]) {
        let said = fields.iter().filter(|(name, _)| !name.starts_with("pub_key"));
        let fields = said.take(MOST_FIELDS).map(|(name, value)| (short(name), short(value))).collect();
        self.report = Some(Report { at: Time(now), fields });
    }

    /// How it is with it.
    pub fn state(&self, now: SystemTime) -> State {
        let silent = now.duration_since(self.last.0).is_ok_and(|since| since > SILENT);
        match (&self.report, silent) {
            (Some(_), _) => State::Done,
            (None, true) => State::Silent,
            (None, false) => State::Asking,
        }
    }

    /// Whether some word of it holds `text`, in small letters.
    pub fn is_like(&self, text: &str) -> bool {
        let words = [Some(&self.name), self.address.as_ref(), self.mac.as_ref(), self.uuid.as_ref()];
        words.into_iter().flatten().any(|word| word.to_lowercase().contains(text))
    }
}

/// On one line, with what would turn its letters around made visible, and not too long.
fn short(text: &str) -> String {
    let line = escaped(&text.chars().take(LONGEST).collect::<String>());
    if line.len() < text.len() { line + "…" } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_that_asks_for_everything_fills_no_memory() {
        let now = SystemTime::now();
        let mut guest = Guest::new(1, &Identity::default(), now);
        for number in 0..10_000 {
            guest.asked(now, "GET", &format!("/{number}/{}", "x".repeat(5000)), (404, None));
        }
        assert_eq!((guest.requests, guest.failed, guest.recent.len()), (10_000, 0, MOST_RECENT));
        assert_eq!(guest.paths.len(), MOST_PATHS + 1);
        assert_eq!(guest.paths.get("(other paths)").unwrap().count, 10_000 - MOST_PATHS as u64);
        assert!(guest.recent.iter().all(|request| request.what.len() < 300));
    }

    #[test]
    fn keys_are_not_kept_and_lines_stay_lines() {
        let mut guest = Guest::new(1, &Identity::default(), SystemTime::now());
        let fields = [("pub_key_rsa", "ssh-rsa A"), ("hostname", "a\u{202e}b\nc")];
        guest.reported(SystemTime::now(), &fields.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(guest.report.unwrap().fields, [("hostname".to_owned(), "a\\u{202e}b\\nc".to_owned())]);
    }
}
