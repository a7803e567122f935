// SPDX-License-Identifier: Apache-2.0
//! SSH: who may log in with which key, and the host's own keys.
//!
//! Keys as cloud-init's `cc_ssh`. The platform's and the user's keys go to the default user, and to root with an
//! option that refuses the login and names the user to take, unless `disable_root: false`. Each new instance gets host
//! keys of its own, as a cloned image must not share them: those that are given, or new ones. Default types: ed25519 and
//! ecdsa; what an RSA key takes to make is paid for only on demand (`ssh_genkeytypes`).

use crate::config::read::Raw;
use crate::config::types::OneOrMany;
use crate::finding::{Finding, Located};
use crate::modules::{Input, Module, Planner, keys, users};
use crate::plan::action::{Action, AuthorizedKeys};
use crate::plan::step::{Frequency, Stage};

mod given;
mod host_keys;

pub use given::HostKeys;

/// See the file's head.
pub const MODULE: Module =
    Module { name: "ssh", stage: Stage::Local, frequency: Frequency::PerInstance, keys: Keys::KEYS, plan };

crate::keys! {
    struct Keys {
        /// Public keys of the default user.
        ssh_authorized_keys: Raw<keys::Lines>,
        /// Refuse root's logins with the keys given here (the default).
        disable_root: bool,
        /// Options put before root's keys. `$USER` is the default user, `$DISABLE_USER` root.
        disable_root_opts: Located<String>,
        /// Take the platform's keys (the default).
        allow_public_ssh_keys: bool,
        /// Make new host keys for a new instance (the default); else only those that are missing.
        ssh_deletekeys: bool,
        /// Types of the host keys that are made: `ed25519`, `ecdsa`, `rsa`. Default: the first two; `rsa` needs the guest's
        /// ssh-keygen, and seconds of a small machine's first boot.
        ssh_genkeytypes: OneOrMany<Located<String>>,
        /// Host keys that are given; then none is made.
        ssh_keys: HostKeys,
        /// Keep ssh-keygen quiet, which it is.
        ssh_quiet_keygen: bool,
        /// Tell the platform the host's public keys: no platform here takes them.
        ssh_publish_hostkeys: Located<Publish>,
    }
}

crate::keys! {
    struct Publish {
        /// Whether they were to be told.
        enabled: bool,
        /// Types that are not told.
        blacklist: OneOrMany<String>,
    }
}

fn plan(input: &Input, planner: &mut Planner) {
    let keys = Keys::take(input.config, &mut planner.findings);
    authorize(&keys, input, planner);
    host_keys::plan(&keys, input, planner);
    if let Some(publish) = keys.ssh_publish_hostkeys.filter(|publish| publish.enabled != Some(false)) {
        let nobody = Finding::note(&publish.origin, "no platform of this machine takes its public host keys");
        planner.finding(nobody.help("they are printed on the console, where `ssh: {emit_keys_to_console}` allows it"));
    }
}

fn authorize(keys: &Keys, input: &Input, planner: &mut Planner) {
    let mut lines = keys::lines(keys.ssh_authorized_keys.as_deref(), &mut planner.findings);
    let mut origin = keys.ssh_authorized_keys.as_ref().map(|node| node.origin.clone());
    if keys.allow_public_ssh_keys != Some(false) {
        lines.extend(keys::good(&input.instance.public_keys, &mut planner.findings));
        origin = origin.or_else(|| input.instance.public_keys.first().map(|key| key.origin.clone()));
    }
    let (false, Some(origin)) = (lines.is_empty(), origin) else { return };
    let user = users::default_name(input);
    // Where root is the default user there is nobody else to name.
    if let Some(user) = &user {
        planner
            .step(format!("ssh keys of {user}"), &origin)
            .action(Action::AuthorizedKeys(AuthorizedKeys { user: user.clone(), keys: lines.clone() }));
        if user == "root" {
            return;
        }
    }
    if keys.disable_root != Some(false) {
        let (options, bad) = match &keys.disable_root_opts {
            Some(options) if !keys::are_options(options) => (None, Some(options)),
            options => (options.as_ref().map(|options| options.as_str()), None),
        };
        if let Some(bad) = bad {
            let wrong = "these are no options of a key; root's logins are refused with the usual ones";
            let help = "options as in authorized_keys(5): one line, commas between them, blanks only in quotes";
            planner.finding(Finding::error(&bad.origin, wrong).help(help));
        }
        lines = keys::refused(&lines, options, user.as_deref(), "root");
    }
    if input.guest.has_user("root") {
        let root = AuthorizedKeys { user: "root".to_owned(), keys: lines };
        planner.step("ssh keys of root", &origin).action(Action::AuthorizedKeys(root));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::Bench;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICnEblGkqVrAcLUVU10aey6wAUBiXIQmvYEyFBO6GJ0B ops@example";

    #[test]
    fn root_is_told_which_user_to_take() {
        let config = format!(
            "system_info: {{default_user: {{name: debian}}}}\nssh_authorized_keys: ['from=\"10.0.0.1\" {KEY}']"
        );
        let outcome = Bench::new(&config).plan(plan);
        let root = outcome.keys_of("root").join("\n");
        assert!(root.contains("\\\"debian\\\" rather than the user \\\"root\\\"") && !root.contains("from="), "{root}");
        assert_eq!(outcome.keys_of("debian"), [format!("from=\"10.0.0.1\" {KEY}")]);
    }

    #[test]
    fn options_never_become_lines_or_keys_of_their_own() {
        for options in ["\"no-pty\\nssh-rsa AAAA\"", "'no-pty ssh-rsa AAAA'", "' '", "'no-pty '", "'a\"b'", "'#'"] {
            let config = format!("disable_root_opts: {options}\nssh_authorized_keys: ['{KEY}']");
            let outcome = Bench::new(&config).plan(plan);
            let root = outcome.keys_of("root");
            assert_eq!((root.len(), outcome.findings.iter().count()), (1, 1), "{options}: {root:?}");
            assert!(root[0].starts_with("no-port-forwarding,") && root[0].ends_with(KEY), "{options}: {root:?}");
        }
        let config =
            format!("disable_root_opts: 'command=\"echo $USER not $DISABLE_USER\"'\nssh_authorized_keys: ['{KEY}']");
        let outcome = Bench::new(&config).plan(plan);
        assert_eq!(outcome.keys_of("root"), [format!("command=\"echo cloud-user not root\" {KEY}")]);
        assert!(outcome.findings.iter().next().is_none());
    }

    #[test]
    fn a_key_list_that_is_no_key_is_said() {
        let outcome = Bench::new("ssh_authorized_keys: not-a-key").plan(plan);
        assert_eq!(outcome.findings.iter().count(), 1);
        assert!(outcome.steps().iter().all(|name| !name.starts_with("ssh keys")));
    }

    #[test]
    fn root_as_the_default_user_may_log_in() {
        let outcome = Bench::new(&format!("user: root\nssh_authorized_keys: ['{KEY}']")).plan(plan);
        assert_eq!(outcome.keys_of("root"), [KEY]);
        assert_eq!(outcome.steps(), ["ssh keys of root"]);
    }
}
