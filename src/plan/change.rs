// SPDX-License-Identifier: Apache-2.0
//! What an action comes to on a given tree: the changes that `plan` prints and `apply` makes, from one function.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::plan::accounts;
use crate::plan::accounts::day::Day;
use crate::plan::action::{Action, Command, Edit, Owner, Write};
use crate::plan::draft::{Attributes, Draft, in_the_way};
use crate::plan::overlay::HOSTNAME;
use crate::root::{FileKind, Tree};

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
    Message(String),
}

/// What `action` comes to on `tree`; nothing where the tree is already as it asks. Passwords are dated `today`.
///
/// Errors: an owner or a user that is not there, a file that cannot be read, something else in the way. With an
/// error no part of the action is changed.
pub fn changes(action: &Action, tree: &dyn Tree, today: Day) -> Result<Vec<Change>> {
    let mut draft = Draft::new(tree, today);
    match action {
        Action::Write(asked) => write(asked, &mut draft)?,
        Action::Edit(asked) => edit(asked, &mut draft)?,
        Action::Directory { path, mode, owner } => {
            let (uid, gid) = owner_ids(owner, tree)?;
            draft.parents(path, Attributes::root(0o755))?;
            draft.directory(path, Attributes { mode: *mode, uid, gid })?;
        }
        Action::Link { path, target } => link(path, target, &mut draft)?,
        Action::Remove { path } => remove(path, &mut draft)?,
        Action::Group(group) => accounts::groups::ensure(group, &mut draft)?,
        Action::User(user) => accounts::users::ensure(user, &mut draft)?,
        Action::Password(password) => accounts::passwords::set(password, &mut draft)?,
        Action::AuthorizedKeys(keys) => accounts::keys::add(keys, &mut draft)?,
        // An image has neither a running name nor a pool.
        Action::Hostname(name) => {
            if tree.is_live() && tree.read_text(Path::new(HOSTNAME))?.is_none_or(|old| old.trim_end() != name) {
                draft.push(Change::Hostname(name.clone()))?;
            }
        }
        Action::Entropy(bytes) => {
            if tree.is_live() {
                draft.push(Change::Entropy(bytes.clone()))?;
            }
        }
        Action::Run(command) => draft.push(Change::Run(command.clone()))?,
    }
    Ok(draft.into_changes())
}

/// Missing directories are the file's owner's, as cloud-init makes them: in a home they must not be root's.
fn write(asked: &Write, draft: &mut Draft) -> Result<()> {
    let (uid, gid) = owner_ids(&asked.owner, draft.tree())?;
    let attributes = Attributes { mode: asked.mode, uid, gid };
    let mut content = Vec::new();
    if asked.append {
        content = draft.tree().read(&asked.path)?.unwrap_or_default();
    }
    content.extend_from_slice(&asked.content);
    draft.parents(&asked.path, Attributes { mode: 0o755, ..attributes })?;
    draft.file(&asked.path, content, attributes, asked.secret)
}

fn edit(asked: &Edit, draft: &mut Draft) -> Result<()> {
    let old = draft.tree().read(&asked.path)?;
    if old.is_none() && asked.only_existing {
        return Ok(());
    }
    let old = String::from_utf8(old.unwrap_or_default())
        .map_err(|_| Error::malformed(format!("{} is not UTF-8 text; it is left as it is", asked.path.display())))?;
    let new = (asked.change)(&old)?;
    if new == old {
        return Ok(());
    }
    let attributes = match draft.tree().stat(&asked.path)? {
        Some(stat) => Attributes::of(&stat),
        None => Attributes::root(asked.mode),
    };
    draft.parents(&asked.path, Attributes::root(0o755))?;
    draft.file(&asked.path, new.into_bytes(), attributes, false)
}

fn link(path: &Path, target: &Path, draft: &mut Draft) -> Result<()> {
    match draft.tree().read_link(path)? {
        Some(old) if old == target => return Ok(()),
        Some(_) => {}
        None => not_a_directory(path, draft.tree())?,
    }
    if let (Some(parent), Some(name)) = (path.parent(), path.file_name()) {
        // The directories that are missing are those above the link, wherever it will lead.
        let place = draft.tree().resolve(parent)?.join(name);
        draft.parents(&place, Attributes::root(0o755))?;
    }
    draft.push(Change::Link { path: path.to_owned(), target: target.to_owned() })
}

fn remove(path: &Path, draft: &mut Draft) -> Result<()> {
    if draft.tree().read_link(path)?.is_none() {
        not_a_directory(path, draft.tree())?;
        if !draft.tree().exists(path) {
            return Ok(());
        }
    }
    draft.push(Change::Remove { path: path.to_owned() })
}

fn not_a_directory(path: &Path, tree: &dyn Tree) -> Result<()> {
    match tree.stat(path)? {
        Some(stat) if stat.kind == FileKind::Directory => Err(in_the_way(path, &stat)),
        _ => Ok(()),
    }
}

/// The numbers of an owner by the tree's own passwd and group.
fn owner_ids(owner: &Owner, tree: &dyn Tree) -> Result<(u32, u32)> {
    match owner {
        Owner::Root => Ok((0, 0)),
        Owner::User(name) => {
            let user = accounts::existing_user(tree, name)?;
            Ok((user.uid, user.gid))
        }
        Owner::Named(user, group) => {
            let uid = match user.as_str() {
                "" => 0,
                name => match accounts::user(tree, name)? {
                    Some(user) => user.uid,
                    None => name.parse().map_err(|_| accounts::no_user(name))?,
                },
            };
            let gid = match group.as_str() {
                "" => 0,
                name => match accounts::group(tree, name)? {
                    Some(gid) => gid,
                    None => name.parse().map_err(|_| accounts::no_group(name))?,
                },
            };
            Ok((uid, gid))
        }
    }
}
