// SPDX-License-Identifier: Apache-2.0
//! Media for tests, made by `tests/fixtures/media/make.sh`, and scratch directories.

use std::fs;
use std::io::Read;
use std::ops::Deref;
use std::path::{Path, PathBuf};

/// A packed image.
pub struct Fixture(&'static [u8]);

impl Fixture {
    /// The image.
    pub fn image(&self) -> Vec<u8> {
        let mut image = Vec::new();
        flate2::read::GzDecoder::new(self.0).read_to_end(&mut image).unwrap();
        image
    }
}

macro_rules! fixture {
    ($name:literal) => {
        Fixture(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/media/", $name, ".gz")))
    };
}

pub const NOVA_ISO: Fixture = fixture!("nova.iso");
pub const JOLIET_ISO: Fixture = fixture!("joliet.iso");
pub const PLAIN_ISO: Fixture = fixture!("plain.iso");
pub const ROCK_RIDGE_ISO: Fixture = fixture!("rockridge.iso");
pub const VFAT: Fixture = fixture!("fat16.img");
pub const FAT12: Fixture = fixture!("fat12.img");
pub const FAT32: Fixture = fixture!("fat32.img");

/// An empty directory, away when dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    /// `name` is the test's own.
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("firstlight-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Deref for Scratch {
    type Target = Path;
    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
