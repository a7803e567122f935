// SPDX-License-Identifier: Apache-2.0
//! A network for a few questions: cards are brought up, get addresses for a while, and are left as they were.
//!
//! All cards at once, each with all that it can have: the metadata may be behind any of them, and one that is asked in
//! vain costs no time. Whatever is set here is taken away at the end; if the agent is killed, the kernel takes the
//! addresses away itself when their time is over, and the routes with them.

mod dhcp;
mod link;
mod ways;
mod wire;

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::AsFd as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use log::{debug, info};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::guest::Nic;
use crate::http::Way;
use crate::netlink::{Interface, Socket, State};
use crate::network::fallback;
use link::Link;

pub use ways::{is_up, ways_up};

/// The most cards that are brought up: the best ones.
const MOST: usize = 16;
/// Between two looks at carriers and IPv6 addresses.
const POLL: Duration = Duration::from_millis(50);

/// Cards that are up for the questions of a datasource. Taken down when this is dropped.
pub struct Ephemeral {
    shared: Arc<Shared>,
    /// Its other end tells the thread when this is dropped.
    end: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    news: Mutex<News>,
    changed: Condvar,
}

/// What has come of the cards.
#[derive(Default)]
struct News {
    /// Ways that nobody has taken notice of yet.
    ways: Vec<Way>,
    /// No other way is to come.
    is_complete: bool,
    /// Something of these has changed since it was waited for.
    is_fresh: bool,
    /// Of each card how it stands with it.
    stories: Vec<String>,
}

impl Ephemeral {
    /// Begins to bring up those of the cards that may lead somewhere, and returns at once. Their addresses outlive
    /// `deadline` by seconds only.
    pub fn bring_up(nics: &[Nic], deadline: Instant) -> Self {
        let shared = Arc::<Shared>::default();
        let names: Vec<String> = fallback::candidates(nics).into_iter().map(|nic| nic.name.clone()).collect();
        let started = io::pipe().and_then(|(told, end)| {
            let told_of = Arc::clone(&shared);
            let work = move || {
                if let Err(error) = run(&names, deadline, &told_of, &told) {
                    told_of.tell(Vec::new(), true, vec![error.to_string()]);
                }
            };
            Ok((thread::Builder::new().name("ephemeral".to_owned()).spawn(work)?, end))
        });
        match started {
            Ok((thread, end)) => Self { shared, end: Some(end), thread: Some(thread) },
            Err(error) => {
                shared.tell(Vec::new(), true, vec![error.to_string()]);
                Self { shared, end: None, thread: None }
            }
        }
    }

    /// The ways that have come since this was asked last; each is of one family, IPv4 or IPv6.
    pub fn new_ways(&mut self) -> Vec<Way> {
        std::mem::take(&mut self.shared.news().ways)
    }

    /// Whether no other way is to come: neither from the cards nor from [`Self::new_ways`]. One may come while another is
    /// being asked by.
    pub fn is_complete(&self) -> bool {
        let news = self.shared.news();
        news.is_complete && news.ways.is_empty()
    }

    /// Waits until then, until another way has come, or until it is known that none will.
    pub fn wait(&mut self, until: Instant) {
        let left = until.saturating_duration_since(Instant::now());
        let waited = self.shared.changed.wait_timeout_while(self.shared.news(), left, |news| !news.is_fresh);
        waited.unwrap_or_else(PoisonError::into_inner).0.is_fresh = false;
    }

    /// Why no card leads anywhere, for a person.
    pub fn why_none(&self) -> String {
        let news = self.shared.news();
        if news.stories.is_empty() { "no network card".to_owned() } else { news.stories.join("; ") }
    }
}

impl Drop for Ephemeral {
    fn drop(&mut self) {
        self.end.take();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            debug!("the cards could not be left as they were");
        }
    }
}

impl Shared {
    fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, ways: Vec<Way>, is_complete: bool, stories: Vec<String>) {
        let mut news = self.news();
        news.is_fresh |= !ways.is_empty() || is_complete != news.is_complete;
        news.ways.extend(ways);
        (news.is_complete, news.stories) = (is_complete, stories);
        self.changed.notify_all();
    }
}

/// Brings up the cards of these names and serves them until it is told to `end`; then takes them down.
fn run(names: &[String], deadline: Instant, shared: &Shared, end: &PipeReader) -> io::Result<()> {
    let mut socket = Socket::open()?;
    let state = State::read_links(&mut socket)?;
    let interfaces = names.iter().filter_map(|name| state.interface(name)).filter(|it| it.master == 0).take(MOST);
    let interfaces: Vec<&Interface> = interfaces.collect();
    let mut links = Vec::new();
    let mut failures = Vec::new();
    for interface in &interfaces {
        match Link::bring_up((*interface).clone(), interfaces.len() > 1, &mut socket) {
            Ok(link) => links.push(link),
            Err(error) => failures.push(format!("{} can't be brought up: {error}", interface.name)),
        }
    }
    let result = serve(&mut links, &failures, &mut socket, deadline, shared, end);
    links.into_iter().for_each(|link| link.take_down(&mut socket));
    result
}

fn serve(
    links: &mut [Link],
    failures: &[String],
    socket: &mut Socket,
    deadline: Instant,
    shared: &Shared,
    end: &PipeReader,
) -> io::Result<()> {
    loop {
        let now = Instant::now();
        let is_watched = links.iter().any(|link| link.is_watched(now));
        let state = if is_watched { State::read_links(socket)? } else { State::default() };
        let mut ways = Vec::new();
        for link in &mut *links {
            ways.extend(link.look(&state, now));
            ways.extend(link.ask(socket, now, deadline));
        }
        ways.iter().for_each(|way| info!("{way} is up"));
        let is_complete = now >= deadline || links.iter().all(|link| link.is_settled(now));
        let stories = failures.iter().cloned().chain(links.iter().map(Link::story)).collect();
        shared.tell(ways, is_complete, stories);
        let looks = is_watched.then_some(now + POLL);
        let next = links.iter().filter_map(Link::next).chain(looks).min().filter(|_| now < deadline);
        if is_told_to_end(links, end, next)? {
            return Ok(());
        }
    }
}

/// Waits for packets, until then if something is to be done then, or until it is time to end.
fn is_told_to_end(links: &[Link], end: &PipeReader, until: Option<Instant>) -> io::Result<bool> {
    let mut descriptors = vec![PollFd::new(end.as_fd(), PollFlags::POLLIN)];
    let mut timeout = PollTimeout::NONE;
    if let Some(until) = until {
        let wires = links.iter().filter_map(Link::wire);
        descriptors.extend(wires.map(|wire| PollFd::new(wire.as_fd(), PollFlags::POLLIN)));
        // Not a moment too early: that would be for nothing.
        let left = until.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
    }
    match poll(&mut descriptors, timeout) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(descriptors.first().and_then(PollFd::any).unwrap_or(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_card_is_known_at_once() {
        let mut ephemeral = Ephemeral::bring_up(&[], Instant::now() + Duration::from_secs(60));
        ephemeral.wait(Instant::now() + Duration::from_secs(30));
        assert!(ephemeral.is_complete() && ephemeral.new_ways().is_empty());
        assert_eq!(ephemeral.why_none(), "no network card");
    }

    #[test]
    fn a_way_that_nobody_has_taken_yet_is_still_to_come() {
        let shared = Arc::<Shared>::default();
        shared.tell(vec![Way::routed()], true, Vec::new());
        let mut ephemeral = Ephemeral { shared, end: None, thread: None };
        assert!(!ephemeral.is_complete());
        assert_eq!(ephemeral.new_ways().len(), 1);
        assert!(ephemeral.is_complete());
    }

    #[test]
    fn a_card_that_has_gone_meanwhile_is_none() {
        let gone = Nic { name: "gone0".to_owned(), mac: "52:54:00:00:00:01".to_owned(), ..Nic::default() };
        let mut ephemeral = Ephemeral::bring_up(&[gone], Instant::now() + Duration::from_secs(60));
        ephemeral.wait(Instant::now() + Duration::from_secs(30));
        assert!(ephemeral.is_complete());
    }
}
