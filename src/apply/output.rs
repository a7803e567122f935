// SPDX-License-Identifier: Apache-2.0
//! The file that keeps what commands print.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use crate::error::{At, Result};
use crate::root::Root;
use crate::state;

/// How much of what one program prints is kept, so that one that prints without end does not fill the disk.
const LARGEST: usize = 16 << 20;

/// Passes the lines of one program on until there are too many, which the last line says.
pub fn bounded(sink: &mut dyn FnMut(&str)) -> impl FnMut(&str) {
    let (mut left, mut full) = (LARGEST, false);
    move |line| match left.checked_sub(line.len() + 1) {
        Some(rest) if !full => {
            left = rest;
            sink(line);
        }
        None if !full => {
            full = true;
            sink(&format!("firstlight: more than {LARGEST} bytes of one program: the rest is left out"));
        }
        _ => (),
    }
}

/// Opened with the first line, 0640.
pub struct Output<'a> {
    root: &'a Root,
    file: Option<File>,
}

impl<'a> Output<'a> {
    /// Nothing is written before the first line.
    pub fn new(root: &'a Root) -> Self {
        Self { root, file: None }
    }

    /// Keeps a line. A log that can't be written ends no command.
    pub fn line(&mut self, line: &str) {
        if let Err(error) = self.write(line) {
            log::warn!("{error}");
        }
    }

    fn write(&mut self, line: &str) -> Result<()> {
        let path = Path::new(state::OUTPUT);
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(self.root.append(path, 0o640)?),
        };
        file.write_all(format!("{line}\n").as_bytes()).at("write", path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_prints_without_end_is_kept_up_to_a_bound() {
        let line = "y".repeat(1023);
        let mut kept = Vec::new();
        let mut sink = |line: &str| kept.push(line.to_owned());
        {
            let mut program = bounded(&mut sink);
            (0..LARGEST / 1024 + 2).for_each(|_| program(&line));
            program("short");
        }
        // The next program has its own share.
        bounded(&mut sink)("next");
        let all = LARGEST / 1024;
        assert!(kept[..all].iter().all(|kept| *kept == line));
        assert!(kept[all].ends_with("the rest is left out"), "{}", kept[all]);
        assert_eq!(kept[all + 1..], ["next"]);
    }
}
