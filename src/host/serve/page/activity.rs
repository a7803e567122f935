// SPDX-License-Identifier: Apache-2.0
//! What guests did, for the page: bounded, the guests that were not heard of for longest forgotten first.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde::Serialize;

use crate::host::serve::callers::Identity;
use crate::host::serve::page::guest::{Guest, State};

/// Guests that are remembered.
const MOST_GUESTS: usize = 10_000;

/// What guests did.
#[derive(Default)]
pub struct Activity(Mutex<Guests>);

#[derive(Default)]
struct Guests {
    known: HashMap<String, (u64, Guest)>,
    /// By the use that is beside each guest: the first was not heard of for longest.
    by_use: BTreeMap<u64, String>,
    uses: u64,
    /// How many ever came.
    came: u64,
}

/// How many there are of each kind.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All that are remembered.
    pub guests: usize,
    /// On their way.
    pub asking: usize,
    /// Reported.
    pub done: usize,
    /// Not reported, and not heard of for five minutes.
    pub silent: usize,
    /// Those with a request that failed.
    pub failing: usize,
    /// Failed requests of all.
    pub failed_requests: u64,
}

/// Which guests are looked for.
#[derive(Debug, Default, Clone)]
pub struct Filter {
    /// A part of a name, an address, a MAC or a uuid.
    pub text: String,
    /// `asking`, `done`, `silent` or `failing`; all else is everything.
    pub state: String,
}

/// A guest as it is now.
#[derive(Debug, Clone, Serialize)]
pub struct Seen {
    #[serde(flatten)]
    pub guest: Guest,
    pub state: State,
}

impl Activity {
    /// A request was answered with that status, for that reason. `what` is the path without tokens and query.
    pub fn asked(&self, who: &Identity, method: &str, what: &str, answer: (u16, Option<&str>)) {
        let now = SystemTime::now();
        self.guests().of(who, now).asked(now, method, what, answer);
    }

    /// The guest phoned home: the form's fields without keys of hosts or secrets.
    pub fn reported(&self, who: &Identity, fields: &[(String, String)]) {
        let now = SystemTime::now();
        self.guests().of(who, now).reported(now, fields);
    }

    /// The counts of all guests, and the newest `most` of those that the filter lets through, with how many it does.
    pub fn list(&self, filter: &Filter, most: usize, now: SystemTime) -> (Counts, Vec<Seen>, usize) {
        let text = filter.text.trim().to_lowercase();
        let guests = self.guests();
        let mut counts = Counts { guests: guests.known.len(), ..Counts::default() };
        let mut found = Vec::new();
        for (_, guest) in guests.known.values() {
            let (state, is_failing) = (guest.state(now), guest.failed > 0);
            match state {
                State::Asking => counts.asking += 1,
                State::Done => counts.done += 1,
                State::Silent => counts.silent += 1,
            }
            counts.failing += usize::from(is_failing);
            counts.failed_requests += guest.failed;
            let wanted = match filter.state.as_str() {
                "asking" => state == State::Asking,
                "done" => state == State::Done,
                "silent" => state == State::Silent,
                "failing" => is_failing,
                _ => true,
            };
            if wanted && guest.is_like(&text) {
                found.push((guest, state));
            }
        }
        let total = found.len();
        // By when they came: a list that is ordered by their last request would never stand still.
        found.sort_unstable_by_key(|(guest, _)| std::cmp::Reverse(guest.number));
        found.truncate(most);
        let seen = found.into_iter().map(|(guest, state)| Seen { guest: guest.clone(), state }).collect();
        (counts, seen, total)
    }

    /// The guest of that number.
    pub fn guest(&self, number: u64, now: SystemTime) -> Option<Seen> {
        let guests = self.guests();
        let (_, guest) = guests.known.values().find(|(_, guest)| guest.number == number)?;
        Some(Seen { guest: guest.clone(), state: guest.state(now) })
    }

    fn guests(&self) -> MutexGuard<'_, Guests> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guests {
    /// The guest, now heard of.
    fn of(&mut self, who: &Identity, now: SystemTime) -> &mut Guest {
        let id = id_of(who);
        self.uses += 1;
        self.by_use.insert(self.uses, id.clone());
        if let Some((used, _)) = self.known.get(&id) {
            self.by_use.remove(used);
        } else if self.known.len() >= MOST_GUESTS
            && let Some((_, longest_ago)) = self.by_use.pop_first()
        {
            self.known.remove(&longest_ago);
        }
        let (uses, came) = (self.uses, &mut self.came);
        let (used, guest) = self.known.entry(id).or_insert_with(|| {
            *came += 1;
            (uses, Guest::new(*came, who, now))
        });
        *used = uses;
        guest.seen(who, now);
        guest
    }
}

/// What stays the same of a guest while its address changes.
fn id_of(who: &Identity) -> String {
    let lasting = who.uuid.as_ref().or(who.mac.as_ref()).or(who.names.first()).cloned();
    lasting.or_else(|| who.address.map(|address| address.to_string())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn named(name: &str) -> Identity {
        Identity { names: vec![name.to_owned()], ..Identity::default() }
    }

    fn names(activity: &Activity, text: &str, state: &str, now: SystemTime) -> Vec<String> {
        let filter = Filter { text: text.to_owned(), state: state.to_owned() };
        activity.list(&filter, 100, now).1.into_iter().map(|seen| seen.guest.name).collect()
    }

    #[test]
    fn those_that_were_not_heard_of_for_longest_are_forgotten() {
        let activity = Activity::default();
        for number in 0..MOST_GUESTS + 100 {
            activity.asked(&named(&format!("vm-{number}.")), "GET", "/", (200, None));
            activity.asked(&named("vm-0."), "GET", "/", (200, None));
        }
        let now = SystemTime::now();
        let (counts, first, all) = activity.list(&Filter::default(), 3, now);
        assert_eq!((counts.guests, first.len(), all), (MOST_GUESTS, 3, MOST_GUESTS));
        assert_eq!(names(&activity, "VM-0.", "", now), ["vm-0."]);
        assert_eq!(names(&activity, "vm-1.", "", now), [""; 0]);
        let guests = activity.0.lock().unwrap();
        assert_eq!(guests.by_use.len(), guests.known.len());
    }

    #[test]
    fn a_guest_is_asking_then_done_and_one_that_stops_is_silent() {
        let activity = Activity::default();
        activity.asked(&named("a"), "GET", "/latest/user-data", (200, None));
        activity.asked(&named("b"), "GET", "/latest/user-data", (500, Some("a.data: it is a pipe")));
        activity.reported(&named("a"), &[("hostname".to_owned(), "a".to_owned())]);
        let now = SystemTime::now();
        let counts = activity.list(&Filter::default(), 0, now).0;
        assert_eq!(counts, Counts { guests: 2, asking: 1, done: 1, silent: 0, failing: 1, failed_requests: 1 });
        let later = now + Duration::from_secs(600);
        assert_eq!(names(&activity, "", "silent", later), ["b"]);
        assert_eq!(names(&activity, "", "done", later), ["a"]);
        assert_eq!(names(&activity, "", "failing", later), ["b"]);
        let seen = activity.guest(1, now).unwrap();
        assert_eq!((seen.guest.name.as_str(), seen.guest.requests, seen.state), ("a", 1, State::Done));
        assert!(activity.guest(9, now).is_none());
        let failed = activity.guest(2, now).unwrap();
        assert_eq!(failed.guest.recent.front().unwrap().reason.as_deref(), Some("a.data: it is a pipe"));
    }

    #[test]
    fn a_guest_that_moves_stays_the_same() {
        let activity = Activity::default();
        for address in ["192.0.2.1", "192.0.2.2"] {
            let who =
                Identity { mac: Some("52:54:00:00:00:01".to_owned()), address: address.parse().ok(), ..named(address) };
            activity.asked(&who, "GET", "/", (200, None));
        }
        assert_eq!(names(&activity, "52:54", "", SystemTime::now()), ["192.0.2.2"]);
    }
}
