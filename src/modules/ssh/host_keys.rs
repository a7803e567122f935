// SPDX-License-Identifier: Apache-2.0
//! The host's own keys: those of the image go, and those that are given, or new ones, take their place.

use std::path::PathBuf;

use crate::finding::Finding;
use crate::guest::{Family, Guest};
use crate::host_key::Kind;
use crate::modules::ssh::{Keys, given};
use crate::modules::{Input, Planner};
use crate::plan::action::{Action, Command, Owner};

/// Where sshd looks for its keys unless it is told otherwise.
const DIRECTORY: &str = "/etc/ssh";

/// The private key of that type; beside it are its `.pub` and, where it has one, its certificate.
pub fn file(kind: &str) -> String {
    format!("{DIRECTORY}/ssh_host_{kind}_key")
}

/// Which keys there will be.
pub fn plan(keys: &Keys, input: &Input, planner: &mut Planner) {
    if !input.guest.exists(DIRECTORY) {
        return;
    }
    let given = given::good(keys.ssh_keys.as_ref(), &mut planner.findings);
    let mut types = wanted(keys, planner);
    let asked = keys.ssh_genkeytypes.as_ref().and_then(|types| types.0.first()).map(|first| &first.origin);
    let first = given.first().map(|key| &key.origin);
    let origin = first.or(asked).unwrap_or(&input.instance.id.origin).clone();
    let mut old = input.guest.list(DIRECTORY);
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
        step.remove(format!("{DIRECTORY}/{name}"));
    }
    let permissions = Permissions::of(input.guest);
    if !given.is_empty() {
        return given::plan(given, &permissions, input, planner);
    }
    for name in types {
        let path = file(&name);
        let step = planner.step(format!("ssh host key {name}"), &origin);
        if let Some(kind) = Kind::named(&name) {
            let Permissions { mode, owner } = permissions.clone();
            step.action(Action::HostKey { kind, path: path.into(), mode, owner });
        } else {
            let mut command = Command::tool(["ssh-keygen", "-q", "-t", &name, "-N", "", "-C", "", "-f", &path]);
            command.waits_for_boot = true;
            step.remove(&path).run(command);
            if permissions.owner != Owner::Root {
                step.run(Command::tool(["chgrp", GROUP, &path])).run(Command::tool(["chmod", "0640", &path]));
            }
        }
    }
}

/// The types that are asked for, ed25519 and ecdsa where none is.
fn wanted(keys: &Keys, planner: &mut Planner) -> Vec<String> {
    let mut types = Vec::new();
    for kind in keys.ssh_genkeytypes.iter().flat_map(|types| &types.0) {
        if ["ed25519", "ecdsa", "rsa"].contains(&kind.as_str()) {
            types.push(kind.value.clone());
        } else {
            let unknown = format!("`{}` is no type of host key; it is left out", kind.escape_debug());
            planner.finding(Finding::error(&kind.origin, unknown).help("ed25519, ecdsa or rsa"));
        }
    }
    if types.is_empty() { ["ed25519", "ecdsa"].map(str::to_owned).to_vec() } else { types }
}

/// Who may read private host keys.
#[derive(Clone)]
pub struct Permissions {
    /// Permission bits.
    pub mode: u32,
    /// root, and a group where its members may sign with them.
    pub owner: Owner,
}

/// RHEL's group of those who may.
const GROUP: &str = "ssh_keys";

impl Permissions {
    /// 0600; 0640 for a group of readers where the distribution's sshd is older than 9.0 and patched so that it takes such a
    /// key (RHEL 9, Amazon Linux 2023 and earlier ones; Fedora before 38).
    fn of(guest: &Guest) -> Self {
        let major: u32 = guest.version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or_default();
        let modern = match guest.distribution.first().map(String::as_str) {
            Some("fedora") => major >= 38,
            Some("amzn") => false,
            _ => major >= 10,
        };
        if guest.family() == Family::RedHat && !modern && guest.has_group(GROUP) {
            Self { mode: 0o640, owner: Owner::Named("root".to_owned(), GROUP.to_owned()) }
        } else {
            Self { mode: 0o600, owner: Owner::Root }
        }
    }
}

/// The path of what stands beside a private key.
pub fn beside(kind: &str, ending: &str) -> PathBuf {
    format!("{}{ending}", file(kind)).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::ssh::MODULE;
    use crate::modules::testing::Bench;

    /// What is done about the host keys of a guest that has an ECDSA one: types made, and the number of removals.
    fn host_keys_of(config: &str) -> (Vec<String>, usize) {
        let bench = Bench::new(config).file("/etc/ssh/ssh_host_ecdsa_key", "");
        let outcome = bench.file("/etc/ssh/ssh_host_ecdsa_key.pub", "").plan(MODULE.plan);
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

    #[test]
    fn a_group_reads_private_keys_only_where_its_sshd_lets_it() {
        let mode = |release: &str, group: &str| {
            let bench = Bench::new("").file("/etc/os-release", release).file("/etc/group", group);
            let outcome = bench.file("/etc/ssh/sshd_config", "").plan(MODULE.plan);
            let mut modes = outcome.steps.iter().flat_map(|step| &step.actions).filter_map(|action| match action {
                Action::HostKey { mode, .. } => Some(*mode),
                _ => None,
            });
            modes.next().unwrap()
        };
        let group = "root:x:0:\nssh_keys:x:101:\n";
        for (release, expected) in [
            ("ID=rocky\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=9.4\n", 0o640),
            ("ID=rhel\nVERSION_ID=10.0\n", 0o600),
            ("ID=fedora\nVERSION_ID=37\n", 0o640),
            ("ID=fedora\nVERSION_ID=40\n", 0o600),
            ("ID=amzn\nID_LIKE=fedora\nVERSION_ID=2023\n", 0o640),
            ("ID=debian\nVERSION_ID=9\n", 0o600),
        ] {
            assert_eq!(mode(release, group), expected, "{release}");
            assert_eq!(mode(release, "root:x:0:\n"), 0o600, "{release}");
        }
    }
}
