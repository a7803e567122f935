// SPDX-License-Identifier: Apache-2.0
//! A rule of the routing policy (`struct fib_rule_hdr`, `FRA_…`).

use crate::netlink::message::{Message, Received, attributes, flags, number};
use crate::netlink::{Prefix, family, ip, octets, unspecified};

/// `RTM_GETRULE`, and `RTM_NEWRULE` of an answer.
pub(super) const GET: u16 = 34;
const NEW: u16 = 32;
/// Bytes of `struct fib_rule_hdr`.
pub(super) const HEAD: usize = 12;
/// `FR_ACT_TO_TBL`: a table is asked.
const LOOKUP: u8 = 1;
/// `RTPROT_STATIC`.
const STATIC: u8 = 4;

/// A rule that asks a table. Any address is the one of its family that is all zero, with the length 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Packets from there.
    pub from: Prefix,
    /// Packets to there.
    pub to: Prefix,
    /// The table that is asked.
    pub table: u32,
    /// Less is asked earlier.
    pub priority: u32,
    /// Packets with this mark; 0 for any.
    pub mark: u32,
    /// Packets with this type of service; 0 for any.
    pub tos: u8,
}

impl Rule {
    /// Out of an answer; `None` for a rule that does something else than to ask a table.
    pub(super) fn read(answer: &Received) -> Option<Self> {
        let &[family, to, from, tos, table, _, _, LOOKUP, ..] = answer.body else { return None };
        let any = unspecified(family).filter(|_| answer.kind == NEW)?;
        let table = table.into();
        let mut found = Self { from: (any, from), to: (any, to), table, priority: 0, mark: 0, tos };
        for (kind, value) in attributes(answer.body, HEAD) {
            match kind {
                1 => found.to.0 = ip(value)?,
                2 => found.from.0 = ip(value)?,
                6 => found.priority = number(value),
                10 => found.mark = number(value),
                15 => found.table = number(value),
                _ => {}
            }
        }
        Some(found)
    }

    /// What makes it.
    pub fn add(&self) -> Message {
        let low = u8::try_from(self.table).unwrap_or(0);
        let head = [family(self.from.0), self.to.1, self.from.1, self.tos, low, 0, 0, LOOKUP, 0, 0, 0, 0];
        let mut message = Message::new(NEW, flags::CREATE | flags::EXCLUSIVE | flags::ACKNOWLEDGE, &head);
        for (kind, (address, length)) in [(1, self.to), (2, self.from)] {
            if length > 0 {
                message.attribute(kind, &octets(address));
            }
        }
        message.number(6, self.priority).number(15, self.table).attribute(21, &[STATIC]);
        if self.mark != 0 {
            message.number(10, self.mark);
        }
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::again;

    #[test]
    fn what_is_asked_is_what_is_read() {
        let prefix = |text: &str, length| (text.parse().unwrap(), length);
        let asked = Rule {
            from: prefix("10.0.0.0", 8),
            to: prefix("0.0.0.0", 0),
            table: 100,
            priority: 30_000,
            mark: 0x10,
            tos: 0x10,
        };
        assert_eq!(again(asked.add(), Rule::read), Some(asked.clone()));
        let v6 = Rule { from: prefix("::", 0), to: prefix("2001:db8::", 32), table: 1000, mark: 0, ..asked };
        assert_eq!(again(v6.add(), Rule::read), Some(v6));
    }

    #[test]
    fn a_rule_that_asks_no_table_is_none() {
        let goto = Message::new(NEW, 0, &[2, 0, 0, 0, 254, 0, 0, 2, 0, 0, 0, 0]);
        assert_eq!(again(goto, Rule::read), None);
    }
}
