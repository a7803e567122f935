// SPDX-License-Identifier: Apache-2.0
//! Numbers, texts and times as ECMA-119 writes them.

use crate::host::medium::stamp::Stamp;

/// A number in both byte orders (7.2.3).
pub fn both16(number: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (number.to_le_bytes(), number.to_be_bytes());
    [a, b, c, d]
}

/// A number in both byte orders (7.3.3).
pub fn both32(number: u32) -> [u8; 8] {
    let ([a, b, c, d], [e, f, g, h]) = (number.to_le_bytes(), number.to_be_bytes());
    [a, b, c, d, e, f, g, h]
}

/// Text in UCS-2 (of Joliet: UTF-16), big-endian.
pub fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

/// The time of a directory record (9.1.5).
pub fn short_time(stamp: Stamp) -> [u8; 7] {
    let years = (stamp.year - 1900) as u8;
    [years, stamp.month, stamp.day, stamp.hour, stamp.minute, stamp.second, 0]
}

/// The time of a volume (8.4.26.1).
pub fn long_time(stamp: Stamp) -> Vec<u8> {
    let Stamp { year, month, day, hour, minute, second, .. } = stamp;
    format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}00\0").into_bytes()
}

/// No time of a volume.
pub const NO_TIME: &[u8; 17] = b"0000000000000000\0";
