// SPDX-License-Identifier: Apache-2.0
//! Public keys added to a user's file.

use std::path::Path;

use crate::error::{Error, Result};
use crate::plan::accounts::{existing_user, sshd};
use crate::plan::action::AuthorizedKeys;
use crate::plan::draft::{Attributes, Draft};
use crate::public_key::PublicKey;
use crate::root::Tree;

/// The keys in the user's file, the directories that sshd wants, all the user's own.
pub(in crate::plan) fn add(asked: &AuthorizedKeys, draft: &mut Draft) -> Result<()> {
    if asked.keys.is_empty() {
        return Ok(());
    }
    let user = existing_user(draft.tree(), &asked.user)?;
    let file = sshd::authorized_keys(draft.tree(), &user)?;
    let directory = file.parent().unwrap_or(Path::new("/"));
    let own = Attributes { mode: 0o700, uid: user.uid, gid: user.gid };
    if directory.starts_with(&user.home) {
        if !draft.tree().exists(&user.home) {
            return Err(Error::malformed(format!("user `{}` has no home {} for keys", user.name, user.home.display()))
                .help("leave `no_create_home` out, or set AuthorizedKeysFile in the image's sshd_config"));
        }
        draft.parents(&file, own)?;
    } else {
        draft.parents(&file, Attributes::root(0o755))?;
    }
    let old = draft.tree().read(&file)?.unwrap_or_default();
    let new = merged(&String::from_utf8_lossy(&old), &asked.keys);
    draft.file(&file, new.into_bytes(), Attributes { mode: 0o600, ..own }, false)
}

/// The lines of `old`, with those of `keys` that are new at the end. A key that is there already gets the new line
/// where its options differ. What is no key is kept as it is.
fn merged(old: &str, keys: &[String]) -> String {
    let mut lines: Vec<&str> = old.lines().collect();
    for new in keys.iter().flat_map(|key| key.lines()).map(str::trim).filter(|line| !line.is_empty()) {
        let key = PublicKey::parse(new);
        let there = lines.iter_mut().find(|line| match (&key, PublicKey::parse(line)) {
            (Some(key), Some(old)) => key.is(&old),
            _ => line.trim() == new,
        });
        match there {
            Some(line) => {
                if PublicKey::parse(line).map(|old| old.options) != key.map(|key| key.options) {
                    *line = new;
                }
            }
            None => lines.push(new),
        }
    }
    lines.iter().flat_map(|line| [*line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // ssh-keygen -t ed25519 -C one@example and ssh-keygen -t ecdsa -C two@example.
    const ONE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDHjp+E0F3iw14xdX9VkA+BGOiRydt4RC84W3+iJB+P7 one@example";
    const TWO: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBB2Fs2BqA70FmbSOkls6Wl23zw9l/1cTvgEdpk+YmtEdQE8S8nZYB9SVIPoByEQ5H7ReC1eqYZv1jtWoH7hlFjQ= two@example";

    #[test]
    fn keys_are_added_once_and_what_is_there_stays() {
        let old = format!("# mine\nnot a key\n{ONE}");
        let all = merged(&old, &[TWO.to_owned(), ONE.to_owned(), TWO.to_owned()]);
        assert_eq!(all, format!("# mine\nnot a key\n{ONE}\n{TWO}\n"));
        assert_eq!(merged(&all, &[TWO.to_owned()]), all);
    }

    #[test]
    fn new_options_replace_old_ones() {
        let restricted = format!("no-pty {}", ONE.replace("one@example", "other"));
        let all = merged(&format!("{ONE}\n{TWO}\n"), std::slice::from_ref(&restricted));
        assert_eq!(all, format!("{restricted}\n{TWO}\n"));
        assert_eq!(merged(&all, &[ONE.to_owned()]), format!("{ONE}\n{TWO}\n"));
    }

    proptest! {
        #[test]
        fn adding_twice_is_adding_once(old in "[a-z #\n]{0,40}", keys in proptest::collection::vec("[a-z \n]{0,20}", 0..4)) {
            let once = merged(&old, &keys);
            prop_assert_eq!(&merged(&once, &keys), &once);
        }
    }
}
