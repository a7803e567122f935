// SPDX-License-Identifier: Apache-2.0
//! A program's output, cut into lines as it comes.

use std::collections::VecDeque;

/// A line longer than this is cut, so that a program without newlines can't fill the memory.
const LONGEST_LINE: usize = 8 << 10;
/// How many lines are kept for the report.
const TAIL: usize = 20;

/// Gives whole lines to a sink and keeps the last ones.
pub struct Lines<'a> {
    sink: &'a mut dyn FnMut(&str),
    unfinished: Vec<u8>,
    tail: VecDeque<String>,
}

impl<'a> Lines<'a> {
    /// Nothing yet.
    pub fn new(sink: &'a mut dyn FnMut(&str)) -> Self {
        Self { sink, unfinished: Vec::new(), tail: VecDeque::with_capacity(TAIL) }
    }

    /// The next bytes of the output, wherever they are cut.
    pub fn push(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ended) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            for byte in text {
                if self.unfinished.len() == LONGEST_LINE {
                    self.emit();
                }
                self.unfinished.push(*byte);
            }
            if ended {
                self.emit();
            }
        }
    }

    /// The output is over: its last lines.
    pub fn finish(mut self) -> Vec<String> {
        if !self.unfinished.is_empty() {
            self.emit();
        }
        self.tail.into()
    }

    fn emit(&mut self) {
        let line = String::from_utf8_lossy(&self.unfinished).trim_end_matches('\r').to_owned();
        self.unfinished.clear();
        (self.sink)(&line);
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines_of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<String>, Vec<String>) {
        let mut all = Vec::new();
        let mut sink = |line: &str| all.push(line.to_owned());
        let mut lines = Lines::new(&mut sink);
        pieces.into_iter().for_each(|piece| lines.push(piece));
        let tail = lines.finish();
        (all, tail)
    }

    #[test]
    fn long_lines_are_cut_and_bad_bytes_shown() {
        let (all, _) = lines_of([b"x".repeat(LONGEST_LINE * 2 + 1).as_slice(), b"\n\xff\r\n"]);
        assert_eq!(all.iter().map(String::len).collect::<Vec<_>>(), [LONGEST_LINE, LONGEST_LINE, 1, 3]);
        assert_eq!(all[3], "\u{fffd}");
        // A line of exactly the longest length is not followed by an empty one.
        assert_eq!(lines_of([b"x".repeat(LONGEST_LINE).as_slice(), b"\n"]).0.len(), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn where_the_bytes_are_cut_makes_no_difference(text in "([a-z ]{0,9}\n){0,40}[a-z]{0,3}", size in 1_usize..9) {
            let (all, tail) = lines_of(text.as_bytes().chunks(size));
            let expected: Vec<&str> = text.lines().collect();
            prop_assert_eq!(&all, &expected);
            prop_assert_eq!(&tail, &expected[expected.len().saturating_sub(TAIL)..]);
        }
    }
}
