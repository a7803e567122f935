// SPDX-License-Identifier: Apache-2.0
//! A user's home and what it is first filled with.

use std::path::Path;

use crate::error::{Error, Result};
use crate::plan::change::Change;
use crate::plan::draft::{Attributes, Draft};
use crate::root::{FileKind, Tree};

/// How deep a skeleton may be, and how many entries each of its directories is taken with.
const DEPTH_LIMIT: usize = 16;

/// Makes `home` for the owner in `attributes` and copies `skeleton` into it: modes kept, all the owner's.
///
/// A home that is there is left alone, but one that is this user's already gets what it lacks of the skeleton: an
/// interrupted attempt left it. Nothing that is there is replaced.
pub(super) fn make(home: &Path, skeleton: &Path, attributes: Attributes, draft: &mut Draft) -> Result<()> {
    match draft.tree().stat(home)? {
        Some(stat) if stat.uid != attributes.uid => return Ok(()),
        Some(_) => {}
        None => {
            draft.parents(home, Attributes::root(0o755))?;
            draft.directory(home, attributes)?;
        }
    }
    copy(skeleton, home, attributes, DEPTH_LIMIT, draft)
}

fn copy(from: &Path, to: &Path, owner: Attributes, depth: usize, draft: &mut Draft) -> Result<()> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(Error::malformed(format!("{} is more than {DEPTH_LIMIT} directories deep", from.display())));
    };
    for name in draft.tree().list(from)? {
        let (from, to) = (from.join(&name), to.join(&name));
        let link = draft.tree().read_link(&from)?;
        let there = draft.tree().read_link(&to)?.is_some() || draft.tree().exists(&to);
        match (link, draft.tree().stat(&from)?) {
            (Some(target), _) if !there => draft.push(Change::Link { path: to, target })?,
            (None, Some(stat)) if stat.kind == FileKind::Directory => {
                if !there {
                    draft.directory(&to, Attributes { mode: stat.mode, ..owner })?;
                }
                copy(&from, &to, owner, depth, draft)?;
            }
            (None, Some(stat)) if stat.kind == FileKind::File && !there => {
                let content = draft.tree().read(&from)?.unwrap_or_default();
                draft.file(&to, content, Attributes { mode: stat.mode, ..owner }, false)?;
            }
            // There already, or nothing that belongs into a home.
            _ => {}
        }
    }
    Ok(())
}
