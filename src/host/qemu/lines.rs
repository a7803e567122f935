// SPDX-License-Identifier: Apache-2.0
//! Bytes of a port into lines, each bounded.

use std::mem;

/// What has come so far of a line.
pub struct Lines {
    limit: usize,
    begun: Vec<u8>,
}

impl Lines {
    /// Lines are cut off at `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, begun: Vec::new() }
    }

    /// The lines that `bytes` end, without their ends; what is no UTF-8 in them is replaced.
    pub fn take(&mut self, bytes: &[u8], mut each: impl FnMut(String)) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = part.strip_suffix(b"\n").map_or((part, false), |text| (text, true));
            let room = self.limit.saturating_sub(self.begun.len());
            self.begun.extend(text.iter().take(room));
            if ends {
                each(self.rest());
            }
        }
    }

    /// The line that has no end.
    pub fn rest(&mut self) -> String {
        let line = mem::take(&mut self.begun);
        String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(pieces: &[&[u8]], limit: usize) -> Vec<String> {
        let (mut lines, mut all) = (Lines::new(limit), Vec::new());
        pieces.iter().for_each(|piece| lines.take(piece, |line| all.push(line)));
        all.push(lines.rest());
        all
    }

    #[test]
    fn lines_lose_their_ends_and_what_is_too_long() {
        assert_eq!(lines(&[b"one\r\ntw", b"o\n\nlong", b"er\nrest"], 5), ["one", "two", "", "longe", "rest"]);
        assert_eq!(lines(&[b"\xff\xc3\n"], 5), ["\u{fffd}\u{fffd}", ""]);
    }

    proptest! {
        #[test]
        fn how_the_bytes_are_cut_makes_no_difference(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0..200usize) {
            let (one, two) = bytes.split_at(at.min(bytes.len()));
            prop_assert_eq!(lines(&[one, two], 16), lines(&[&bytes], 16));
        }
    }
}
