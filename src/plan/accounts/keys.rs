// SPDX-License-Identifier: Apache-2.0
//! Public keys: one line of `authorized_keys`, and such lines added to a user's file.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Error, Result};
use crate::plan::accounts::{existing_user, sshd};
use crate::plan::action::AuthorizedKeys;
use crate::plan::draft::{Attributes, Draft};
use crate::root::Tree;

/// A line of `authorized_keys` (sshd(8)): options, type, blob, comment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct PublicKey<'a> {
    /// As written, quotes and all; empty where there are none.
    pub options: &'a str,
    /// `ssh-ed25519` and the like.
    pub kind: &'a str,
    /// In Base64.
    pub blob: &'a str,
    pub comment: &'a str,
}

impl<'a> PublicKey<'a> {
    /// Reads a line; `None` where it is no key. The blob has to begin with the same type as the line says, so any type
    /// that sshd may learn is known, and a line that was cut off within the blob's beginning is not.
    pub fn parse(line: &'a str) -> Option<Self> {
        let line = line.trim();
        if line.starts_with('#') || line.contains(['\n', '\r', '\0']) {
            return None;
        }
        Self::without_options(line).or_else(|| {
            let (options, rest) = split_unquoted(line)?;
            Some(Self { options, ..Self::without_options(rest)? })
        })
    }

    fn without_options(text: &'a str) -> Option<Self> {
        let (kind, rest) = text.split_once([' ', '\t'])?;
        let rest = rest.trim_start();
        let (blob, comment) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        let bytes = STANDARD.decode(blob).ok()?;
        let (length, bytes) = bytes.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let named = bytes.get(..length)? == kind.as_bytes() && bytes.len() > length;
        named.then_some(Self { options: "", kind, blob, comment: comment.trim() })
    }

    /// Whether it is the same key, whatever its options and comment.
    fn is(&self, other: &PublicKey) -> bool {
        (self.kind, self.blob) == (other.kind, other.blob)
    }
}

/// The text before the first blank that is outside of quotes, and the text after it.
fn split_unquoted(text: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let mut escaped = false;
    for (index, c) in text.char_indices() {
        match c {
            ' ' | '\t' if !quoted => return Some((text.get(..index)?, text.get(index..)?.trim_start())),
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    None
}

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
    fn a_line_is_read_with_its_options_and_comment() {
        let plain = PublicKey::parse(ONE).unwrap();
        assert_eq!((plain.options, plain.kind, plain.comment), ("", "ssh-ed25519", "one@example"));
        let line = format!("command=\"echo \\\"a b\\\" \",no-pty  {TWO}");
        let key = PublicKey::parse(&line).unwrap();
        assert_eq!((key.options, key.kind), ("command=\"echo \\\"a b\\\" \",no-pty", "ecdsa-sha2-nistp256"));
        for line in ["", "# ssh-rsa AAAA", "ssh-rsa", "ssh-rsa AAAA", "ssh-rsa !!", &ONE.replace("ed25519", "rsa")] {
            assert_eq!(PublicKey::parse(line), None, "{line}");
        }
    }

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
        fn no_line_breaks_the_reader(line in "[ -~\"\\\\\n\té]{0,80}") {
            if let Some(key) = PublicKey::parse(&line) {
                prop_assert!(line.contains(key.blob) && line.contains(key.options));
            }
        }

        #[test]
        fn adding_twice_is_adding_once(old in "[a-z #\n]{0,40}", keys in proptest::collection::vec("[a-z \n]{0,20}", 0..4)) {
            let once = merged(&old, &keys);
            prop_assert_eq!(&merged(&once, &keys), &once);
        }
    }
}
