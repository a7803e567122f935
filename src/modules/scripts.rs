// SPDX-License-Identifier: Apache-2.0
//! Scripts of user-data and vendor-data, and those that the image keeps: the platform's first, then those that run once,
//! at each boot and once for each instance, then the user's.
//!
//! As cloud-init's `cc_scripts_vendor`, `_per_once`, `_per_boot`, `_per_instance` and `_user`: each kind in the order of
//! its names, the image's before the seed's, and all are run, also after one has failed. The user's share that order
//! with `runcmd`, as there.

use std::path::Path;
use std::time::Duration;

use crate::finding::{Finding, Origin};
use crate::modules::{Input, Module, Planner};
use crate::plan::action::{Command, SCRIPT_LIMIT, Write};
use crate::plan::step::{Frequency, Stage};
use crate::state;
use crate::userdata::{Run, Script};

/// The user's whose names come before `runcmd`, and all others.
pub const MODULE: Module =
    Module { name: "scripts", stage: Stage::Final, frequency: Frequency::PerInstance, keys: &[], plan };

/// The user's whose names come after `runcmd`.
pub const AFTER_RUNCMD: Module =
    Module { name: "scripts", stage: Stage::Final, frequency: Frequency::PerInstance, keys: &[], plan: plan_after };

/// Where images keep scripts of their own.
const IMAGE: &str = "/var/lib/cloud/scripts";
/// Where cloud-init tells that it has run those that run once.
const RAN_ONCE: &str = "/var/lib/cloud/sem/config_scripts_per_once.once";

fn plan(input: &Input, planner: &mut Planner) {
    of_seed(input, planner, |script| script.run == Run::User && script.vendor);
    for run in [Run::Once, Run::PerBoot, Run::PerInstance] {
        of_image(input, planner, run);
        of_seed(input, planner, |script| script.run == run);
    }
    of_seed(input, planner, |script| is_user_s(script) && script.name.as_str() < "runcmd");
}

fn plan_after(input: &Input, planner: &mut Planner) {
    of_seed(input, planner, |script| is_user_s(script) && script.name.as_str() >= "runcmd");
}

fn is_user_s(script: &Script) -> bool {
    script.run == Run::User && !script.vendor
}

/// The directory for scripts of that kind, here and in an image, and how often they run.
fn kind(run: Run) -> (&'static str, Frequency) {
    match run {
        Run::Boothook => ("boothook", Frequency::PerBoot),
        Run::Once => ("per-once", Frequency::Once),
        Run::PerBoot => ("per-boot", Frequency::PerBoot),
        Run::PerInstance => ("per-instance", Frequency::PerInstance),
        Run::User => ("user", Frequency::PerInstance),
    }
}

/// The scripts of the seed that are `wanted`, in the order of their names.
fn of_seed(input: &Input, planner: &mut Planner, wanted: impl Fn(&Script) -> bool) {
    let mut scripts: Vec<_> = input.scripts.iter().filter(|script| wanted(script)).collect();
    scripts.sort_by_key(|script| &script.name);
    for script in scripts {
        step("scripts", script, SCRIPT_LIMIT, input, planner);
    }
}

/// A step of that module which keeps `script` in the instance's directory and runs it, for at most `limit`.
pub fn step(module: &str, script: &Script, limit: Duration, input: &Input, planner: &mut Planner) {
    let (directory, frequency) = kind(script.run);
    let whose = if script.vendor { "vendor/" } else { "" };
    let shown = if matches!(script.run, Run::User | Run::Boothook) { "" } else { directory };
    let name = format!("{module} {whose}{shown}{}{}", if shown.is_empty() { "" } else { "/" }, script.name);
    let path = state::scripts(&input.instance.id).join(whose).join(directory).join(&script.name);
    let mut command = run(&path, &script.prefix, input);
    command.timeout = Some(limit);
    let step = planner.step(name, &script.origin);
    step.frequency = frequency;
    step.write(Write::new(path, script.content.clone()).mode(0o700).secret()).run(command);
}

/// What the image keeps for `run`. One whose name a script of the seed has too is left out, as cloud-init would have
/// replaced its file.
fn of_image(input: &Input, planner: &mut Planner, run: Run) {
    let (kind, frequency) = kind(run);
    let directory = format!("{IMAGE}/{kind}");
    let origin = Origin::document(directory.as_str());
    let mut names = input.guest.list(&directory);
    names.retain(|name| !input.scripts.iter().any(|script| script.run == run && script.name == *name));
    if run == Run::Once && !names.is_empty() && input.guest.exists(RAN_ONCE) {
        let ran = "cloud-init has run these scripts on this disk before; they are not run again";
        return planner.finding(Finding::note(&origin, ran));
    }
    for name in names {
        let path = format!("{directory}/{name}");
        let origin = Origin::document(path.as_str());
        match input.guest.is_program(&path) {
            None => {}
            Some(false) => planner
                .finding(Finding::warning(&origin, "this file is not executable, so it is not run").help("chmod 755")),
            Some(true) => {
                let step = planner.step(format!("scripts {path}"), &origin);
                step.frequency = frequency;
                step.run(self::run(Path::new(&path), &[], input));
            }
        }
    }
}

fn run(path: &Path, prefix: &[String], input: &Input) -> Command {
    let mut command = Command::script(prefix.iter().cloned().chain([path.to_string_lossy().into_owned()]));
    command.env.push(("INSTANCE_ID".to_owned(), input.instance.id.value.clone()));
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::{Bench, Outcome, script};
    use crate::plan::action::Action;

    fn plans(bench: Bench) -> Outcome {
        bench.plan(|input, planner| {
            plan(input, planner);
            plan_after(input, planner);
        })
    }

    fn program(outcome: &Outcome, step: &str) -> String {
        let run = |action: &Action| if let Action::Run(command) = action { Some(command.argv.join(" ")) } else { None };
        outcome.step(step).actions.iter().find_map(run).unwrap()
    }

    #[test]
    fn each_kind_has_its_turn_and_its_frequency() {
        let vendor = Script { vendor: true, prefix: vec!["nice".into(), "-5".into()], ..script("z", Run::User) };
        let outcome = plans(Bench::new("{}").scripts([
            script("z.sh", Run::User),
            script("part-001", Run::User),
            script("a", Run::PerInstance),
            script("a", Run::PerBoot),
            script("a", Run::Once),
            script("hook", Run::Boothook),
            vendor,
        ]));
        let turns = outcome.steps.iter().map(|step| (step.name.as_str(), step.frequency)).collect::<Vec<_>>();
        assert_eq!(
            turns,
            [
                ("scripts vendor/z", Frequency::PerInstance),
                ("scripts per-once/a", Frequency::Once),
                ("scripts per-boot/a", Frequency::PerBoot),
                ("scripts per-instance/a", Frequency::PerInstance),
                ("scripts part-001", Frequency::PerInstance),
                ("scripts z.sh", Frequency::PerInstance),
            ]
        );
        let scripts = "/var/lib/firstlight/instances/i-1/scripts";
        assert_eq!(program(&outcome, "scripts vendor/z"), format!("nice -5 {scripts}/vendor/user/z"));
        assert_eq!(program(&outcome, "scripts per-boot/a"), format!("{scripts}/per-boot/a"));
    }

    #[test]
    fn what_the_image_keeps_runs_where_it_is_executable() {
        let bench = || {
            let bench = Bench::new("{}").scripts([script("own", Run::PerBoot)]);
            let bench =
                bench.program("/var/lib/cloud/scripts/per-once/setup").file(&format!("{IMAGE}/per-boot/README"), "");
            bench.program("/var/lib/cloud/scripts/per-boot/own").program("/var/lib/cloud/scripts/per-boot/b/c")
        };
        let outcome = plans(bench());
        assert_eq!(outcome.steps(), ["scripts /var/lib/cloud/scripts/per-once/setup", "scripts per-boot/own"]);
        assert_eq!(program(&outcome, outcome.steps()[0]), "/var/lib/cloud/scripts/per-once/setup");
        let findings: Vec<_> = outcome.findings.iter().map(ToString::to_string).collect();
        assert!(findings.len() == 1 && findings[0].starts_with("/var/lib/cloud/scripts/per-boot/README: warning"));
        let outcome = plans(bench().file(RAN_ONCE, ""));
        assert_eq!(outcome.steps(), ["scripts per-boot/own"]);
        assert!(outcome.findings.iter().any(|finding| finding.message.contains("has run these scripts")));
    }
}
