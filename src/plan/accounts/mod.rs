// SPDX-License-Identifier: Apache-2.0
//! Users and groups as text: passwd, shadow, group, gshadow, subuid and subgid edited in process, for any root.
//!
//! What comes out is what shadow's `useradd` 4.13 would have written, so that the guest's own tools go on from there.

mod defaults;
pub(super) mod groups;
pub mod hash;
mod home;
pub mod keys;
pub mod names;
mod numbers;
pub(super) mod passwords;
mod sshd;
mod table;
pub(super) mod users;

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::plan::draft::Attributes;
use crate::root::Tree;
use table::{Row, Table};

const PASSWD: &str = "/etc/passwd";
const SHADOW: &str = "/etc/shadow";
const GROUP: &str = "/etc/group";
const GSHADOW: &str = "/etc/gshadow";
const SUBUID: &str = "/etc/subuid";
const SUBGID: &str = "/etc/subgid";

/// A line of passwd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The login name.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// Its primary group's.
    pub gid: u32,
    /// Its home.
    pub home: PathBuf,
}

/// The user of that name, should there be one.
pub fn user(tree: &dyn Tree, name: &str) -> Result<Option<Account>> {
    let passwd = Table::read(tree, PASSWD)?;
    let Some(row) = passwd.row(name) else { return Ok(None) };
    let number = |field| {
        row.number(field)
            .ok_or_else(|| Error::malformed(format!("the line of `{name}` in {PASSWD} has no number in field {field}")))
    };
    let home = PathBuf::from(row.field(5).into_owned());
    Ok(Some(Account { name: name.to_owned(), uid: number(2)?, gid: number(3)?, home }))
}

/// The number of the group of that name, should there be one.
pub fn group(tree: &dyn Tree, name: &str) -> Result<Option<u32>> {
    Ok(Table::read(tree, GROUP)?.row(name).and_then(|row| row.number(2)))
}

/// The file of a user's public keys and its text; nothing where there is no such user.
pub fn authorized_keys(tree: &dyn Tree, name: &str) -> Result<Option<(PathBuf, String)>> {
    let Some(user) = user(tree, name)? else { return Ok(None) };
    let file = sshd::authorized_keys(tree, &user)?;
    let text = tree.read_text(&file)?.unwrap_or_default();
    Ok(Some((file, text)))
}

/// The user of that name, or why not.
pub(super) fn existing_user(tree: &dyn Tree, name: &str) -> Result<Account> {
    user(tree, name)?.ok_or_else(|| no_user(name))
}

pub(super) fn no_user(name: &str) -> Error {
    Error::malformed(format!("no user `{name}` in this guest"))
        .help("make it with `users:`; a file for it then needs `defer: true`")
}

pub(super) fn no_group(name: &str) -> Error {
    Error::malformed(format!("no group `{name}` in this guest")).help("make it with `groups:`")
}

/// The names in a field of members.
fn members(row: Row, field: usize) -> Vec<String> {
    row.field(field).split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// A value that must fit into one field of a line.
fn one_field(what: &str, value: &str) -> Result<()> {
    if value.chars().any(|c| c == ':' || c.is_control()) {
        return Err(Error::malformed(format!("the {what} has a colon or a control character in it")));
    }
    Ok(())
}

/// An absolute path that fits into a field.
fn home_path(path: &Path) -> Result<&str> {
    let text = path.to_str().filter(|_| path.is_absolute());
    let text =
        text.ok_or_else(|| Error::malformed(format!("the home {} is no absolute path in UTF-8", path.display())))?;
    one_field("home", text)?;
    Ok(text)
}

/// Mode and owner of a shadow file where there is none yet: its group's, as Debian and SUSE have it, or nobody's.
fn shadow_attributes(tree: &dyn Tree) -> Result<Attributes> {
    Ok(match group(tree, "shadow")? {
        Some(gid) => Attributes { mode: 0o640, uid: 0, gid },
        None => Attributes::root(0o600),
    })
}
