// SPDX-License-Identifier: Apache-2.0
//! Passwords, and whether sshd takes them.
//!
//! Keys as cloud-init's `cc_set_passwords`. Unlike there every kind of crypt(3) hash is known for one (a yescrypt hash
//! in `chpasswd.list` becomes no plain text), and a bad line costs only itself.

use sha2::{Digest as _, Sha256};

use crate::config::document::{Data, Node};
use crate::finding::{Finding, Findings, Located, Origin};
use crate::modules::{Input, Module, Planner, users};
use crate::plan::accounts::hash::sha512_crypt;
use crate::plan::action::{Action, Command, Edit, Password};
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "passwords", stage: Stage::Local, frequency: Frequency::PerInstance, keys: Keys::KEYS, plan };

crate::keys! {
    struct Keys {
        /// Password of the default user.
        password: Located<String>,
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
        /// `user:password` lines.
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
        password: Located<String>,
        /// `hash` (the default), `text` or `RANDOM`.
        r#type: Located<String>,
    }
}

fn plan(input: &Input, planner: &mut Planner) {
    let keys = Keys::take(input.config, &mut planner.findings);
    let chpasswd = keys.chpasswd.unwrap_or_default();
    let expire = chpasswd.expire != Some(false);
    let mut wanted = Vec::new();
    if let Some(list) = &chpasswd.list {
        lines(list, &mut wanted, &mut planner.findings);
    }
    for entry in chpasswd.users.unwrap_or_default() {
        wanted.extend(self::entry(&entry, &mut planner.findings));
    }
    if let Some(password) = keys.password.filter(|_| wanted.is_empty()) {
        match users::default_name(input) {
            Some(user) => wanted.push(Wanted { user, secret: secret(&password), origin: password.origin }),
            None => planner.finding(
                Finding::error(&password.origin, "`password` is for the default user, and there is none")
                    .help("add `default` to `users`, or name the user in chpasswd: {users: [...]}"),
            ),
        }
    }
    for Wanted { user, secret, origin } in wanted {
        let hash = match secret {
            Secret::Hash(hash) => hash,
            Secret::Text(text) => self::hash(&text, &user, input),
            Secret::Random => {
                planner.finding(Finding::error(
                    &origin,
                    format!("RANDOM is known and not built yet; the password of {user} stays"),
                ));
                continue;
            }
        };
        let password = Password { user: user.clone(), hash: Some(hash), lock: None, expire };
        planner.step(format!("passwords {user}"), &origin).action(Action::Password(password));
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

/// `$id$…` as crypt(5) lists it is a hash; `R` and `RANDOM` ask for a random one.
fn secret(password: &str) -> Secret {
    let id = password.strip_prefix('$').and_then(|rest| rest.split_once('$')).map(|(id, rest)| (id, !rest.is_empty()));
    match (password, id) {
        ("R" | "RANDOM", _) => Secret::Random,
        (_, Some(("1" | "2a" | "2b" | "2x" | "2y" | "5" | "6" | "7" | "y" | "gy" | "sha1", true))) => {
            Secret::Hash(password.to_owned())
        }
        _ => Secret::Text(password.to_owned()),
    }
}

/// A hash of a typed password. Its salt comes from the instance and the user, so that `plan` and `run` agree.
pub fn hash(password: &str, user: &str, input: &Input) -> String {
    let digest = Sha256::digest(format!("{}\0{user}", input.instance.id.value));
    let salt = digest.first_chunk().copied().unwrap_or_default();
    sha512_crypt(password, &salt)
}

/// `chpasswd.list`: lines of one string, or a list of them.
fn lines(node: &Node, wanted: &mut Vec<Wanted>, findings: &mut Findings) {
    match &node.data {
        Data::Sequence(items) => items.iter().for_each(|item| lines(item, wanted, findings)),
        Data::Scalar(scalar) => {
            for line in scalar.text.lines().map(str::trim).filter(|line| !line.is_empty()) {
                match line.split_once(':') {
                    Some((user, password)) if !user.is_empty() && !password.is_empty() => wanted.push(Wanted {
                        user: user.to_owned(),
                        secret: secret(password),
                        origin: node.origin.clone(),
                    }),
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
        ("hash", Some(hash)) if hash.contains([':', '\n']) => {
            findings.push(Finding::error(&hash.origin, "this is no password hash; it is left out"));
            return None;
        }
        ("hash", Some(hash)) => Secret::Hash(hash.value.clone()),
        ("text", Some(text)) => Secret::Text(text.value.clone()),
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

/// sshd takes the first value that it reads, so the drop-in has to come first by name, and only where the main file
/// includes the directory at all.
fn password_login(allow: &Node, input: &Input, planner: &mut Planner) {
    let word = allow.text().unwrap_or_default().trim().to_ascii_lowercase();
    let allowed = match word.as_str() {
        "unchanged" | "" => return,
        "true" | "yes" | "on" | "1" => "yes",
        "false" | "no" | "off" | "0" => "no",
        _ => {
            let unknown = format!("expected true, false or unchanged, found {}", allow.described());
            return planner.finding(Finding::error(&allow.origin, unknown));
        }
    };
    let Some(main) = input.guest.read_text("/etc/ssh/sshd_config") else {
        return planner.finding(Finding::note(&allow.origin, "this guest has no sshd; `ssh_pwauth` changes nothing"));
    };
    let line = format!("PasswordAuthentication {allowed}\n");
    let included = main.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next().is_some_and(|word| word.eq_ignore_ascii_case("include"))
            && words.any(|path| path.starts_with("/etc/ssh/sshd_config.d/"))
    });
    let edit = if included {
        Edit::new("/etc/ssh/sshd_config.d/00-firstlight.conf", move |_| line.clone()).mode(0o600)
    } else {
        Edit::new("/etc/ssh/sshd_config", move |old| with_setting(old, &line))
    };
    let running = input.guest.exists("/run/sshd.pid");
    let unit = if input.guest.exists("/usr/lib/systemd/system/ssh.service") { "ssh.service" } else { "sshd.service" };
    let step = planner.step("passwords at ssh login", &allow.origin).edit(edit);
    if running {
        step.run(Command::tool(["systemctl", "--no-block", "try-reload-or-restart", unit]));
    }
}

/// The setting in place of all earlier ones of the main part; before the first `Match` block where there is none.
fn with_setting(old: &str, setting: &str) -> String {
    let keyword = |line: &str| line.split([' ', '\t', '=']).find(|word| !word.is_empty()).map(str::to_ascii_lowercase);
    let mut new = String::new();
    let mut written = false;
    let mut main = true;
    for line in old.lines() {
        match keyword(line).as_deref() {
            Some("match") if main => {
                main = false;
                if !written {
                    new.push_str(setting);
                    written = true;
                }
            }
            Some("passwordauthentication") if main => {
                if !written {
                    new.push_str(setting);
                    written = true;
                }
                continue;
            }
            _ => {}
        }
        new.push_str(line);
        new.push('\n');
    }
    if !written {
        new.push_str(setting);
    }
    new
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
        for text in ["secret", "$6$", "$money", "$9$a$b"] {
            assert!(matches!(secret(text), Secret::Text(_)), "{text}");
        }
    }

    #[test]
    fn a_list_gives_a_step_for_each_good_line() {
        let outcome =
            Bench::new("chpasswd:\n  expire: False\n  list: |\n    a:one\n    broken\n    b:two\n").plan(plan);
        assert_eq!(outcome.steps(), ["passwords a", "passwords b"]);
        assert_eq!(outcome.findings.iter().count(), 1);
        assert!(outcome.passwords().iter().all(|password| !password.expire));
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
}
