// SPDX-License-Identifier: Apache-2.0
//! The form of DHCP's messages (RFC 2131 section 2, RFC 2132): BOOTP's fixed head, then options.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// Bytes of a hardware address of Ethernet, the one kind of card that is asked for.
pub type Mac = [u8; 6];

/// Where BOOTP's `sname` and `file` begin, which may hold options, and where they end.
const SNAME: usize = 44;
const FILE: usize = 108;
const END: usize = 236;
/// What options begin with.
const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// Of a message as BOOTP had it: relays and servers may drop what is shorter.
const LEAST: usize = 300;
/// The longest message that is taken: it comes in one packet through any tunnel.
const MOST: u16 = 1200;
/// What messages begin with: who speaks (a client, a server), Ethernet's number (RFC 1700), the length of its addresses.
const REQUEST: [u8; 3] = [1, 1, 6];
const REPLY: [u8; 3] = [2, 1, 6];

/// Numbers of options.
pub mod option {
    #![allow(missing_docs)]
    pub const MASK: u8 = 1;
    pub const ROUTERS: u8 = 3;
    pub const NAMES: u8 = 6;
    pub const MTU: u8 = 26;
    pub const ADDRESS: u8 = 50;
    pub const LEASE: u8 = 51;
    pub const OVERLOAD: u8 = 52;
    pub const KIND: u8 = 53;
    pub const SERVER: u8 = 54;
    pub const WANTED: u8 = 55;
    pub const LONGEST: u8 = 57;
    pub const CLIENT: u8 = 61;
    /// RFC 3442.
    pub const ROUTES: u8 = 121;
}

/// Kinds of messages.
pub mod kind {
    #![allow(missing_docs)]
    pub const DISCOVER: u8 = 1;
    pub const OFFER: u8 = 2;
    pub const REQUEST: u8 = 3;
    pub const ACK: u8 = 5;
    pub const NAK: u8 = 6;
}

/// A client's message: `more` are options beside those of every message.
///
/// The broadcast flag stays clear: an answer to our hardware address reaches a packet socket without an address of ours
/// (RFC 2131 section 4.1). The client's identifier is the hardware address: by that platforms know the card, and most
/// network managers ask again with the same.
pub fn write(kind: u8, xid: u32, seconds: u16, mac: Mac, more: &[(u8, &[u8])]) -> Vec<u8> {
    let mut message = REQUEST.to_vec();
    message.push(0);
    message.extend(xid.to_be_bytes());
    message.extend(seconds.to_be_bytes());
    message.resize(28, 0);
    message.extend(mac);
    message.resize(END, 0);
    message.extend(COOKIE);
    let client = [&[1], &mac[..]].concat();
    // The routes stand before the routers, in whose place they are (RFC 3442): a server that has no room leaves out the last.
    let wanted = [option::MASK, option::ROUTES, option::ROUTERS, option::NAMES, option::MTU, option::LEASE];
    let longest = MOST.to_be_bytes();
    let own = [(option::CLIENT, &client[..]), (option::LONGEST, &longest), (option::WANTED, &wanted)];
    message.extend([option::KIND, 1, kind]);
    for (number, value) in more.iter().chain(&own) {
        message.extend([*number, u8::try_from(value.len()).unwrap_or(0)]);
        message.extend(*value);
    }
    message.push(255);
    message.resize(message.len().max(LEAST), 0);
    message
}

/// A server's message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// See [`kind`].
    pub kind: u8,
    /// The client's address, `yiaddr`.
    pub address: Ipv4Addr,
    options: BTreeMap<u8, Vec<u8>>,
}

impl Reply {
    /// The answer to what was asked with `xid` by `mac`; `None` for any other message.
    pub fn read(message: &[u8], xid: u32, mac: Mac) -> Option<Self> {
        let is_ours = message.get(..3)? == REPLY
            && message.get(4..8)? == xid.to_be_bytes()
            && message.get(28..34)? == mac
            && message.get(END..END + 4)? == COOKIE;
        if !is_ours {
            return None;
        }
        let mut options = BTreeMap::new();
        collect(message.get(END + 4..)?, &mut options);
        // Of these fields options may go on in, first in `file` (RFC 3396 section 5).
        let overload = options.get(&option::OVERLOAD).and_then(|value| value.first().copied()).unwrap_or(0);
        for (bit, field) in [(1, FILE..END), (2, SNAME..FILE)] {
            if overload & bit != 0 {
                collect(message.get(field)?, &mut options);
            }
        }
        let [a, b, c, d] = message.get(16..20)?.try_into().ok()?;
        let &[kind] = options.get(&option::KIND)?.as_slice() else { return None };
        Some(Self { kind, address: Ipv4Addr::new(a, b, c, d), options })
    }

    /// The value of an option, empty where it is absent.
    pub fn option(&self, number: u8) -> &[u8] {
        self.options.get(&number).map_or(&[], Vec::as_slice)
    }

    /// The addresses of an option, without those that are none; what is cut short is nothing.
    pub fn addresses_of(&self, number: u8) -> impl Iterator<Item = Ipv4Addr> {
        let (addresses, _) = self.option(number).as_chunks::<4>();
        addresses.iter().map(|bytes| Ipv4Addr::from(*bytes)).filter(|address| !address.is_unspecified())
    }

    /// The first four bytes of an option.
    pub fn address_of(&self, number: u8) -> Option<Ipv4Addr> {
        let (first, _) = self.option(number).split_first_chunk::<4>()?;
        Some(Ipv4Addr::from(*first))
    }
}

/// The options of a field. Values of the same number are parts of one (RFC 3396); what is cut short ends them.
fn collect(mut field: &[u8], options: &mut BTreeMap<u8, Vec<u8>>) {
    while let [number, rest @ ..] = field {
        field = match *number {
            0 => rest,
            255 => return,
            number => {
                let Some((length, rest)) = rest.split_first() else { return };
                let Some((value, rest)) = rest.split_at_checked(usize::from(*length)) else { return };
                options.entry(number).or_default().extend(value);
                rest
            }
        }
    }
}

#[cfg(test)]
pub mod tests {
    use proptest::prelude::*;

    use super::*;

    pub const MAC: Mac = [0x52, 0x54, 0, 0, 0, 1];
    pub const XID: u32 = 0x1234_5678;

    /// A server's message for [`MAC`] and [`XID`] that gives 192.0.2.50, with these options.
    pub fn reply(kind: u8, options: &[(u8, &[u8])]) -> Vec<u8> {
        let mut message = vec![2, 1, 6, 0, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 2, 50];
        message.resize(28, 0);
        message.extend(MAC);
        message.resize(END, 0);
        message.extend(COOKIE);
        for (number, value) in [&[(option::KIND, &[kind][..])], options].concat() {
            message.extend([number, u8::try_from(value.len()).unwrap()]);
            message.extend(value);
        }
        message.push(255);
        message
    }

    fn read(message: &[u8]) -> Option<Reply> {
        Reply::read(message, XID, MAC)
    }

    #[test]
    fn what_a_client_says_is_what_rfc_2131_wants() {
        let message = write(kind::REQUEST, XID, 7, MAC, &[(option::ADDRESS, &[192, 0, 2, 50])]);
        assert_eq!(message.len(), LEAST);
        assert_eq!(message[..12], [1, 1, 6, 0, 0x12, 0x34, 0x56, 0x78, 0, 7, 0, 0]);
        assert_eq!((&message[28..34], &message[236..240]), (&MAC[..], &COOKIE[..]));
        let mut options = BTreeMap::new();
        collect(&message[240..], &mut options);
        assert_eq!(options[&option::KIND], [kind::REQUEST]);
        assert_eq!(options[&option::ADDRESS], [192, 0, 2, 50]);
        assert_eq!(options[&option::CLIENT], [1, 0x52, 0x54, 0, 0, 0, 1]);
        assert_eq!(options[&option::LONGEST], [4, 176]);
        assert_eq!(options[&option::WANTED], [1, 121, 3, 6, 26, 51]);
    }

    #[test]
    fn an_answer_to_somebody_else_is_none() {
        let message = reply(kind::OFFER, &[]);
        assert_eq!(read(&message).unwrap().address, Ipv4Addr::new(192, 0, 2, 50));
        for (at, what) in
            [(0, "a request"), (1, "hardware"), (4, "xid"), (28, "mac"), (236, "no options"), (240, "no kind")]
        {
            let mut other = message.clone();
            other[at] = other[at].wrapping_add(7);
            assert_eq!(read(&other), None, "{what}");
        }
    }

    #[test]
    fn options_go_on_in_other_fields_and_in_parts() {
        let mut message = reply(kind::ACK, &[(option::ROUTES, &[24]), (option::OVERLOAD, &[3])]);
        message[FILE..FILE + 7].copy_from_slice(&[option::ROUTES, 2, 10, 1, 0, 0, 255]);
        message[SNAME..SNAME + 5].copy_from_slice(&[option::ROUTES, 1, 2, 255, 9]);
        assert_eq!(read(&message).unwrap().option(option::ROUTES), [24, 10, 1, 2]);
        let mut plain = reply(kind::ACK, &[(option::ROUTES, &[24])]);
        plain[SNAME..END].copy_from_slice(&message[SNAME..END]);
        assert_eq!(read(&plain).unwrap().option(option::ROUTES), [24], "without being told so they are no options");
    }

    #[test]
    fn an_option_that_is_cut_short_ends_them() {
        let mut message = reply(kind::ACK, &[(option::MASK, &[255, 255, 255, 0]), (option::ROUTERS, &[192, 0, 2, 1])]);
        message.truncate(message.len() - 2);
        let reply = read(&message).unwrap();
        assert_eq!(reply.address_of(option::MASK), Some(Ipv4Addr::new(255, 255, 255, 0)));
        assert_eq!(reply.address_of(option::ROUTERS), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(tail in proptest::collection::vec(any::<u8>(), 0..400), at in 0usize..280) {
            let mut message = reply(kind::ACK, &[(option::OVERLOAD, &[3]), (option::MASK, &[255, 255, 255, 0])]);
            message.truncate(at);
            message.extend(&tail);
            let options = read(&message).map_or(0, |reply| reply.options.values().map(Vec::len).sum());
            prop_assert!(options <= message.len());
        }
    }
}
