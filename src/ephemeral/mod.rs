// SPDX-License-Identifier: Apache-2.0
//! A network for a few questions: cards are brought up, get addresses for a while, and are left as they were.

use std::time::Instant;

use crate::guest::Nic;
use crate::http::Way;
use crate::netlink::{Socket, State};

/// Cards that are up for the questions of a datasource. Taken down when this is dropped.
pub struct Ephemeral {}

impl Ephemeral {
    /// Begins to bring up all of these cards, and returns at once.
    pub fn bring_up(nics: &[Nic], deadline: Instant) -> Self {
        let _ = (nics, deadline);
        Self {}
    }

    /// The ways that have come since this was asked last.
    pub fn new_ways(&mut self) -> Vec<Way> {
        Vec::new()
    }

    /// Whether no other way is to come.
    pub fn is_complete(&self) -> bool {
        true
    }

    /// Waits until then, or until another way has come.
    pub fn wait(&mut self, until: Instant) {
        std::thread::sleep(until.saturating_duration_since(Instant::now()));
    }

    /// Why no card leads anywhere, for a person.
    pub fn why_none(&self) -> String {
        "no network card".to_owned()
    }
}

/// Whether the network is up: somebody has given it an address that is not the link's own.
pub fn is_up() -> bool {
    !ways_up().is_empty()
}

/// The ways of a network that is up; none where it is not.
pub fn ways_up() -> Vec<Way> {
    let state = Socket::open().and_then(|mut socket| State::read(&mut socket)).unwrap_or_default();
    let is_global = |address: &std::net::IpAddr| match address {
        std::net::IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local(),
        std::net::IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local(),
    };
    let is_up = state.addresses.iter().any(|address| is_global(&address.address));
    if is_up { vec![Way::routed()] } else { Vec::new() }
}
