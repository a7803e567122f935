// SPDX-License-Identifier: Apache-2.0
//! The form of DNS messages (RFC 1035 section 4): one question, and the addresses in what comes back.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The most addresses of a name that are taken.
pub const MOST: usize = 8;
/// How often a name may stand for another one.
const MOST_ALIASES: usize = 8;
/// How often the rest of a name may stand elsewhere: each time it is further in front, so this is a bound of work only.
const MOST_JUMPS: usize = 32;
/// Bytes of a name, with the length of each label.
const LONGEST: usize = 255;
/// Bytes of a message's head.
const HEAD: usize = 12;
/// A query that wants the server to find out (`RD`); the answer to one; and what an answer's bits must not be.
const WANTED: u16 = 0x0100;
const IS_ANSWER: u16 = 0x8000;
const OPCODE: u16 = 0x7800;
const CODE: u16 = 0x000f;
/// `IN`.
const INTERNET: u16 = 1;
const CNAME: u16 = 5;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Kind {
    /// IPv4.
    A = 1,
    /// IPv6 (RFC 3596).
    Aaaa = 28,
}

/// What a server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// There they are; none where the name has none of this kind.
    Addresses(Vec<IpAddr>),
    /// Nobody has that name.
    Unknown,
    /// It can't or won't say: another one may.
    Failed,
}

/// A name as messages have it, in small letters: each label with its length before it, then an empty one. `None` for what
/// is no name that can be asked for.
pub fn name(text: &str) -> Option<Vec<u8>> {
    let mut name = Vec::new();
    for label in text.strip_suffix('.').unwrap_or(text).split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
        name.push(length);
        name.extend(label.bytes().map(|byte| byte.to_ascii_lowercase()));
    }
    name.push(0);
    (name.len() <= LONGEST && text.is_ascii()).then_some(name)
}

/// The question for addresses of that kind.
pub fn write(id: u16, name: &[u8], kind: Kind) -> Vec<u8> {
    let mut message = [id, WANTED, 1, 0, 0, 0].map(u16::to_be_bytes).as_flattened().to_vec();
    message.extend(name);
    message.extend([kind as u16, INTERNET].map(u16::to_be_bytes).as_flattened());
    message
}

/// The answer to that question; `None` for any other message. What is cut short (`TC`, or by the buffer) counts as far as
/// it goes.
pub fn read(message: &[u8], id: u16, asked: &[u8], kind: Kind) -> Option<Answer> {
    let mut reader = Reader { message, at: 0 };
    let head = [(); HEAD / 2].map(|()| reader.number());
    let [Some(id_there), Some(bits), Some(1), Some(answers), Some(_), Some(_)] = head else { return None };
    let question = (reader.name()?, reader.number()?, reader.number()?);
    let is_ours = id_there == id && bits & (IS_ANSWER | OPCODE) == IS_ANSWER;
    if !is_ours || question != (asked.to_vec(), kind as u16, INTERNET) {
        return None;
    }
    match bits & CODE {
        0 => {}
        3 => return Some(Answer::Unknown),
        _ => return Some(Answer::Failed),
    }
    let records: Vec<Record> = (0..answers).map_while(|_| reader.record()).collect();
    let mut owner = asked.to_vec();
    for _ in 0..=MOST_ALIASES {
        let own = || records.iter().filter(|record| record.owner == owner);
        let addresses: Vec<IpAddr> = own().filter_map(|record| record.address(kind)).take(MOST).collect();
        let alias = own().find_map(|record| record.alias.clone());
        match alias {
            Some(alias) if addresses.is_empty() => owner = alias,
            // What was cut off may have had some.
            _ if addresses.is_empty() && records.len() < usize::from(answers) => return Some(Answer::Failed),
            _ => return Some(Answer::Addresses(addresses)),
        }
    }
    Some(Answer::Failed)
}

/// A part of an answer.
struct Record<'a> {
    owner: Vec<u8>,
    kind: u16,
    value: &'a [u8],
    /// The name that it stands for.
    alias: Option<Vec<u8>>,
}

impl Record<'_> {
    fn address(&self, kind: Kind) -> Option<IpAddr> {
        match kind {
            _ if self.kind != kind as u16 => None,
            Kind::A => <[u8; 4]>::try_from(self.value).ok().map(|bytes| Ipv4Addr::from(bytes).into()),
            Kind::Aaaa => <[u8; 16]>::try_from(self.value).ok().map(|bytes| Ipv6Addr::from(bytes).into()),
        }
    }
}

struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let bytes = self.message.get(self.at..end)?;
        self.at = end;
        Some(bytes)
    }

    fn number(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    /// A name, whose rest may stand further in front (section 4.1.4). A jump to anywhere else could be a circle.
    fn name(&mut self) -> Option<Vec<u8>> {
        let mut name = Vec::new();
        let (mut begin, mut behind) = (self.at, None);
        for _ in 0..=MOST_JUMPS {
            loop {
                let &[length] = self.take(1)? else { return None };
                match length {
                    0..64 => {
                        name.push(length);
                        name.extend(self.take(length.into())?.to_ascii_lowercase());
                    }
                    192.. => {
                        let &[low] = self.take(1)? else { return None };
                        let there = usize::from(u16::from_be_bytes([length & 63, low]));
                        behind = behind.or(Some(self.at));
                        if there >= begin {
                            return None;
                        }
                        (self.at, begin) = (there, there);
                        break;
                    }
                    _ => return None,
                }
                if name.len() > LONGEST {
                    return None;
                }
                if length == 0 {
                    self.at = behind.unwrap_or(self.at);
                    return Some(name);
                }
            }
        }
        None
    }

    fn record(&mut self) -> Option<Record<'a>> {
        let owner = self.name()?;
        let [Some(kind), Some(class), Some(_), Some(_), Some(length)] = [(); 5].map(|()| self.number()) else {
            return None;
        };
        let begin = self.at;
        let value = self.take(length.into())?;
        let is_alias = (kind, class) == (CNAME, INTERNET);
        let alias = is_alias.then(|| Reader { message: self.message, at: begin }.name()).flatten();
        // Of another class it is nothing that was asked for.
        Some(Record { owner, kind: if class == INTERNET { kind } else { 0 }, value, alias })
    }
}

#[cfg(test)]
pub mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An answer with these bits and records: owner, kind, value.
    pub fn answer(id: u16, bits: u16, asked: &[u8], kind: u16, records: &[(&[u8], u16, &[u8])]) -> Vec<u8> {
        let count = u16::try_from(records.len()).unwrap();
        let mut message = [id, bits, 1, count, 0, 0].map(u16::to_be_bytes).as_flattened().to_vec();
        message.extend(asked);
        message.extend([kind, INTERNET].map(u16::to_be_bytes).as_flattened());
        for (owner, kind, value) in records {
            message.extend(*owner);
            let length = u16::try_from(value.len()).unwrap();
            message.extend([*kind, INTERNET, 0, 60, length].map(u16::to_be_bytes).as_flattened());
            message.extend(*value);
        }
        message
    }

    const GOOD: u16 = 0x8180;
    /// The name of the question, wherever it is repeated.
    const SAME: &[u8] = &[0xc0, 12];

    fn seed() -> Vec<u8> {
        name("seed.example").unwrap()
    }

    fn read_a(message: &[u8]) -> Option<Answer> {
        read(message, 7, &seed(), Kind::A)
    }

    fn addresses(records: &[(&[u8], u16, &[u8])]) -> Option<Answer> {
        read_a(&answer(7, GOOD, &seed(), 1, records))
    }

    fn are(texts: &[&str]) -> Option<Answer> {
        Some(Answer::Addresses(texts.iter().map(|text| text.parse().unwrap()).collect()))
    }

    #[test]
    fn what_is_asked_is_what_rfc_1035_wants() {
        let message = write(0x1234, &seed(), Kind::Aaaa);
        let head = [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        assert_eq!(message, [&head[..], b"\x04seed\x07example\x00", &[0, 28, 0, 1]].concat());
    }

    #[test]
    fn a_name_has_labels_that_fit() {
        assert_eq!(name("Seed.EXAMPLE."), Some(seed()));
        assert_eq!(name("metadata").unwrap(), b"\x08metadata\x00");
        let long = ["a"; 128].join(".");
        for none in ["", ".", "a..b", &"a".repeat(64), &long, "b\u{fc}cher"] {
            assert_eq!(name(none), None, "{none}");
        }
        assert!(name(&["a"; 127].join(".")).is_some());
    }

    #[test]
    fn addresses_are_those_of_the_name_and_its_aliases() {
        assert_eq!(
            addresses(&[(SAME, 1, &[192, 0, 2, 1]), (SAME, 1, &[192, 0, 2, 2])]),
            are(&["192.0.2.1", "192.0.2.2"])
        );
        assert_eq!(addresses(&[]), are(&[]));
        let other = name("other.example").unwrap();
        let chain: &[(&[u8], u16, &[u8])] =
            &[(&other, 1, &[192, 0, 2, 9]), (SAME, CNAME, b"\x05other\xc0\x11"), (SAME, 16, b"text")];
        assert_eq!(addresses(chain), are(&["192.0.2.9"]), "in any order, its end where the question's stands");
        assert_eq!(addresses(&[(&other, 1, &[192, 0, 2, 9])]), are(&[]), "nobody asked for that one");
        assert_eq!(addresses(&[(SAME, CNAME, &other)]), are(&[]), "the other one has none");
        assert_eq!(addresses(&[(SAME, CNAME, SAME)]), Some(Answer::Failed), "a circle");
        assert_eq!(addresses(&[(SAME, 1, &[192, 0, 2]), (SAME, 28, &[0; 16])]), are(&[]), "no IPv4 address");
        assert_eq!(addresses(&[(SAME, 1, &[192, 0, 2, 1][..]); 20]), are(&["192.0.2.1"; MOST]));
        let aaaa = [(SAME, 28, &[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1][..])];
        assert_eq!(read(&answer(7, GOOD, &seed(), 28, &aaaa), 7, &seed(), Kind::Aaaa), are(&["2001:db8::1"]));
    }

    #[test]
    fn an_answer_to_another_question_is_none() {
        let one = [(SAME, 1, &[192, 0, 2, 1][..])];
        let good = |id, bits, name: &[u8], kind| read_a(&answer(id, bits, name, kind, &one));
        assert!(good(7, GOOD, &seed(), 1).is_some());
        assert!(good(7, GOOD, b"\x04SEED\x07Example\x00", 1).is_some(), "letters of any size");
        assert_eq!(good(8, GOOD, &seed(), 1), None, "its number");
        assert_eq!(good(7, 0x0100, &seed(), 1), None, "a question");
        assert_eq!(good(7, GOOD, &name("seed.exampl").unwrap(), 1), None, "its name");
        assert_eq!(good(7, GOOD, &seed(), 28), None, "its kind");
    }

    #[test]
    fn a_server_that_knows_better_is_told_from_one_that_does_not() {
        let bits = |bits| read_a(&answer(7, bits, &seed(), 1, &[])).unwrap();
        assert_eq!(bits(GOOD | 3), Answer::Unknown);
        for code in [1, 2, 4, 5] {
            assert_eq!(bits(GOOD | code), Answer::Failed);
        }
    }

    #[test]
    fn of_what_is_cut_short_that_which_came_counts() {
        let two = [(SAME, 1, &[192, 0, 2, 1][..]), (SAME, 1, &[192, 0, 2, 2])];
        let message = answer(7, GOOD | 0x0200, &seed(), 1, &two);
        assert_eq!(read_a(&message[..message.len() - 3]), are(&["192.0.2.1"]));
        assert_eq!(read_a(&message[..message.len() - 18]), Some(Answer::Failed), "nothing came");
    }

    #[test]
    fn a_name_that_leads_around_in_a_circle_ends_what_is_read() {
        for there in [&[0xc0, 30][..], &[0xc0, 31], &[0xff, 0xff], &[1, b'a', 0xc0, 30], &[0x80, 0]] {
            assert_eq!(addresses(&[(there, 1, &[192, 0, 2, 1])]), Some(Answer::Failed));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        ) {
            read_a(&bytes);
            let mut message = answer(7, GOOD, &seed(), 1, &[(SAME, CNAME, b"\x05other\xc0\x11"), (SAME, 1, &[192, 0, 2, 1])]);
            for (at, value) in changes {
                *at.get_mut(&mut message) = value;
            }
            message.extend(bytes);
            if let Some(Answer::Addresses(addresses)) = read_a(&message) {
                prop_assert!(addresses.len() <= MOST);
            }
        }
    }
}
