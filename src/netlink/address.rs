// SPDX-License-Identifier: Apache-2.0
//! An address of an interface (`struct ifaddrmsg`, `IFA_…`).

use std::net::IpAddr;

use crate::netlink::message::{Message, Received, attributes, flags, number, text, u32_at};
use crate::netlink::{family, ip, octets};

/// `RTM_GETADDR`, and `RTM_NEWADDR` of an answer.
pub(super) const GET: u16 = 22;
const NEW: u16 = 20;
const DELETE: u16 = 21;
/// Bytes of `struct ifaddrmsg`.
pub(super) const HEAD: usize = 8;
/// A lifetime without an end.
const FOREVER: u32 = u32::MAX;
/// Of an address' flags.
const DEPRECATED: u32 = 0x20;
const TENTATIVE: u32 = 0x40;
/// `RT_SCOPE_LINK`.
const LINK: u8 = 253;

/// An address of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The interface's number.
    pub interface: u32,
    /// The address.
    pub address: IpAddr,
    /// Of its network's prefix.
    pub length: u8,
    /// IPv4 alone; the kernel's choice is the interface's name.
    pub label: Option<String>,
    /// No connection begins from it.
    pub deprecated: bool,
    /// It is not known yet whether somebody else has it.
    pub tentative: bool,
}

impl Address {
    /// Out of an answer.
    pub(super) fn read(answer: &Received) -> Option<Self> {
        let &[_, length, low, _, ..] = answer.body else { return None };
        let interface = u32_at(answer.body, 4).filter(|_| answer.kind == NEW)?;
        let (mut all, mut local, mut label) = (u32::from(low), None, None);
        for (kind, value) in attributes(answer.body, HEAD) {
            match kind {
                // Of a point-to-point link the first is the other side's.
                1 => local = local.or(ip(value)),
                2 => local = ip(value),
                3 => label = Some(text(value)),
                8 => all = number(value),
                _ => {}
            }
        }
        let (deprecated, tentative) = (all & DEPRECATED != 0, all & TENTATIVE != 0);
        Some(Self { interface, address: local?, length, label, deprecated, tentative })
    }

    /// What gives it to the interface; one that is there gets the lifetimes of this.
    pub fn add(&self) -> Message {
        self.lend(FOREVER)
    }

    /// As [`add`](Self::add), for so many seconds: then the kernel itself takes it away, and the routes from it.
    pub fn lend(&self, seconds: u32) -> Message {
        let mut message = self.message(NEW, flags::CREATE | flags::REPLACE);
        if let IpAddr::V4(v4) = self.address
            && self.length <= 30
        {
            let broadcast = v4.to_bits() | u32::MAX.checked_shr(u32::from(self.length)).unwrap_or(0);
            message.attribute(4, &broadcast.to_be_bytes());
        }
        if let Some(label) = &self.label {
            message.text(3, label);
        }
        let preferred = if self.deprecated { 0 } else { seconds };
        let lifetimes = [preferred, seconds, 0, 0].map(u32::to_ne_bytes);
        message.attribute(6, lifetimes.as_flattened());
        message
    }

    /// What takes it away.
    pub fn remove(&self) -> Message {
        self.message(DELETE, 0)
    }

    fn message(&self, kind: u16, wanted: u16) -> Message {
        let scope = match self.address {
            IpAddr::V4(v4) if v4.is_loopback() => 254,
            IpAddr::V4(v4) if v4.is_link_local() => LINK,
            _ => 0,
        };
        let mut head = vec![family(self.address), self.length, 0, scope];
        head.extend(self.interface.to_ne_bytes());
        let mut message = Message::new(kind, wanted | flags::ACKNOWLEDGE, &head);
        let address = octets(self.address);
        message.attribute(2, &address).attribute(1, &address);
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::again;

    #[test]
    fn what_is_asked_is_what_is_read() {
        for (address, length) in [("192.0.2.5", 24), ("10.0.0.1", 32), ("2001:db8::5", 64), ("0.0.0.0", 0)] {
            let (address, label) = (address.parse().unwrap(), Some("eth0:1".to_owned()));
            let asked = Address { interface: 7, address, length, label, deprecated: false, tentative: false };
            assert_eq!(again(asked.add(), Address::read), Some(asked));
        }
    }

    #[test]
    fn a_message_of_another_kind_or_without_an_address_is_none() {
        let empty = |kind| again(Message::new(kind, 0, &[2, 24, 0, 0, 1, 0, 0, 0]), Address::read);
        assert_eq!((empty(NEW), empty(DELETE)), (None, None));
        assert_eq!(again(Message::new(NEW, 0, &[2]), Address::read), None);
    }
}
