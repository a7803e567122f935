// SPDX-License-Identifier: Apache-2.0
//! The files that the script, and whoever looks after the machine, may read and change.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::root::{Root, Tree as _};

/// The guest's directory and what is in it.
pub struct Files {
    root: Root,
    directory: PathBuf,
    switch: PathBuf,
}

impl Files {
    /// `directory` of the guest beneath the root.
    pub fn new(root: &Root, directory: &Path) -> Self {
        Self { root: root.clone(), directory: directory.to_owned(), switch: directory.join("start-bootstrap") }
    }

    /// The file without which nothing is run.
    pub fn switch(&self) -> &Path {
        &self.switch
    }

    /// Whether `start-bootstrap` is there.
    pub fn is_enabled(&self) -> bool {
        self.root.exists(&self.switch)
    }

    /// How many tries there may be in all; `otherwise` where the file does not say it. A file that is no number is said,
    /// and does not stop the machine.
    pub fn max_retry(&self, otherwise: u32) -> u32 {
        self.number("bootstrap-max-retry", otherwise)
    }

    /// How many tries there have been; `recorded` where the file is lost or no number.
    pub fn tries(&self, recorded: u32) -> u32 {
        self.number("retry-amount", recorded)
    }

    /// Keeps the number of tries, so that not even a power cut forgets it.
    pub fn count(&self, tries: u32) -> Result<()> {
        self.root.write_durably(&self.directory.join("retry-amount"), format!("{tries}\n").as_bytes(), 0o644)
    }

    /// The script as an executable file. Where it and its directory are on this machine, which runs it.
    pub fn store(&self, script: &[u8]) -> Result<(PathBuf, PathBuf)> {
        let path = self.directory.join("bootstrap-script");
        self.root.write(&path, script, 0o700)?;
        Ok((self.root.outside(&path)?, self.root.outside(&self.directory)?))
    }

    fn number(&self, name: &str, otherwise: u32) -> u32 {
        let path = self.directory.join(name);
        match self.root.read_text(&path) {
            Ok(None) => otherwise,
            Ok(Some(text)) => text.trim().parse().unwrap_or_else(|_| {
                let start: String = text.trim().chars().take(20).collect();
                log::warn!("{} holds {start:?} and not a number; {otherwise} is used", path.display());
                otherwise
            }),
            Err(error) => {
                log::warn!("{error}; {otherwise} is used");
                otherwise
            }
        }
    }
}
