// SPDX-License-Identifier: Apache-2.0
//! The seed as fetched, kept for the later stages and boots: a directory that root alone can read.
//!
//! It is written beside and renamed as a whole: a run that is killed leaves the old one or the new one. Nothing waits for
//! the disk, which would take longer than all else that a boot does with a seed; instead the index holds digests, and
//! what lost its power half-way is found out, counts as missing and is fetched again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use log::warn;
use serde::{Deserialize, Serialize};

use crate::digest::sha256;
use crate::error::{Error, Kind, Result};
use crate::root::{Root, Tree as _};
use crate::seed::{Document, MetaFormat, NetworkFormat, Seed};
use crate::state;

/// What lists the other files.
const INDEX: &str = "index.json";

/// The index: each document is a file of a name of the agent's own.
#[derive(Debug, Serialize, Deserialize)]
struct Index {
    datasource: String,
    place: String,
    meta_format: MetaFormat,
    meta_data: Entry,
    #[serde(default)]
    more_meta_data: Vec<Entry>,
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
        let Places { current, new, old } = Places::of(id);
        root.make_directory(&state::instance(id), 0o700)?;
        root.remove_tree(&new)?;
        root.make_directory(&new, 0o700)?;
        let write = |file: &str, name: &str, bytes: &[u8]| {
            root.write(&new.join(file), bytes, 0o600)?;
            Ok(Entry { file: file.to_owned(), name: name.to_owned(), sha256: sha256(bytes) })
        };
        let keep = |file: &str, document: &Document| write(file, &document.name, &document.bytes);
        let keep_all = |file: &str, documents: &[Document]| {
            let documents = documents.iter().enumerate();
            documents.map(|(number, document)| keep(&format!("{file}.{number}"), document)).collect::<Result<_>>()
        };
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
            more_meta_data: keep_all("meta-data", &self.more_meta_data)?,
            vendor_data: keep_all("vendor-data", &self.vendor_data)?,
            content: (self.content.iter().enumerate())
                .map(|(number, (name, bytes))| write(&format!("content.{number}"), name, bytes))
                .collect::<Result<_>>()?,
        };
        let json =
            serde_json::to_vec_pretty(&index).map_err(|error| Error::fatal("cannot write the index").because(error))?;
        write(INDEX, INDEX, &json)?;
        // A directory can't replace one that is not empty. Killed between the two, `load` finds the old one.
        if root.exists(&current) {
            root.remove_tree(&old)?;
            root.rename(&current, &old)?;
        }
        root.rename(&new, &current)?;
        root.remove_tree(&old)
    }

    /// The seed that was kept for the instance `id`; `None` where there is none.
    ///
    /// # Errors
    /// Malformed: there is only a damaged one.
    pub fn load(root: &Root, id: &str) -> Result<Option<Self>> {
        let Places { current, old, .. } = Places::of(id);
        let mut damaged = None;
        for directory in [current, old] {
            match read(root, &directory) {
                Ok(Some(seed)) => return Ok(Some(seed)),
                Ok(None) => {}
                Err(error) if error.kind() == Kind::Malformed => {
                    let error = error.while_doing(format!("the kept seed in {}", directory.display()));
                    warn!("{error}");
                    damaged.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        let help = "attach the configuration again, or `firstlight clean` forgets the instance";
        damaged.map_or(Ok(None), |error| Err(error.help(help)))
    }
}

struct Places {
    current: PathBuf,
    new: PathBuf,
    old: PathBuf,
}

impl Places {
    fn of(id: &str) -> Self {
        let current = state::seed(id);
        Self { new: current.with_extension("new"), old: current.with_extension("old"), current }
    }
}

/// The seed in a directory; `None` where there is none.
fn read(root: &Root, directory: &Path) -> Result<Option<Seed>> {
    let Some(index) = root.read(&directory.join(INDEX))? else { return Ok(None) };
    let index: Index =
        serde_json::from_slice(&index).map_err(|error| Error::malformed("the index is damaged").because(error))?;
    let content = |entry: &Entry| match root.read(&directory.join(&entry.file))? {
        Some(bytes) if sha256(&bytes) == entry.sha256 => Ok(bytes),
        _ => Err(Error::malformed(format!("{} is damaged", entry.file))),
    };
    let document = |entry: Entry| Ok(Document { bytes: content(&entry)?, name: entry.name });
    Ok(Some(Seed {
        datasource: index.datasource,
        place: index.place,
        meta_format: index.meta_format,
        meta_data: document(index.meta_data)?,
        more_meta_data: index.more_meta_data.into_iter().map(document).collect::<Result<_>>()?,
        network: match index.network {
            Some((format, entry)) => Some((format, document(entry)?)),
            None => None,
        },
        user_data: index.user_data.map(document).transpose()?,
        vendor_data: index.vendor_data.into_iter().map(document).collect::<Result<_>>()?,
        content: (index.content.into_iter())
            .map(|entry| Ok((entry.name.clone(), content(&entry)?)))
            .collect::<Result<BTreeMap<_, _>>>()?,
    }))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::media::fixtures::Scratch;

    fn seed(user_data: &str) -> Seed {
        Seed {
            network: Some((NetworkFormat::OpenStack, Document::new("network_data.json", "{}"))),
            user_data: Some(Document::new("user_data", user_data)),
            more_meta_data: vec![Document::new("/proc/cmdline", "ds=nocloud;h=x")],
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
        for directory in [&directory, directory.parent().unwrap()] {
            assert_eq!(fs::metadata(directory).unwrap().permissions().mode() & 0o777, 0o700, "{directory:?}");
        }
        for file in fs::read_dir(&directory).unwrap() {
            assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(directory.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_run_killed_at_any_point_leaves_the_old_or_the_new() {
        let scratch = Scratch::new("store-killed");
        let root = Root::open(&scratch).unwrap();
        let Places { current, new, old } = Places::of("i");
        seed("old").save(&root, "i").unwrap();
        // Killed while writing.
        root.write(&new.join("meta-data"), b"half", 0o600).unwrap();
        assert_eq!(Seed::load(&root, "i").unwrap(), Some(seed("old")));
        // Killed between the renames.
        root.rename(&current, &old).unwrap();
        assert_eq!(Seed::load(&root, "i").unwrap(), Some(seed("old")));
        seed("new").save(&root, "i").unwrap();
        assert_eq!(Seed::load(&root, "i").unwrap(), Some(seed("new")));
        assert!(!root.exists(&new) && !root.exists(&old));
    }

    #[test]
    fn a_seed_that_lost_its_power_half_way_is_not_used_and_is_told() {
        let scratch = Scratch::new("store-torn");
        let root = Root::open(&scratch).unwrap();
        let Places { current, .. } = Places::of("i");
        for (file, content) in [("user-data", "tru"), ("content.0", ""), (INDEX, "{"), (INDEX, "")] {
            seed("true").save(&root, "i").unwrap();
            root.write(&current.join(file), content.as_bytes(), 0o600).unwrap();
            assert_eq!(Seed::load(&root, "i").unwrap_err().kind(), Kind::Malformed, "{file}");
        }
        seed("true").save(&root, "i").unwrap();
        assert_eq!(Seed::load(&root, "i").unwrap(), Some(seed("true")));
    }
}
