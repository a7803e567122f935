// SPDX-License-Identifier: Apache-2.0
//! Users and groups.
//!
//! Keys as cloud-init's `cc_users_groups`, normalised as its `ug_util` does: without `users` the image's default user is
//! made; `users` without `default` makes only those named; an entry without `name` changes the default user. Unlike
//! there numbers and dates need no quotes, a bad entry costs only itself, and an existing user joins the named groups.

use crate::config::default_user::default_user;
use crate::config::document::{Data, Node, Value};
use crate::config::read::Read;
use crate::config::types::{OneOrMany, Words};
use crate::finding::{Finding, Findings, Located, Origin};
use crate::modules::{Input, Module, Planner, keys, passwords};
use crate::plan::action::{Action, AuthorizedKeys, Edit, Group, Password, User};
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "users", stage: Stage::Local, frequency: Frequency::PerInstance, keys: Keys::KEYS, plan };

crate::keys! {
    struct Keys {
        /// Groups to make: a list of names, or of `name: [members]`.
        groups: Node,
        /// Users to make: `default`, names, or mappings.
        users: Node,
        /// Changes to the default user.
        user: Node,
    }
}

crate::keys! {
    /// One user.
    pub struct Account {
        /// Login name.
        name: Located<String>,
        /// Full name.
        gecos: String,
        /// Home directory.
        homedir: String,
        /// Primary group, in place of one of the user's own name.
        primary_group: Located<String>,
        /// Numeric id.
        uid: Located<u32>,
        /// More groups; missing ones are made.
        groups: Words,
        /// Password hash for a new user.
        passwd: Located<String>,
        /// Password hash, also for an existing user.
        hashed_passwd: Located<String>,
        /// Password as it is typed.
        plain_text_passwd: Located<String>,
        /// No login by password (the default).
        lock_passwd: Located<bool>,
        /// Login shell.
        shell: String,
        /// Day on which the account ends, `YYYY-MM-DD`.
        expiredate: Located<String>,
        /// Days after the password's end until the account is disabled.
        inactive: i64,
        /// SELinux user.
        selinux_user: Located<String>,
        /// No group of the user's own.
        no_user_group: bool,
        /// A system account: no home, a low number.
        system: bool,
        /// Left out of lastlog and faillog; both are sparse files, so nothing is gained.
        no_log_init: bool,
        /// No home directory.
        no_create_home: bool,
        /// Make missing groups (the default).
        create_groups: bool,
        /// Rules for sudo: a string or a list.
        sudo: Node,
        /// Rules for doas.
        doas: Node,
        /// Public keys.
        ssh_authorized_keys: Node,
        /// Answer logins with the name of the default user.
        ssh_redirect_user: Node,
        /// Keys to fetch from a key server.
        ssh_import_id: Node,
        /// Account of the Ubuntu store.
        snapuser: Node,
    }
}

/// Rules for sudo of the users made here.
const SUDOERS: &str = "/etc/sudoers.d/90-firstlight-users";

fn plan(input: &Input, planner: &mut Planner) {
    let groups = groups(input.config.get("groups"), &mut planner.findings);
    for (name, _, origin) in &groups {
        let step = planner.step(format!("groups {name}"), origin);
        step.action(Action::Group(Group { name: name.clone(), ..Group::default() }));
    }
    for account in accounts(input, &mut planner.findings) {
        make(&account, input, planner);
    }
    // Members may be users that were made just now; one that is not there costs only itself.
    for (name, members, origin) in groups {
        for member in members {
            let step = planner.step(format!("groups {name} {member}"), &origin);
            step.action(Action::Group(Group { name: name.clone(), members: vec![member], ..Group::default() }));
        }
    }
}

/// Top-level `groups`: `"a,b"`, or a list of names and of `name: members`.
fn groups(node: Option<&Node>, findings: &mut Findings) -> Vec<(String, Vec<String>, Origin)> {
    let mut groups = Vec::new();
    let Some(node) = node.filter(|node| !node.is_null()) else { return groups };
    let items = match &node.data {
        Data::Sequence(items) => items.iter().collect(),
        _ => vec![node],
    };
    for item in items {
        match &item.data {
            Data::Mapping(entries) => {
                for (name, members) in entries {
                    let members = if members.is_null() { None } else { Read::read(members, findings) };
                    let members: Words = members.unwrap_or_default();
                    groups.push((name.text().unwrap_or_default().to_owned(), members.0, name.origin.clone()));
                }
            }
            Data::Scalar(scalar) => {
                groups.extend(words(&scalar.text).map(|name| (name.to_owned(), Vec::new(), item.origin.clone())));
            }
            Data::Sequence(_) => {
                findings.push(Finding::error(&item.origin, "expected a group's name, found a list; it is left out"));
            }
        }
    }
    groups.retain(|(name, _, origin)| valid_name(name, "group", origin, findings));
    groups
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ' ', '\t', '\n']).filter(|word| !word.is_empty())
}

/// shadow's rule, with the `$` of Samba's machine accounts: what `useradd` refuses would break the files' lines.
fn valid_name(name: &str, what: &str, origin: &Origin, findings: &mut Findings) -> bool {
    let stem = name.strip_suffix('$').unwrap_or(name);
    let fits = name.len() <= 32
        && stem.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && stem.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    if !fits {
        let bad = format!("`{}` is no {what} name; it is left out", name.escape_debug());
        findings
            .push(Finding::error(origin, bad).help("letters, digits, `_`, `-` and `.`, a letter first, 32 at most"));
    }
    fits
}

/// A user to make, with where it was asked for.
struct Wanted {
    account: Account,
    name: String,
    origin: Origin,
}

/// The name of the default user where one is made.
pub fn default_name(input: &Input) -> Option<String> {
    let mut findings = Findings::default();
    let default = default_account(input, &mut findings);
    let name = default.name?.value;
    accounts(input, &mut findings).into_iter().any(|wanted| wanted.name == name).then_some(name)
}

/// The user that stands for `default`.
fn default_account(input: &Input, findings: &mut Findings) -> Account {
    let node = default_user(input.config, &input.guest.distribution);
    Account::read(&node, findings).unwrap_or_default()
}

/// All users that are wanted, in order.
fn accounts(input: &Input, findings: &mut Findings) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    let default = default_account(input, findings);
    match input.config.get("users") {
        None => {
            let origin = default_user(input.config, &input.guest.distribution).origin;
            list(&Node::text_at("default", origin), &default, &mut wanted, findings);
        }
        Some(users) => list(users, &default, &mut wanted, findings),
    }
    if let Some(user) = input.config.get("user").filter(|user| !user.is_null()) {
        let changes = match user.text() {
            Some(name) => {
                Some(Account { name: Some(Located::new(name.to_owned(), user.origin.clone())), ..Account::default() })
            }
            None => Read::read(user, findings),
        };
        let position =
            wanted.iter().position(|wanted| Some(&wanted.name) == default.name.as_ref().map(|name| &name.value));
        let account = changes.unwrap_or_default().over(default);
        let name = account.name.as_ref().map(|name| name.value.clone()).unwrap_or_default();
        let changed = Wanted { account, name, origin: user.origin.clone() };
        match position.and_then(|position| wanted.get_mut(position)) {
            Some(slot) => *slot = changed,
            None => wanted.push(changed),
        }
    }
    wanted.retain(|wanted| valid_name(&wanted.name, "user", &wanted.origin, findings));
    wanted
}

/// `users` in all its forms: names, mappings, lists within the list, and a mapping by name.
fn list(node: &Node, default: &Account, wanted: &mut Vec<Wanted>, findings: &mut Findings) {
    let mut add = |account: Account, origin: &Origin| {
        let name = account.name.as_ref().map(|name| name.value.clone()).unwrap_or_default();
        wanted.push(Wanted { account, name, origin: origin.clone() });
    };
    match &node.data {
        _ if node.is_null() => {}
        Data::Scalar(scalar) => {
            for name in words(&scalar.text) {
                let named =
                    Account { name: Some(Located::new(name.to_owned(), node.origin.clone())), ..Account::default() };
                add(if name == "default" { default.clone() } else { named }, &node.origin);
            }
        }
        Data::Sequence(items) => {
            for item in items {
                match &item.data {
                    Data::Mapping(_) => {
                        let Some(account) = Account::read(item, findings) else {
                            continue;
                        };
                        let own = account.name.as_ref().is_some_and(|name| name.value != "default");
                        let account =
                            if own { account } else { Account { name: None, ..account }.over(default.clone()) };
                        wanted.push(Wanted {
                            name: account.name.as_ref().map(|name| name.value.clone()).unwrap_or_default(),
                            account,
                            origin: item.origin.clone(),
                        });
                    }
                    _ => list(item, default, wanted, findings),
                }
            }
        }
        Data::Mapping(entries) => {
            for (key, value) in entries {
                let name = key.text().unwrap_or_default();
                let base = if name == "default" { default.clone() } else { Account::default() };
                let account = match &value.data {
                    Data::Mapping(_) => Read::read(value, findings).unwrap_or_default(),
                    _ if value.value() == Some(Value::Bool(false)) => continue,
                    _ => Account::default(),
                };
                let mut account = account.over(base);
                if name != "default" {
                    account.name = Some(Located::new(name.to_owned(), key.origin.clone()));
                }
                add(account, &key.origin);
            }
        }
    }
}

fn make(wanted: &Wanted, input: &Input, planner: &mut Planner) {
    let Wanted { account, name, origin } = wanted;
    not_built(account, planner);
    let groups: Vec<String> = account.groups.clone().unwrap_or_default().0;
    let keys = keys::lines(account.ssh_authorized_keys.as_ref(), &mut planner.findings);
    let rules = rules(account.sudo.as_ref(), &mut planner.findings);
    let password = password(wanted, input, planner);

    let step = planner.step(format!("users {name}"), origin);
    let system = account.system == Some(true);
    if account.create_groups != Some(false) {
        for group in groups.iter().chain(account.primary_group.as_ref().map(|group| &group.value)) {
            step.action(Action::Group(Group { name: group.clone(), ..Group::default() }));
        }
    }
    step.action(Action::User(User {
        name: name.clone(),
        uid: account.uid.as_ref().map(|uid| uid.value),
        gecos: account.gecos.clone(),
        home: account.homedir.clone().map(Into::into),
        shell: account.shell.clone(),
        primary_group: account.primary_group.as_ref().map(|group| group.value.clone()),
        no_user_group: account.no_user_group == Some(true),
        groups,
        system,
        no_create_home: account.no_create_home == Some(true) || system,
        expires: account.expiredate.as_ref().map(|date| date.value.clone()),
        inactive: account.inactive,
    }));
    step.action(Action::Password(password));
    if !keys.is_empty() {
        step.action(Action::AuthorizedKeys(AuthorizedKeys { user: name.clone(), keys }));
    }
    if !rules.is_empty() {
        let block: String = rules.iter().map(|rule| format!("{name} {rule}\n")).collect();
        let head = format!("# Rules for {name}\n");
        step.edit(Edit::new("/etc/sudoers", with_includedir).only_existing()).edit(
            Edit::new(
                SUDOERS,
                move |old| if old.contains(&block) { old.to_owned() } else { format!("{old}{head}{block}") },
            )
            .mode(0o440),
        );
    }
}

/// What becomes of the password: a hash of a new user, or one that is asked for by name; locked unless told otherwise.
fn password(wanted: &Wanted, input: &Input, planner: &mut Planner) -> Password {
    let Wanted { account, name, .. } = wanted;
    let plain = account.plain_text_passwd.as_ref().map(|plain| passwords::hash(&plain.value, name, input));
    let hash = account.hashed_passwd.as_ref().map(|hash| hash.value.clone()).or(plain);
    let for_new = account.passwd.as_ref().map(|hash| hash.value.clone()).filter(|_| !input.guest.has_user(name));
    let hash = hash.or(for_new);
    let lock = account.lock_passwd.as_ref().is_none_or(|lock| lock.value);
    if let (true, Some(lock)) = (hash.is_some() && lock, account.lock_passwd.as_ref()) {
        let both = format!("{name} gets a password and `lock_passwd: true`, which makes it useless");
        planner.finding(Finding::warning(&lock.origin, both).help("lock_passwd: false allows login by password"));
    } else if hash.is_some() && lock {
        let both = format!("the password of {name} is locked, as `lock_passwd` is true unless said otherwise");
        planner.finding(Finding::warning(&wanted.origin, both).help("lock_passwd: false allows login by password"));
    }
    Password { user: name.clone(), hash, lock: Some(lock), expire: false }
}

/// Rules for sudo: a string or a list of them; `false` and null are none.
fn rules(node: Option<&Node>, findings: &mut Findings) -> Vec<String> {
    let Some(node) = node else { return Vec::new() };
    if node.value() == Some(Value::Bool(false)) {
        return Vec::new();
    }
    let rules = OneOrMany::<Located<String>>::read(node, findings);
    let mut rules = rules.map(|rules| rules.0).unwrap_or_default();
    rules.retain(|rule| {
        let one_line = !rule.contains(['\n', '\0']);
        if !one_line {
            findings.push(Finding::error(&rule.origin, "a rule for sudo is one line; it is left out"));
        }
        one_line
    });
    rules.into_iter().map(|rule| rule.value).collect()
}

/// sudo reads its directory only where its file says so; both spellings count.
fn with_includedir(old: &str) -> String {
    let includes = |line: &str| {
        let mut words = line.split_whitespace();
        matches!(words.next(), Some("@includedir" | "#includedir")) && words.next() == Some("/etc/sudoers.d")
    };
    if old.lines().any(includes) { old.to_owned() } else { format!("{old}\n@includedir /etc/sudoers.d\n") }
}

fn not_built(account: &Account, planner: &mut Planner) {
    let nodes = [
        ("doas", &account.doas),
        ("ssh_redirect_user", &account.ssh_redirect_user),
        ("ssh_import_id", &account.ssh_import_id),
        ("snapuser", &account.snapuser),
    ];
    let origins = nodes.into_iter().filter_map(|(key, node)| Some((key, node.as_ref()?.origin.clone())));
    let selinux = account.selinux_user.as_ref().map(|user| ("selinux_user", user.origin.clone()));
    for (key, origin) in origins.chain(selinux) {
        planner.finding(Finding::error(
            &origin,
            format!("`{key}` is known and not built yet; the user is made without it"),
        ));
    }
}
