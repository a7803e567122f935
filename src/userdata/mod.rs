// SPDX-License-Identifier: Apache-2.0
//! User-data and vendor-data: from raw bytes to a merged cloud-config document and scripts.

use crate::config::document::Node;
use crate::finding::Origin;

pub mod compression;
pub mod template;

/// A script of the user-data, run once for each instance in the final stage.
#[derive(Debug, Clone)]
pub struct Script {
    /// File name: `part-001`.
    pub name: String,
    /// The whole script, its `#!` line first.
    pub content: Vec<u8>,
    /// Where it came from.
    pub origin: Origin,
}

/// What user-data comes to.
#[derive(Debug, Clone)]
pub struct UserData {
    /// Its cloud-config.
    pub config: Node,
    /// Its scripts.
    pub scripts: Vec<Script>,
}
