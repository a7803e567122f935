// SPDX-License-Identifier: Apache-2.0
//! Passwords, and whether sshd takes them.
//!
//! Keys as cloud-init's `cc_set_passwords`. Unlike there every kind of crypt(3) hash is known for one (a yescrypt hash
//! in `chpasswd.list` becomes no plain text), and a bad line costs only itself.

use std::collections::HashMap;

use crate::config::document::{Data, Node, Value};
use crate::config::types::Typed;
use crate::finding::{Finding, Findings, Located, Origin};
use crate::modules::{Input, Module, Planner, crypt, users};
use crate::plan::action::{Action, Command, Edit, Password, PasswordHash};
use crate::plan::step::{Frequency, Stage};
use crate::sshd_config;

/// See the file's head.
pub const MODULE: Module =
    Module { name: "passwords", stage: Stage::Local, frequency: Frequency::PerInstance, keys: Keys::KEYS, plan };

crate::keys! {
    struct Keys {
        /// Password of the default user.
        password: Located<Typed>,
        /// Passwords of users.
        chpasswd: Chpasswd,
        /// Whether sshd takes passwords: true, false, or `unchanged`.
        ssh_pwauth: Node,
    }
}

crate::keys! {
    struct Chpasswd {
        /// Ask for a new password at the first login (the default).
        expire: bool,
        /// `user:password` lines: deprecated, say it in `users`.
        list: Node,
        /// Users with their passwords.
        users: Vec<Located<Entry>>,
    }
}

crate::keys! {
    struct Entry {
        /// Login name.
        name: Located<String>,
        /// Password or hash.
        password: Located<Typed>,
        /// `hash` (the default), `text`, or `RANDOM`: one is made at the boot and told on the console alone.
        r#type: Located<String>,
    }
}

fn plan(input: &Input, planner: &mut Planner) {
    let keys = Keys::take(input.config, &mut planner.findings);
    let chpasswd = keys.chpasswd.unwrap_or_default();
    let expire = chpasswd.expire != Some(false);
    let users = chpasswd.users.unwrap_or_default();
    let named = chpasswd.list.is_some() || !users.is_empty();
    let mut wanted = Vec::new();
    if let Some(list) = &chpasswd.list {
        let old = Finding::warning(&list.origin, "`chpasswd.list` is deprecated, and still works");
        planner.finding(old.help("chpasswd: {users: [{name: …, password: …, type: text}]}"));
        lines(list, &mut wanted, &mut planner.findings);
    }
    wanted.extend(users.iter().filter_map(|user| entry(user, &mut planner.findings)));
    match (keys.password, users::default_name(input)) {
        (Some(password), _) if named => planner.finding(
            Finding::warning(
                &password.origin,
                "`password` counts only where `chpasswd` names no users; it is left out",
            )
            .help("add the default user to `chpasswd`"),
        ),
        (Some(password), Some(user)) => {
            wanted.push(Wanted { user, secret: secret(&password.0), origin: password.origin });
        }
        (Some(password), None) => planner.finding(
            Finding::error(&password.origin, "`password` is for the default user, and there is none")
                .help("add `default` to `users`, or name the user in chpasswd: {users: [...]}"),
        ),
        (None, _) => {}
    }
    for Wanted { user, secret, origin } in last_of_each(wanted, &mut planner.findings) {
        let hash = match secret {
            Secret::Hash(hash) => Some(PasswordHash::Given(hash)),
            Secret::Text(text) => crypt::hash(&Located::new(text, origin.clone()), &user, input, &mut planner.findings),
            Secret::Random => {
                planner.step(format!("passwords {user}"), &origin).action(Action::RandomPassword { user, expire });
                continue;
            }
        };
        if hash.is_some() {
            let password = Password { user: user.clone(), hash, lock: None, expire };
            planner.step(format!("passwords {user}"), &origin).action(Action::Password(password));
        }
    }
    if let Some(allow) = keys.ssh_pwauth.as_ref() {
        password_login(allow, input, planner);
    }
}

struct Wanted {
    user: String,
    secret: Secret,
    origin: Origin,
}

enum Secret {
    Hash(String),
    Text(String),
    Random,
}

/// One for each user: with chpasswd(8) the last line counts.
fn last_of_each(wanted: Vec<Wanted>, findings: &mut Findings) -> Vec<Wanted> {
    let mut last: Vec<Wanted> = Vec::new();
    let mut places = HashMap::new();
    for wanted in wanted {
        let place = *places.entry(wanted.user.clone()).or_insert(last.len());
        match last.get_mut(place) {
            Some(earlier) => {
                let twice = format!("{} gets a password twice; this one counts", wanted.user);
                findings.push(Finding::warning(&wanted.origin, twice));
                *earlier = wanted;
            }
            None => last.push(wanted),
        }
    }
    last
}

/// What a line holds: `$id$…` as crypt(5) lists it is a hash, which has no `:` in it; `R` and `RANDOM` ask for a random
/// one.
fn secret(password: &str) -> Secret {
    match password {
        "R" | "RANDOM" => Secret::Random,
        _ if crypt::is_modular_hash(password) && !password.contains(':') => Secret::Hash(password.to_owned()),
        _ => Secret::Text(password.to_owned()),
    }
}

/// `chpasswd.list`: lines of one string, or a list of them.
fn lines(node: &Node, wanted: &mut Vec<Wanted>, findings: &mut Findings) {
    match &node.data {
        Data::Sequence(items) => items.iter().for_each(|item| lines(item, wanted, findings)),
        Data::Scalar(scalar) => {
            for line in scalar.text.lines().map(str::trim).filter(|line| !line.is_empty()) {
                match line.split_once(':') {
                    Some((user, password)) if !user.is_empty() && !password.is_empty() => {
                        let (user, secret) = (user.to_owned(), secret(password));
                        if matches!(&secret, Secret::Hash(hash) if !crypt::is_hash_in_list(hash)) {
                            let unknown =
                                format!("cloud-init takes this kind of hash for the password of {user} itself");
                            findings
                                .push(Finding::note(&node.origin, unknown).help("`chpasswd.users` says which it is"));
                        }
                        wanted.push(Wanted { user, secret, origin: node.origin.clone() });
                    }
                    _ => findings.push(
                        Finding::error(
                            &node.origin,
                            "an entry of `chpasswd.list` is not `user:password`; it is left out",
                        )
                        .help("chpasswd: {users: [{name: …, password: …, type: text}]} says it more plainly"),
                    ),
                }
            }
        }
        Data::Mapping(_) => {
            findings.push(Finding::error(&node.origin, "expected `user:password`, found a mapping; it is left out"));
        }
    }
}

fn entry(entry: &Located<Entry>, findings: &mut Findings) -> Option<Wanted> {
    let Some(name) = &entry.name else {
        findings.push(Finding::error(&entry.origin, "this password has no `name`; it is left out"));
        return None;
    };
    let kind = entry.r#type.as_ref();
    let secret = match (kind.map_or("hash", |kind| kind.as_str()), &entry.password) {
        ("RANDOM" | "R", _) => Secret::Random,
        ("hash", Some(hash)) if hash.0.contains(|c: char| c == ':' || c.is_control()) => {
            findings.push(Finding::error(&hash.origin, "this is no password hash; it is left out"));
            return None;
        }
        ("hash", Some(hash)) => {
            crypt::warn_of_no_hash(&hash.0, &hash.origin, findings);
            Secret::Hash(hash.0.clone())
        }
        ("text", Some(text)) => Secret::Text(text.0.clone()),
        ("hash" | "text", None) => {
            findings
                .push(Finding::error(&entry.origin, format!("no `password` is given for {}; it stays", name.value)));
            return None;
        }
        (other, _) => {
            let origin = kind.map_or(&entry.origin, |kind| &kind.origin);
            let unknown = format!("`{}` is no type of password; it is left out", other.escape_debug());
            findings.push(Finding::error(origin, unknown).help("hash, text or RANDOM"));
            return None;
        }
    };
    Some(Wanted { user: name.value.clone(), secret, origin: name.origin.clone() })
}

/// sshd's switch for passwords.
const KEYWORD: &str = "PasswordAuthentication";

/// sshd takes the first value that it reads, so the drop-in has to come first by name, and only where the main file
/// includes the directory at all.
fn password_login(allow: &Node, input: &Input, planner: &mut Planner) {
    let word = allow.text().map(|text| text.trim().to_ascii_lowercase());
    let allowed = match word.as_deref() {
        Some("unchanged" | "") => return,
        Some("true" | "yes" | "on" | "1") => "yes",
        Some("false" | "no" | "off" | "0") => "no",
        _ => {
            let unknown = format!("expected true, false or unchanged, found {}", allow.described());
            return planner.finding(Finding::error(&allow.origin, unknown));
        }
    };
    if !matches!(allow.value(), Some(Value::Bool(_))) {
        let old = Finding::warning(&allow.origin, "`ssh_pwauth` in quotes, or as a number, is deprecated");
        planner.finding(old.help("ssh_pwauth: true, or false; leave it out to leave sshd alone"));
    }
    let Some(main) = input.guest.read_text(sshd_config::MAIN) else {
        return planner.finding(Finding::note(&allow.origin, "this guest has no sshd; `ssh_pwauth` changes nothing"));
    };
    let file = sshd_config::place(&main, KEYWORD);
    let edit = Edit::new(file, move |old| sshd_config::with(old, KEYWORD, allowed)).mode(0o600);
    let running = input.guest.exists("/run/sshd.pid");
    let unit = if input.guest.exists("/usr/lib/systemd/system/ssh.service") { "ssh.service" } else { "sshd.service" };
    let step = planner.step("passwords at ssh login", &allow.origin).edit(edit);
    if running && input.guest.is_systemd() {
        step.run(Command::tool(["systemctl", "--no-block", "try-reload-or-restart", unit]));
    } else if running && input.guest.exists("/sbin/openrc-run") {
        step.run(Command::tool(["rc-service", "--ifstarted", "sshd", "reload"]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::Bench;

    #[test]
    fn every_hash_is_known_for_one() {
        for hash in ["$6$salt$hash", "$y$j9T$salt$hash", "$2b$10$abc", "$1$a$b"] {
            assert!(matches!(secret(hash), Secret::Hash(_)), "{hash}");
        }
        for text in ["secret", "$6$", "$money", "$9$a$b", "$6$with:colon"] {
            assert!(matches!(secret(text), Secret::Text(_)), "{text}");
        }
    }

    #[test]
    fn a_list_gives_a_step_for_each_good_line() {
        let outcome =
            Bench::new("chpasswd:\n  expire: False\n  list: |\n    a:one\n    broken\n    b:two\n").plan(plan);
        assert_eq!(outcome.steps(), ["passwords a", "passwords b"]);
        assert_eq!(outcome.findings.iter().count(), 2, "that the form is old, too");
        assert!(outcome.passwords().iter().all(|password| !password.expire));
    }

    #[test]
    fn a_hash_that_the_peer_takes_for_the_password_is_noted() {
        let noted = |hash: &str| {
            let outcome = Bench::new(&format!("chpasswd: {{list: ['a:{hash}']}}")).plan(plan);
            assert!(outcome.findings.iter().all(|finding| !finding.to_string().contains(hash)), "{hash}");
            outcome.findings.iter().any(|finding| finding.message.contains("for the password of a itself"))
        };
        for hash in ["$y$j9T$salt$hash", "$2b$10$abc", "$7$a$b", "$gy$a$b"] {
            assert!(noted(hash), "{hash}");
        }
        for hash in ["$6$salt$hash", "$5$rounds=5$salt$hash", "$2y$10$abc", "hunter2"] {
            assert!(!noted(hash), "{hash}");
        }
    }

    #[test]
    fn a_password_that_is_a_number_to_yaml_is_said_and_not_told() {
        for config in ["password: 12345", "chpasswd: {users: [{name: a, type: text, password: 12345}]}"] {
            let outcome = Bench::new(&format!("system_info: {{default_user: {{name: a}}}}\n{config}")).plan(plan);
            let said: Vec<_> = outcome.findings.iter().map(ToString::to_string).collect();
            assert!(said.len() == 1 && said[0].contains("is a number to cloud-init"), "{said:?}");
            assert!(!said[0].contains("12345") && outcome.steps() == ["passwords a"], "{said:?}");
        }
    }

    #[test]
    fn sshd_s_first_value_wins_so_ours_comes_first() {
        let dropin =
            Bench::new("ssh_pwauth: True").file("/etc/ssh/sshd_config", "Include /etc/ssh/sshd_config.d/*.conf\n");
        let file = dropin.plan(plan).content("/etc/ssh/sshd_config.d/00-firstlight.conf");
        assert_eq!(file.as_deref(), Some("PasswordAuthentication yes\n"));
        let old = "# x\nPasswordAuthentication no\nUsePAM yes\nMatch User a\n  PasswordAuthentication no\n";
        let plain = Bench::new("ssh_pwauth: yes").file("/etc/ssh/sshd_config", old);
        assert_eq!(
            plain.plan(plan).content("/etc/ssh/sshd_config").as_deref(),
            Some("# x\nPasswordAuthentication yes\nUsePAM yes\nMatch User a\n  PasswordAuthentication no\n")
        );
        assert!(Bench::new("ssh_pwauth: unchanged").file("/etc/ssh/sshd_config", old).plan(plan).steps().is_empty());
    }

    #[test]
    fn a_random_password_is_left_to_the_moment() {
        for random in ["{list: ['a:R']}", "{list: 'a:RANDOM'}", "{users: [{name: a, type: RANDOM}]}"] {
            let outcome = Bench::new(&format!("chpasswd: {random}")).plan(plan);
            let [Action::RandomPassword { user, expire: true }] = &outcome.step("passwords a").actions[..] else {
                panic!("{random}");
            };
            assert_eq!((user.as_str(), outcome.findings.has_errors()), ("a", false));
        }
    }

    #[test]
    fn the_last_password_of_a_user_counts() {
        let hashes = |config: &str| {
            let outcome = Bench::new(config).plan(plan);
            let hashes: Vec<_> = outcome
                .passwords()
                .iter()
                .map(|password| password.hash.as_ref().unwrap().text().into_owned())
                .collect();
            (hashes, outcome.findings.iter().filter(|finding| finding.message.contains("twice")).count())
        };
        let twice = "chpasswd: {list: ['a:$6$s$one', 'b:$6$s$b', 'a:$6$s$two']}";
        assert_eq!(hashes(twice), (vec!["$6$s$two".to_owned(), "$6$s$b".to_owned()], 1));
    }

    #[test]
    fn the_default_user_s_password_counts_only_without_chpasswd_and_is_not_dropped_in_silence() {
        let default = "system_info: {default_user: {name: ops}}\npassword: secret\n";
        assert_eq!(Bench::new(default).plan(plan).steps(), ["passwords ops"]);
        for chpasswd in ["{list: ['a:$6$s$h']}", "{list: [broken]}", "{users: [{name: a}]}"] {
            let outcome = Bench::new(&format!("{default}chpasswd: {chpasswd}")).plan(plan);
            assert!(!outcome.steps().contains(&"passwords ops"), "{chpasswd}");
            assert!(outcome.findings.iter().any(|finding| finding.origin.line() == Some((2, 11))), "{chpasswd}");
        }
        let nobody = Bench::new(&format!("{default}users: []")).plan(plan);
        assert_eq!((nobody.steps().len(), nobody.findings.iter().count()), (0, 1));
    }

    #[test]
    fn a_typed_password_where_a_hash_belongs_is_said_and_not_told() {
        let outcome = Bench::new("chpasswd: {users: [{name: ops, password: sesame}]}").plan(plan);
        assert_eq!(outcome.steps(), ["passwords ops"]);
        let finding = outcome.findings.iter().next().unwrap().to_string();
        assert!(finding.contains("type: text") && !finding.contains("sesame"), "{finding}");
        for fine in ["$y$j9T$salt$hash", "rqXexS6ZhobKA", "'*'", "'!'"] {
            let outcome = Bench::new(&format!("chpasswd: {{users: [{{name: ops, password: {fine}}}]}}")).plan(plan);
            assert!(outcome.findings.is_empty(), "{fine}");
        }
    }

    #[test]
    fn a_password_longer_than_crypt_takes_is_refused() {
        let long = format!("chpasswd: {{users: [{{name: ops, type: text, password: {}}}]}}", "x".repeat(513));
        let outcome = Bench::new(&long).plan(plan);
        assert_eq!((outcome.steps().len(), outcome.findings.iter().count()), (0, 1));
    }

    #[test]
    fn a_block_s_last_line_end_is_no_part_of_the_password() {
        let hash = |password: &str| {
            let outcome =
                Bench::new(&format!("chpasswd:\n  users:\n  - name: ops\n    type: text\n    password: {password}\n"))
                    .plan(plan);
            outcome.passwords()[0].hash.as_ref().map(|hash| hash.text().into_owned())
        };
        assert_eq!(hash("|\n      sesame"), hash("sesame"));
    }

    #[test]
    fn a_drop_in_that_sshd_would_not_heed_is_not_written() {
        let content = |main: &str| {
            let outcome = Bench::new("ssh_pwauth: no").file("/etc/ssh/sshd_config", main).plan(plan);
            (outcome.content("/etc/ssh/sshd_config"), outcome.content("/etc/ssh/sshd_config.d/00-firstlight.conf"))
        };
        let late = "PasswordAuthentication yes\nInclude /etc/ssh/sshd_config.d/*.conf\n";
        assert_eq!(content(late), (Some(late.replace("yes", "no")), None));
        let matched = "Match User a\nInclude /etc/ssh/sshd_config.d/*.conf\n";
        assert_eq!(content(matched), (Some(format!("PasswordAuthentication no\n{matched}")), None));
        let relative = "Port 22\ninclude \"sshd_config.d/*.conf\"\nPasswordAuthentication yes\n";
        assert_eq!(content(relative), (None, Some("PasswordAuthentication no\n".to_owned())));
    }

    #[test]
    fn what_is_no_answer_to_ssh_pwauth_is_said() {
        for bad in ["[yes]", "{}", "maybe"] {
            let outcome = Bench::new(&format!("ssh_pwauth: {bad}")).file("/etc/ssh/sshd_config", "").plan(plan);
            assert_eq!((outcome.steps().len(), outcome.findings.iter().count()), (0, 1), "{bad}");
        }
    }

    #[test]
    fn a_running_sshd_is_told_in_the_way_of_the_guest_s_init() {
        let told = |files: &[&str]| {
            let bench = Bench::new("ssh_pwauth: true").file("/etc/ssh/sshd_config", "").file("/run/sshd.pid", "1\n");
            let bench = files.iter().fold(bench, |bench, path| bench.file(path, ""));
            let outcome = bench.plan(plan);
            let actions = outcome.step("passwords at ssh login").actions.clone().into_iter();
            let runs = actions.filter_map(|action| if let Action::Run(run) = action { Some(run.argv) } else { None });
            runs.map(|argv| argv[0].clone()).collect::<Vec<_>>()
        };
        assert_eq!(told(&["/run/systemd/system/x"]), ["systemctl"]);
        assert_eq!(told(&["/sbin/openrc-run"]), ["rc-service"]);
        assert_eq!(told(&[]), [""; 0]);
    }
}
