// SPDX-License-Identifier: Apache-2.0
//! SSH: who may log in with which key, and the host's own keys.
//!
//! Keys as cloud-init's `cc_ssh`. The platform's and the user's keys go to the default user, and to root with an
//! option that refuses the login and names the user to take, unless `disable_root: false`. Each new instance gets host
//! keys of its own, as a cloned image must not share them. Default types: ed25519 and ecdsa; what an RSA key takes to
//! make is paid for only on demand (`ssh_genkeytypes`).

use crate::config::document::Node;
use crate::config::types::OneOrMany;
use crate::finding::{Finding, Located};
use crate::host_key::Kind;
use crate::modules::{Input, Module, Planner, keys, users};
use crate::plan::action::{Action, AuthorizedKeys, Command};
use crate::plan::step::{Frequency, Stage};
use crate::public_key::PublicKey;

/// See the file's head.
pub const MODULE: Module =
    Module { name: "ssh", stage: Stage::Local, frequency: Frequency::PerInstance, keys: Keys::KEYS, plan };

crate::keys! {
    struct Keys {
        /// Public keys of the default user.
        ssh_authorized_keys: Node,
        /// Refuse root's logins with the keys given here (the default).
        disable_root: bool,
        /// Options put before root's keys. `$USER` is the default user, `$DISABLE_USER` root.
        disable_root_opts: String,
        /// Take the platform's keys (the default).
        allow_public_ssh_keys: bool,
        /// Make new host keys for a new instance (the default); else only those that are missing.
        ssh_deletekeys: bool,
        /// Types of the host keys that are made: ed25519, ecdsa, rsa.
        ssh_genkeytypes: OneOrMany<Located<String>>,
    }
}

/// What root's keys answer, worded as the peers do: tools look for it.
const DISABLE_ROOT: &str = "no-port-forwarding,no-agent-forwarding,no-X11-forwarding,command=\"echo 'Please login as \
                            the user \\\"$USER\\\" rather than the user \\\"$DISABLE_USER\\\".';echo;sleep 10;exit 142\"";

fn plan(input: &Input, planner: &mut Planner) {
    let keys = Keys::take(input.config, &mut planner.findings);
    authorize(&keys, input, planner);
    host_keys(&keys, input, planner);
}

fn authorize(keys: &Keys, input: &Input, planner: &mut Planner) {
    let mut lines = keys::lines(keys.ssh_authorized_keys.as_ref(), &mut planner.findings);
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
        let options = keys.disable_root_opts.as_deref().unwrap_or(DISABLE_ROOT);
        let options = options.replace("$USER", user.as_deref().unwrap_or("NONE")).replace("$DISABLE_USER", "root");
        // A key's own options are dropped: they would open what is refused here.
        lines = lines.iter().filter_map(|line| Some(format!("{options} {}", PublicKey::parse(line)?.bare()))).collect();
    }
    if input.guest.has_user("root") {
        let root = AuthorizedKeys { user: "root".to_owned(), keys: lines };
        planner.step("ssh keys of root", &origin).action(Action::AuthorizedKeys(root));
    }
}

fn host_keys(keys: &Keys, input: &Input, planner: &mut Planner) {
    let directory = "/etc/ssh";
    if !input.guest.exists(directory) {
        return;
    }
    let asked = keys.ssh_genkeytypes.clone().map(|types| types.0);
    let origin =
        asked.iter().flatten().next().map_or_else(|| input.instance.id.origin.clone(), |first| first.origin.clone());
    let mut types = Vec::new();
    for kind in asked.unwrap_or_default() {
        if ["ed25519", "ecdsa", "rsa"].contains(&kind.as_str()) {
            types.push(kind.value);
        } else {
            let unknown = format!("`{}` is no type of host key; it is left out", kind.escape_debug());
            planner.finding(Finding::error(&kind.origin, unknown).help("ed25519, ecdsa or rsa"));
        }
    }
    if types.is_empty() {
        types = vec!["ed25519".to_owned(), "ecdsa".to_owned()];
    }
    let file = |kind: &str| format!("{directory}/ssh_host_{kind}_key");
    let mut old = input.guest.list(directory);
    old.retain(|name| name.starts_with("ssh_host_") && name.contains("key"));
    if keys.ssh_deletekeys == Some(false) {
        // Those that are there stay; sshd does not start without any.
        types.retain(|kind| !input.guest.exists(&file(kind)));
        old.clear();
    }
    // Once for an instance, also where there are none, and apart from the making: a type that this guest cannot make is
    // tried again at the next boot, and must not cost the keys that others have made by then.
    let step = planner.step("ssh host keys of another instance", &origin);
    for name in old {
        step.remove(format!("{directory}/{name}"));
    }
    for name in types {
        let path = file(&name);
        let step = planner.step(format!("ssh host key {name}"), &origin);
        if let Some(kind) = Kind::named(&name) {
            step.action(Action::HostKey { kind, path: path.into() });
        } else {
            let mut command = Command::tool(["ssh-keygen", "-q", "-t", &name, "-N", "", "-C", "", "-f", &path]);
            command.waits_for_boot = true;
            step.remove(&path).run(command);
        }
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

    /// What is done about the host keys of a guest that has an ECDSA one: types made, and the number of removals.
    fn host_keys_of(config: &str) -> (Vec<String>, usize) {
        let bench = Bench::new(config).file("/etc/ssh/ssh_host_ecdsa_key", "");
        let outcome = bench.file("/etc/ssh/ssh_host_ecdsa_key.pub", "").plan(plan);
        let mut made = Vec::new();
        let mut removed = 0;
        for action in outcome.steps.iter().flat_map(|step| &step.actions) {
            match action {
                Action::HostKey { kind, .. } => made.push(kind.name().to_owned()),
                Action::Run(command) => made.push(command.argv[3].clone()),
                Action::Remove { path } if path.to_string_lossy().contains("ecdsa") => removed += 1,
                _ => {}
            }
        }
        (made, removed)
    }

    #[test]
    fn host_keys_of_the_image_go_and_new_ones_are_made() {
        assert_eq!(host_keys_of(""), (vec!["ed25519".to_owned(), "ecdsa".to_owned()], 2));
        assert_eq!(host_keys_of("ssh_genkeytypes: [rsa, ed25519]"), (vec!["rsa".to_owned(), "ed25519".to_owned()], 2));
    }

    #[test]
    fn without_ssh_deletekeys_only_missing_host_keys_are_made() {
        assert_eq!(host_keys_of("ssh_deletekeys: false"), (vec!["ed25519".to_owned()], 0));
        assert_eq!(host_keys_of("ssh_deletekeys: false\nssh_genkeytypes: [ecdsa]"), (vec![], 0));
    }
}
