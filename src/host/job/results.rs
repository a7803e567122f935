// SPDX-License-Identifier: Apache-2.0
//! Taking a job's results off their disk: a tar that the guest wrote, of which nothing is believed.
//!
//! Only directories, regular files and links that stay inside come out; the digest of the whole is the one that was reported.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use ring::digest::{Context, SHA256};
use tar::{Archive, Entry, EntryType};

use super::outputs::Outputs;
use super::said;
use crate::error::{At as _, Error, Result};

/// The most members.
const MEMBERS: usize = 200_000;
/// The most that headers of one member may have: long names, and the map of a file with holes.
const HEADERS: u64 = 16 << 20;
/// The most directories in each other.
const DEPTH: usize = 64;

/// Unpacks the tar at the start of `disk` into `directory`, which is empty and nobody else's. Says which files there are.
///
/// # Errors
/// It is not what was reported, holds what must not be published, or more than `limit` bytes (holes included).
pub fn unpack(
    disk: &Path,
    reported: &said::Archive,
    outputs: &Outputs,
    limit: u64,
    directory: &Path,
) -> Result<Vec<PathBuf>> {
    let file = File::open(disk).at("read", disk)?;
    let budget = Rc::new(Cell::new(u64::MAX));
    let context = Context::new(&SHA256);
    let mut archive = Archive::new(Hashed { file: file.take(reported.size), context, budget: Rc::clone(&budget) });
    archive.set_preserve_mtime(true);
    let mut place = Place { directory, outputs, directories: BTreeSet::new(), files: BTreeSet::new(), left: limit };
    let broken = |error: io::Error| Error::malformed("the results are no tar").because(error);
    let mut entries = archive.entries().map_err(broken)?;
    for count in 0.. {
        budget.set(HEADERS);
        let Some(entry) = entries.next() else { break };
        let entry = entry.map_err(broken)?;
        budget.set(u64::MAX);
        if count == MEMBERS {
            return Err(Error::malformed(format!("the results have more than {MEMBERS} files")));
        }
        place.put(entry)?;
    }
    let files = place.files.into_iter().collect();
    let mut read = archive.into_inner();
    budget.set(u64::MAX);
    io::copy(&mut read, &mut io::sink()).at("read", disk)?;
    let digest: String = read.context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    if digest != reported.sha256 {
        return Err(Error::malformed(format!(
            "the results on the disk are not those that the guest reported: sha256 {digest}, reported {}",
            reported.sha256
        )));
    }
    Ok(files)
}

/// Where members go.
struct Place<'a> {
    directory: &'a Path,
    outputs: &'a Outputs,
    /// Made here, so they are no links.
    directories: BTreeSet<PathBuf>,
    files: BTreeSet<PathBuf>,
    left: u64,
}

impl Place<'_> {
    fn put(&mut self, mut entry: Entry<impl Read>) -> Result<()> {
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            return Ok(());
        }
        let member =
            entry.path().map_err(|error| Error::malformed("a result has no name").because(error))?.into_owned();
        let refused = |why: &str| {
            Error::malformed(format!("the result {} {why}; nothing is published", member.display()))
                .help("the job can pack such things: in a tar or an image that it makes there may be anything")
        };
        let name = self.outputs.published(&member).ok_or_else(|| refused("was not asked for"))?;
        if name.components().count() > DEPTH {
            return Err(refused("is too deep"));
        }
        if name.as_os_str().is_empty() {
            return Ok(());
        }
        let path = self.directory.join(&name);
        let parent = name.parent().unwrap_or(Path::new(""));
        if kind == EntryType::Directory {
            return self.directory(&name);
        }
        self.directory(parent)?;
        let mode = entry.header().mode().unwrap_or(0o644);
        let link = |entry: &Entry<_>| {
            let target = entry.link_name().ok().flatten().map(|target| target.into_owned());
            target.ok_or_else(|| refused("is a link to nothing"))
        };
        match kind {
            EntryType::Regular | EntryType::GNUSparse => {
                let size = entry.size();
                self.left = self.left.checked_sub(size).ok_or_else(|| {
                    Error::fatal("the results, holes included, are more than --results-size")
                        .help("raise --results-size")
                })?;
                // Never over anything: what is there is there twice.
                if path.symlink_metadata().is_ok() {
                    return Err(refused("is there twice"));
                }
                entry.unpack(&path).map_err(|error| {
                    Error::fatal(format!("cannot take {} off the results disk", member.display())).because(error)
                })?;
                // Published is published: readable for whoever serves it, writable for the owner, no special bits.
                let mode = 0o644 | (mode & 0o111);
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).at("set the mode of", &path)?;
            }
            EntryType::Symlink => {
                let target = link(&entry)?;
                if !stays_inside(parent, &target) {
                    return Err(refused("is a link that leads out"));
                }
                return symlink(&target, &path).at("make", &path);
            }
            EntryType::Link => {
                let target = self.outputs.published(&link(&entry)?);
                let target = target.filter(|target| self.files.contains(target));
                let target = target.ok_or_else(|| refused("is a link to what is not among the results"))?;
                fs::hard_link(self.directory.join(target), &path).at("make", &path)?;
            }
            _ => return Err(refused("is no file, directory or link")),
        }
        self.files.insert(name);
        Ok(())
    }

    /// The directory and those above it, as ours.
    fn directory(&mut self, name: &Path) -> Result<()> {
        let mut made = PathBuf::new();
        for part in name.components() {
            made.push(part);
            if self.directories.insert(made.clone()) {
                if self.directories.len() > MEMBERS {
                    return Err(Error::malformed(format!("the results have more than {MEMBERS} directories")));
                }
                let path = self.directory.join(&made);
                fs::create_dir(&path).at("make", &path)?;
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).at("set the mode of", &path)?;
            }
        }
        Ok(())
    }
}

/// Whether a link in `directory` stays beneath the top. Its directory is no link, so `..` may stand in front, as often as
/// that is deep; behind a name it could lead anywhere, since that may be a link.
fn stays_inside(directory: &Path, target: &Path) -> bool {
    let mut depth = directory.components().count();
    let mut named = false;
    target.components().all(|part| match part {
        Component::ParentDir if !named && depth > 0 => {
            depth -= 1;
            true
        }
        Component::Normal(_) => {
            named = true;
            true
        }
        Component::CurDir => true,
        _ => false,
    })
}

/// Counts in the digest whatever is read, and ends what reads too much at once.
struct Hashed {
    file: io::Take<File>,
    context: Context,
    budget: Rc<Cell<u64>>,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.context.update(buffer.get(..read).unwrap_or_default());
        match self.budget.get().checked_sub(read as u64) {
            Some(left) => self.budget.set(left),
            None => return Err(io::Error::other("a member's headers are too long")),
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
