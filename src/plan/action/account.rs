// SPDX-License-Identifier: Apache-2.0
//! What actions say of groups, users, their passwords and keys.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use crate::plan::accounts::hash::sha512_crypt;

/// A group.
#[derive(Debug, Clone, Default)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Number of a new group; else the next free one.
    pub gid: Option<u32>,
    /// In the system's range.
    pub system: bool,
    /// Users that are added to it; each must be there already.
    pub members: Vec<String>,
}

/// A user. One that exists keeps its numbers, home, shell and name; supplementary groups are added to.
///
/// Made as `useradd` of shadow 4.13 does: numbers by `login.defs`, a group of its own, home from `/etc/skel`,
/// ranges in `subuid` and `subgid`.
#[derive(Clone, Default)]
#[allow(missing_docs)]
pub struct User {
    pub name: String,
    pub uid: Option<u32>,
    pub gecos: Option<String>,
    pub home: Option<PathBuf>,
    pub shell: Option<String>,
    /// In place of a group of its own name.
    pub primary_group: Option<String>,
    /// No group of its own: the default group of `login.defs` (users, 100).
    pub no_user_group: bool,
    pub groups: Vec<String>,
    pub system: bool,
    pub no_create_home: bool,
    /// A crypt(3) hash to begin with; none is a locked account.
    pub password: Option<String>,
    /// Day on which the account ends, `YYYY-MM-DD`.
    pub expires: Option<String>,
    /// Days after the password's end until the account is disabled.
    pub inactive: Option<i64>,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What becomes of a user's password. All of it is in `/etc/shadow`.
#[derive(Clone, Default)]
#[allow(missing_docs)]
pub struct Password {
    pub user: String,
    /// None leaves it.
    pub hash: Option<PasswordHash>,
    /// `Some(true)` puts `!` before it, `Some(false)` takes it away.
    pub lock: Option<bool>,
    /// Must be changed at the next login.
    pub expire: bool,
}

/// What shadow gets for a password.
#[derive(Clone, PartialEq, Eq)]
pub enum PasswordHash {
    /// Made by crypt(3) elsewhere, or nothing.
    Given(String),
    /// Made of a password as it is typed, and only when it is written: it takes its milliseconds.
    Typed {
        /// The password.
        text: String,
        /// Always the same for one user of one instance, so that `plan` and `run` agree.
        salt: [u8; 12],
    },
}

impl From<&str> for PasswordHash {
    fn from(hash: &str) -> Self {
        PasswordHash::Given(hash.to_owned())
    }
}

impl PasswordHash {
    /// The hash.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            PasswordHash::Given(hash) => hash.into(),
            PasswordHash::Typed { text, salt } => sha512_crypt(text, salt).into(),
        }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Password").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Keys for a user: `~/.ssh` 0700 and `authorized_keys` 0600, the user's own, lines that are there kept, a key that is
/// there already (same type and blob) not repeated but given the new options.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct AuthorizedKeys {
    pub user: String,
    /// Whole lines: options, type, blob, comment.
    pub keys: Vec<String>,
}
