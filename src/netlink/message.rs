// SPDX-License-Identifier: Apache-2.0
//! The form of rtnetlink's messages (netlink(7)): a header, a struct of the kind's own, attributes; all in the machine's
//! byte order, all aligned to four bytes.

/// Bytes of `struct nlmsghdr`.
const HEADER: usize = 16;
/// Bytes of `struct nlattr`.
const ATTRIBUTE: usize = 4;
/// The attribute holds attributes.
const NESTED: u16 = 1 << 15;
/// What of an attribute's type is its number: the upper two bits are flags.
const NUMBER: u16 = 0x3fff;

/// The request's flags.
pub mod flags {
    /// It is a request; what is no request is ignored.
    pub const REQUEST: u16 = 1;
    /// The kernel says how it went.
    pub const ACKNOWLEDGE: u16 = 4;
    /// All objects are wanted.
    pub const DUMP: u16 = 0x300;
    /// Takes the place of what is there.
    pub const REPLACE: u16 = 0x100;
    /// Only where nothing is there.
    pub const EXCLUSIVE: u16 = 0x200;
    /// Made where it is missing.
    pub const CREATE: u16 = 0x400;
    /// Of an answer: what was listed has changed meanwhile.
    pub const INTERRUPTED: u16 = 0x10;
}

/// A message to the kernel.
#[derive(Debug, Clone)]
pub struct Message(Vec<u8>);

impl Message {
    /// A request of this kind (`RTM_…`) with these flags and the struct that the kind begins with.
    pub fn new(kind: u16, flags: u16, head: &[u8]) -> Self {
        let mut message = Self(Vec::with_capacity(256));
        message.push(&0u32.to_ne_bytes());
        message.push(&kind.to_ne_bytes());
        message.push(&(flags | flags::REQUEST).to_ne_bytes());
        message.push(&[0; 8]);
        message.push(head);
        message.align();
        message
    }

    /// Adds an attribute.
    pub fn attribute(&mut self, number: u16, value: &[u8]) -> &mut Self {
        let length = u16::try_from(ATTRIBUTE + value.len()).unwrap_or(u16::MAX);
        self.push(&length.to_ne_bytes());
        self.push(&number.to_ne_bytes());
        self.push(value);
        self.align();
        self
    }

    /// Adds an attribute with a number of 32 bits.
    pub fn number(&mut self, number: u16, value: u32) -> &mut Self {
        self.attribute(number, &value.to_ne_bytes())
    }

    /// Adds an attribute with a string, ended as C ends it.
    pub fn text(&mut self, number: u16, value: &str) -> &mut Self {
        self.attribute(number, &[value.as_bytes(), b"\0"].concat())
    }

    /// Adds an attribute that holds those which `fill` adds.
    pub fn nested(&mut self, number: u16, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.0.len();
        self.attribute(number | NESTED, &[]);
        fill(self);
        let length = u16::try_from(self.0.len() - start).unwrap_or(u16::MAX);
        self.put(start, &length.to_ne_bytes());
        self
    }

    /// The whole, numbered.
    pub fn finish(mut self, sequence: u32) -> Vec<u8> {
        let length = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.put(0, &length.to_ne_bytes());
        self.put(8, &sequence.to_ne_bytes());
        self.0
    }

    fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn align(&mut self) {
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.0.iter_mut().skip(at).zip(bytes).for_each(|(old, new)| *old = *new);
    }
}

/// A message from the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Received<'a> {
    pub kind: u16,
    pub flags: u16,
    pub sequence: u32,
    /// The struct that the kind begins with, then attributes.
    pub body: &'a [u8],
}

/// The messages of what was received at once. What is cut short or contradicts itself ends them.
pub fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Received<'_>> {
    std::iter::from_fn(move || {
        let length = usize::try_from(u32_at(bytes, 0)?).ok()?;
        let message = bytes.get(..length)?;
        let (kind, flags, sequence) = (u16_at(message, 4)?, u16_at(message, 6)?, u32_at(message, 8)?);
        let body = message.get(HEADER..)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Received { kind, flags, sequence, body })
    })
}

/// The attributes of a message behind its struct of `head` bytes, or of an attribute that holds some (`head` is 0): each
/// one's number and value. What is cut short or contradicts itself ends them.
pub fn attributes(body: &[u8], head: usize) -> impl Iterator<Item = (u16, &[u8])> {
    let mut bytes = body.get(head..).unwrap_or_default();
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        let number = u16_at(bytes, 2)? & NUMBER;
        let value = bytes.get(ATTRIBUTE..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((number, value))
    })
}

/// Sixteen bits at a place of a struct.
pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

/// Thirty-two bits at a place of a struct.
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// An attribute's number, of however many bits it is; 0 where it is none.
pub fn number(value: &[u8]) -> u32 {
    match value {
        [byte] => u32::from(*byte),
        [_, _] => u16_at(value, 0).map_or(0, u32::from),
        _ => u32_at(value, 0).unwrap_or(0),
    }
}

/// An attribute's string, without C's end.
pub fn text(value: &[u8]) -> String {
    let bytes = value.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `ip link add link eth0 name v type vlan id 100`, eth0 being number 2, as iproute2 sends it: RTM_NEWLINK (16),
    /// request, acknowledge, create, exclusive.
    #[rustfmt::skip]
    const VLAN: &[u8] = &[
        76, 0, 0, 0, 16, 0, 5, 6, 7, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        6, 0, 3, 0, b'v', 0, 0, 0,
        8, 0, 5, 0, 2, 0, 0, 0,
        28, 0, 18, 128,
            9, 0, 1, 0, b'v', b'l', b'a', b'n', 0, 0, 0, 0,
            12, 0, 2, 128, 6, 0, 1, 0, 100, 0, 0, 0,
    ];

    #[test]
    fn a_request_is_what_ip_sends() {
        let mut message = Message::new(16, flags::ACKNOWLEDGE | flags::CREATE | flags::EXCLUSIVE, &[0; 16]);
        message.text(3, "v").number(5, 2).nested(18, |message| {
            message.text(1, "vlan").nested(2, |message| {
                message.attribute(1, &100u16.to_ne_bytes());
            });
        });
        assert_eq!(message.finish(7), VLAN);
    }

    #[test]
    fn what_ip_sends_is_read_back() {
        let received: Vec<Received> = messages(VLAN).collect();
        let [Received { kind: 16, flags: 0x605, sequence: 7, body }] = received[..] else { panic!("{received:?}") };
        let all: Vec<(u16, &[u8])> = attributes(body, 16).collect();
        assert_eq!((all[0].0, text(all[0].1), number(all[1].1)), (3, "v".to_owned(), 2));
        let info: Vec<(u16, &[u8])> = attributes(all[2].1, 0).collect();
        assert_eq!((all[2].0, text(info[0].1)), (18, "vlan".to_owned()));
        assert_eq!(attributes(info[1].1, 0).next().map(|(kind, value)| (kind, number(value))), Some((1, 100)));
    }

    #[test]
    fn what_is_cut_short_ends() {
        for length in 0..VLAN.len() {
            assert_eq!(messages(&VLAN[..length]).count(), 0, "{length} bytes of a message");
        }
        assert_eq!(messages(&[0; 64]).count(), 0, "a message without a length");
        assert_eq!(attributes(&[0; 64], 0).count(), 0, "an attribute without a length");
        assert_eq!(attributes(&[9, 0, 1, 0, 5], 0).count(), 0, "longer than what holds it");
        assert_eq!(attributes(&[1], 16).count(), 0, "shorter than its struct");
    }

    proptest! {
        /// Any bytes end, without a panic, and what is read is no more than what was there.
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..200), head in 0usize..40) {
            let parts = messages(&bytes).map(|message| message.body.len() + HEADER).sum::<usize>();
            prop_assert!(parts <= bytes.len());
            prop_assert!(attributes(&bytes, head).map(|(_, value)| value.len() + ATTRIBUTE).sum::<usize>() <= bytes.len());
        }
    }
}
