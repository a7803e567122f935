// SPDX-License-Identifier: Apache-2.0
//! Snaps: assertions acknowledged, then commands of `snap` run, in their order.
//!
//! Keys as cloud-init's `cc_snap`: lists, or mappings whose keys only give the order. A command that is a list may leave
//! the word `snap` out. Unlike there snapd is waited for, which on its first boot first installs what the image has.

use std::time::Duration;

use crate::config::document::{Data, Node, Scalar};
use crate::finding::{Finding, Located, Origin};
use crate::modules::{Input, Module, Planner, shell};
use crate::plan::action::{Command, SCRIPT_LIMIT, Write};
use crate::plan::step::{Frequency, Stage, Step};
use crate::state;

/// See the file's head.
pub const MODULE: Module =
    Module { name: "snap", stage: Stage::Final, frequency: Frequency::PerInstance, keys: Keys::KEYS, plan };

crate::keys! {
    struct Keys {
        /// Assertions and commands of snap.
        snap: Located<Snap>,
    }
}

crate::keys! {
    struct Snap {
        /// Signed assertions: a list, or a mapping whose keys give their order.
        assertions: Node,
        /// Commands, `snap install vlc` or `[install, vlc]`: a list, or a mapping whose keys give their order.
        commands: Node,
    }
}

const MINUTES: u64 = 30;

fn plan(input: &Input, planner: &mut Planner) {
    let Some(snap) = Keys::take(input.config, &mut planner.findings).snap else { return };
    if let Some(assertions) = snap.value.assertions.as_ref() {
        acknowledge(assertions, input, planner);
    }
    if let Some(commands) = snap.value.commands.as_ref()
        && has_snap(&commands.origin, input, planner)
    {
        let list = ordered(commands).into_iter().map(completed).collect();
        let list = Node { origin: commands.origin.clone(), data: Data::Sequence(list) };
        wait(planner.step("snap ready", &commands.origin));
        shell::step("snap", "snap", &list, SCRIPT_LIMIT, input, planner);
    }
}

impl Planner {
    /// A step that installs a snap: `words` are its name and what else is said of it.
    pub fn snap(&mut self, words: &[String], origin: &Origin, input: &Input) {
        if has_snap(origin, input, self) {
            let words = words.iter().map(String::as_str);
            let command = Command::fetching(MINUTES, ["snap", "install"].into_iter().chain(words));
            wait(self.step(format!("packages: {}", command.argv.join(" ")), origin)).run(command);
        }
    }
}

fn acknowledge(assertions: &Node, input: &Input, planner: &mut Planner) {
    if !has_snap(&assertions.origin, input, planner) {
        return;
    }
    let mut texts = Vec::new();
    for assertion in ordered(assertions) {
        match assertion.text() {
            Some(text) => texts.push(text.to_owned()),
            None => planner.finding(Finding::error(
                &assertion.origin,
                format!("expected an assertion's text, found {}; it is left out", assertion.described()),
            )),
        }
    }
    let path = state::scripts(&input.instance.id).join("snap.assertions");
    let command = Command::fetching(MINUTES, ["snap".into(), "ack".into(), path.to_string_lossy()]);
    let write = Write::new(path.clone(), texts.join("\n")).mode(0o600).secret();
    wait(planner.step("snap assertions", &assertions.origin)).write(write).run(command);
}

fn has_snap(origin: &Origin, input: &Input, planner: &mut Planner) -> bool {
    // Packages are there before snap is asked for anything.
    let there = input.guest.has_tool("snap") || input.installs("snapd");
    if !there {
        planner.finding(Finding::error(origin, "this guest has no snap; left out").help("add `packages: [snapd]`"));
    }
    there
}

/// Until snapd can install something.
fn wait(step: &mut Step) -> &mut Step {
    let timeout = Some(Duration::from_secs(10 * 60));
    step.run(Command { timeout, waits_for_boot: true, ..Command::tool(["snap", "wait", "system", "seed.loaded"]) })
}

/// The entries of a list, or those of a mapping by its keys.
fn ordered(node: &Node) -> Vec<Node> {
    match &node.data {
        Data::Sequence(items) => items.clone(),
        Data::Mapping(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by_key(|(key, _)| key.text());
            entries.into_iter().map(|(_, value)| value.clone()).collect()
        }
        Data::Scalar(_) => vec![node.clone()],
    }
}

/// A list with `snap` before it; null in its place means that another program is meant.
fn completed(mut command: Node) -> Node {
    if let Data::Sequence(words) = &mut command.data {
        match words.first() {
            Some(first) if first.is_null() => drop(words.remove(0)),
            Some(first) if first.text() != Some("snap") => {
                let data = Data::Scalar(Scalar { text: "snap".to_owned(), plain: true, tag: None });
                words.insert(0, Node { origin: first.origin.clone(), data });
            }
            _ => {}
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::{Bench, Outcome};
    use crate::plan::action::Action;

    fn plans(config: &str) -> Outcome {
        Bench::new(config).program("/usr/bin/snap").plan(plan)
    }

    fn written(outcome: &Outcome, step: &str) -> String {
        let actions = outcome.step(step).actions.iter();
        let text = |action: &Action| match action {
            Action::Write(write) => Some(String::from_utf8_lossy(&write.content).into_owned()),
            _ => None,
        };
        actions.filter_map(text).collect()
    }

    #[test]
    fn commands_run_in_order_in_every_form() {
        for commands in [
            "[[install, vlc], [snap, install, vlc], snap install vlc, [~, id]]",
            "{3: [~, id], 1: [snap, install, vlc], 0: [install, vlc], 2: snap install vlc}",
        ] {
            let outcome = plans(&format!("snap: {{commands: {commands}}}"));
            assert_eq!(outcome.steps(), ["snap ready", "snap"]);
            let script = written(&outcome, "snap");
            let lines: Vec<_> = script.lines().filter(|line| line.contains('\'')).collect();
            let expected = ["'snap' 'install' 'vlc'"; 2].into_iter().chain(["command eval 'snap install vlc'", "'id'"]);
            assert_eq!(lines[lines.len() - 4..], expected.collect::<Vec<_>>());
        }
    }

    #[test]
    fn assertions_come_first_in_one_file() {
        let outcome = plans("snap: {assertions: {01: b, 00: a}, commands: [snap list]}");
        assert_eq!(outcome.steps(), ["snap assertions", "snap ready", "snap"]);
        assert_eq!(written(&outcome, "snap assertions"), "a\nb");
        assert!(outcome.programs()[1].starts_with("snap ack /"));
    }

    #[test]
    fn a_guest_without_snap_is_said() {
        let outcome = Bench::new("snap: {commands: [snap list]}").plan(plan);
        assert_eq!((outcome.steps.len(), outcome.said().len()), (0, 1));
    }

    #[test]
    fn a_snap_that_is_still_to_be_installed_is_asked_and_one_that_never_comes_is_said() {
        let asked = "snap: {commands: [snap install vlc]}\n";
        let said = Bench::new(asked).plan(plan).said();
        assert!(said[0].contains("add `packages: [snapd]`"), "{said:?}");
        let outcome = Bench::new(&format!("{asked}packages: [snapd]\n")).plan(plan);
        assert!(outcome.findings.is_empty() && outcome.steps().contains(&"snap"), "{:?}", outcome.steps());
    }
}
