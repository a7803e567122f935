// SPDX-License-Identifier: Apache-2.0
//! What may be asked of the network, and the roads to the servers on it.

use std::time::{Duration, Instant};

use crate::datasource::Service;
use crate::ephemeral::Ephemeral;
use crate::guest::Guest;
use crate::http::{self, Way};
use crate::network::render::Renderer;

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How often a network that should be up is looked at while it has no address.
const LOOK: Duration = Duration::from_millis(500);

/// What may be asked of the network.
#[derive(Debug, Clone, Copy)]
pub enum Reach {
    /// Nothing, and why.
    Nowhere(&'static str),
    /// Nothing: this is a look; and when a boot asks.
    Look(&'static str),
    /// Nothing yet: a later stage goes on with the search, when the network is up.
    Later,
    /// It is up.
    Up,
    /// It is not, and what is asked for may well be its configuration: cards are brought up for the questions alone.
    Ephemeral {
        /// Whose files a network of the image's own would be in.
        renderer: Option<Renderer>,
    },
}

/// All ways to the network, each with the questions that are asked by it.
pub(super) struct Roads {
    roads: Vec<Road>,
    /// Cards that are brought up for the questions; taken down with this.
    ephemeral: Option<Ephemeral>,
    /// The ways of a network that is up by itself.
    ways_up: fn() -> Vec<Way>,
    deadline: Instant,
    timeout: Duration,
}

/// One way, and what was asked by it.
pub(super) struct Road {
    pub(super) service: Service,
    /// Datasources that are not to be had by it.
    over: Vec<&'static str>,
    /// Somebody was there, who does not have what was asked for.
    has_said_no: bool,
    pause: Duration,
    next: Instant,
}

impl Road {
    /// Nothing more is asked for that datasource by this way, on which somebody `says_no` or which leads nowhere.
    pub(super) fn end(&mut self, name: &'static str, says_no: bool) {
        self.over.push(name);
        self.has_said_no |= says_no;
    }

    /// Whether that was said of a datasource.
    pub(super) fn is_over(&self, name: &str) -> bool {
        self.over.contains(&name)
    }

    /// The next question is for later: not before the server's own word.
    pub(super) fn put_off(&mut self, at_least: Option<Duration>) {
        self.next = Instant::now() + http::spread(self.pause, 25).max(at_least.unwrap_or_default());
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
}

impl Roads {
    /// By cards of `guest` that are brought up for the questions, or by the network that is up.
    pub(super) fn open(
        reach: Reach,
        guest: &Guest,
        ways_up: fn() -> Vec<Way>,
        deadline: Instant,
        timeout: Duration,
    ) -> Self {
        let ephemeral =
            matches!(reach, Reach::Ephemeral { .. }).then(|| Ephemeral::bring_up(&guest.named_nics(), deadline));
        Self { roads: Vec::new(), ephemeral, ways_up, deadline, timeout }
    }

    fn add(&mut self, ways: Vec<Way>) {
        let (deadline, timeout) = (self.deadline, self.timeout);
        let road = |way| Road {
            service: Service::new(way, deadline, timeout),
            over: Vec::new(),
            has_said_no: false,
            pause: FIRST_PAUSE,
            next: Instant::now(),
        };
        self.roads.extend(ways.into_iter().map(road));
    }

    /// Those whose turn it is.
    pub(super) fn due(&mut self) -> impl Iterator<Item = &mut Road> {
        let ways = self.ephemeral.as_mut().map_or_else(self.ways_up, Ephemeral::new_ways);
        let is_new = |way: &Way| self.roads.iter().all(|road| road.service.way() != way);
        let ways = ways.into_iter().filter(is_new).collect();
        self.add(ways);
        let now = Instant::now();
        self.roads.iter_mut().filter(move |road| road.next <= now)
    }

    /// When there is something to ask again for one of these datasources; `None` for never.
    pub(super) fn next(&self, open: &[&str]) -> Option<Instant> {
        let has_question = |road: &&Road| open.iter().any(|name| !road.is_over(name));
        let next = self.roads.iter().filter(has_question).map(|road| road.next).min();
        // A question after the deadline is none.
        let next = next.filter(|next| *next < self.deadline);
        let next = match &self.ephemeral {
            _ if open.is_empty() => None,
            Some(ephemeral) if !ephemeral.is_complete() => next.or(Some(self.deadline)),
            // What waits for the network has found it up, and yet it is not.
            None if self.roads.is_empty() => Some(Instant::now() + LOOK),
            _ => next,
        };
        next.filter(|_| Instant::now() < self.deadline).map(|next| next.min(self.deadline))
    }

    /// Waits until then, or until another way has come.
    pub(super) fn wait(&mut self, until: Instant) {
        match &mut self.ephemeral {
            Some(ephemeral) => ephemeral.wait(until),
            None => std::thread::sleep(until.saturating_duration_since(Instant::now())),
        }
    }

    /// Whether that datasource is not to be had by any way, no other is to come, and somebody has said so.
    pub(super) fn is_denied(&self, name: &str) -> bool {
        let complete = self.ephemeral.as_ref().is_none_or(Ephemeral::is_complete);
        complete && self.roads.iter().all(|road| road.is_over(name)) && self.roads.iter().any(|road| road.has_said_no)
    }

    /// Why there is no way at all, where there is none.
    pub(super) fn why_none(&self) -> Option<String> {
        self.roads.is_empty().then(|| match &self.ephemeral {
            Some(ephemeral) => ephemeral.why_none(),
            None => "the network has no address".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::http::Interface;

    thread_local! {
        /// The ways of the network of a test.
        static NETWORK: RefCell<Vec<Way>> = const { RefCell::new(Vec::new()) };
    }

    fn comes(way: Way) {
        NETWORK.with_borrow_mut(|ways| ways.push(way));
    }

    fn by(name: &str) -> Way {
        Way {
            interface: Some(Interface {
                name: name.to_owned(),
                index: 2,
                has_ipv4: true,
                has_ipv6: false,
                names: None,
            }),
        }
    }

    fn roads(deadline: Instant) -> Roads {
        let ways_up = || NETWORK.with_borrow(Clone::clone);
        Roads { roads: Vec::new(), ephemeral: None, ways_up, deadline, timeout: Duration::from_secs(1) }
    }

    fn names(roads: &mut Roads) -> Vec<String> {
        roads.due().map(|road| road.service.way().to_string()).collect()
    }

    #[test]
    fn a_network_that_comes_late_is_taken_when_it_comes() {
        let mut roads = roads(Instant::now() + Duration::from_secs(60));
        assert!(names(&mut roads).is_empty());
        assert!(roads.next(&["ec2"]).unwrap() <= Instant::now() + LOOK, "it is looked at again");
        assert!(!roads.is_denied("ec2") && roads.why_none().is_some());
        assert_eq!(roads.next(&[]), None, "nobody asks");
        comes(Way::routed());
        assert_eq!(names(&mut roads), ["the network"]);
        comes(by("eth1"));
        assert_eq!(names(&mut roads), ["the network", "eth1"], "each way is there once");
    }

    #[test]
    fn a_service_is_missing_when_every_way_says_so() {
        let mut roads = roads(Instant::now() + Duration::from_secs(60));
        comes(Way::routed());
        comes(by("eth1"));
        roads.due().take(1).for_each(|road| road.end("ec2", true));
        assert!(!roads.is_denied("ec2") && roads.next(&["ec2"]).is_some());
        roads.due().skip(1).for_each(|road| road.end("ec2", false));
        assert!(roads.is_denied("ec2"));
        assert_eq!(roads.next(&["ec2"]), None);
        assert!(roads.next(&["ec2", "openstack"]).is_some(), "for that one they are open");
    }

    #[test]
    fn nothing_is_asked_too_early_nor_after_the_deadline() {
        let mut roads = roads(Instant::now() + Duration::from_secs(60));
        comes(Way::routed());
        roads.due().for_each(|road| road.put_off(Some(Duration::from_secs(30))));
        assert!(names(&mut roads).is_empty());
        let left = roads.next(&["ec2"]).unwrap() - Instant::now();
        assert!((29..=30).contains(&left.as_secs()), "{left:?}");
        roads.deadline = Instant::now();
        assert_eq!(roads.next(&["ec2"]), None);
    }
}
