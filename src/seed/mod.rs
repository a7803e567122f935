// SPDX-License-Identifier: Apache-2.0
//! The raw documents of a datasource and where each came from.

use std::collections::BTreeMap;
use std::fmt;

use crate::finding::Origin;

mod store;

/// One document as the platform gave it.
#[derive(Clone, PartialEq, Eq)]
pub struct Document {
    /// Its name as a person knows it, e.g. `user_data` or `meta_data.json`.
    pub name: String,
    /// Its bytes, unchanged.
    pub bytes: Vec<u8>,
}

impl Document {
    /// A document of that name.
    pub fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), bytes: bytes.into() }
    }

    /// The document as an origin.
    pub fn origin(&self) -> Origin {
        Origin::document(self.name.as_str())
    }
}

/// Never the bytes: they may be a secret.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("name", &self.name).field("bytes", &self.bytes.len()).finish()
    }
}

/// How the network document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkFormat {
    /// OpenStack's `network_data.json`.
    OpenStack,
    /// cloud-init's network-config, version 1 or 2 (netplan).
    NetworkConfig,
    /// Text of Debian's `/etc/network/interfaces`, as old config drives and Proxmox have it.
    Interfaces,
    /// The interfaces in EC2's meta-data, as JSON: the tree below `network/interfaces/macs`.
    Ec2,
}

/// How meta-data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MetaFormat {
    /// OpenStack's `meta_data.json`.
    OpenStack,
    /// NoCloud's `meta-data`: YAML, or a word of the kernel's command line.
    NoCloud,
    /// The tree of EC2's meta-data, as JSON.
    Ec2,
}

/// Everything that a datasource found.
#[derive(Clone, PartialEq, Eq)]
pub struct Seed {
    /// The datasource's name, e.g. `config-drive`.
    pub datasource: String,
    /// Where it was, for a person: `/dev/sr0 (iso9660, config-2)`.
    pub place: String,
    /// How `meta_data` is written.
    pub meta_format: MetaFormat,
    /// Who the instance is.
    pub meta_data: Document,
    /// What else says who it is: of a key the first document that has it counts.
    pub more_meta_data: Vec<Document>,
    /// Its network.
    pub network: Option<(NetworkFormat, Document)>,
    /// What its user asks for.
    pub user_data: Option<Document>,
    /// What its platform asks for; the second overrides the first.
    pub vendor_data: Vec<Document>,
    /// Bytes that `meta_data` refers to by path, e.g. `/content/0000`.
    pub content: BTreeMap<String, Vec<u8>>,
}

impl Seed {
    /// All that says who the instance is, the most important first.
    pub fn all_meta_data(&self) -> impl DoubleEndedIterator<Item = &Document> {
        std::iter::once(&self.meta_data).chain(&self.more_meta_data)
    }

    /// For tests: a seed with nothing but OpenStack's meta-data.
    #[cfg(test)]
    pub fn new(datasource: impl Into<String>, place: impl Into<String>, meta_data: Document) -> Self {
        Self {
            datasource: datasource.into(),
            place: place.into(),
            meta_format: MetaFormat::OpenStack,
            meta_data,
            more_meta_data: Vec::new(),
            network: None,
            user_data: None,
            vendor_data: Vec::new(),
            content: BTreeMap::new(),
        }
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seed").field("datasource", &self.datasource).field("place", &self.place).finish_non_exhaustive()
    }
}
