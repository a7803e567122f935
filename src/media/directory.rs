// SPDX-License-Identifier: Apache-2.0
//! A seed in a directory: one that a person names, or the mount point of a drive.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{MAX_ENTRIES, Medium, too_large};
use crate::error::{At, Error, OrAbsent, Result};

/// A directory. Symbolic links are followed as long as they stay in it.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
}

impl Directory {
    /// The directory at `path`.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self { path: path.canonicalize().at("open", path)? })
    }

    /// Where `path` really is; `None` where it is not there.
    fn find(&self, path: &str) -> Result<Option<PathBuf>> {
        let asked = self.path.join(path.trim_start_matches('/'));
        let Some(found) = asked.canonicalize().at("open", &asked).or_absent()? else { return Ok(None) };
        if !found.starts_with(&self.path) {
            let outside = format!("{} leads out of {}, to {}", asked.display(), self.path.display(), found.display());
            return Err(Error::malformed(outside).help("copy what the link points to into the directory"));
        }
        Ok(Some(found))
    }
}

impl Medium for Directory {
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let Some(found) = self.find(path)? else { return Ok(None) };
        if !found.is_file() {
            return Err(Error::malformed(format!("{} is not a regular file", found.display())));
        }
        let file = File::open(&found).at("open", &found)?;
        let size = file.metadata().at("read", &found)?.len();
        if size > limit {
            return Err(too_large(path, size, limit));
        }
        // The size is asked for once more by what is read: a file can grow.
        let mut content = Vec::new();
        file.take(limit + 1).read_to_end(&mut content).at("read", &found)?;
        if content.len() as u64 > limit {
            return Err(too_large(path, content.len() as u64, limit));
        }
        Ok(Some(content))
    }

    fn list(&self, path: &str) -> Result<Vec<String>> {
        let Some(found) = self.find(path)?.filter(|found| found.is_dir()) else { return Ok(Vec::new()) };
        let mut names = Vec::new();
        for entry in found.read_dir().at("list", &found)?.take(MAX_ENTRIES) {
            names.push(entry.at("list", &found)?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }
}
