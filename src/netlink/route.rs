// SPDX-License-Identifier: Apache-2.0
//! A route (`struct rtmsg`, `RTA_…`).

use std::net::IpAddr;

use crate::netlink::message::{Message, Received, attributes, flags, number, u32_at};
use crate::netlink::{Prefix, family, ip, octets, unspecified};

/// `RTM_GETROUTE`, and `RTM_NEWROUTE` of an answer.
pub(super) const GET: u16 = 26;
const NEW: u16 = 24;
/// Bytes of `struct rtmsg`.
pub(super) const HEAD: usize = 12;
/// `RTPROT_STATIC`: whoever set it up, it is no daemon's to take away.
const STATIC: u8 = 4;
/// `RTNH_F_ONLINK`: the gateway is on the link though no address says so.
const ON_LINK: u32 = 4;
/// `RTM_F_CLONED`: a note of the kernel's about a route, and none.
const CLONED: u32 = 0x200;
/// `RTAX_MTU`, in `RTA_METRICS`.
const MTU: u16 = 2;

/// A route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Where to.
    pub to: Prefix,
    /// The routing table.
    pub table: u32,
    /// `RTN_…`: 1 unicast, 2 local, 6 blackhole, 7 unreachable, 8 prohibit, 9 throw.
    pub kind: u8,
    /// `RT_SCOPE_…`: 0 global, 253 link, 254 host. Of IPv6 always 0.
    pub scope: u8,
    /// Less is preferred.
    pub metric: u32,
    /// The gateway.
    pub via: Option<IpAddr>,
    /// The interface's number; 0 for none.
    pub interface: u32,
    /// The source address of packets that take it.
    pub source: Option<IpAddr>,
    /// Bytes; 0 for none of its own.
    pub mtu: u32,
    /// Whether the gateway is taken to be on the link although no address says so.
    pub on_link: bool,
}

impl Route {
    /// Out of an answer.
    pub(super) fn read(answer: &Received) -> Option<Self> {
        let &[family, length, _, _, table, _, scope, kind, ..] = answer.body else { return None };
        let hints = u32_at(answer.body, 8).filter(|hints| answer.kind == NEW && hints & CLONED == 0)?;
        let mut found = Self {
            to: (unspecified(family)?, length),
            table: table.into(),
            kind,
            scope,
            metric: 0,
            via: None,
            interface: 0,
            source: None,
            mtu: 0,
            on_link: hints & ON_LINK != 0,
        };
        for (attribute, value) in attributes(answer.body, HEAD) {
            match attribute {
                1 => found.to.0 = ip(value)?,
                4 => found.interface = number(value),
                5 => found.via = ip(value),
                6 => found.metric = number(value),
                7 => found.source = ip(value),
                8 => found.mtu = attributes(value, 0).find(|(kind, _)| *kind == MTU).map_or(0, |(_, mtu)| number(mtu)),
                15 => found.table = number(value),
                _ => {}
            }
        }
        Some(found)
    }

    /// What makes it, in place of another to the same place with the same metric in the same table.
    pub fn replace(&self) -> Message {
        self.message(flags::REPLACE)
    }

    /// What makes it, unless there is another to the same place with the same metric in the same table.
    pub fn add(&self) -> Message {
        self.message(flags::EXCLUSIVE)
    }

    fn message(&self, wanted: u16) -> Message {
        let (to, length) = self.to;
        let hints = if self.on_link { ON_LINK } else { 0 };
        // Tables behind 255 are in an attribute alone.
        let low = u8::try_from(self.table).unwrap_or(0);
        let mut head = vec![family(to), length, 0, 0, low, STATIC, self.scope, self.kind];
        head.extend(hints.to_ne_bytes());
        let mut message = Message::new(NEW, flags::CREATE | flags::ACKNOWLEDGE | wanted, &head);
        if length > 0 {
            message.attribute(1, &octets(to));
        }
        for (kind, address) in [(5, self.via), (7, self.source)] {
            if let Some(address) = address {
                message.attribute(kind, &octets(address));
            }
        }
        for (kind, value) in [(4, self.interface), (6, self.metric), (15, self.table)] {
            if value != 0 {
                message.number(kind, value);
            }
        }
        if self.mtu != 0 {
            message.nested(8, |message| {
                message.number(MTU, self.mtu);
            });
        }
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::again;

    /// A default route.
    fn route() -> Route {
        Route {
            to: ("0.0.0.0".parse().unwrap(), 0),
            table: 254,
            kind: 1,
            scope: 0,
            metric: 0,
            via: Some("192.0.2.1".parse().unwrap()),
            interface: 3,
            source: None,
            mtu: 0,
            on_link: false,
        }
    }

    #[test]
    fn what_is_asked_is_what_is_read() {
        let v6 = |text: &str| Some(text.parse().unwrap());
        let long = Route {
            to: ("2001:db8:1::".parse().unwrap(), 48),
            table: 70_000,
            metric: 100,
            via: v6("fe80::1"),
            source: v6("2001:db8::5"),
            mtu: 1400,
            on_link: true,
            ..route()
        };
        let hole = Route { to: ("10.0.0.0".parse().unwrap(), 8), kind: 6, via: None, interface: 0, ..route() };
        for asked in [route(), long, hole] {
            assert_eq!(again(asked.replace(), Route::read), Some(asked));
        }
    }

    #[test]
    fn what_is_no_route_of_ip_is_none() {
        let head = |family: u8, hints: [u8; 4]| [&[family, 0, 0, 0, 254, 4, 0, 1][..], &hints[..]].concat();
        let read = |head: &[u8]| again(Message::new(NEW, 0, head), Route::read);
        assert!(read(&head(2, [0; 4])).is_some());
        assert_eq!(read(&head(28, [0; 4])), None, "MPLS");
        assert_eq!(read(&head(10, CLONED.to_ne_bytes())), None, "a note about a route");
        assert_eq!(read(&[2, 0, 0]), None, "cut short");
    }
}
