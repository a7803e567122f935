// SPDX-License-Identifier: Apache-2.0
//! Where the guest's sshd looks for a user's keys: `AuthorizedKeysFile`.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::plan::accounts::Account;
use crate::root::Tree;
use crate::sshd_config::directive;

const SETTINGS: &str = "/etc/ssh/sshd_config";
const DEFAULT: &str = ".ssh/authorized_keys";
/// Files that include files: sshd's own bound.
const DEPTH_LIMIT: usize = 16;

/// The first file that sshd_config names for the user's keys, with `%h`, `%u`, `%U` and `%%` filled in; below the home
/// where it is relative. `Match` blocks are not looked into.
pub(super) fn authorized_keys(tree: &dyn Tree, user: &Account) -> Result<PathBuf> {
    let setting = setting(tree, Path::new(SETTINGS), "authorizedkeysfile", DEPTH_LIMIT)?;
    let pattern = setting.as_deref().unwrap_or(DEFAULT).split_whitespace().find(|file| *file != "none");
    Ok(user.home.join(filled(pattern.unwrap_or(DEFAULT), user)))
}

fn filled(pattern: &str, user: &Account) -> String {
    let mut path = String::new();
    let mut characters = pattern.trim_matches('"').chars();
    while let Some(c) = characters.next() {
        match (c, if c == '%' { characters.next() } else { None }) {
            ('%', Some('h')) => path.push_str(&user.home.to_string_lossy()),
            ('%', Some('u')) => path.push_str(&user.name),
            ('%', Some('U')) => path.push_str(&user.uid.to_string()),
            ('%', other) => path.extend(other),
            (c, _) => path.push(c),
        }
    }
    path
}

/// The value of a keyword (in small letters) before the first `Match`: the first one counts, as for sshd.
fn setting(tree: &dyn Tree, file: &Path, keyword: &str, depth: usize) -> Result<Option<String>> {
    let Some(depth) = depth.checked_sub(1) else { return Ok(None) };
    for (name, value) in tree.read_text(file)?.unwrap_or_default().lines().filter_map(directive) {
        match name.as_str() {
            "match" => break,
            "include" => {
                for included in value.split_whitespace() {
                    for file in matching(tree, &Path::new("/etc/ssh").join(included))? {
                        if let Some(value) = setting(tree, &file, keyword, depth)? {
                            return Ok(Some(value));
                        }
                    }
                }
            }
            name if name == keyword => return Ok(Some(value.to_owned())),
            _ => {}
        }
    }
    Ok(None)
}

/// The files of an `Include`, with at most one `*` in the last part, as every distribution writes it.
fn matching(tree: &dyn Tree, pattern: &Path) -> Result<Vec<PathBuf>> {
    let (Some(directory), Some(name)) = (pattern.parent(), pattern.file_name().and_then(|name| name.to_str())) else {
        return Ok(Vec::new());
    };
    let Some((start, end)) = name.split_once('*') else { return Ok(vec![pattern.to_owned()]) };
    let names = tree.list(directory)?.into_iter();
    let fits = |name: &String| name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end);
    Ok(names.filter(|name| fits(name) && !name.starts_with('.')).map(|name| directory.join(name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn path(main: &str, included: &str) -> PathBuf {
        let scratch = Scratch::new();
        scratch.file("/etc/ssh/sshd_config", main);
        scratch.file("/etc/ssh/sshd_config.d/10-site.conf", included);
        let user = Account { name: "joe".to_owned(), uid: 1000, gid: 1000, home: "/home/joe".into() };
        authorized_keys(&scratch.root(), &user).unwrap()
    }

    #[test]
    fn keys_go_where_sshd_looks_for_them() {
        let include = "Include /etc/ssh/sshd_config.d/*.conf\n";
        for (main, included, expected) in [
            ("#AuthorizedKeysFile /x\nPort 22\n", "", "/home/joe/.ssh/authorized_keys"),
            ("AuthorizedKeysFile none\n", "", "/home/joe/.ssh/authorized_keys"),
            ("authorizedkeysfile=/etc/ssh/keys/%u/100%%\n", "", "/etc/ssh/keys/joe/100%"),
            ("AuthorizedKeysFile %h/keys .ssh/second\n", "", "/home/joe/keys"),
            (include, "AuthorizedKeysFile .ssh/included\n", "/home/joe/.ssh/included"),
            ("Match User x\n AuthorizedKeysFile /x\n", "", "/home/joe/.ssh/authorized_keys"),
            ("Port 22\n", "AuthorizedKeysFile /not/included\n", "/home/joe/.ssh/authorized_keys"),
        ] {
            assert_eq!(path(main, included), Path::new(expected), "{main}{included}");
        }
    }

    #[test]
    fn files_that_include_each_other_end() {
        assert!(path("Include sshd_config\n", "").ends_with("authorized_keys"));
    }
}
