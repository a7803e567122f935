// SPDX-License-Identifier: Apache-2.0
//! The file that keeps what commands print.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use crate::error::{At, Result};
use crate::root::Root;
use crate::state;

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
