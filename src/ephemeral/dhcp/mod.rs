// SPDX-License-Identifier: Apache-2.0
//! A DHCPv4 client (RFC 2131) that asks for an address once: packets and times in, packets out.
//!
//! It is our own because the one that is kept as a library, mozim, brings an asynchronous runtime and a netlink stack of
//! its own: three quarters of a megabyte for four messages.
//!
//! Nothing is released at the end: in a moment the guest's own network manager asks, and shall get the same address.

mod lease;
mod message;
mod packet;

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

pub use lease::Lease;
pub use message::Mac;

use crate::http::spread;
use message::{Reply, kind, option};

/// Between a message and its repetition at first; then twice that each time. RFC 2131 has four seconds for a world of
/// slow links; servers of virtual networks answer at once.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// How often a server is asked for what it has offered.
const REQUESTS: u32 = 4;

/// A client on its way to a lease.
pub struct Client {
    mac: Mac,
    xid: u32,
    /// The address that was offered, and the server that did.
    offer: Option<(Ipv4Addr, Ipv4Addr)>,
    /// Messages sent since there is that offer, or since there is none.
    sent: u32,
    begun: Instant,
    /// Since then, as the last discovery said it: a request says the same, so that relays which count it take both to the
    /// same servers (RFC 2131 section 4.4.1).
    seconds: u16,
    /// When the next message is to be sent.
    next: Instant,
}

impl Client {
    /// One that has not asked yet. `xid` is by chance: by that its answers are known.
    pub fn new(mac: Mac, xid: u32, now: Instant) -> Self {
        Self { mac, xid, offer: None, sent: 0, begun: now, seconds: 0, next: now }
    }

    /// When something is to be sent.
    pub fn next(&self) -> Instant {
        self.next
    }

    /// The packet whose time has come.
    pub fn due(&mut self, now: Instant) -> Option<Vec<u8>> {
        if now < self.next {
            return None;
        }
        if self.sent >= REQUESTS && self.offer.take().is_some() {
            self.sent = 0;
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << self.sent.min(8)).min(LONGEST_PAUSE);
        self.next = now + spread(pause, 25);
        self.sent = self.sent.saturating_add(1);
        if self.offer.is_none() {
            self.seconds = u16::try_from((now - self.begun).as_secs()).unwrap_or(u16::MAX);
        }
        let message = match self.offer {
            None => message::write(kind::DISCOVER, self.xid, self.seconds, self.mac, &[]),
            Some((address, server)) => {
                let more = [(option::ADDRESS, &address.octets()[..]), (option::SERVER, &server.octets())];
                message::write(kind::REQUEST, self.xid, self.seconds, self.mac, &more)
            }
        };
        Some(packet::write(&message))
    }

    /// Takes what has come on the link; `Some` for a lease, with which it has done its work. Whatever is not for it is
    /// nothing.
    pub fn take(&mut self, packet: &[u8], now: Instant) -> Option<Lease> {
        let reply = Reply::read(packet::read(packet)?, self.xid, self.mac)?;
        let server = reply.address_of(option::SERVER);
        match (reply.kind, self.offer) {
            // The first one will do.
            (kind::OFFER, None) => {
                Lease::of(&reply)?;
                self.offer = Some((reply.address, server?));
                self.start_over(now);
                None
            }
            (kind::ACK, Some((_, asked))) if server == Some(asked) => Lease::of(&reply),
            (kind::NAK, Some((_, asked))) if server == Some(asked) => {
                self.offer = None;
                self.start_over(now + spread(FIRST_PAUSE, 25));
                None
            }
            _ => None,
        }
    }

    fn start_over(&mut self, next: Instant) {
        (self.sent, self.next) = (0, next);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::message::tests::{MAC, XID, reply};
    use super::packet::tests::from_server;
    use super::*;

    const SERVER: (u8, &[u8]) = (option::SERVER, &[192, 0, 2, 1]);
    const OTHER: (u8, &[u8]) = (option::SERVER, &[192, 0, 2, 9]);

    fn says(kind: u8, server: (u8, &[u8])) -> Vec<u8> {
        from_server(&reply(kind, &[server, (option::MASK, &[255, 255, 255, 0])]))
    }

    fn client() -> (Client, Instant) {
        let now = Instant::now();
        (Client::new(MAC, XID, now), now)
    }

    /// The kind of message in a packet that a client sends.
    fn kind_of(packet: Option<Vec<u8>>) -> Option<u8> {
        // Behind the headers, the head, the cookie, and the option's number and length.
        packet.map(|packet| packet[28 + 242])
    }

    #[test]
    fn discover_offer_request_acknowledge() {
        let (mut client, now) = client();
        assert_eq!(kind_of(client.due(now)), Some(kind::DISCOVER));
        assert_eq!(client.due(now), None, "once");
        assert_eq!(client.take(&says(kind::OFFER, SERVER), now), None);
        assert_eq!(client.take(&says(kind::OFFER, OTHER), now), None);
        let request = client.due(now).unwrap();
        assert!(request.windows(6).any(|part| part == [50, 4, 192, 0, 2, 50]));
        assert!(request.windows(6).any(|part| part == [54, 4, 192, 0, 2, 1]), "the first server's");
        assert_eq!(client.take(&says(kind::ACK, OTHER), now), None, "nobody has asked that one");
        let lease = client.take(&says(kind::ACK, SERVER), now).unwrap();
        assert_eq!(lease.address, (Ipv4Addr::new(192, 0, 2, 50), 24));
    }

    #[test]
    fn a_request_is_as_old_as_the_discovery_that_was_answered() {
        let (mut client, begun) = client();
        let seconds = |packet: Option<Vec<u8>>| packet.map(|packet| packet[28 + 8..28 + 10].to_vec());
        assert_eq!(seconds(client.due(begun)), Some(vec![0, 0]));
        let later = begun + Duration::from_secs(300);
        assert_eq!(seconds(client.due(later)), Some(vec![1, 44]));
        client.take(&says(kind::OFFER, SERVER), later);
        assert_eq!(seconds(client.due(later + Duration::from_secs(9))), Some(vec![1, 44]));
        assert_eq!(seconds(client.due(later + Duration::from_secs(90_000))), Some(vec![1, 44]));
    }

    #[test]
    fn a_refusal_starts_again_after_a_pause() {
        let (mut client, now) = client();
        client.due(now);
        client.take(&says(kind::OFFER, SERVER), now);
        client.due(now);
        client.take(&says(kind::NAK, OTHER), now);
        assert!(client.offer.is_some(), "of another server it is nothing");
        client.take(&says(kind::NAK, SERVER), now);
        assert_eq!(client.due(now), None);
        assert_eq!(kind_of(client.due(client.next())), Some(kind::DISCOVER));
    }

    #[test]
    fn an_acknowledgement_that_nobody_asked_for_is_nothing() {
        let (mut client, now) = client();
        client.due(now);
        assert_eq!(client.take(&says(kind::ACK, SERVER), now), None);
        client.take(&from_server(&reply(kind::OFFER, &[])), now);
        assert!(client.offer.is_none(), "an offer of nobody");
        let mut nothing = reply(kind::OFFER, &[SERVER]);
        nothing[16..20].fill(0);
        client.take(&from_server(&nothing), now);
        assert!(client.offer.is_none(), "an offer of nothing");
    }

    #[test]
    fn what_is_not_answered_is_said_again_and_then_from_the_beginning() {
        let (mut client, begun) = client();
        client.due(begun);
        client.take(&says(kind::OFFER, SERVER), begun);
        let mut kinds = Vec::new();
        let mut pauses = Vec::new();
        for _ in 0..6 {
            let now = client.next();
            kinds.extend(kind_of(client.due(now)));
            pauses.push(client.next() - now);
        }
        assert_eq!(kinds, [3, 3, 3, 3, 1, 1]);
        for (pause, seconds) in pauses.iter().zip([1.0, 2.0, 4.0, 8.0, 1.0, 2.0]) {
            assert!((0.75 * seconds..=1.25 * seconds).contains(&pause.as_secs_f64()), "{pauses:?}");
        }
        for _ in 0..40 {
            client.due(client.next());
        }
        assert!(client.next() - begun < Duration::from_secs(50 * 10), "the pauses have a bound");
    }

    proptest! {
        /// An acknowledgement with bytes changed by the wire is the lease, another one, or nothing; never a panic.
        #[test]
        fn a_damaged_answer_does_no_harm(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8)) {
            let (mut client, now) = client();
            client.due(now);
            client.take(&says(kind::OFFER, SERVER), now);
            let mut packet = says(kind::ACK, SERVER);
            for (at, value) in changes {
                *at.get_mut(&mut packet) = value;
            }
            if let Some(lease) = client.take(&packet, now) {
                prop_assert!(lease.address.1 <= 32 && !lease.address.0.is_loopback());
            }
        }
    }
}
