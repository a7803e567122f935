// SPDX-License-Identifier: Apache-2.0
//! Links followed as text, for trees that are not (only) on disk.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};

/// The links that are followed in one look-up, as the kernel's own bound.
pub(super) const LINK_LIMIT: usize = 40;

/// The directories that a path may be deep: each is an open descriptor while it is walked.
pub(super) const DEPTH_LIMIT: usize = 200;

/// The path behind all links of `path`, with `link_at` telling where the link at a path with no links before its last
/// part points. An absolute link starts at the root again; `..` stops there. What is not there stays as it is named.
pub fn follow(path: &Path, link_at: &dyn Fn(&Path) -> Result<Option<PathBuf>>) -> Result<PathBuf> {
    let mut pending = parts(path)?;
    let mut found = PathBuf::from("/");
    let mut links = 0;
    while let Some(part) = pending.pop() {
        if part == ".." {
            found.pop();
            continue;
        }
        found.push(&part);
        if let Some(target) = link_at(&found)? {
            links += 1;
            found.pop();
            if target.is_absolute() {
                found = PathBuf::from("/");
            }
            pending.extend(parts(&target)?);
            bounded(path, links, pending.len())?;
        }
    }
    Ok(found)
}

/// The parts of a path, last first, without what means nothing (`.`, the root).
pub(super) fn parts(path: &Path) -> Result<Vec<OsString>> {
    let mut parts: Vec<OsString> = path
        .components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
        })
        .take(DEPTH_LIMIT + 1)
        .collect();
    bounded(path, 0, parts.len())?;
    parts.reverse();
    Ok(parts)
}

/// An error where a look-up has gone too far.
pub(super) fn bounded(path: &Path, links: usize, depth: usize) -> Result<()> {
    if links > LINK_LIMIT {
        return Err(Error::malformed(format!("{} leads through more than {LINK_LIMIT} links", path.display()))
            .help("is there a loop of links?"));
    }
    if depth > DEPTH_LIMIT {
        let start: String = path.to_string_lossy().chars().take(60).collect();
        return Err(Error::malformed(format!("the path {start}… is more than {DEPTH_LIMIT} directories deep")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::root::Tree as _;
    use crate::scratch::Scratch;
    use proptest::prelude::*;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Directories a and b, and links between them that lead anywhere: up, out, around.
        #[test]
        fn links_followed_as_text_lead_where_the_walk_does(
            links in proptest::collection::vec(("/[ab]/[l-n]", "(/?(\\.\\.|[abl-n])){1,4}"), 0..8),
            path in "(/(\\.\\.|[abl-n])){1,5}",
        ) {
            let scratch = Scratch::new();
            scratch.file("/a/b", "file");
            scratch.file("/b/b", "other");
            for (link, target) in links {
                let _ = symlink(target, scratch.path(&link));
            }
            let root = scratch.root();
            if let Ok(Some(stat)) = root.stat(Path::new(&path)) {
                let resolved = root.resolve(Path::new(&path)).unwrap();
                prop_assert_eq!(root.stat(&resolved).unwrap(), Some(stat));
                prop_assert_eq!(root.read_link(&resolved).unwrap(), None);
                let outside = std::fs::symlink_metadata(scratch.path(&resolved.to_string_lossy())).unwrap();
                prop_assert_eq!(stat.size, outside.len(), "it is inside of the tree");
            }
        }
    }
}
