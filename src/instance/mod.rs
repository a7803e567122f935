// SPDX-License-Identifier: Apache-2.0
//! Who the instance is: the meta-data of any datasource, normalised.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::error::Result;
use crate::finding::{Finding, Findings, Located, Origin};
use crate::seed::{MetaFormat, Seed};

/// Characters of an instance's id: the longest name that a directory can have.
const ID_LIMIT: usize = 255;

mod data;
pub mod ec2;
mod environment;
pub mod hostname;
mod keys;
pub mod nocloud;
mod openstack;

pub use data::{is_secret, redacted, set_image, set_merged, without_secrets, without_userinfo};

/// The instance.
#[derive(Debug, Clone)]
pub struct Instance {
    /// What makes it this instance and no other.
    pub id: Located<String>,
    /// Its host name, often fully qualified; valid as `hostname::check` has it.
    pub hostname: Option<Located<String>>,
    /// Its name in the platform (OpenStack's `name`): free text, to be checked before it becomes a host name.
    pub name: Option<Located<String>>,
    /// Keys of its user, whole lines.
    pub public_keys: Vec<Located<String>>,
    /// Properties (OpenStack's `meta`), by name.
    pub properties: BTreeMap<String, String>,
    /// Files that the platform hands in.
    pub files: Vec<Located<File>>,
    /// Parts of the seed, in the platform's words, that it is to forget once they are kept (VMware's `redact`).
    pub redact: Vec<Located<String>>,
    /// For the kernel's pool.
    pub random_seed: Option<Located<Vec<u8>>>,
    /// Where it runs.
    pub availability_zone: Option<String>,
    /// Which of the cloud's regions that is in.
    pub region: Option<String>,
    /// The cloud's own name for itself, where the platform can be several.
    pub cloud_name: Option<String>,
}

/// A file that the platform hands in.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    /// Absolute; a relative path of the platform is below `/`.
    pub path: PathBuf,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// Never the bytes: they may be a secret.
impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("File").field("path", &self.path).field("bytes", &self.content.len()).finish()
    }
}

impl Instance {
    /// An instance that says nothing but its id, for tests.
    #[cfg(test)]
    pub fn testing(id: &str) -> Self {
        let origin = Origin::document("meta_data.json");
        Self { id: Located::new(id.to_owned(), origin.key("uuid")), ..Self::unknown(&origin) }
    }

    /// An instance of which nothing is known.
    pub fn unknown(origin: &Origin) -> Self {
        Self {
            id: Located::new(String::new(), origin.clone()),
            hostname: None,
            name: None,
            public_keys: Vec::new(),
            properties: BTreeMap::new(),
            files: Vec::new(),
            redact: Vec::new(),
            random_seed: None,
            availability_zone: None,
            region: None,
            cloud_name: None,
        }
    }

    /// The instance that the seed's meta-data describes.
    ///
    /// What is wrong in one entry is a finding, and the entry is left out. Malformed only where the document can't be
    /// read at all, or does not say which instance this is.
    pub fn from_seed(seed: &Seed, findings: &mut Findings) -> Result<Self> {
        let mut instance = match seed.meta_format {
            MetaFormat::OpenStack => openstack::read(&seed.meta_data, &seed.content, findings)?,
            MetaFormat::NoCloud => nocloud::read(seed, findings)?,
            MetaFormat::Ec2 => ec2::read(seed, findings)?,
        };
        instance.id.value = plain_id(&instance.id);
        // Its records lie in a directory of that name.
        let length = instance.id.chars().count();
        if length > ID_LIMIT {
            let long = format!("the instance's id has {length} characters; at most {ID_LIMIT} are taken");
            return Err(Finding::error(&instance.id.origin, long)
                .help("give each machine a short one, as a UUID is")
                .into());
        }
        Ok(instance)
    }
}

/// The id as it stands in a line of its own, where the later stages and other programs read it: they don't see white space
/// at its ends, and a line break in it would begin a line that nobody wrote.
fn plain_id(id: &str) -> String {
    id.trim().chars().map(|c| if c.is_control() { '_' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Document;

    #[test]
    fn an_id_is_one_line_without_white_space_at_its_ends() {
        for (given, expected) in [("i-1 \\n", "i-1"), ("\\ti-1", "i-1"), ("i\\n1", "i_1"), ("i 1", "i 1")] {
            let meta_data = Document::new("meta_data.json", format!("{{\"uuid\": \"{given}\"}}"));
            let seed = Seed::new("config-drive", "here", meta_data);
            assert_eq!(Instance::from_seed(&seed, &mut Findings::default()).unwrap().id.value, expected, "{given}");
        }
    }
}
