// SPDX-License-Identifier: Apache-2.0
//! The base image of jobs: looked at once, never changed.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ring::digest::{Context, SHA256};

use super::publish::Named;
use crate::error::{At as _, Error, Result};
use crate::host::image::{self, Format, Starts, tool};
use crate::host::interrupt;
use crate::input;

/// The image.
pub struct Base {
    path: PathBuf,
    format: Format,
    digest: OnceLock<String>,
}

impl Base {
    /// Looks at it.
    ///
    /// # Errors
    /// It is not there, is no image, is in use by a guest that writes to it, or is smaller than what is wanted.
    pub fn open(path: &Path) -> Result<Self> {
        let path = path.canonicalize().at("read the base image", path)?;
        if path.is_dir() {
            return Err(Error::malformed(format!("the base image {} is a directory", path.display())));
        }
        let format = Format::of(&path)?;
        tool::free(&path, format)?;
        Ok(Self { path, format, digest: OnceLock::new() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a disk at `at` that begins as the image does.
    pub fn overlay(&self, at: &Path, size: Option<u64>) -> Result<()> {
        tool::overlay(&self.path, self.format, at, size)
    }

    /// How a guest starts from it.
    pub fn starts(&self) -> Result<Starts> {
        image::starts_by(&self.path)
    }

    /// Its name and digest; the first who asks works it out, which takes a while.
    pub fn named(&self) -> Result<Named> {
        let sha256 = match self.digest.get() {
            Some(digest) => digest.clone(),
            None => {
                let digest = digest(&self.path)?;
                self.digest.get_or_init(|| digest).clone()
            }
        };
        Ok(Named { file: self.path.file_name().unwrap_or_default().to_string_lossy().into_owned(), sha256 })
    }
}

fn digest(path: &Path) -> Result<String> {
    let mut file = input::open(path)?;
    let (mut context, mut buffer) = (Context::new(&SHA256), vec![0; 1 << 20]);
    loop {
        interrupt::check()?;
        match file.read(&mut buffer).at("read", path)? {
            0 => break,
            count => context.update(buffer.get(..count).unwrap_or_default()),
        }
    }
    Ok(context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}
