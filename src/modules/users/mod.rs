// SPDX-License-Identifier: Apache-2.0
//! Users and groups.
//!
//! Keys as cloud-init's `cc_users_groups`: without `users` the image's default user is made; `users` without `default`
//! makes only those named; an entry without `name` changes the default user. Unlike there numbers and dates need no
//! quotes, a bad entry costs only itself, and an existing user joins the named groups.

use crate::config::document::Node;
use crate::config::read::Raw;
use crate::finding::{Finding, Findings, Located};
use crate::modules::{Input, Module, Planner, crypt, keys};
use crate::plan::action::{Action, AuthorizedKeys, Group, Password, PasswordHash, User};
use crate::plan::step::{Frequency, Stage};
use account::Account;
use names::{valid_name, valid_names};
use wanted::{Wanted, wanted};

mod account;
mod doas;
mod elsewhere;
mod existing;
mod groups;
mod names;
mod sudo;
mod wanted;

/// See the file's head.
pub const MODULE: Module =
    Module { name: "users", stage: Stage::Local, frequency: Frequency::PerInstance, keys: Keys::KEYS, plan };

crate::keys! {
    /// Not read as a whole: `users: null` is not the same as no `users`.
    struct Keys {
        /// Groups to make: a list of names, or of `name: [members]`.
        groups: Raw<groups::Form>,
        /// Users to make: `default`, names, or mappings with the keys below; also one mapping of these by name.
        users: Raw<wanted::Users>,
        /// Changes to the default user: its name, or a mapping with the keys below.
        user: Raw<wanted::User>,
    }
}

fn plan(input: &Input, planner: &mut Planner) {
    let groups = groups::wanted(input.config.get("groups"), &mut planner.findings);
    for group in &groups {
        planner.step(format!("groups {}", group.name), &group.origin).action(self::group(&group.name));
    }
    let users = wanted(input, &mut planner.findings);
    note_no_default(&users, input, &mut planner.findings);
    let default = users.iter().find(|user| user.is_default).map(|user| user.name.clone());
    for user in users {
        match &user.account.snapuser {
            Some(email) => elsewhere::snap_user(&user.name, email, &user.origin, input, planner),
            None => make(user, default.as_deref(), input, planner),
        }
    }
    // Members may be users that were made just now; one that is not there costs only itself.
    for groups::Wanted { name, members, origin } in groups {
        for member in members {
            let step = planner.step(format!("groups {name} {member}"), &origin);
            step.action(Action::Group(Group { name: name.clone(), members: vec![member], ..Group::default() }));
        }
    }
}

/// A list that names others only is as good as any, and often the default user was meant to stay.
fn note_no_default(users: &[Wanted], input: &Input, findings: &mut Findings) {
    let Some(list) = input.config.get("users").filter(|_| !input.guest.distribution.is_empty()) else { return };
    if !users.is_empty() && users.iter().all(|user| !user.is_default) {
        let none = "there is no `default` in `users`, so the image's own user is not made";
        findings.push(Finding::note(&list.origin, none).help("add `default` to the list unless this is meant"));
    }
}

/// The name of the default user where one is made.
pub fn default_name(input: &Input) -> Option<String> {
    wanted(input, &mut Findings::default()).into_iter().find(|user| user.is_default).map(|user| user.name)
}

/// The names of the users that are made with a home for their keys.
pub fn with_homes(input: &Input) -> Vec<String> {
    let users = wanted(input, &mut Findings::default()).into_iter();
    users.filter(|user| !user.account.is_homeless()).map(|user| user.name).collect()
}

/// Each user that is made: its name, whether it is the default one, and whose published keys it gets.
pub fn imports(input: &Input) -> Vec<(String, bool, Vec<Located<String>>)> {
    let users = wanted(input, &mut Findings::default()).into_iter();
    users
        .map(|user| (user.name, user.is_default, user.account.ssh_import_id.map_or_else(Vec::new, |ids| ids.0)))
        .collect()
}

fn make(user: Wanted, default: Option<&str>, input: &Input, planner: &mut Planner) {
    let findings = &mut planner.findings;
    let password = password(&user, input, findings);
    let Wanted { name, account, origin, .. } = user;
    existing::note_ignored(&name, &account, &origin, input.guest, findings);
    let system = account.system == Some(true);
    let homeless = account.is_homeless();
    let mut keys = authorized_keys(&name, account.ssh_authorized_keys.as_deref(), homeless, findings);
    keys.extend(redirected(&name, &account, default, input, findings));
    let groups = account.groups.map(|groups| valid_names("group", &groups, findings)).unwrap_or_default();
    let is_number = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
    let primary_group = account
        .primary_group
        .filter(|group| is_number(group) && !group.is_empty() || valid_name("group", group, &group.origin, findings));
    let rules = sudo::edits(&name, account.sudo, findings).into_iter().chain(doas::edit(&name, account.doas, findings));
    let rules: Vec<_> = rules.collect();

    let step = planner.step(format!("users {name}"), &origin);
    if account.create_groups != Some(false) {
        let named = primary_group.as_ref().map(|group| &group.value).filter(|group| !is_number(group));
        groups.iter().chain(named).for_each(|name| {
            step.action(group(name));
        });
    }
    step.action(Action::User(User {
        name: name.clone(),
        uid: account.uid.map(|uid| uid.0),
        gecos: account.gecos.map(|gecos| gecos.0),
        home: account.homedir.map(|home| home.0),
        shell: account.shell.map(|shell| shell.0),
        primary_group: primary_group.map(|group| group.value),
        no_user_group: account.no_user_group == Some(true),
        groups,
        system,
        no_create_home: homeless,
        password: account.passwd.map(|hash| hash.value.0),
        expires: account.expiredate.map(|date| date.0),
        inactive: account.inactive,
    }));
    step.action(Action::Password(password));
    if !keys.is_empty() {
        step.action(Action::AuthorizedKeys(AuthorizedKeys { user: name.clone(), keys }));
    }
    rules.into_iter().for_each(|edit| {
        step.edit(edit);
    });
    elsewhere::selinux_user(&name, account.selinux_user, input, planner);
}

fn group(name: &str) -> Action {
    Action::Group(Group { name: name.to_owned(), ..Group::default() })
}

/// What becomes of the password that is asked for by name, and the lock: on unless told otherwise. `passwd`, for a new
/// user only, comes with the user itself.
fn password(user: &Wanted, input: &Input, findings: &mut Findings) -> Password {
    let Wanted { name, account, .. } = user;
    let lock = account.lock_passwd.as_ref().is_none_or(|lock| lock.value);
    let hashes = [&account.hashed_passwd, &account.passwd].into_iter().flatten();
    hashes.clone().for_each(|hash| crypt::warn_of_no_hash(&hash.0, &hash.origin, findings));
    let plain = account.plain_text_passwd.as_ref();
    let given = hashes.map(|hash| &hash.origin).chain(plain.map(|plain| &plain.origin)).next();
    match (&account.lock_passwd, given) {
        (_, Some(given)) if lock => {
            let locked = format!("the password of {name} is locked, as `lock_passwd` is true unless said otherwise");
            findings.push(Finding::warning(given, locked).help("lock_passwd: false allows login by password"));
        }
        (Some(unlock), None) if !lock && !gets_password(name, input) => {
            let none = format!("{name} has no password, so there is none to unlock; the account stays locked");
            findings.push(Finding::warning(&unlock.origin, none).help("give `plain_text_passwd` or `hashed_passwd`"));
        }
        _ => {}
    }
    let hashed = account.hashed_passwd.as_ref().map(|hash| PasswordHash::from(hash.value.0.as_str()));
    let hash = hashed.or_else(|| crypt::hash(&plain?.clone().map(|typed| typed.0), name, input, findings));
    Password { user: name.clone(), hash, lock: Some(lock), expire: false }
}

/// Whether a user for whom no entry of `users` gives a password may have one all the same.
fn gets_password(name: &str, input: &Input) -> bool {
    let given = |key| input.config.get(key).is_some_and(|node| !node.is_null());
    let there = || match input.guest.read_text("/etc/shadow") {
        Some(shadow) => shadow.lines().any(|line| {
            let mut fields = line.split(':');
            fields.next() == Some(name) && fields.next().is_some_and(|hash| !hash.trim_start_matches('!').is_empty())
        }),
        // Not for everybody's eyes.
        None => input.guest.has_user(name),
    };
    given("password") || given("chpasswd") || there()
}

/// The good ones of a user's keys, where it has a home for them.
fn authorized_keys(name: &str, node: Option<&Node>, homeless: bool, findings: &mut Findings) -> Vec<String> {
    let Some(node) = node.filter(|_| homeless) else { return keys::lines(node, findings) };
    let nowhere = format!("{name} gets no home (`system` or `no_create_home`) to keep keys in; they are left out");
    findings.push(Finding::error(&node.origin, nowhere).help("leave `system` and `no_create_home` out"));
    Vec::new()
}

/// The platform's keys, where they are to answer that somebody else is to be logged in as.
fn redirected(
    name: &str,
    account: &Account,
    default: Option<&str>,
    input: &Input,
    findings: &mut Findings,
) -> Vec<String> {
    let Some(asked) = &account.ssh_redirect_user else { return Vec::new() };
    let word = asked.value.0.trim().to_ascii_lowercase();
    let problem = match default {
        _ if matches!(word.as_str(), "false" | "no" | "off") => return Vec::new(),
        _ if !matches!(word.as_str(), "true" | "yes" | "on" | "default") => "`ssh_redirect_user` is true or `default`",
        _ if account.ssh_authorized_keys.is_some() => "`ssh_redirect_user` does not go with keys of the user's own",
        _ if account.is_homeless() => "`ssh_redirect_user` does not go without a home to keep keys in",
        None => "there is no default user to name",
        Some(default) if default == name => "the default user cannot be redirected to itself",
        Some(default) => {
            // Of bad ones the module for ssh tells.
            let lines = keys::good(&input.instance.public_keys, &mut Findings::default());
            return keys::refused(&lines, None, Some(default), name);
        }
    };
    findings.push(Finding::error(&asked.origin, format!("{problem}; {name} is made without it")));
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::{Bench, Outcome};

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICnEblGkqVrAcLUVU10aey6wAUBiXIQmvYEyFBO6GJ0B ops@example";

    fn makes(keys: &str) -> Outcome {
        Bench::new(&format!("users: [{{name: ops, {keys}}}]")).plan(plan)
    }

    /// The line of `name` in a file, `None` where there is none.
    fn line(outcome: &Outcome, path: &str, name: &str) -> Option<String> {
        let content = outcome.content(path)?;
        content.lines().find(|line| line.split(':').next() == Some(name)).map(str::to_owned)
    }

    fn findings(outcome: &Outcome) -> Vec<String> {
        outcome.findings.iter().map(|finding| finding.message.clone()).collect()
    }

    #[test]
    fn a_user_is_made_with_all_that_is_said_of_it() {
        let outcome = makes(
            "uid: 2000, gecos: Ops, homedir: /srv/ops, shell: /bin/zsh, groups: 'adm, devs', primary_group: staff, \
             expiredate: 2027-01-31, inactive: 5",
        );
        assert_eq!(findings(&outcome), [""; 0]);
        assert_eq!(line(&outcome, "/etc/passwd", "ops").unwrap(), "ops:x:2000:1002:Ops:/srv/ops:/bin/zsh");
        assert!(line(&outcome, "/etc/shadow", "ops").unwrap().ends_with(":5:20849:"));
        assert_eq!(line(&outcome, "/etc/group", "devs").unwrap(), "devs:x:1001:ops");
    }

    #[test]
    fn a_bad_group_or_value_costs_only_itself() {
        let outcome = makes("groups: [adm, 'b:d'], primary_group: 'x:y', shell: zsh, gecos: Ops");
        assert_eq!(outcome.findings.iter().count(), 3);
        assert!(line(&outcome, "/etc/passwd", "ops").unwrap().contains(":Ops:/home/ops:"));
        assert_eq!(line(&outcome, "/etc/group", "adm").unwrap(), "adm:x:1000:ops");
    }

    #[test]
    fn a_primary_group_may_be_a_number() {
        let outcome = makes("primary_group: 0");
        assert!(line(&outcome, "/etc/passwd", "ops").unwrap().starts_with("ops:x:1000:0:"));
    }

    #[test]
    fn a_list_without_default_is_noted_where_the_image_has_such_a_user() {
        let noted = |config: &str| {
            let outcome = Bench::new(config).file("/etc/os-release", "ID=debian\n").plan(plan);
            findings(&outcome).iter().any(|said| said.contains("no `default`"))
        };
        assert!(noted("users: [{name: ops}]") && noted("users: ops"));
        for fine in ["users: [default, ops]", "users: []", "users: [{gecos: x}]", "user: ops\nusers: [a]", ""] {
            assert!(!noted(fine), "{fine}");
        }
    }

    #[test]
    fn groups_are_made_unless_told_otherwise() {
        let groups = |keys: &str| {
            let outcome = makes(keys);
            let actions = outcome.step("users ops").actions.iter();
            actions.filter(|action| matches!(action, Action::Group(_))).count()
        };
        assert_eq!(groups("groups: [a, b], primary_group: c"), 3);
        assert_eq!(groups("groups: [a, b], primary_group: c, create_groups: no"), 0);
    }

    #[test]
    fn keys_of_a_user_without_a_home_are_refused_and_the_user_is_made() {
        for homeless in ["system: true", "no_create_home: yes"] {
            let outcome = makes(&format!("{homeless}, ssh_authorized_keys: ['{KEY}']"));
            assert_eq!(outcome.findings.iter().count(), 1, "{homeless}");
            assert!(outcome.keys_of("ops").is_empty() && line(&outcome, "/etc/passwd", "ops").is_some(), "{homeless}");
        }
        assert_eq!(makes(&format!("ssh_authorized_keys: '{KEY}'")).keys_of("ops"), [KEY]);
    }

    #[test]
    fn a_password_is_locked_unless_told_otherwise_and_that_is_said() {
        for password in ["passwd: $6$s$h", "hashed_passwd: $6$s$h", "plain_text_passwd: sesame"] {
            let locked = makes(password);
            assert!(line(&locked, "/etc/shadow", "ops").unwrap().starts_with("ops:!$6$"), "{password}");
            assert!(findings(&locked)[0].contains("is locked"), "{password}");
            let open = makes(&format!("{password}, lock_passwd: false"));
            assert!(line(&open, "/etc/shadow", "ops").unwrap().starts_with("ops:$6$"), "{password}");
            assert_eq!(findings(&open), [""; 0], "{password}");
        }
    }

    #[test]
    fn unlocking_without_a_password_is_said_unless_another_key_gives_one() {
        let said = |config: &str, shadow: &str| {
            let bench = Bench::new(config).file("/etc/shadow", shadow);
            bench.plan(plan).findings.iter().count()
        };
        let unlock = "users: [{name: ops, lock_passwd: false}]\n";
        assert_eq!(said(unlock, ""), 1);
        assert_eq!(said(unlock, "ops:!:1::::::\n"), 1);
        assert_eq!(said(unlock, "ops:!$6$s$h:1::::::\n"), 0);
        assert_eq!(said(&format!("{unlock}chpasswd: {{list: ['ops:x']}}"), ""), 0);
        assert_eq!(said("users: [{name: ops, lock_passwd: false, plain_text_passwd: ''}]", ""), 0);
    }

    #[test]
    fn a_password_as_it_is_typed_in_place_of_a_hash_is_said_and_not_told() {
        for key in ["passwd", "hashed_passwd"] {
            let said = findings(&makes(&format!("{key}: sesame, lock_passwd: false")));
            assert!(said.len() == 1 && said[0].contains("no password hash") && !said[0].contains("sesame"), "{said:?}");
        }
    }

    #[test]
    fn a_user_that_is_there_keeps_its_password_and_joins_groups() {
        let there = |keys: &str| {
            let bench = Bench::new(&format!("users: [{{name: root, {keys}}}]"));
            bench.file("/etc/shadow", "root:$6$old$h:19000:0:99999:7:::\n").plan(plan)
        };
        let outcome = there("passwd: $6$new$h, lock_passwd: false, groups: adm, shell: /bin/zsh");
        assert_eq!((outcome.content("/etc/shadow"), outcome.content("/etc/passwd")), (None, None));
        assert_eq!(line(&outcome, "/etc/group", "adm").unwrap(), "adm:x:1000:root");
        let hashed = there("hashed_passwd: $6$new$h, lock_passwd: false");
        assert!(line(&hashed, "/etc/shadow", "root").unwrap().starts_with("root:$6$new$h:20000:"));
    }

    #[test]
    fn groups_are_made_before_the_users_and_joined_after() {
        let outcome = Bench::new("groups: [{devs: [ops]}]\nusers: [ops]").plan(plan);
        assert_eq!(outcome.steps(), ["groups devs", "users ops", "groups devs ops"]);
        assert_eq!(line(&outcome, "/etc/group", "devs").unwrap(), "devs:x:1000:ops");
    }

    #[test]
    fn a_redirected_user_s_keys_name_the_default_user() {
        let keys = |redirect: &str| {
            let bench = Bench::new(&format!("users: [default, {{name: ops, ssh_redirect_user: {redirect}}}]"));
            let outcome = bench.public_key(KEY).plan(plan);
            (outcome.keys_of("ops").join("\n"), outcome.findings.iter().count())
        };
        for yes in ["true", "default", "'yes'"] {
            let (lines, findings) = keys(yes);
            assert!(
                lines.contains("\\\"cloud-user\\\" rather than the user \\\"ops\\\"") && lines.contains("AAAAC3"),
                "{lines}"
            );
            assert_eq!(findings, 0);
        }
        assert_eq!(keys("false"), (String::new(), 0));
        assert_eq!(keys("joe"), (String::new(), 1));
        assert_eq!(keys("true, system: true"), (String::new(), 1));
        assert_eq!(keys(&format!("true, ssh_authorized_keys: ['{KEY}']")), (KEY.to_owned(), 1));
        let alone = Bench::new("users: [{name: ops, ssh_redirect_user: true}]").public_key(KEY).plan(plan);
        assert_eq!((alone.keys_of("ops").len(), alone.findings.iter().count()), (0, 1));
    }

    #[test]
    fn no_log_init_and_quoted_numbers_need_no_finding() {
        let outcome = makes("no_log_init: true, uid: '2000', inactive: '5', expiredate: '2027-01-31'");
        assert_eq!(findings(&outcome), [""; 0]);
        assert!(line(&outcome, "/etc/shadow", "ops").unwrap().ends_with(":5:20849:"));
    }
}
