// SPDX-License-Identifier: Apache-2.0
//! Where Alpine's packages come from: `/etc/apk/repositories`.
//!
//! Keys as cloud-init's `cc_apk_configure`. Unlike there a version or a mirror that is left out is the guest's own.

use crate::finding::{Finding, Located};
use crate::guest::{Family, Guest};
use crate::modules::{Input, Module, Planner};
use crate::plan::action::Write;
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "apk_repos", stage: Stage::Local, frequency: Frequency::PerInstance, keys: Keys::KEYS, plan };

const FILE: &str = "/etc/apk/repositories";

crate::keys! {
    struct Keys {
        /// Where packages of apk come from.
        apk_repos: Located<Repos>,
    }
}

crate::keys! {
    struct Repos {
        /// Leave the file as it is.
        preserve_repositories: bool,
        /// The distribution's own repositories.
        alpine_repo: Located<Alpine>,
        /// A repository of one's own; the version is added to it.
        local_repo_base_url: Located<String>,
    }
}

crate::keys! {
    struct Alpine {
        /// The mirror, up to what precedes the version. Default: the one that the guest has now.
        base_url: Located<String>,
        /// With the community's packages.
        community_enabled: bool,
        /// With what is being tested, which is always that of `edge`.
        testing_enabled: bool,
        /// Such as `v3.20` or `edge`. Default: the guest's own.
        version: Located<String>,
    }
}

fn plan(input: &Input, planner: &mut Planner) {
    let Some(repos) = Keys::take(input.config, &mut planner.findings).apk_repos else { return };
    if repos.preserve_repositories == Some(true) {
        return;
    }
    if !input.guest.uses(Family::Alpine, &["apk"]) {
        return planner.finding(Finding::error(&repos.origin, "this guest has no apk; `apk_repos` is left out"));
    }
    let Some(alpine) = &repos.alpine_repo else {
        let none = "`apk_repos` without `alpine_repo` changes nothing";
        return planner.finding(Finding::error(&repos.origin, none).help("alpine_repo: {version: v3.20}"));
    };
    let given = [&alpine.base_url, &alpine.version, &repos.local_repo_base_url];
    let mut given = given.into_iter().flatten();
    if let Some(bad) = given.find(|word| word.is_empty() || word.contains(char::is_whitespace)) {
        let wrong = format!("`{}` is no address and no version; `apk_repos` is left out", **bad);
        return planner.finding(Finding::error(&bad.origin, wrong));
    }
    let version = alpine.version.as_ref().map(|version| version.value.clone()).or_else(|| release(input.guest));
    let base = alpine.base_url.as_ref().map(|url| url.value.clone()).or_else(|| mirror(input.guest));
    let (Some(version), Some(base)) = (version, base) else {
        let unknown = "neither this guest nor the user-data says which version and which mirror; nothing is changed";
        return planner.finding(Finding::error(&alpine.origin, unknown).help("alpine_repo: {base_url: …, version: …}"));
    };
    let base = base.trim_end_matches('/');
    let mut lines = vec![format!("{base}/{version}/main")];
    if alpine.community_enabled == Some(true) {
        lines.push(format!("{base}/{version}/community"));
    }
    if alpine.testing_enabled == Some(true) {
        lines.push(format!("{base}/edge/testing"));
        if version != "edge" {
            let mixed = format!("packages of edge/testing may need more of `edge` than {version} has");
            planner.finding(Finding::warning(&alpine.origin, mixed));
        }
    }
    if let Some(local) = &repos.local_repo_base_url {
        lines.push(format!("{}/{version}", local.trim_end_matches('/')));
    }
    planner.step("apk_repos", &alpine.origin).write(Write::new(FILE, lines.join("\n") + "\n"));
}

/// `3.20.3` is of the branch `v3.20`; what has no second number (`3.21_alpha…` has) is edge.
fn release(guest: &Guest) -> Option<String> {
    let mut numbers = guest.version.split(['.', '_']);
    let (major, minor) = (numbers.next()?.parse::<u32>().ok()?, numbers.next()?.parse::<u32>().ok()?);
    Some(if guest.version.contains('_') { "edge".to_owned() } else { format!("v{major}.{minor}") })
}

/// The mirror that the guest has now: `https://h/alpine/v3.20/main` without its last two parts.
fn mirror(guest: &Guest) -> Option<String> {
    let text = guest.read_text(FILE)?;
    let mut lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let main = lines.find_map(|line| line.strip_suffix("/main").filter(|line| line.contains("://")))?;
    Some(main.rsplit_once('/')?.0.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::{Bench, Outcome};

    fn plans(config: &str) -> Outcome {
        let bench = Bench::new(config).file("/etc/os-release", "ID=alpine\nVERSION_ID=3.20.3\n");
        bench.file(FILE, "/media/cdrom/apks\n#http://x/alpine/v3/main\nhttps://h/alpine/v3.20/main\n").plan(plan)
    }

    #[test]
    fn what_is_left_out_is_the_guest_s_own() {
        for (config, expected) in [
            ("{community_enabled: yes}", "https://h/alpine/v3.20/main\nhttps://h/alpine/v3.20/community\n"),
            ("{base_url: http://m/a/, version: v3.19}", "http://m/a/v3.19/main\n"),
            ("{version: edge, testing_enabled: yes}", "https://h/alpine/edge/main\nhttps://h/alpine/edge/testing\n"),
        ] {
            let outcome = plans(&format!("apk_repos: {{alpine_repo: {config}}}"));
            assert_eq!(outcome.content(FILE).as_deref(), Some(expected));
        }
        let local = plans("apk_repos: {alpine_repo: {version: v3.12}, local_repo_base_url: http://l/}");
        assert!(local.content(FILE).unwrap().ends_with("\nhttp://l/v3.12\n"));
    }

    #[test]
    fn what_can_not_be_written_changes_nothing() {
        for config in ["{}", "{alpine_repo: {version: 'a b'}}", "{alpine_repo: , local_repo_base_url: x}"] {
            let outcome = plans(&format!("apk_repos: {config}"));
            assert_eq!((outcome.steps.len(), outcome.said().len()), (0, 1), "{config}");
        }
        assert_eq!(plans("apk_repos: {preserve_repositories: true, alpine_repo: {version: edge}}").steps.len(), 0);
        assert_eq!(plans("apk_repos: {alpine_repo: {testing_enabled: yes}}").said().len(), 1);
    }
}
