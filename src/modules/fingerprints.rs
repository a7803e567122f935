// SPDX-License-Identifier: Apache-2.0
//! The fingerprints of host keys and authorized keys on the console, for whoever is to trust this machine at first sight.
//!
//! Keys as cloud-init's `cc_ssh_authkey_fingerprints` and `cc_keys_to_console`. Host keys stand between the lines that
//! scrapers of consoles look for. Fingerprints are as `ssh-keygen -l` prints them, authorized keys' too, so that they can
//! be compared.

use std::path::Path;

use crate::config::types::OneOrMany;
use crate::error::Result;
use crate::finding::{Finding, Located};
use crate::modules::{Input, Module, Planner, users};
use crate::plan::accounts;
use crate::plan::action::{Action, Report};
use crate::plan::step::{Frequency, Stage};
use crate::public_key::{Digest, PublicKey};
use crate::root::Tree;

/// See the file's head.
pub const MODULE: Module =
    Module { name: "fingerprints", stage: Stage::Final, frequency: Frequency::PerInstance, keys: Keys::KEYS, plan };

crate::keys! {
    struct Keys {
        /// Leave the fingerprints of authorized keys out.
        no_ssh_fingerprints: bool,
        /// What their fingerprints are made with: `sha256` (the default) or `sha512`.
        authkey_hash: Located<String>,
        /// What is printed of the host keys.
        ssh: Located<Ssh>,
        /// Types of host keys that are not printed, e.g. `ssh-rsa`.
        ssh_key_console_blacklist: OneOrMany<String>,
        /// Types of host keys whose fingerprints are not printed.
        ssh_fp_console_blacklist: OneOrMany<String>,
    }
}

crate::keys! {
    struct Ssh {
        /// Print the host's public keys and their fingerprints (the default).
        emit_keys_to_console: bool,
    }
}

const DIRECTORY: &str = "/etc/ssh";

fn plan(input: &Input, planner: &mut Planner) {
    let keys = Keys::take(input.config, &mut planner.findings);
    let host =
        keys.ssh.as_ref().and_then(|ssh| ssh.emit_keys_to_console) != Some(false) && input.guest.exists(DIRECTORY);
    let digest = digest(keys.authkey_hash.as_ref(), planner);
    let users = if keys.no_ssh_fingerprints == Some(true) { Vec::new() } else { users::with_homes(input) };
    if !host && users.is_empty() {
        return;
    }
    let origin = keys.ssh.map_or_else(|| input.instance.id.origin.clone(), |ssh| ssh.origin);
    let hidden =
        [keys.ssh_fp_console_blacklist, keys.ssh_key_console_blacklist].map(|types| types.unwrap_or_default().0);
    let lines = move |tree: &dyn Tree| {
        let mut text = String::new();
        for user in &users {
            text += &authorized(tree, user, digest)?;
        }
        if host {
            text += &host_keys(tree, &hidden)?;
        }
        Ok(text)
    };
    let report = Report::new("the fingerprints of the ssh keys, as they are then", lines);
    planner.step("fingerprints", &origin).action(Action::Report(report));
}

fn digest(asked: Option<&Located<String>>, planner: &mut Planner) -> Digest {
    match asked.map(|asked| (asked, asked.to_ascii_lowercase())) {
        Some((_, word)) if word == "sha512" => Digest::Sha512,
        Some((asked, word)) if word != "sha256" => {
            let other =
                format!("fingerprints are made with sha256 or sha512, not `{}`; sha256 is taken", word.escape_debug());
            planner.finding(Finding::warning(&asked.origin, other));
            Digest::Sha256
        }
        _ => Digest::Sha256,
    }
}

/// What there is of a user's keys; nothing of a user who is not there.
fn authorized(tree: &dyn Tree, user: &str, digest: Digest) -> Result<String> {
    let Some((file, text)) = accounts::authorized_keys(tree, user)? else { return Ok(String::new()) };
    let keys: Vec<_> = text.lines().filter_map(PublicKey::parse).collect();
    if keys.is_empty() {
        return Ok(format!("no authorized SSH keys fingerprints found for user {user}.\n"));
    }
    let lines: String = keys.iter().map(|key| format!("  {}\n", key.fingerprint(digest))).collect();
    Ok(format!("Authorized keys from {} for user {user}\n{lines}", file.display()))
}

/// Host keys, first the fingerprints and then the keys, without the types that are hidden in each.
fn host_keys(tree: &dyn Tree, hidden: &[Vec<String>; 2]) -> Result<String> {
    let directory = Path::new(DIRECTORY);
    let names = tree.list(directory)?;
    let names = names.iter().filter(|name| name.starts_with("ssh_host_") && name.ends_with("key.pub"));
    let files = names.map(|name| Ok(tree.read_text(&directory.join(name))?.unwrap_or_default()));
    let files = files.collect::<Result<Vec<String>>>()?;
    let keys: Vec<_> = files.iter().filter_map(|line| PublicKey::parse(line)).collect();
    let [fingerprints, whole] =
        hidden.each_ref().map(|hidden| keys.iter().filter(move |key| hidden.iter().all(|hidden| hidden != key.kind)));
    Ok(block("FINGERPRINTS", fingerprints.map(|key| key.fingerprint(Digest::Sha256)))
        + &block("KEYS", whole.map(PublicKey::bare)))
}

/// Lines between the two that programs look for; nothing where there are none.
fn block(what: &str, lines: impl Iterator<Item = String>) -> String {
    let lines: String = lines.map(|line| line + "\n").collect();
    if lines.is_empty() {
        return lines;
    }
    format!("-----BEGIN SSH HOST KEY {what}-----\n{lines}-----END SSH HOST KEY {what}-----\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::Bench;
    use crate::scratch::Scratch;

    // ssh-keygen -t ed25519 -C one@example, and what -l prints of it.
    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDHjp+E0F3iw14xdX9VkA+BGOiRydt4RC84W3+iJB+P7 one@example";
    const PRINT: &str = "256 SHA256:1WrX+1hGvKxCfjGr0MQF4kU1+7OYzKPGKDAZTmegaNs one@example (ED25519)";

    /// What is said of a machine with one host key and the user `ops`; the findings.
    fn said(config: &str) -> (String, usize) {
        let bench = Bench::new(&format!("users: [ops, {{name: svc, system: true}}]\n{config}"));
        let outcome = bench.file("/etc/ssh/sshd_config", "").plan(plan);
        let scratch = Scratch::new();
        scratch.file("/etc/passwd", "ops:x:1:1::/home/ops:/bin/sh\nsvc:x:2:2::/:/bin/sh\n");
        scratch.file("/home/ops/.ssh/authorized_keys", &format!("# old\nno-pty {KEY}\nbroken\n"));
        scratch.file("/etc/ssh/ssh_host_ed25519_key.pub", &format!("{KEY}\n"));
        scratch.file("/etc/ssh/ssh_host_ed25519_key", "secret");
        scratch.file("/etc/ssh/ssh_host_rsa_key.pub", "cut off");
        let text = outcome.steps.iter().flat_map(|step| &step.actions).map(|action| match action {
            Action::Report(report) => (report.lines)(&scratch.root()).unwrap(),
            _ => panic!(),
        });
        (text.collect(), outcome.findings.iter().count())
    }

    #[test]
    fn keys_are_told_between_the_lines_that_programs_look_for() {
        let host = format!(
            "-----BEGIN SSH HOST KEY FINGERPRINTS-----\n{PRINT}\n-----END SSH HOST KEY FINGERPRINTS-----\n\
             -----BEGIN SSH HOST KEY KEYS-----\n{KEY}\n-----END SSH HOST KEY KEYS-----\n"
        );
        let users = format!("Authorized keys from /home/ops/.ssh/authorized_keys for user ops\n  {PRINT}\n");
        assert_eq!(said(""), (format!("{users}{host}"), 0));
        assert_eq!(said("no_ssh_fingerprints: true"), (host, 0));
        assert_eq!(said("ssh: {emit_keys_to_console: false}"), (users.clone(), 0));
        assert_eq!(said("ssh: {emit_keys_to_console: false}\nno_ssh_fingerprints: true"), (String::new(), 0));
    }

    #[test]
    fn types_are_hidden_by_name() {
        let (text, _) = said("ssh_fp_console_blacklist: ssh-ed25519\nno_ssh_fingerprints: true");
        assert!(!text.contains("FINGERPRINTS") && text.contains(KEY), "{text}");
        let (text, _) = said("ssh_key_console_blacklist: [ssh-ed25519]\nno_ssh_fingerprints: true");
        assert!(text.contains(PRINT) && !text.contains(KEY), "{text}");
    }

    #[test]
    fn another_digest_is_one_that_is_known() {
        assert!(said("authkey_hash: sha512").0.contains("  256 SHA512:"));
        let (text, findings) = said("authkey_hash: md5");
        assert!(text.contains(&format!("  {PRINT}")) && findings == 1);
    }
}
