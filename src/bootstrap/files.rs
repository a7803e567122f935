// SPDX-License-Identifier: Apache-2.0
//! The files that the script, and whoever looks after the machine, may read and change.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::{At, OrAbsent, Result};
use crate::root::Root;

/// The directory and what is in it.
pub struct Files {
    directory: PathBuf,
    switch: PathBuf,
}

impl Files {
    /// The guest's `directory` beneath the root.
    pub fn new(root: &Root, directory: &Path) -> Result<Self> {
        let path = below(root, directory)?;
        Ok(Self { directory: path, switch: directory.join("start-bootstrap") })
    }

    /// Where it is on this machine.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The guest's path of the file without which nothing is run.
    pub fn switch(&self) -> &Path {
        &self.switch
    }

    /// Whether `start-bootstrap` is there.
    pub fn is_enabled(&self) -> bool {
        self.directory.join("start-bootstrap").exists()
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
        replace(&self.directory.join("retry-amount"), format!("{tries}\n").as_bytes(), 0o644)
    }

    /// The script as an executable file; its path on this machine.
    pub fn store(&self, script: &[u8]) -> Result<PathBuf> {
        let path = self.directory.join("bootstrap-script");
        replace(&path, script, 0o700)?;
        Ok(path)
    }

    fn number(&self, name: &str, otherwise: u32) -> u32 {
        let path = self.directory.join(name);
        match read_start(&path, 64).or_absent() {
            Ok(None) => otherwise,
            Ok(Some(text)) => text.trim().parse().unwrap_or_else(|_| {
                log::warn!("{} holds {:?} and not a number; {otherwise} is used", path.display(), text.trim());
                otherwise
            }),
            Err(error) => {
                log::warn!("{error}; {otherwise} is used");
                otherwise
            }
        }
    }
}

/// A path of the guest on this machine. Absolute, since programs are started with it in a directory of their own.
pub fn below(root: &Root, path: &Path) -> Result<PathBuf> {
    let base = std::path::absolute(root.path()).at("find", root.path())?;
    Ok(base.join(path.strip_prefix("/").unwrap_or(path)))
}

/// A directory and its missing parents.
pub fn make_directory(path: &Path, mode: u32) -> Result<()> {
    if let Some(parent) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o755).create(parent).at("make", parent)?;
    }
    DirBuilder::new().recursive(true).mode(mode).create(path).at("make", path)
}

/// At most the first `limit` bytes as text.
pub fn read_start(path: &Path, limit: u64) -> Result<String> {
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).at("read", path)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A file with this content and mode in place of what was there, whole or not at all, and on the disk when this returns.
pub fn replace(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new();
    let file = file.write(true).create(true).truncate(true).mode(mode);
    let write = |mut file: File| {
        // The umask, or a file that an interruption left, may have given it another mode.
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.write_all(content)?;
        file.sync_all()
    };
    file.open(&beside).and_then(write).at("write", &beside)?;
    fs::rename(&beside, path).at("replace", path)?;
    let parent = path.parent().unwrap_or(path);
    File::open(parent).and_then(|directory| directory.sync_all()).at("write", parent)
}
