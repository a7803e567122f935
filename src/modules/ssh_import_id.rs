// SPDX-License-Identifier: Apache-2.0
//! Public keys that people keep at Launchpad or GitHub.
//!
//! Key as cloud-init's `cc_ssh_import_id`, at the top for the default user and in `users[]` for any. Unlike there the keys
//! are fetched in process: the guest needs no `ssh-import-id`; and the default user's own entry counts too.

use std::time::Duration;

use crate::config::types::OneOrMany;
use crate::finding::{Finding, Located};
use crate::modules::{Input, Module, Planner, users};
use crate::plan::action::Action;
use crate::plan::request::{Purpose, Request};
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "ssh_import_id", stage: Stage::Network, frequency: Frequency::PerInstance, keys: Keys::KEYS, plan };

crate::keys! {
    struct Keys {
        /// Whose published keys the default user gets: `gh:name` at GitHub, `lp:name` or `name` at Launchpad.
        ssh_import_id: OneOrMany<Located<String>>,
    }
}

/// For each word before the colon, what stands before and behind the name in the URL of its keys.
const SERVERS: [(&str, &str, &str); 2] =
    [("gh", "https://github.com/", ".keys"), ("lp", "https://launchpad.net/~", "/+sshkeys")];

const TRIES: u32 = 3;
const PATIENCE: Duration = Duration::from_secs(60);
/// Longer than any name there.
const LONGEST_NAME: usize = 64;

fn plan(input: &Input, planner: &mut Planner) {
    let of_default = Keys::take(input.config, &mut planner.findings).ssh_import_id.map_or_else(Vec::new, |ids| ids.0);
    let users = users::imports(input);
    if let (Some(id), false) = (of_default.first(), users.iter().any(|(_, is_default, _)| *is_default)) {
        let nobody = "no default user is made that could get these keys; they are left out";
        planner.finding(Finding::error(&id.origin, nobody).help("name them in the entry of a user, or add `default`"));
    }
    for (user, is_default, own) in users {
        let more = if is_default { &of_default[..] } else { &[] };
        let mut seen = Vec::new();
        for id in more.iter().chain(&own) {
            let Some((mark, url)) = published(id, planner) else { continue };
            if seen.contains(&url) {
                continue;
            }
            seen.push(url.clone());
            let purpose = Purpose::Keys { user: user.clone(), mark: mark.clone() };
            let request = Request { url, headers: Vec::new(), tries: TRIES, limit: PATIENCE, purpose };
            planner.step(format!("ssh_import_id {user} {mark}"), &id.origin).action(Action::Request(request));
        }
    }
}

/// The id in full, and where its keys are.
fn published(id: &Located<String>, planner: &mut Planner) -> Option<(String, String)> {
    let (server, name) = id.split_once(':').unwrap_or(("lp", id));
    let good = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
    let valid = !name.is_empty() && name.len() <= LONGEST_NAME && name.chars().all(good);
    let found = SERVERS.iter().find(|(word, ..)| valid && *word == server);
    if found.is_none() {
        let unknown = format!("`{}` names no keys; it is left out", id.value);
        planner.finding(Finding::error(&id.origin, unknown).help("`gh:name` at GitHub, `lp:name` at Launchpad"));
    }
    found.map(|(word, before, behind)| (format!("{word}:{name}"), format!("{before}{name}{behind}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::{Bench, Outcome};

    fn urls(outcome: &Outcome) -> Vec<(String, String)> {
        let urls = outcome.steps.iter().flat_map(|step| &step.actions).map(|action| match action {
            Action::Request(Request { url, purpose: Purpose::Keys { user, .. }, .. }) => (user.clone(), url.clone()),
            other => panic!("{other:?}"),
        });
        urls.collect()
    }

    #[test]
    fn each_user_gets_the_keys_that_are_named_for_it() {
        let outcome = Bench::new(
            "ssh_import_id: [gh:octo, lp:smoser, octo]\nusers:\n - {name: ubuntu, ssh_import_id: x}\n - default\n - {name: ops, ssh_import_id: [gh:ops, gh:ops]}\nsystem_info: {default_user: {name: ubuntu}}\n",
        )
        .plan(plan);
        let expected = [
            ("ubuntu", "https://github.com/octo.keys"),
            ("ubuntu", "https://launchpad.net/~smoser/+sshkeys"),
            ("ubuntu", "https://launchpad.net/~octo/+sshkeys"),
            ("ubuntu", "https://launchpad.net/~x/+sshkeys"),
            ("ops", "https://github.com/ops.keys"),
        ];
        assert_eq!(urls(&outcome), expected.map(|(user, url)| (user.to_owned(), url.to_owned())));
        assert_eq!(outcome.steps()[2], "ssh_import_id ubuntu lp:octo");
        assert_eq!(outcome.findings.iter().count(), 0);
    }

    #[test]
    fn what_names_no_keys_costs_only_itself() {
        let outcome =
            Bench::new("users: [{name: ops, ssh_import_id: ['gh:../x', 'gl:a', 'gh:', '', 'lp:a?b', gh:good]}]")
                .plan(plan);
        assert_eq!((outcome.steps(), outcome.findings.iter().count()), (vec!["ssh_import_id ops gh:good"], 5));
        let nobody = Bench::new("users: []\nssh_import_id: gh:octo\n").plan(plan);
        assert_eq!((nobody.steps().len(), nobody.findings.iter().count()), (0, 1));
    }
}
