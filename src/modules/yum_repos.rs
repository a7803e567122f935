// SPDX-License-Identifier: Apache-2.0
//! Repositories of dnf and yum, each in a file of its own.
//!
//! Keys as cloud-init's `cc_yum_add_repo`.

use std::path::{Path, PathBuf};

use crate::config::document::{Data, Node};
use crate::config::types::Named;
use crate::finding::{Finding, Located};
use crate::guest::Family;
use crate::modules::repository::{self, Options};
use crate::modules::{Input, Module, Planner};
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "yum_repos", stage: Stage::Local, frequency: Frequency::PerInstance, keys: Keys::KEYS, plan };

crate::keys! {
    struct Keys {
        /// Repositories by their names; each a mapping of the options that yum.conf(5) has for one.
        yum_repos: Located<Named<Node>>,
        /// Where to, in place of `/etc/yum.repos.d`.
        yum_repo_dir: PathBuf,
    }
}

fn plan(input: &Input, planner: &mut Planner) {
    let keys = Keys::take(input.config, &mut planner.findings);
    let Some(repos) = keys.yum_repos else { return };
    if !input.guest.uses(Family::RedHat, &["dnf", "yum", "microdnf"]) {
        let none = "this guest has neither dnf nor yum; these repositories are left out";
        return planner.finding(Finding::error(&repos.origin, none));
    }
    let directory = keys.yum_repo_dir.unwrap_or_else(|| Path::new("/etc/yum.repos.d").to_owned());
    for (id, node) in repos.value.0 {
        if !matches!(node.data, Data::Mapping(_)) && !node.is_null() {
            let wrong = format!("expected the options of `{}`, found {}; it is left out", *id, node.described());
            planner.finding(Finding::error(&node.origin, wrong));
            continue;
        }
        let options = Options::read(&node, &mut planner.findings);
        if !options.have(&["baseurl", "metalink", "mirrorlist"]) {
            let nowhere = format!("the repository `{}` says nowhere where it is; it is left out", *id);
            planner.finding(Finding::error(&id.origin, nowhere).help("`baseurl`, `metalink` or `mirrorlist`"));
            continue;
        }
        repository::step("yum_repos", &id.map(|id| id.replace(' ', "-")), &directory, &options, input, planner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::{Bench, Outcome};

    fn plans(config: &str) -> Outcome {
        Bench::new(config)
            .file("/etc/os-release", "ID=rocky\nID_LIKE=\"rhel fedora\"\n")
            .file("/etc/yum.repos.d/rocky.repo", "[x]\n")
            .plan(plan)
    }

    #[test]
    fn options_are_written_as_dnf_reads_them() {
        let outcome = plans("yum_repos: {my repo: {baseurl: [http://a/, http://b/], enabled: yes, gpg-check: off}}");
        let content = outcome.content("/etc/yum.repos.d/my-repo.repo").unwrap();
        let lines = content.split_once('\n').unwrap().1;
        assert_eq!(lines, "[my-repo]\nbaseurl = http://a/\n\thttp://b/\nenabled = 1\ngpg_check = 0\n");
        let outcome = plans("yum_repos: {a: {metalink: http://a/}}\nyum_repo_dir: /srv/repos\n");
        assert!(outcome.content("/srv/repos/a.repo").is_some());
    }

    #[test]
    fn one_that_is_nowhere_or_in_the_way_costs_only_itself() {
        let outcome =
            plans("yum_repos: {a: {name: a}, b: , rocky: {baseurl: x}, ../c: {baseurl: x}, d: [x], e: {baseurl: x}}");
        assert_eq!(outcome.steps(), ["yum_repos e"]);
        assert_eq!(outcome.said().len(), 5, "{:?}", outcome.said());
        assert_eq!(Bench::new("yum_repos: {a: {baseurl: x}}").plan(plan).steps.len(), 0);
    }

    #[test]
    fn a_password_is_for_root_alone() {
        let outcome = plans("yum_repos: {a: {baseurl: http://a/, username: u, password: p}}");
        let crate::plan::action::Action::Write(write) = &outcome.steps[0].actions[0] else { panic!() };
        assert!(write.secret && write.mode == 0o600);
    }
}
