// SPDX-License-Identifier: Apache-2.0
//! The seed as fetched, kept for the later stages and boots: a directory that root alone can read.
//!
//! It is written beside and renamed as a whole: a run that is killed leaves the old one or the new one. Nothing waits for
//! the disk, which would take longer than all else that a boot does with a seed; instead the index holds digests, and
//! what lost its power half-way is found out, counts as missing and is fetched again.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use log::warn;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{At, Error, Kind, OrAbsent, Result};
use crate::root::Root;
use crate::seed::{Document, MetaFormat, NetworkFormat, Seed};
use crate::state;

/// What lists the other files.
const INDEX: &str = "index.json";
/// The most that is read of one file; more than any datasource takes.
const LIMIT: u64 = 32 << 20;

/// The index: each document is a file of a name of the agent's own.
#[derive(Debug, Serialize, Deserialize)]
struct Index {
    datasource: String,
    place: String,
    meta_format: MetaFormat,
    meta_data: Entry,
    network: Option<(NetworkFormat, Entry)>,
    user_data: Option<Entry>,
    vendor_data: Vec<Entry>,
    content: Vec<Entry>,
}

/// A document: its file, its name in the seed, and the SHA-256 of its bytes.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    file: String,
    name: String,
    sha256: String,
}

impl Seed {
    /// Keeps the seed as that of the instance `id`. One that is kept already is not written again.
    pub fn save(&self, root: &Root, id: &str) -> Result<()> {
        if matches!(Self::load(root, id), Ok(Some(kept)) if kept == *self) {
            return Ok(());
        }
        let Places { current, new, old } = Places::of(root, id);
        remove(&new)?;
        let parent = current.parent().unwrap_or(&current);
        fs::create_dir_all(parent).at("create", parent)?;
        DirBuilder::new().mode(0o700).create(&new).at("create", &new)?;
        let keep = |file: &str, document: &Document| write(&new, file, &document.name, &document.bytes);
        let index = Index {
            datasource: self.datasource.clone(),
            place: self.place.clone(),
            meta_format: self.meta_format,
            meta_data: keep("meta-data", &self.meta_data)?,
            network: match &self.network {
                Some((format, document)) => Some((*format, keep("network", document)?)),
                None => None,
            },
            user_data: self.user_data.as_ref().map(|document| keep("user-data", document)).transpose()?,
            vendor_data: (self.vendor_data.iter().enumerate())
                .map(|(number, document)| keep(&format!("vendor-data.{number}"), document))
                .collect::<Result<_>>()?,
            content: (self.content.iter().enumerate())
                .map(|(number, (name, bytes))| write(&new, &format!("content.{number}"), name, bytes))
                .collect::<Result<_>>()?,
        };
        let json =
            serde_json::to_vec_pretty(&index).map_err(|error| Error::fatal("cannot write the index").because(error))?;
        write(&new, INDEX, INDEX, &json)?;
        // A directory can't replace one that is not empty. Killed between the two, `load` finds the old one.
        if current.exists() {
            remove(&old)?;
            fs::rename(&current, &old).at("rename", &current)?;
        }
        fs::rename(&new, &current).at("rename", &new)?;
        remove(&old)
    }

    /// The seed that was kept for the instance `id`; `None` where there is none, or only a damaged one.
    pub fn load(root: &Root, id: &str) -> Result<Option<Self>> {
        let Places { current, old, .. } = Places::of(root, id);
        for directory in [current, old] {
            match read(&directory) {
                Ok(seed) => return Ok(Some(seed)),
                Err(error) if error.is_absent() => {}
                Err(error) if error.kind() == Kind::Malformed => warn!("{}: {error}", directory.display()),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

struct Places {
    current: PathBuf,
    new: PathBuf,
    old: PathBuf,
}

impl Places {
    fn of(root: &Root, id: &str) -> Self {
        let seed = state::seed(id);
        let current = root.path().join(seed.strip_prefix("/").unwrap_or(&seed));
        Self { new: current.with_extension("new"), old: current.with_extension("old"), current }
    }
}

fn remove(directory: &Path) -> Result<()> {
    fs::remove_dir_all(directory).at("remove", directory).or_absent().map(|_| ())
}

fn write(directory: &Path, file: &str, name: &str, bytes: &[u8]) -> Result<Entry> {
    let path = directory.join(file);
    let open = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    open.and_then(|mut open| open.write_all(bytes)).at("write", &path)?;
    Ok(Entry { file: file.to_owned(), name: name.to_owned(), sha256: digest(bytes) })
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(directory: &Path) -> Result<Seed> {
    let index: Index = serde_json::from_slice(&bytes(&directory.join(INDEX))?)
        .map_err(|error| Error::malformed("the index is damaged").because(error))?;
    let content = |entry: &Entry| match bytes(&directory.join(&entry.file)).or_absent()? {
        Some(bytes) if digest(&bytes) == entry.sha256 => Ok(bytes),
        _ => Err(Error::malformed(format!("{} is damaged", entry.file))),
    };
    let document = |entry: Entry| Ok(Document { bytes: content(&entry)?, name: entry.name });
    Ok(Seed {
        datasource: index.datasource,
        place: index.place,
        meta_format: index.meta_format,
        meta_data: document(index.meta_data)?,
        network: match index.network {
            Some((format, entry)) => Some((format, document(entry)?)),
            None => None,
        },
        user_data: index.user_data.map(document).transpose()?,
        vendor_data: index.vendor_data.into_iter().map(document).collect::<Result<_>>()?,
        content: (index.content.into_iter())
            .map(|entry| Ok((entry.name.clone(), content(&entry)?)))
            .collect::<Result<BTreeMap<_, _>>>()?,
    })
}

fn bytes(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(LIMIT).read_to_end(&mut bytes)).at("read", path)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::media::fixtures::Scratch;

    fn seed(user_data: &str) -> Seed {
        Seed {
            network: Some((NetworkFormat::OpenStack, Document::new("network_data.json", "{}"))),
            user_data: Some(Document::new("user_data", user_data)),
            vendor_data: vec![Document::new("vendor_data.json", "1"), Document::new("vendor_data2.json", "2")],
            content: BTreeMap::from([("/content/../0000".to_owned(), vec![0, 255])]),
            ..Seed::new("config-drive", "/dev/sr0", Document::new("meta_data.json", "{}"))
        }
    }

    #[test]
    fn what_is_saved_is_loaded_and_root_s_alone() {
        let scratch = Scratch::new("store");
        let root = Root::open(&scratch).unwrap();
        assert_eq!(Seed::load(&root, "i/1").unwrap(), None);
        for user_data in ["one", "one", "two"] {
            seed(user_data).save(&root, "i/1").unwrap();
            assert_eq!(Seed::load(&root, "i/1").unwrap(), Some(seed(user_data)));
        }
        let directory = scratch.join("var/lib/firstlight/instances/i_1/seed");
        assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
        for file in fs::read_dir(&directory).unwrap() {
            assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(directory.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_run_killed_at_any_point_leaves_the_old_or_the_new() {
        let scratch = Scratch::new("store-killed");
        let root = Root::open(&scratch).unwrap();
        let Places { current, new, old } = Places::of(&root, "i");
        seed("old").save(&root, "i").unwrap();
        // Killed while writing.
        fs::create_dir(&new).unwrap();
        fs::write(new.join("meta-data"), "half").unwrap();
        assert_eq!(Seed::load(&root, "i").unwrap(), Some(seed("old")));
        // Killed between the renames.
        fs::rename(&current, &old).unwrap();
        assert_eq!(Seed::load(&root, "i").unwrap(), Some(seed("old")));
        seed("new").save(&root, "i").unwrap();
        assert_eq!(Seed::load(&root, "i").unwrap(), Some(seed("new")));
        assert!(!new.exists() && !old.exists());
    }

    #[test]
    fn a_seed_that_lost_its_power_half_way_counts_as_missing() {
        let scratch = Scratch::new("store-torn");
        let root = Root::open(&scratch).unwrap();
        let Places { current, .. } = Places::of(&root, "i");
        for (file, content) in [("user-data", "tru"), ("content.0", ""), (INDEX, "{"), (INDEX, "")] {
            seed("true").save(&root, "i").unwrap();
            fs::write(current.join(file), content).unwrap();
            assert_eq!(Seed::load(&root, "i").unwrap(), None, "{file}");
        }
        seed("true").save(&root, "i").unwrap();
        assert_eq!(Seed::load(&root, "i").unwrap(), Some(seed("true")));
    }
}
