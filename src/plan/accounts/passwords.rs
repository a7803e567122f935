// SPDX-License-Identifier: Apache-2.0
//! Passwords: the hash, its lock and its age, in shadow.

use crate::error::Result;
use crate::plan::accounts::table::Table;
use crate::plan::accounts::{PASSWD, SHADOW, existing_user, one_field, shadow_attributes};
use crate::plan::action::{Password, PasswordHash};
use crate::plan::draft::{Attributes, Draft};

/// The fields of shadow.
const HASH: usize = 1;
const LAST_CHANGE: usize = 2;

/// What `chpasswd -e`, `passwd -l`, `passwd -u` and `passwd -e` do.
///
/// Unlocking never leaves an account open: where there is no password behind the lock, the lock stays.
pub fn set(asked: &Password, draft: &mut Draft) -> Result<()> {
    existing_user(draft.tree(), &asked.user)?;
    let mut passwd = Table::read(draft.tree(), PASSWD)?;
    let mut shadow = Table::read(draft.tree(), SHADOW)?;
    let old = match shadow.row(&asked.user) {
        Some(row) => row.field(HASH).into_owned(),
        None => {
            shadow.add(format!("{}:!:{}:0:99999:7:::", asked.user, draft.today));
            "!".to_owned()
        }
    };
    let mut hash = old.trim_start_matches('!');
    let new = asked.hash.as_ref().map(PasswordHash::text);
    if let Some(new) = new.as_deref() {
        one_field("password's hash", new).map_err(|error| error.while_doing(format!("user `{}`", asked.user)))?;
        if new.trim_start_matches('!') != hash {
            shadow.set(&asked.user, LAST_CHANGE, &draft.today.to_string());
        }
        hash = new;
    }
    // A new password opens the account, as with chpasswd; an empty one does only where it is asked for.
    let was_locked = old.starts_with('!');
    let locked = match (asked.lock, &asked.hash) {
        (Some(false), None) => was_locked && hash.is_empty(),
        (Some(lock), _) => lock,
        (None, Some(_)) => false,
        (None, None) => was_locked,
    };
    let value = if locked { format!("!{}", hash.trim_start_matches('!')) } else { hash.to_owned() };
    shadow.set(&asked.user, HASH, &value);
    if asked.expire {
        shadow.set(&asked.user, LAST_CHANGE, "0");
    }
    // Anything else in passwd would be taken in place of the line in shadow.
    passwd.set(&asked.user, 1, "x");
    let attributes = shadow_attributes(draft.tree())?;
    shadow.save(draft, attributes, true)?;
    passwd.save(draft, Attributes::root(0o644), true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::day::Day;
    use crate::plan::overlay::Overlay;
    use crate::root::Tree;
    use crate::scratch::Scratch;
    use std::path::Path;

    /// The line of shadow that `asked` makes of one with `hash`.
    fn after(hash: &str, asked: Password) -> String {
        let scratch = Scratch::new();
        scratch.file("/etc/passwd", "u:x:1000:1000::/home/u:/bin/sh\n");
        scratch.file("/etc/shadow", &format!("u:{hash}:9:0:99999:7:::\n"));
        let root = scratch.root();
        let mut draft = Draft::new(&root, Day(20000));
        set(&Password { user: "u".to_owned(), ..asked }, &mut draft).unwrap();
        draft.tree().read_text(Path::new(SHADOW)).unwrap().unwrap()
    }

    #[test]
    fn a_hash_replaces_what_is_there_and_is_dated() {
        let set = Password { hash: Some("$6$salt$hash".into()), ..Password::default() };
        assert_eq!(after("!", set.clone()), "u:$6$salt$hash:20000:0:99999:7:::\n");
        assert_eq!(after("$6$salt$hash", set.clone()), "u:$6$salt$hash:9:0:99999:7:::\n", "the same is not new");
        let locked = Password { lock: Some(true), ..set };
        assert_eq!(after("*", locked), "u:!$6$salt$hash:20000:0:99999:7:::\n");
    }

    #[test]
    fn locks_go_on_and_off_once() {
        let lock = |lock| Password { lock: Some(lock), ..Password::default() };
        assert!(after("hash", lock(true)).starts_with("u:!hash:9:"));
        assert!(after("!hash", lock(true)).starts_with("u:!hash:9:"));
        assert!(after("!hash", lock(false)).starts_with("u:hash:9:"));
        assert!(after("*", lock(false)).starts_with("u:*:9:"));
    }

    #[test]
    fn unlocking_never_leaves_an_account_open() {
        let unlock = Password { lock: Some(false), ..Password::default() };
        assert!(after("!", unlock.clone()).starts_with("u:!:9:"));
        assert!(after("!!", unlock.clone()).starts_with("u:!:9:"));
        let asked_for = Password { hash: Some("".into()), ..unlock };
        assert!(after("!", asked_for).starts_with("u::"), "but an empty password that is asked for is set");
    }

    #[test]
    fn an_expired_password_is_dated_with_the_first_day() {
        let expire = Password { expire: true, ..Password::default() };
        assert!(after("hash", expire).starts_with("u:hash:0:"));
    }

    #[test]
    fn a_password_kept_in_passwd_moves_to_shadow() {
        let scratch = Scratch::new();
        scratch.file("/etc/passwd", "root::0:0:root:/root:/bin/sh\n");
        let root = scratch.root();
        let mut draft = Draft::new(&root, Day(20000));
        let asked = Password { user: "root".to_owned(), hash: Some("$6$a$b".into()), ..Password::default() };
        set(&asked, &mut draft).unwrap();
        let tree: &Overlay = draft.tree();
        assert_eq!(tree.read_text(Path::new(PASSWD)).unwrap().unwrap(), "root:x:0:0:root:/root:/bin/sh\n");
        assert_eq!(tree.read_text(Path::new(SHADOW)).unwrap().unwrap(), "root:$6$a$b:20000:0:99999:7:::\n");
        assert_eq!(tree.stat(Path::new(SHADOW)).unwrap().unwrap().mode, 0o600);
    }

    #[test]
    fn a_hash_cannot_add_lines() {
        let scratch = Scratch::new();
        scratch.file("/etc/passwd", "u:x:1000:1000::/home/u:/bin/sh\n");
        let root = scratch.root();
        let asked = Password { user: "u".to_owned(), hash: Some("x\nroot::".into()), ..Password::default() };
        let error = set(&asked, &mut Draft::new(&root, Day(1))).unwrap_err().to_string();
        assert!(!error.contains("root::"), "the value is not told: {error}");
    }
}
