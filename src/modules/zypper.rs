// SPDX-License-Identifier: Apache-2.0
//! Repositories of zypper, each in a file of its own, and the settings of libzypp.
//!
//! Keys as cloud-init's `cc_zypper_add_repo`. Unlike there a setting takes the place of the one that is in `zypp.conf`
//! (the peer adds its lines again at each boot), counts without repositories too, and may be `false`.

use std::path::{Path, PathBuf};

use crate::config::document::{Data, Node};
use crate::config::types::{Named, Verbatim};
use crate::finding::{Finding, Located};
use crate::guest::Family;
use crate::modules::repository::{self, Options};
use crate::modules::{Input, Module, Planner};
use crate::plan::action::Edit;
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "zypper", stage: Stage::Local, frequency: Frequency::PerInstance, keys: Keys::KEYS, plan };

crate::keys! {
    struct Keys {
        /// Repositories and settings of zypper.
        zypper: Located<Zypper>,
    }
}

crate::keys! {
    struct Zypper {
        /// Repositories: each with `id` and `baseurl`, and whatever else a `.repo` file may have.
        repos: Vec<Node>,
        /// Settings for `zypp.conf`.
        config: Located<Named<Verbatim>>,
    }
}

fn plan(input: &Input, planner: &mut Planner) {
    let Some(zypper) = Keys::take(input.config, &mut planner.findings).zypper else { return };
    if !input.guest.uses(Family::Suse, &["zypper"]) {
        return planner.finding(Finding::error(&zypper.origin, "this guest has no zypper; `zypper` is left out"));
    }
    let mut directory = PathBuf::from("/etc/zypp/repos.d");
    if let Some(config) = zypper.value.config {
        let mut settings = Vec::new();
        for (key, Verbatim(value)) in config.value.0 {
            if key.value == "configdir" {
                let moved = "where zypper has its settings can't be changed; `configdir` is left out";
                planner.finding(Finding::error(&key.origin, moved));
            } else if key.contains(['\n', '=']) || value.contains('\n') {
                planner.finding(Finding::error(&key.origin, format!("`{}` is no setting; it is left out", *key)));
            } else {
                if key.value == "reposdir" && Path::new(&value).is_absolute() {
                    directory = PathBuf::from(&value);
                }
                settings.push((key.value, value));
            }
        }
        if !settings.is_empty() {
            let edit = Edit::new("/etc/zypp/zypp.conf", move |old| set(old, &settings));
            planner.step("zypper config", &config.origin).edit(edit);
        }
    }
    for repo in zypper.value.repos.unwrap_or_default() {
        let id =
            repo.get("id").and_then(|id| id.text().map(|text| Located::new(text.replace(' ', "_"), id.origin.clone())));
        let options = Options::read(&repo, &mut planner.findings).without("id");
        match id {
            Some(id) if matches!(repo.data, Data::Mapping(_)) && options.have(&["baseurl"]) => {
                let options = options.or("enabled", "1").or("autorefresh", "1");
                repository::step("zypper", &id, &directory, &options, input, planner);
            }
            _ => planner.finding(Finding::error(
                &repo.origin,
                "a repository wants an `id` and a `baseurl`; this one is left out",
            )),
        }
    }
}

/// The file with each setting on a line of its own, where it was or at the end.
fn set(old: &str, settings: &[(String, String)]) -> String {
    let mut lines: Vec<String> = old.lines().map(str::to_owned).collect();
    if lines.is_empty() {
        lines.push("[main]".to_owned());
    }
    for (key, value) in settings {
        let new = format!("{key} = {value}");
        match lines.iter_mut().find(|line| line.split_once('=').is_some_and(|(name, _)| name.trim() == key)) {
            Some(line) => *line = new,
            None => lines.push(new),
        }
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::{Bench, Outcome};

    fn plans(config: &str) -> Outcome {
        let bench = Bench::new(config).file("/etc/os-release", "ID=sles\nID_LIKE=suse\n");
        bench.file("/etc/zypp/zypp.conf", "[main]\n# arch = s390\nsolver.onlyRequires = false\n").plan(plan)
    }

    #[test]
    fn repositories_are_on_and_refreshed_unless_they_say_otherwise() {
        let outcome = plans("zypper: {repos: [{id: my oss, baseurl: http://a/, autorefresh: off}]}");
        let content = outcome.content("/etc/zypp/repos.d/my_oss.repo").unwrap();
        assert!(content.ends_with("\n[my_oss]\nbaseurl = http://a/\nautorefresh = 0\nenabled = 1\n"), "{content}");
        let outcome = plans("zypper: {repos: [{id: a}, {baseurl: x}, x, {id: b, baseurl: x}]}");
        assert_eq!((outcome.steps(), outcome.said().len()), (vec!["zypper b"], 3));
    }

    #[test]
    fn settings_take_the_place_of_those_that_are_there() {
        let config = "zypper: {config: {solver.onlyRequires: true, download.use_deltarpm: false, configdir: /x}}";
        let outcome = plans(config);
        let content = outcome.content("/etc/zypp/zypp.conf").unwrap();
        assert_eq!(content, "[main]\n# arch = s390\nsolver.onlyRequires = true\ndownload.use_deltarpm = false\n");
        assert_eq!(outcome.said().len(), 1);
        let same = [("a".to_owned(), "b".to_owned())];
        assert_eq!(set(&set("", &same), &same), "[main]\na = b\n");
    }

    #[test]
    fn the_directory_of_the_settings_is_where_repositories_go() {
        let outcome = plans("zypper: {config: {reposdir: /srv/r}, repos: [{id: a, baseurl: x}]}");
        assert!(outcome.content("/srv/r/a.repo").is_some());
    }
}
