// SPDX-License-Identifier: Apache-2.0
//! The packets that DHCP's messages travel in (RFC 791, RFC 768): from no address to everybody, and what comes back.

use std::net::Ipv4Addr;

/// Bytes of an IPv4 header without options.
const IP: usize = 20;
/// Bytes of a UDP header.
const UDP: usize = 8;
/// UDP's number in IPv4.
const PROTOCOL: u8 = 17;
const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;
/// In the field of IPv4's fragments: this is not the last, and where it begins.
const FRAGMENT: u16 = 0x3fff;

/// A packet with this message, from nobody's address to all servers.
pub fn write(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(UDP + message.len()).unwrap_or(u16::MAX);
    let (from, to) = (Ipv4Addr::UNSPECIFIED.octets(), Ipv4Addr::BROADCAST.octets());
    let mut udp = [CLIENT_PORT, SERVER_PORT, length, 0].map(u16::to_be_bytes).as_flattened().to_vec();
    udp.extend(message);
    // The sum covers parts of the IPv4 header too, and 0 would mean that there is none.
    let pseudo = [&from[..], &to[..], &[0, PROTOCOL], &length.to_be_bytes(), &udp].concat();
    put(&mut udp, 6, Some(sum(&pseudo)).filter(|sum| *sum != 0).unwrap_or(u16::MAX));
    let mut packet = [0x4500, length.saturating_add(20), 0, 0, 0x4000 | u16::from(PROTOCOL), 0]
        .map(u16::to_be_bytes)
        .as_flattened()
        .to_vec();
    packet.extend([from, to].as_flattened());
    let header = sum(&packet);
    put(&mut packet, 10, header);
    packet.extend(udp);
    packet
}

/// The message in a packet for a DHCP client; `None` for any other packet.
///
/// UDP's checksum is not looked at: between guests of one host the sender leaves it to a card that never has to fill it
/// in, and on a real wire the frame has one of its own.
pub fn read(packet: &[u8]) -> Option<&[u8]> {
    let &[first, _, high, low, _, _, more, part, _, PROTOCOL, ..] = packet else { return None };
    let header = usize::from(first & 0x0f) * 4;
    let length = usize::from(u16::from_be_bytes([high, low]));
    let is_whole = u16::from_be_bytes([more, part]) & FRAGMENT == 0;
    if first >> 4 != 4 || header < IP || !is_whole || sum(packet.get(..header)?) != 0 {
        return None;
    }
    // A short frame is filled up behind the packet.
    let datagram = packet.get(header..length)?;
    let &[_, _, high, low, long, short, ..] = datagram else { return None };
    let length = usize::from(u16::from_be_bytes([long, short]));
    datagram.get(UDP..length).filter(|_| u16::from_be_bytes([high, low]) == CLIENT_PORT)
}

/// The internet's checksum (RFC 1071); 0 where it is part of what is summed, and right.
fn sum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| match *pair {
        [high, low] => u32::from(u16::from_be_bytes([high, low])),
        [high] => u32::from(high) << 8,
        _ => 0,
    });
    let mut sum = words.fold(0, u32::wrapping_add);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

fn put(bytes: &mut [u8], at: usize, value: u16) {
    bytes.iter_mut().skip(at).zip(value.to_be_bytes()).for_each(|(old, new)| *old = new);
}

#[cfg(test)]
pub mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The packet in which a server at 192.0.2.1 sends this message to 192.0.2.50; UDP has no sum.
    pub fn from_server(message: &[u8]) -> Vec<u8> {
        let length = u16::try_from(UDP + message.len()).unwrap();
        let mut packet = [0x4500, length + 20, 0, 0, 0x4011, 0].map(u16::to_be_bytes).as_flattened().to_vec();
        packet.extend([192, 0, 2, 1, 192, 0, 2, 50]);
        let header = sum(&packet);
        put(&mut packet, 10, header);
        packet.extend([SERVER_PORT, CLIENT_PORT, length, 0].map(u16::to_be_bytes).as_flattened());
        [&packet, message].concat()
    }

    #[test]
    fn a_checksum_is_the_one_of_rfc_1071() {
        // Its example in section 3.
        assert_eq!(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        assert_eq!(sum(&[0x01]), !0x0100, "an odd byte is the upper half");
    }

    #[test]
    fn what_is_sent_has_right_sums_and_lengths() {
        let packet = write(b"odd");
        assert_eq!(packet.len(), 31);
        assert_eq!(packet[..10], [0x45, 0, 0, 31, 0, 0, 0, 0, 64, 17]);
        assert_eq!(packet[12..28], [0, 0, 0, 0, 255, 255, 255, 255, 0, 68, 0, 67, 0, 11, packet[26], packet[27]]);
        assert_eq!(sum(&packet[..20]), 0);
        let pseudo = [&packet[12..20], &[0, 17, 0, 11], &packet[20..]].concat();
        assert_eq!(sum(&pseudo), 0);
    }

    #[test]
    fn padding_behind_a_packet_is_no_part_of_it() {
        let mut packet = from_server(b"hello");
        packet.extend([0; 20]);
        assert_eq!(read(&packet), Some(&b"hello"[..]));
    }

    #[test]
    fn a_packet_for_somebody_else_is_none() {
        let packet = from_server(b"hello");
        let changed = |at: usize, value: u8| {
            let mut packet = packet.clone();
            packet[at] = value;
            put(&mut packet, 10, 0);
            let header = sum(&packet[..20]);
            put(&mut packet, 10, header);
            read(&packet).is_some()
        };
        assert!(changed(1, 0x10), "a type of service");
        assert!(changed(6, 0x40), "not to be cut");
        for (at, value, why) in [
            (0, 0x65, "IPv6"),
            (0, 0x44, "a header too short"),
            (3, 200, "longer than what came"),
            (6, 0x20, "a first part"),
            (7, 1, "a later part"),
            (9, 6, "TCP"),
            (23, 67, "for a server"),
            (25, 7, "shorter than UDP's header"),
            (25, 200, "longer than its packet"),
        ] {
            assert!(!changed(at, value), "{why}");
        }
        let mut damaged = packet;
        damaged[11] ^= 1;
        assert_eq!(read(&damaged), None, "a wrong sum");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assert!(read(&bytes).is_none_or(|message| message.len() + IP + UDP <= bytes.len()));
        }

        #[test]
        fn a_message_comes_out_as_it_went_in(message in proptest::collection::vec(any::<u8>(), 0..1400)) {
            let (answer, request) = (from_server(&message), write(&message));
            prop_assert_eq!(read(&answer), Some(&message[..]));
            prop_assert_eq!(read(&request), None, "what a client says is not for clients");
        }
    }
}
