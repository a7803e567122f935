// SPDX-License-Identifier: Apache-2.0
//! The seed as fetched, kept for the later stages and boots: a directory that root alone can read.
//!
//! It is written beside and renamed as a whole: a run that is killed leaves the old one or the new one.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{At, Error, OrAbsent, Result};
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

/// A document: its file, and its name in the seed.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    file: String,
    name: String,
}

impl Seed {
    /// Keeps the seed as that of the instance `id`. One that is kept already is not written again.
    pub fn save(&self, root: &Root, id: &str) -> Result<()> {
        if matches!(Self::load(root, id), Ok(Some(kept)) if kept == *self) {
            return Ok(());
        }
        let Places { current, new, old } = Places::of(root, id);
        remove(&new)?;
        DirBuilder::new().recursive(true).mode(0o700).create(&new).at("create", &new)?;
        let mut writer = Writer { directory: &new };
        let index = Index {
            datasource: self.datasource.clone(),
            place: self.place.clone(),
            meta_format: self.meta_format,
            meta_data: writer.document("meta-data", &self.meta_data)?,
            network: match &self.network {
                Some((format, document)) => Some((*format, writer.document("network", document)?)),
                None => None,
            },
            user_data: self.user_data.as_ref().map(|document| writer.document("user-data", document)).transpose()?,
            vendor_data: (self.vendor_data.iter().enumerate())
                .map(|(number, document)| writer.document(&format!("vendor-data.{number}"), document))
                .collect::<Result<_>>()?,
            content: (self.content.iter().enumerate())
                .map(|(number, (name, bytes))| writer.write(&format!("content.{number}"), name, bytes))
                .collect::<Result<_>>()?,
        };
        let json =
            serde_json::to_vec_pretty(&index).map_err(|error| Error::fatal("cannot write the index").because(error))?;
        writer.write(INDEX, INDEX, &json)?;
        sync(&new)?;
        // A directory can't replace one that is not empty. Killed between the two, `load` finds the old one.
        if current.exists() {
            remove(&old)?;
            fs::rename(&current, &old).at("rename", &current)?;
        }
        fs::rename(&new, &current).at("rename", &new)?;
        sync(current.parent().unwrap_or(&current))?;
        remove(&old)
    }

    /// The seed that was kept for the instance `id`; `None` where there is none.
    pub fn load(root: &Root, id: &str) -> Result<Option<Self>> {
        let Places { current, old, .. } = Places::of(root, id);
        match read(&current).or_absent()? {
            Some(seed) => Ok(Some(seed)),
            None => read(&old).or_absent(),
        }
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

fn sync(directory: &Path) -> Result<()> {
    File::open(directory).and_then(|directory| directory.sync_all()).at("sync", directory)
}

struct Writer<'a> {
    directory: &'a Path,
}

impl Writer<'_> {
    fn document(&mut self, file: &str, document: &Document) -> Result<Entry> {
        self.write(file, &document.name, &document.bytes)
    }

    fn write(&mut self, file: &str, name: &str, bytes: &[u8]) -> Result<Entry> {
        let path = self.directory.join(file);
        let mut options = OpenOptions::new();
        let mut open = options.write(true).create_new(true).mode(0o600).open(&path).at("create", &path)?;
        open.write_all(bytes).and_then(|()| open.sync_all()).at("write", &path)?;
        Ok(Entry { file: file.to_owned(), name: name.to_owned() })
    }
}

fn read(directory: &Path) -> Result<Seed> {
    let index = bytes(&directory.join(INDEX))?;
    let index: Index = serde_json::from_slice(&index).map_err(|error| {
        Error::malformed(format!("{} is damaged", directory.join(INDEX).display()))
            .because(error)
            .help("`firstlight clean --seed` removes it; the seed is then fetched again")
    })?;
    let content = |entry: &Entry| bytes(&directory.join(&entry.file));
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
}
