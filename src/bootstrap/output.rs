// SPDX-License-Identifier: Apache-2.0
//! The bootstrap's own log: each line with its time, the agent's among the script's.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use crate::report::clock;
use crate::report::line::one_line;
use crate::root::Root;

/// How much one try may add, so that a script that prints without end does not fill the disk.
const LARGEST: u64 = 16 << 20;

/// The log, open for one try: between tries it may be rotated.
pub struct Output {
    file: Option<File>,
    left: u64,
}

impl Output {
    /// The guest's file `log`, made with mode 0640. A log that can't be written is said and does not stop the script.
    pub fn open(root: &Root, log: &Path) -> Self {
        let opened = root.append(log, 0o640);
        let file = opened.map_err(|error| log::warn!("{error}; the script's output is not kept")).ok();
        Self { file, left: LARGEST }
    }

    /// A line of the script.
    pub fn line(&mut self, text: &str) {
        let line = format!("{} {text}\n", clock::now());
        match self.left.checked_sub(line.len() as u64) {
            Some(left) => {
                self.left = left;
                self.write(&line);
            }
            None if self.left > 0 => {
                self.left = 0;
                self.say(&format!("more than {LARGEST} bytes in one try: the rest is left out"));
            }
            None => (),
        }
    }

    /// A line of the agent, for its own log too.
    pub fn say(&mut self, text: &str) {
        log::info!("{text}");
        self.write(&format!("{} firstlight: {}\n", clock::now(), one_line(text)));
    }

    fn write(&mut self, line: &str) {
        if let Some(file) = &mut self.file {
            let _ = file.write_all(line.as_bytes());
        }
    }
}
