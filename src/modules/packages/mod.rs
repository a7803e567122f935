// SPDX-License-Identifier: Apache-2.0
//! Packages: lists fetched, what is there upgraded, what is asked for installed, by the guest's own package manager.
//!
//! Keys as cloud-init's `cc_package_update_upgrade_install`. All packages are installed in one transaction; where that
//! fails each is tried by itself, and which one failed is in the status. A reboot that a package asks for comes when
//! everything else is done, not in the middle of the stage, and at most once for an instance.

use std::path::PathBuf;

use crate::config::document::Node;
use crate::finding::{Finding, Located, Origin};
use crate::guest::Family;
use crate::modules::{Input, Module, Planner, ansible, ntp, power_state, rsyslog, shell, wireguard};
use crate::plan::action::{Action, Command, Progress};
use crate::plan::power::{self, PowerState};
use crate::plan::step::{Frequency, Stage};
use crate::state;

mod manager;
mod wanted;

use manager::Manager;
use wanted::Wanted;

/// See the file's head.
pub const MODULE: Module =
    Module { name: "packages", stage: Stage::Final, frequency: Frequency::PerInstance, keys: Keys::KEYS, plan };

/// The reboot that a package asks for: after everything but what the user says of the machine's power.
pub const REBOOT: Module =
    Module { name: "packages", stage: Stage::Final, frequency: Frequency::PerInstance, keys: &[], plan: reboot };

crate::keys! {
    struct Keys {
        /// Packages to install: names, `[name, version]`, or `{apt: [...], snap: [...]}` for one manager only.
        packages: Node,
        /// Fetch the lists of packages, also where nothing is to be installed.
        package_update: Located<bool>,
        /// Upgrade all packages first.
        package_upgrade: Located<bool>,
        /// Reboot at the end where a package asks for it.
        package_reboot_if_required: Located<bool>,
        /// Deprecated: `package_update`.
        apt_update: Located<bool>,
        /// Deprecated: `package_upgrade`.
        apt_upgrade: Located<bool>,
        /// Deprecated: `package_reboot_if_required`.
        apt_reboot_if_required: Located<bool>,
    }
}

/// What other topics need and the guest lacks is installed with the rest.
const REQUIRED: [Requires; 4] = [ansible::requires, ntp::requires, rsyslog::requires, wireguard::requires];
type Requires = fn(&Input) -> Vec<Located<String>>;

const INSTALL: &str = include_str!("install.sh");
/// What packages leave that ask for a reboot.
const REBOOT_SIGNS: [&str; 3] = ["/run/reboot-required", "/var/run/reboot-required", "/run/reboot-needed"];
/// Whether a reboot is asked for where it is told by a program of dnf-utils.
const NEEDS_RESTARTING: &str = "command -v needs-restarting >/dev/null && ! needs-restarting -r";
/// For questions that only some managers ask, and locks that only some wait for.
const ENVIRONMENT: [(&str, &str); 2] = [("DEBIAN_FRONTEND", "noninteractive"), ("ZYPP_LOCK_TIMEOUT", "120")];
const UPDATE_MINUTES: u64 = 20;
const INSTALL_MINUTES: u64 = 120;

fn plan(input: &Input, planner: &mut Planner) {
    let keys = Keys::take(input.config, &mut planner.findings);
    for (old, key) in [
        (&keys.apt_update, "package_update"),
        (&keys.apt_upgrade, "package_upgrade"),
        (&keys.apt_reboot_if_required, "package_reboot_if_required"),
    ] {
        if let Some(old) = old {
            planner.deprecated(&old.origin, &key.replace("package_", "apt_"), key);
        }
    }
    let update = asked(keys.package_update, keys.apt_update);
    let upgrade = asked(keys.package_upgrade, keys.apt_upgrade);
    let list = keys.packages.map(|list| (Wanted::read(&list, &mut planner.findings), list.origin));
    let manager = Manager::of(input.guest);
    let snaps = list.as_ref().map_or(&[][..], |(wanted, _)| &wanted.snaps).to_vec();
    let (mut wanted, mut origin) = list.unzip();
    for required in REQUIRED.iter().flat_map(|required| required(input)).filter(|name| !input.installs(name)) {
        origin.get_or_insert_with(|| required.origin.clone());
        wanted.get_or_insert_default().add(required, &mut planner.findings);
    }
    let install = wanted.zip(origin).and_then(|(wanted, origin)| {
        let names = wanted.names(manager, &mut planner.findings);
        (!names.is_empty()).then_some((names, origin))
    });
    let first = [&update, &upgrade].into_iter().flatten().next();
    if let Some(origin) = first.or(install.as_ref().map(|(_, origin)| origin)) {
        match manager {
            Some(manager) => {
                let job = Job { manager, input };
                job.step("packages update", manager.update, UPDATE_MINUTES, &[], origin, planner);
                if let Some(origin) = &upgrade {
                    job.step("packages upgrade", manager.upgrade, INSTALL_MINUTES, &[], origin, planner);
                }
                if let Some((names, origin)) = &install {
                    job.step("packages", manager.install, INSTALL_MINUTES, names, origin, planner);
                }
            }
            None => planner.finding(
                Finding::error(origin, "this guest has no package manager; nothing is installed")
                    .help("one of apt-get, dnf, yum, microdnf, zypper, apk, pacman"),
            ),
        }
    } else if let (Some(origin), Some(manager)) = (sources(input.config), manager) {
        // As with the peer, so that commands of the user find what the new sources have.
        Job { manager, input }.step("packages update", manager.update, UPDATE_MINUTES, &[], &origin, planner);
    }
    for (words, origin) in snaps {
        planner.snap(&words, &origin, input);
    }
}

/// Where it is asked for.
fn asked(key: Option<Located<bool>>, old: Option<Located<bool>>) -> Option<Origin> {
    [key, old].into_iter().flatten().find(|key| key.value).map(|key| key.origin)
}

/// Where new sources for apt are asked for.
fn sources(config: &Node) -> Option<Origin> {
    let sources = config.get("apt")?.get("sources")?;
    (!sources.entries().is_empty()).then(|| sources.origin.clone())
}

struct Job<'a> {
    manager: &'a Manager,
    input: &'a Input<'a>,
}

impl Job<'_> {
    fn step(
        &self,
        name: &str,
        what: &[&'static str],
        minutes: u64,
        names: &[String],
        origin: &Origin,
        planner: &mut Planner,
    ) {
        let file = name.replace(' ', "-");
        let words = self.manager.command(what).chain(["--"]).map(str::to_owned).chain(names.iter().cloned());
        let mut command = Command::fetching(minutes, words);
        command.env.extend(ENVIRONMENT.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let step = planner.step(name, origin);
        if !names.is_empty() {
            let path = state::scripts(&self.input.instance.id).join(&file).with_extension("progress");
            step.remove(path.clone());
            let entries = names.iter().cloned().enumerate().map(|(index, name)| (index + 1, name)).collect();
            command.progress = Some(Progress { path, entries, strict: false });
        }
        shell::tool(step, &file, INSTALL, command, self.input);
    }
}

fn reboot(input: &Input, planner: &mut Planner) {
    // What does not fit is said by the first pass.
    let keys = Keys::take(input.config, &mut Default::default());
    if let Some(origin) = asked(keys.package_reboot_if_required, keys.apt_reboot_if_required) {
        let command = power_state::shutdown("reboot", 0, None, input.guest);
        let condition = match input.guest.family() {
            Family::RedHat => power::Condition::Succeeds(Command::tool(["/bin/sh", "-c", NEEDS_RESTARTING])),
            _ => power::Condition::AnyExists(REBOOT_SIGNS.map(PathBuf::from).to_vec()),
        };
        planner.step("packages reboot", &origin).action(Action::PowerState(PowerState { command, condition }));
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::modules::testing::{Bench, Outcome};

    fn on(program: &str, config: &str) -> Outcome {
        Bench::new(config).program(program).plan(plan)
    }

    /// The words after the script's own path.
    fn asked_of(program: &str, config: &str) -> Vec<String> {
        let run = on(program, config).programs();
        run.iter()
            .map(|line| line.split_once("/scripts/packages").unwrap().1.split_once(' ').unwrap().1.to_owned())
            .collect()
    }

    #[test]
    fn each_manager_is_asked_in_its_own_words() {
        let config = "packages: [git, [nginx, '1.2']]\npackage_upgrade: true\n";
        for (program, expected) in [
            (
                "/sbin/apk",
                ["apk --wait 120 update --", "apk --wait 120 upgrade --", "apk --wait 120 add -- git nginx=1.2"],
            ),
            ("/usr/bin/dnf", ["dnf -y makecache --", "dnf -y upgrade --", "dnf -y install -- git nginx-1.2"]),
            (
                "/usr/bin/zypper",
                [
                    "zypper --non-interactive refresh --",
                    "zypper --non-interactive update --auto-agree-with-licenses --",
                    "zypper --non-interactive install --auto-agree-with-licenses -- git nginx=1.2",
                ],
            ),
        ] {
            assert_eq!(asked_of(program, config), expected);
        }
        let apt = &asked_of("/usr/bin/apt-get", config)[2];
        assert!(apt.starts_with("apt-get -q -y ") && apt.ends_with(" install -- git nginx=1.2"), "{apt}");
    }

    #[test]
    fn pacman_has_no_versions_and_the_others_are_installed() {
        let outcome = on("/usr/bin/pacman", "packages: [[nginx, '1.2'], git]");
        assert!(outcome.programs()[1].ends_with(" -S --needed -- git"));
        assert!(outcome.said()[0].contains("pacman"), "{:?}", outcome.said());
    }

    #[test]
    fn what_other_topics_need_is_installed_with_the_rest_and_once() {
        let of = |config: &str| {
            let bench = Bench::new(config).program("/usr/bin/apt-get").program("/usr/sbin/rsyslogd");
            bench.plan(plan).programs().pop().unwrap_or_default()
        };
        let needs = "ntp: {ntp_client: chrony}\nwireguard: {}\nansible: {package_name: ansible-core}\nrsyslog: {install_rsyslog: true}\n";
        assert!(of(needs).ends_with(" install -- ansible-core chrony wireguard-tools"), "{}", of(needs));
        let named = format!("{needs}packages: [chrony, vim]\n");
        assert!(of(&named).ends_with(" install -- chrony vim ansible-core wireguard-tools"), "{}", of(&named));
        assert_eq!(of("ansible: {package_name: '-x; id'}"), "");
    }

    #[test]
    fn old_names_work_and_their_successors_are_named() {
        let outcome = on("/sbin/apk", "apt_update: yes\napt_upgrade: yes\n");
        assert_eq!(outcome.steps(), ["packages update", "packages upgrade"]);
        assert_eq!(outcome.said().len(), 2);
        assert!(outcome.said()[1].contains("write `package_upgrade`"));
    }

    #[test]
    fn nothing_is_asked_for_nothing() {
        for config in ["packages: []", "package_update: false", "{}", "packages:"] {
            assert!(on("/sbin/apk", config).steps.is_empty(), "{config}");
        }
        let outcome = Bench::new("packages: [git]").plan(plan);
        assert_eq!((outcome.steps.len(), outcome.said().len()), (0, 1));
        assert_eq!(on("/usr/bin/apt-get", "apt: {sources: {a: {source: x}}}").steps(), ["packages update"]);
    }

    #[test]
    fn installing_needs_the_network_and_may_be_repeated_and_a_reboot_may_not() {
        let config = "packages: [git]\npackage_reboot_if_required: true\n";
        let plans = |plan: fn(&Input, &mut Planner)| Bench::new(config).program("/sbin/apk").plan(plan);
        let outcome = plans(|input, planner| {
            let mut own = Planner { stage: Stage::Final, ..Planner::default() };
            plan(input, &mut own);
            planner.steps = own.steps;
        });
        assert!(outcome.steps.iter().all(|step| step.is_for_the_network() && !step.at_most_once()));
        assert!(plans(reboot).step("packages reboot").at_most_once());
    }

    /// Runs the script with a manager that knows `good` and `fine` only: what it was asked, and what the script told.
    fn run(packages: &[&str]) -> (String, String, bool) {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).to_string_lossy().into_owned();
        std::fs::write(path("packages"), INSTALL).unwrap();
        let known =
            "#!/bin/sh\necho \"$*\" >>\"$0.asked\"\nshift\nfor p; do case $p in good|fine) ;; *) exit 7; esac; done\n";
        std::fs::write(path("manager"), known).unwrap();
        std::fs::set_permissions(path("manager"), PermissionsExt::from_mode(0o755)).unwrap();
        let mut shell = std::process::Command::new("/bin/sh");
        shell.args([path("packages"), path("manager"), "add".to_owned(), "--".to_owned()]).args(packages);
        // A machine with dpkg is not to be mended by its tests.
        let tools = path("bin");
        std::fs::create_dir(&tools).unwrap();
        let done = shell.env("PATH", tools).output().unwrap().status.success();
        let text = |name: &str| std::fs::read_to_string(path(name)).unwrap_or_default();
        let told = text("packages.progress");
        let told: Vec<&str> = told.lines().map(|line| line.rsplit_once(' ').unwrap().0).collect();
        (text("manager.asked").replace('\n', ";"), told.join(","), done)
    }

    #[test]
    fn one_unknown_package_keeps_no_other_out_and_is_told() {
        assert_eq!(run(&["good", "fine"]), ("add good fine;".into(), "0 0,1 0,2 0".into(), true));
        let (asked, told, _) = run(&["good", "bad", "fine"]);
        assert_eq!(asked, "add good bad fine;add good;add bad;add fine;");
        assert_eq!(told, "0 0,1 0,2 1,3 0");
        assert_eq!(run(&[]), ("add;".into(), String::new(), true));
    }
}
