// SPDX-License-Identifier: Apache-2.0
//! A caller's card, from the kernel's table of neighbours (ARP, and neighbour discovery of IPv6).
//!
//! The kernel is asked afresh each time, by two small requests: a table of our own would be one more that is not true. What
//! it answers is who has the address now, not who says so in the request. An address behind a router has no card that we
//! know: the router's would be everybody's there.

use std::ffi::OsStr;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::os::unix::ffi::OsStrExt as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::libc::{ENETUNREACH, ENOENT};
use nix::net::if_::if_indextoname;
use nix::sys::socket::{setsockopt, sockopt};
use tokio::time::{Instant, sleep};

use crate::error::{Error, Result};
use crate::netlink::Socket;
use crate::netlink::message::{Message, Received, attributes, flags, number};
use crate::network::prefix::Mac;

/// How long a neighbour may take to answer who has an address.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it is looked whether it has.
const PAUSE: Duration = Duration::from_millis(20);
/// The port that throws away what comes (RFC 863): a datagram there makes the kernel ask whose the address is. The request
/// for that alone (`NTF_USE`) would need privileges.
const DISCARD: u16 = 9;

/// `RTM_GETROUTE`, and `RTM_NEWROUTE` of its answer.
const GET_ROUTE: u16 = 26;
const NEW_ROUTE: u16 = 24;
/// Bytes of `struct rtmsg`.
const ROUTE: usize = 12;
/// `RTN_UNICAST`: what is neither this machine's own, nor for everybody, nor refused.
const UNICAST: u8 = 1;
/// `RTM_GETNEIGH`, and `RTM_NEWNEIGH` of its answer.
const GET_NEIGHBOUR: u16 = 30;
const NEW_NEIGHBOUR: u16 = 28;
/// Bytes of `struct ndmsg`.
const NEIGHBOUR: usize = 12;
/// Of a neighbour's state: `NUD_REACHABLE`, `_STALE`, `_DELAY`, `_PROBE`, `_PERMANENT`. Whose is stale is so after half a
/// minute of silence: who has the address now has just opened a connection by it.
const KNOWN: u16 = 0x02 | 0x04 | 0x08 | 0x10 | 0x80;

/// The kernel's neighbours, in the network namespace of this process.
#[derive(Default)]
pub struct Neighbours {
    socket: Mutex<Option<Socket>>,
}

impl Neighbours {
    /// The card that has the address; `link` is the number of the interface that it came by, where that is known: others may
    /// have the same address behind another. `None` where it has none that we could know: it is this machine's, or behind a
    /// router.
    ///
    /// # Errors
    /// Transient: it is a neighbour's, and nobody has answered whose; the kernel does not tell.
    pub async fn find(&self, address: IpAddr, link: Option<u32>) -> Result<Option<Mac>> {
        let cannot =
            |error: io::Error| Error::transient(format!("cannot look up the network card of {address}")).because(error);
        let Some(link) = self.link(address, link).map_err(cannot)? else { return Ok(None) };
        let deadline = Instant::now() + PATIENCE;
        let mut is_asked = false;
        loop {
            if let Some(mac) = self.card(address, link).map_err(cannot)? {
                return Ok(Some(mac));
            }
            if !is_asked {
                provoke(address, link).map_err(cannot)?;
                is_asked = true;
            }
            if Instant::now() >= deadline {
                return Err(Error::transient(format!("nobody has answered whose {address} is in {PATIENCE:?}")));
            }
            sleep(PAUSE).await;
        }
    }

    /// Whether the routes of this machine lead to the address by that interface. Where the kernel does not tell they do not:
    /// nobody is to be taken for another.
    pub fn is_behind(&self, address: IpAddr, link: u32) -> bool {
        // A link-local address is behind each.
        let scope = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local()).then_some(link);
        self.ask(&route_to(address, scope), read_way).is_ok_and(|way| way.flatten().is_some_and(|(by, _)| by == link))
    }

    /// The interface that the address is right behind.
    fn link(&self, address: IpAddr, link: Option<u32>) -> io::Result<Option<u32>> {
        match self.ask(&route_to(address, link), read_route) {
            Ok(found) => Ok(found.flatten()),
            Err(error) if error.raw_os_error() == Some(ENETUNREACH) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The card that the kernel has for the address there.
    fn card(&self, address: IpAddr, link: u32) -> io::Result<Option<Mac>> {
        match self.ask(&neighbour(address, link), read_neighbour) {
            Ok(found) => Ok(found.flatten()),
            Err(error) if error.raw_os_error() == Some(ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The kernel answers before the request returns, so nobody waits here.
    fn ask<T>(&self, message: &Message, read: fn(&Received) -> Option<T>) -> io::Result<Option<T>> {
        let mut kept = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let mut socket = match kept.take() {
            Some(socket) => socket,
            None => Socket::open()?,
        };
        let answer = socket.list(message, read);
        // A refusal is an answer; after another error a new socket has none of the old one's rest.
        if answer.as_ref().err().is_none_or(|error| error.raw_os_error().is_some()) {
            *kept = Some(socket);
        }
        Ok(answer?.into_iter().next())
    }
}

/// `AF_INET` or `AF_INET6`, the address on the wire, and how many bits that is.
fn on_the_wire(address: IpAddr) -> (u8, Vec<u8>, u8) {
    match address {
        IpAddr::V4(v4) => (2, v4.octets().to_vec(), 32),
        IpAddr::V6(v6) => (10, v6.octets().to_vec(), 128),
    }
}

/// What asks for the way to an address, by that interface where one is given. Acknowledged, so that what follows the answer
/// ends it as it ends a list.
fn route_to(address: IpAddr, link: Option<u32>) -> Message {
    let (family, octets, bits) = on_the_wire(address);
    let mut message = Message::new(GET_ROUTE, flags::ACKNOWLEDGE, &[family, bits, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    // RTA_DST; RTA_OIF
    message.attribute(1, &octets);
    if let Some(link) = link {
        message.number(4, link);
    }
    message
}

/// Out of an answer: the interface, where the address is right behind it.
fn read_route(answer: &Received) -> Option<Option<u32>> {
    Some(read_way(answer)?.and_then(|(link, routed)| Some(link).filter(|_| !routed)))
}

/// Out of an answer: the interface, and whether a router is behind it; neither where it leads nowhere else.
fn read_way(answer: &Received) -> Option<Option<(u32, bool)>> {
    let kind = *answer.body.get(7).filter(|_| answer.kind == NEW_ROUTE)?;
    let (mut link, mut routed) = (None, false);
    for (attribute, value) in attributes(answer.body, ROUTE) {
        match attribute {
            // RTA_OIF; RTA_GATEWAY and RTA_VIA
            4 => link = Some(number(value)),
            5 | 18 => routed = true,
            _ => {}
        }
    }
    Some(link.filter(|_| kind == UNICAST).map(|link| (link, routed)))
}

/// What asks for one neighbour (Linux 5.0 and later).
fn neighbour(address: IpAddr, link: u32) -> Message {
    let (family, octets, _) = on_the_wire(address);
    let mut head = vec![family, 0, 0, 0];
    head.extend(link.to_ne_bytes());
    head.extend([0; 4]);
    let mut message = Message::new(GET_NEIGHBOUR, flags::ACKNOWLEDGE, &head);
    // NDA_DST
    message.attribute(1, &octets);
    message
}

/// Out of an answer: the card, where it is known.
fn read_neighbour(answer: &Received) -> Option<Option<Mac>> {
    if answer.kind != NEW_NEIGHBOUR {
        return None;
    }
    let state = u16::from_ne_bytes([*answer.body.get(8)?, *answer.body.get(9)?]);
    // NDA_LLADDR
    let octets = attributes(answer.body, NEIGHBOUR).find(|(attribute, _)| *attribute == 2).map(|(_, value)| value);
    let text = octets.map(|octets| octets.iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join(":"));
    Some(text.filter(|_| state & KNOWN != 0).and_then(|text| text.parse().ok()))
}

/// Makes the kernel ask whose the address is.
fn provoke(address: IpAddr, link: u32) -> io::Result<()> {
    let (from, to): (SocketAddr, SocketAddr) = match address {
        IpAddr::V4(v4) => ((Ipv4Addr::UNSPECIFIED, 0).into(), (v4, DISCARD).into()),
        IpAddr::V6(v6) => {
            let scope = if v6.is_unicast_link_local() { link } else { 0 };
            ((Ipv6Addr::UNSPECIFIED, 0).into(), SocketAddrV6::new(v6, DISCARD, 0, scope).into())
        }
    };
    let socket = UdpSocket::bind(from)?;
    // The same address may be behind another interface. Where the kernel does not let us choose, nobody answers in time.
    if let Ok(name) = if_indextoname(link) {
        let name = OsStr::from_bytes(name.as_bytes()).to_owned();
        let _ = setsockopt(&socket, sockopt::BindToDevice, &name);
    }
    socket.set_nonblocking(true)?;
    socket.send_to(&[], to).map(drop)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::netlink::message::messages;

    fn again<T>(message: Message, read: fn(&Received) -> Option<T>) -> Option<T> {
        let bytes = message.finish(1);
        messages(&bytes).next().and_then(|received| read(&received))
    }

    #[test]
    fn a_card_is_known_only_in_a_state_that_says_so() {
        let answer = |state: u16, octets: &[u8]| {
            let mut head = vec![2, 0, 0, 0, 7, 0, 0, 0];
            head.extend(state.to_ne_bytes());
            head.extend([0, 0]);
            let mut message = Message::new(NEW_NEIGHBOUR, 0, &head);
            message.attribute(1, &[192, 0, 2, 7]).attribute(2, octets);
            again(message, read_neighbour).flatten().map(|mac| mac.to_string())
        };
        let octets = [0x52, 0x54, 0, 0, 0, 0xab];
        for (state, is_known) in
            [(0x02, true), (0x04, true), (0x80, true), (0, false), (0x01, false), (0x20, false), (0x40, false)]
        {
            assert_eq!(answer(state, &octets).as_deref(), is_known.then_some("52:54:00:00:00:ab"), "{state:#x}");
        }
        assert_eq!(answer(0x02, &[]), None);
        assert_eq!(again(Message::new(NEW_ROUTE, 0, &[0; 12]), read_neighbour), None);
    }

    #[test]
    fn behind_a_router_nobody_has_a_card() {
        let answer = |kind: u8, gateway: bool| {
            let mut message = Message::new(NEW_ROUTE, 0, &[2, 32, 0, 0, 254, 0, 0, kind, 0, 0, 0, 0]);
            message.number(4, 7);
            if gateway {
                message.attribute(5, &[192, 0, 2, 1]);
            }
            again(message, read_route).flatten()
        };
        assert_eq!(
            (answer(1, false), answer(1, true), answer(2, false), answer(7, false)),
            (Some(7), None, None, None)
        );
    }

    #[tokio::test]
    async fn this_machine_is_no_neighbour_of_itself() {
        let neighbours = Neighbours::default();
        for address in ["127.0.0.1", "127.9.9.9", "::1"] {
            assert_eq!(neighbours.find(address.parse().unwrap(), None).await.unwrap(), None, "{address}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_is_too_strange(kind in 0u16..40, body in prop::collection::vec(any::<u8>(), 0..64)) {
            let received = Received { kind, flags: 0, sequence: 1, body: &body };
            let _ = (read_route(&received), read_neighbour(&received));
        }
    }
}
