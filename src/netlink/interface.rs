// SPDX-License-Identifier: Apache-2.0
//! A network interface as the kernel has it (`struct ifinfomsg`, `IFLA_…`).

use crate::netlink::message::{Message, Received, attributes, flags, number, text, u32_at};

/// `RTM_GETLINK`, and `RTM_NEWLINK` of an answer.
pub(super) const GET: u16 = 18;
const NEW: u16 = 16;
/// Bytes of `struct ifinfomsg`.
pub(super) const HEAD: usize = 16;
/// `IFF_UP`.
const UP: u32 = 1;
/// `IFF_RUNNING`.
const RUNNING: u32 = 0x40;

/// A network interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its hardware address; six bytes of Ethernet's.
    pub mac: Vec<u8>,
    /// Bytes.
    pub mtu: u32,
    /// Whether it is up, carrier or not.
    pub up: bool,
    /// Whether it is up and its carrier is there (RFC 2863's operational state).
    pub running: bool,
    /// Whether its carrier is there, by its driver's word: of an interface that was just brought up it is known earlier
    /// than the state.
    pub carrier: bool,
    /// The number of what it is a part of; 0 for nothing.
    pub master: u32,
    /// The number of what it is upon; 0 for nothing.
    pub parent: u32,
    /// The kernel's word for its kind (`bond`, `vlan`); empty for hardware.
    pub kind: String,
    /// The options of its kind.
    pub options: Vec<(u16, Vec<u8>)>,
    /// The options of the part that it is.
    pub port: Vec<(u16, Vec<u8>)>,
}

impl Interface {
    /// Out of an answer.
    pub(super) fn read(answer: &Received) -> Option<Self> {
        let index = u32_at(answer.body, 4).filter(|_| answer.kind == NEW)?;
        let flags = u32_at(answer.body, 8)?;
        let (up, running) = (flags & UP != 0, flags & RUNNING != 0);
        let mut found = Self { index, up, running, ..Self::default() };
        for (kind, value) in attributes(answer.body, HEAD) {
            match kind {
                1 => found.mac = value.to_vec(),
                3 => found.name = text(value),
                4 => found.mtu = number(value),
                5 => found.parent = number(value),
                10 => found.master = number(value),
                18 => found.read_info(value),
                33 => found.carrier = number(value) != 0,
                _ => {}
            }
        }
        Some(found)
    }

    /// What brings the interface of that number up, or down.
    pub fn set_up(index: u32, up: bool) -> Message {
        Self::change(index, if up { UP } else { 0 }, UP, 0)
    }

    /// What changes the interface of that number: of its flags those of `mask` to those of `state`, and what is added to
    /// the message; `more` are flags of the request.
    pub fn change(index: u32, state: u32, mask: u32, more: u16) -> Message {
        let head = [0, index, state, mask].map(u32::to_ne_bytes);
        Message::new(NEW, flags::ACKNOWLEDGE | more, head.as_flattened())
    }

    /// `IFLA_LINKINFO`.
    fn read_info(&mut self, info: &[u8]) {
        let all = |value| attributes(value, 0).map(|(kind, value)| (kind, value.to_vec())).collect();
        for (kind, value) in attributes(info, 0) {
            match kind {
                1 => self.kind = text(value),
                2 => self.options = all(value),
                5 => self.port = all(value),
                _ => {}
            }
        }
    }

    /// An option of its kind.
    pub fn option(&self, attribute: u16) -> Option<&[u8]> {
        self.options.iter().find(|(kind, _)| *kind == attribute).map(|(_, value)| value.as_slice())
    }
}
