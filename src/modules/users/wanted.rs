// SPDX-License-Identifier: Apache-2.0
//! Which users are wanted: `users` and `user` in all their forms, as cloud-init's `ug_util` reads them.
//!
//! Unlike there a bad entry costs only itself, and what an entry says of the default user is not silently dropped where
//! the image says something else.

use crate::config::default_user::default_user;
use crate::config::document::{Data, Node, Value};
use crate::config::read::{Form, Kind, Read, warn_of_hyphens};
use crate::config::types::Words;
use crate::finding::{Finding, Findings, Origin};
use crate::modules::Input;
use crate::modules::users::account::Account;
use crate::modules::users::names::{LIMIT, valid_name};

/// A user to make, with where it was asked for.
#[derive(Debug)]
pub struct Wanted {
    /// Login name.
    pub name: String,
    /// All that is said of it.
    pub account: Account,
    /// The entry.
    pub origin: Origin,
    /// Whether it is the one that stands for `default`.
    pub is_default: bool,
}

/// The form of `user`.
#[derive(Debug, Clone)]
pub struct User;

impl Form for User {
    fn form() -> Kind {
        Kind::OneOf(vec![Kind::Scalar("a user's name"), Account::kind()])
    }
}

/// The form of `users`.
#[derive(Debug, Clone)]
pub struct Users;

impl Form for Users {
    fn form() -> Kind {
        let names = Kind::Scalar("`default`, or names between commas");
        let entry = Kind::OneOf(vec![names.clone(), Account::kind(), Kind::List(Box::new(Kind::Any))]);
        let by_name = Kind::OneOf(vec![Account::kind(), Kind::Boolean]);
        Kind::OneOf(vec![names, Kind::List(Box::new(entry)), Kind::Named(Box::new(by_name))])
    }
}

/// All users that are wanted, each once, in order.
pub fn wanted(input: &Input, findings: &mut Findings) -> Vec<Wanted> {
    let image = default_user(input.config, &input.guest.distribution, |group| input.guest.has_group(group));
    let mut default = Account::read(&image, findings).unwrap_or_default();
    let mut entries = Entries::default();
    let user = input.config.get("user").filter(|user| !user.is_null());
    match input.config.get("users") {
        Some(users) => entries.collect(users, findings),
        None if user.is_none() => entries.add(Entry::named(DEFAULT, &image.origin), findings),
        None => {}
    }
    if let Some(user) = user {
        default = changes(user, findings).over(default);
        entries.add(Entry::named(DEFAULT, &user.origin), findings);
    }
    resolve(entries.entries, default, findings)
}

/// What `user` says of the default user: its name, or any of its keys.
fn changes(user: &Node, findings: &mut Findings) -> Account {
    let changes = match &user.data {
        Data::Scalar(_) => Read::read(user, findings).map(|name| Account { name: Some(name), ..Account::default() }),
        _ => Account::read(user, findings),
    };
    changes.unwrap_or_default()
}

/// One user for each name. Of two entries for the same one the first counts, key by key, and both say its groups.
fn resolve(entries: Vec<Entry>, default: Account, findings: &mut Findings) -> Vec<Wanted> {
    let mut wanted: Vec<Wanted> = Vec::new();
    for Entry { name, account, origin } in entries {
        let is_default = name == DEFAULT;
        let name = if is_default { default.name.as_ref().map(|name| name.value.clone()) } else { Some(name) };
        let name = name.unwrap_or_default();
        if !valid_name("user", &name, &origin, findings) {
            continue;
        }
        match wanted.iter_mut().find(|wanted| wanted.name == name) {
            Some(first) => {
                first.account = std::mem::take(&mut first.account).joined(account);
                first.is_default |= is_default;
            }
            None => wanted.push(Wanted { name, account, origin, is_default }),
        }
    }
    if let Some(user) = wanted.iter_mut().find(|wanted| wanted.is_default) {
        user.account = std::mem::take(&mut user.account).joined(default);
    }
    wanted
}

/// The name that stands for the default user.
const DEFAULT: &str = "default";

/// What one entry says; its name may be `default`.
struct Entry {
    name: String,
    account: Account,
    origin: Origin,
}

impl Entry {
    fn named(name: &str, origin: &Origin) -> Self {
        Self { name: name.to_owned(), account: Account::default(), origin: origin.clone() }
    }
}

/// The entries of `users`, at most [`LIMIT`].
#[derive(Default)]
struct Entries {
    entries: Vec<Entry>,
    full: bool,
}

impl Entries {
    fn add(&mut self, entry: Entry, findings: &mut Findings) {
        if self.entries.len() < LIMIT {
            self.entries.push(entry);
        } else if !self.full {
            self.full = true;
            findings.push(Finding::error(&entry.origin, format!("more than {LIMIT} users; the rest is left out")));
        }
    }

    /// Names, mappings, lists within the list, and a mapping by name.
    fn collect(&mut self, node: &Node, findings: &mut Findings) {
        match &node.data {
            _ if node.is_null() => {}
            Data::Scalar(_) if matches!(node.value(), Some(Value::Bool(_))) => {
                let wrong = format!("expected a user, found {}", node.described());
                findings.push(Finding::error(&node.origin, wrong).help("users: [] makes no users at all"));
            }
            Data::Scalar(_) => {
                for name in Words::read(node, findings).unwrap_or_default().0 {
                    self.add(Entry::named(&name, &node.origin), findings);
                }
            }
            Data::Sequence(items) => {
                for item in items {
                    match &item.data {
                        Data::Mapping(_) => self.described(item, findings),
                        _ => self.collect(item, findings),
                    }
                }
            }
            Data::Mapping(entries) => entries.iter().for_each(|(name, value)| self.by_name(name, value, findings)),
        }
    }

    /// A mapping in a list; without a name it is about the default user.
    fn described(&mut self, item: &Node, findings: &mut Findings) {
        warn_of_hyphens(item, findings);
        let Some(mut account) = Account::read(item, findings) else { return };
        let name = account.name.take().map_or_else(|| DEFAULT.to_owned(), |name| name.value);
        self.add(Entry { name, account, origin: item.origin.clone() }, findings);
    }

    /// `NAME: {…}` or `NAME: true`; `false` leaves the user out.
    fn by_name(&mut self, key: &Node, value: &Node, findings: &mut Findings) {
        let wanted =
            value.is_null() || matches!(value.data, Data::Mapping(_)) || bool::read(value, findings) == Some(true);
        if !wanted {
            return;
        }
        let account = match &value.data {
            Data::Mapping(_) => {
                warn_of_hyphens(value, findings);
                Account::read(value, findings).unwrap_or_default()
            }
            _ => Account::default(),
        };
        let account = Account { name: None, ..account };
        self.add(Entry { account, ..Entry::named(key.text().unwrap_or_default(), &key.origin) }, findings);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::modules::testing::Bench;

    const IMAGE: &str =
        "system_info: {default_user: {name: debian, gecos: Debian, shell: /bin/bash, groups: [sudo, adm]}}\n";

    /// The users that a document asks for on top of an image with the default user `debian`, and the findings.
    fn read(config: &str) -> (Vec<Wanted>, Vec<String>) {
        let users = RefCell::new(Vec::new());
        let outcome = Bench::new(&format!("{IMAGE}{config}"))
            .plan(|input, planner| users.replace(wanted(input, &mut planner.findings)).clear());
        (users.into_inner(), outcome.findings.iter().map(ToString::to_string).collect())
    }

    fn users(config: &str) -> Vec<Wanted> {
        let (users, findings) = read(config);
        assert_eq!(findings, [""; 0], "{config}");
        users
    }

    fn names(config: &str) -> Vec<String> {
        users(config).into_iter().map(|user| user.name).collect()
    }

    fn groups(user: &Wanted) -> Vec<&str> {
        user.account.groups.iter().flat_map(|groups| &groups.0).map(String::as_str).collect()
    }

    fn gecos(user: &Wanted) -> Option<&str> {
        user.account.gecos.as_ref().map(|gecos| gecos.0.as_str())
    }

    #[test]
    fn without_users_the_image_s_default_user_is_made() {
        let users = users("");
        assert_eq!((users.len(), users[0].name.as_str(), users[0].is_default), (1, "debian", true));
        assert_eq!((gecos(&users[0]), groups(&users[0])), (Some("Debian"), vec!["sudo", "adm"]));
    }

    #[test]
    fn an_empty_list_or_null_makes_nobody() {
        for nobody in ["users: []", "users: ~", "users:", "users: {}", "users: ''"] {
            assert_eq!(names(nobody), [""; 0], "{nobody}");
        }
    }

    #[test]
    fn users_without_default_makes_only_those_named() {
        assert_eq!(names("users: [{name: ops}]"), ["ops"]);
        assert_eq!(names("users: [default, {name: ops}]"), ["debian", "ops"]);
        assert_eq!(names("users: [{name: ops}, {name: default}]"), ["ops", "debian"]);
    }

    #[test]
    fn names_stand_in_strings_lists_and_lists_of_lists() {
        for form in ["'a,b'", "'a, b'", "[a, b]", "['a,b']", "[[a, b]]", "[[a], ~, [[b]]]", "[{name: a}, b]"] {
            assert_eq!(names(&format!("users: {form}")), ["a", "b"], "{form}");
        }
    }

    #[test]
    fn a_mapping_by_name_takes_keys_or_yes_and_no() {
        let config = "users: {default: yes, a: {gecos: A, name: other}, b: true, c: no, d: 'false', e: }";
        let users = users(config);
        let names: Vec<_> = users.iter().map(|user| user.name.as_str()).collect();
        assert_eq!(names, ["debian", "a", "b", "e"]);
        assert_eq!(gecos(&users[1]), Some("A"));
    }

    #[test]
    fn an_entry_without_a_name_or_called_default_changes_the_default_user() {
        for entry in ["[{gecos: Ops}]", "[{gecos: Ops, name: default}]", "{default: {gecos: Ops}}"] {
            let users = users(&format!("users: {entry}"));
            assert_eq!((users.len(), users[0].name.as_str(), users[0].is_default), (1, "debian", true), "{entry}");
            assert_eq!(gecos(&users[0]), Some("Ops"), "{entry}");
            assert_eq!(users[0].account.shell.as_ref().unwrap().0, "/bin/bash", "what is not said stays");
        }
    }

    #[test]
    fn groups_of_the_default_user_are_the_image_s_and_the_entry_s_sorted() {
        assert_eq!(groups(&users("users: [{groups: 'docker, adm'}]")[0]), ["adm", "docker", "sudo"]);
        assert_eq!(groups(&users("users: [default, {name: debian, groups: [lp]}]")[0]), ["adm", "lp", "sudo"]);
    }

    #[test]
    fn the_default_user_is_one_also_where_it_is_named_as_well() {
        for entries in ["default, {name: debian, gecos: Ops}", "{name: debian, gecos: Ops}, default"] {
            let users = users(&format!("users: [{entries}]"));
            assert_eq!((users.len(), users[0].is_default, gecos(&users[0])), (1, true, Some("Ops")), "{entries}");
        }
    }

    #[test]
    fn a_namesake_of_the_default_user_alone_is_not_the_default_user() {
        let users = users("users: [{name: debian}]");
        assert_eq!((users.len(), users[0].is_default, gecos(&users[0])), (1, false, None));
    }

    #[test]
    fn the_first_of_two_entries_for_one_user_counts_key_by_key() {
        let users = users("users: [{name: a, gecos: One}, {name: a, gecos: Two, shell: /bin/sh}]");
        assert_eq!((users.len(), gecos(&users[0])), (1, Some("One")));
        assert_eq!(users[0].account.shell.as_ref().unwrap().0, "/bin/sh");
    }

    #[test]
    fn user_renames_or_changes_the_default_user_and_adds_it() {
        for (config, expected) in [
            ("user: ops", &["ops"][..]),
            ("user: {name: ops}", &["ops"]),
            ("user: ops\nusers: []", &["ops"]),
            ("user: ops\nusers: [a]", &["a", "ops"]),
            ("user: ops\nusers: 'a, default'", &["a", "ops"]),
            ("user: ops\nusers: [{gecos: Debian}]", &["ops"]),
            ("user: {shell: /bin/bash}", &["debian"]),
            ("user: ~", &["debian"]),
        ] {
            let users = users(config);
            let names: Vec<_> = users.iter().map(|user| user.name.as_str()).collect();
            assert_eq!(names, expected, "{config}");
            let default = users.iter().find(|user| user.is_default).unwrap();
            assert_eq!(gecos(default), Some("Debian"), "{config}");
        }
        assert_eq!(groups(&users("user: {groups: [lp]}")[0]), ["lp"]);
        assert_eq!(gecos(&users("user: ops\nusers: [{gecos: Ops}]")[0]), Some("Ops"));
    }

    #[test]
    fn a_bad_entry_costs_only_itself() {
        let (users, findings) = read("users: ['bad:name', yes, {name: 'x y'}, {a: [b]}, {name: -a}, 12, good]");
        let names: Vec<_> = users.iter().map(|user| user.name.as_str()).collect();
        assert_eq!(names, ["debian", "good"], "an unknown key in a mapping without a name is about the default user");
        assert_eq!(findings.len(), 6, "{findings:#?}");
        assert_eq!(read("users: {a: [b], c: maybe, d: yes}").1.len(), 2);
        assert_eq!(read("users: no").1.len(), 1);
    }

    #[test]
    fn keys_with_hyphens_are_an_old_way_and_work() {
        for old in ["[{name: a, lock-passwd: false}]", "{a: {lock-passwd: false}}"] {
            let (users, findings) = read(&format!("users: {old}"));
            assert!(!users[0].account.lock_passwd.as_ref().unwrap().value, "{old}");
            assert!(findings.len() == 1 && findings[0].ends_with("write `lock_passwd`"), "{findings:?}");
        }
    }

    #[test]
    fn a_flood_of_users_ends_at_a_bound() {
        let many: Vec<String> = (0..LIMIT + 5).map(|number| format!("u{number}")).collect();
        let (users, findings) = read(&format!("users: '{}'", many.join(",")));
        assert_eq!((users.len(), findings.len()), (LIMIT, 1));
    }
}
