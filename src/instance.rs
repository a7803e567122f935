// SPDX-License-Identifier: Apache-2.0
//! Who the instance is: the meta-data of any datasource, normalised.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::finding::Located;

/// The instance.
#[derive(Debug, Clone)]
pub struct Instance {
    /// What makes it this instance and no other.
    pub id: Located<String>,
    /// Its host name, often fully qualified.
    pub hostname: Option<Located<String>>,
    /// Its name in the platform (OpenStack's `name`).
    pub name: Option<Located<String>>,
    /// Keys of its user, whole lines.
    pub public_keys: Vec<Located<String>>,
    /// Properties (OpenStack's `meta`), by name.
    pub properties: BTreeMap<String, String>,
    /// Files that the platform hands in.
    pub files: Vec<Located<File>>,
    /// For the kernel's pool.
    pub random_seed: Option<Located<Vec<u8>>>,
    /// Where it runs.
    pub availability_zone: Option<String>,
}

/// A file that the platform hands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Absolute; a relative path of the platform is below `/`.
    pub path: PathBuf,
    /// Its bytes.
    pub content: Vec<u8>,
}
