// SPDX-License-Identifier: Apache-2.0
//! What a seed is made of: all of it read, nothing written.

use std::collections::BTreeMap;

use crate::cli::network_format::{self, Format};
use crate::error::{Error, Result};
use crate::host::medium::Tree;
use crate::seed::{Document, NetworkFormat, Seed};

/// The name under which `check` tells of what the command line's options come to.
pub const OPTIONS: &str = "the options";
/// The same of what they add to user-data: another document, with places of its own.
const CONFIG: &str = "the options' cloud-config";

/// Documents of the person, and what the options say besides. A document is named as the person named its file.
#[derive(Default)]
pub struct Request {
    pub user_data: Option<Document>,
    pub vendor_data: Option<Document>,
    pub meta_data: Option<Document>,
    pub network: Option<Document>,
    pub instance_id: Option<String>,
    /// The guest's host name.
    pub hostname: Option<String>,
    /// The server's name; OpenStack tells the two apart.
    pub name: Option<String>,
    /// Lines of `authorized_keys`.
    pub keys: Vec<String>,
    pub key_name: String,
    pub properties: BTreeMap<String, String>,
    pub files: Vec<GuestFile>,
    pub account: Account,
    pub dsmode: Option<String>,
    pub availability_zone: Option<String>,
    pub project_id: Option<String>,
    pub random_seed: Option<Vec<u8>>,
}

/// A file for the guest.
pub struct GuestFile {
    /// Where it goes; a relative path is one from `/`, as with nova.
    pub path: String,
    pub content: Vec<u8>,
}

/// What becomes of the image's default user.
#[derive(Default)]
pub struct Account {
    /// Its name in place of the image's own.
    pub name: Option<String>,
    /// The hash of its password.
    pub hash: Option<String>,
}

/// A seed that could be written.
pub struct Made {
    pub id: String,
    /// What the medium is called, by which guests find it.
    pub label: &'static str,
    pub files: Tree,
    /// The same as `check` wants it: the person's documents as they are, with their places.
    pub checked: Seed,
}

impl Request {
    /// What is checked like vendor-data: what the options say as cloud-config, and vendor-data itself.
    pub fn beside_user_data(&self, config: Option<String>) -> Vec<Document> {
        config.map(|config| Document::new(CONFIG, config)).into_iter().chain(self.vendor_data.clone()).collect()
    }

    /// The network document and its kind; by its content, as its name is the person's to choose.
    ///
    /// # Errors
    /// Malformed where it is no network document.
    pub fn network(&self) -> Result<Option<(NetworkFormat, Document)>> {
        let Some(document) = &self.network else { return Ok(None) };
        let name = document.name.rsplit('/').next().unwrap_or_default();
        match network_format::by_content(&document.bytes).or_else(|| network_format::by_name(name)) {
            Some(Format::Document(format)) => Ok(Some((format, document.clone()))),
            _ => Err(Error::malformed(format!("{}: this is not known for a network document", document.name)).help(
                "a network-config begins with `version: 2` or `network:`, network_data.json has `links` and `networks`",
            )),
        }
    }
}
