// SPDX-License-Identifier: Apache-2.0
//! Power state: the machine goes down or starts again when everything else is done, once for an instance.
//!
//! Key as cloud-init's `cc_power_state_change`. The status is final and the disks are synced by then, so that whoever
//! polls sees the outcome, and the next boot knows that this was done.

use std::time::Duration;

use crate::config::document::{Data, Node, Value};
use crate::config::read::{Kind, Read, one_of, unfit};
use crate::finding::{Finding, Findings, Located};
use crate::guest::Guest;
use crate::modules::{Input, Module, Planner};
use crate::plan::action::{Action, Command};
use crate::plan::power::{self, PowerState};
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "power_state", stage: Stage::Final, frequency: Frequency::PerInstance, keys: Keys::KEYS, plan };

crate::keys! {
    struct Keys {
        /// What becomes of the machine when everything is done.
        power_state: Located<Wanted>,
    }
}

crate::keys! {
    struct Wanted {
        /// `poweroff`, `reboot` or `halt`.
        mode: Mode,
        /// `now` (the default), or minutes: `5` or `+5`.
        delay: Delay,
        /// What those who are logged in are told.
        message: String,
        /// How long to wait for the agent's own end: it always ends first.
        timeout: Duration,
        /// Only where this holds: true, false, a command for the shell, or a list of words; exit code 0 is yes.
        condition: Condition,
    }
}

/// What becomes of it.
#[derive(Debug, Clone, Copy)]
struct Mode(&'static str);

impl Read for Mode {
    fn kind() -> Kind {
        Kind::Scalar("poweroff, reboot or halt")
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        one_of(node, &["poweroff", "reboot", "halt"], findings).map(Self)
    }
}

/// Minutes; none is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Delay(u32);

impl Read for Delay {
    fn kind() -> Kind {
        Kind::Scalar("now, or a number of minutes such as 5 or +5")
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        // Raw, as YAML would take the plus for a sign.
        let text = node.text().unwrap_or_default().trim();
        // A year of minutes, so that no tool's arithmetic is put to the test.
        let minutes = text.strip_prefix('+').unwrap_or(text).parse().ok().filter(|minutes| *minutes <= 525_600);
        match minutes {
            _ if text == "now" => Some(Self(0)),
            Some(minutes) => Some(Self(minutes)),
            None => unfit(node, &Self::kind(), findings),
        }
    }
}

/// Whether it is to be done.
#[derive(Debug, Clone)]
enum Condition {
    Known(bool),
    Program(Vec<String>),
}

impl Read for Condition {
    fn kind() -> Kind {
        Kind::Scalar("true, false, a command, or a list of words")
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        match (&node.data, node.value()) {
            (_, Some(Value::Bool(known))) => Some(Self::Known(known)),
            (Data::Sequence(items), _) if !items.is_empty() => Vec::read(node, findings).map(Self::Program),
            (Data::Scalar(scalar), _) if !scalar.text.trim().is_empty() => {
                Some(Self::Program(vec!["/bin/sh".to_owned(), "-c".to_owned(), scalar.text.clone()]))
            }
            _ => unfit(node, &Self::kind(), findings),
        }
    }
}

fn plan(input: &Input, planner: &mut Planner) {
    let before = planner.findings.iter().count();
    let Some(Located { value: wanted, origin }) = Keys::take(input.config, &mut planner.findings).power_state else {
        return;
    };
    let Some(Mode(mode)) = wanted.mode else {
        // A wrong one has been said.
        if planner.findings.iter().count() == before {
            let missing = Finding::error(&origin, "`power_state` has no `mode`; the machine stays on");
            planner.finding(missing.help("poweroff, reboot or halt"));
        }
        return;
    };
    // What somebody thought of as a condition or a delay must not end in a machine that is off.
    if planner.findings.iter().count() > before {
        return planner
            .finding(Finding::error(&origin, "as not all of `power_state` is understood, the machine stays on"));
    }
    let condition = match wanted.condition {
        Some(Condition::Known(false)) => return,
        None | Some(Condition::Known(true)) => power::Condition::Always,
        Some(Condition::Program(argv)) => power::Condition::Succeeds(Command::script(argv)),
    };
    let minutes = wanted.delay.map_or(0, |delay| delay.0);
    let command = shutdown(mode, minutes, wanted.message.as_deref(), input.guest);
    planner.step("power_state", &origin).action(Action::PowerState(PowerState { command, condition }));
}

/// What brings the machine down in `minutes`: shutdown(8), or what busybox has in its place.
pub fn shutdown(mode: &'static str, minutes: u32, message: Option<&str>, guest: &Guest) -> Command {
    if guest.has_tool("shutdown") {
        let option = match mode {
            "reboot" => "-r",
            "halt" => "-H",
            _ => "-P",
        };
        let when = if minutes == 0 { "now".to_owned() } else { format!("+{minutes}") };
        let message = message.map(|text| text.replace('\0', " "));
        return Command::tool(["shutdown".to_owned(), option.to_owned(), when].into_iter().chain(message));
    }
    if minutes == 0 {
        return Command::tool([mode]);
    }
    // It would be waited for until the machine goes down.
    let later = "(sleep \"$0\"; exec \"$1\") >/dev/null 2>&1 </dev/null &";
    Command::tool([
        "/bin/sh".to_owned(),
        "-c".to_owned(),
        later.to_owned(),
        (minutes * 60).to_string(),
        mode.to_owned(),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::{Bench, Outcome};

    fn planned(config: &str) -> Outcome {
        Bench::new(&format!("power_state: {config}")).program("/sbin/shutdown").plan(plan)
    }

    /// The program, and that of the condition.
    fn argv(outcome: &Outcome) -> (Vec<String>, Vec<String>) {
        let [Action::PowerState(power)] = &outcome.step("power_state").actions[..] else { panic!() };
        let condition = match &power.condition {
            power::Condition::Succeeds(command) => command.argv.clone(),
            _ => Vec::new(),
        };
        (power.command.argv.clone(), condition)
    }

    #[test]
    fn every_mode_and_delay_has_its_arguments() {
        for (config, expected) in [
            ("{mode: poweroff}", "shutdown -P now"),
            ("{mode: reboot, delay: now, timeout: 30}", "shutdown -r now"),
            ("{mode: halt, delay: 5, message: Bye}", "shutdown -H +5 Bye"),
            ("{mode: reboot, delay: '+30'}", "shutdown -r +30"),
            ("{mode: reboot, delay: +30}", "shutdown -r +30"),
            ("{mode: reboot, delay: '7', condition: true}", "shutdown -r +7"),
        ] {
            let outcome = planned(config);
            assert_eq!(argv(&outcome).0.join(" "), expected);
            assert!(outcome.findings.is_empty() && outcome.step("power_state").at_most_once(), "{config}");
        }
    }

    #[test]
    fn busybox_is_asked_in_its_own_way() {
        let of = |config: &str| argv(&Bench::new(&format!("power_state: {config}")).plan(plan)).0;
        assert_eq!(of("{mode: poweroff}"), ["poweroff"]);
        assert_eq!(of("{mode: reboot, delay: 2}")[3..], ["120", "reboot"]);
    }

    #[test]
    fn a_condition_is_a_switch_a_command_or_words() {
        assert!(planned("{mode: reboot, condition: false}").steps().is_empty());
        assert_eq!(argv(&planned("{mode: reboot, condition: test -f /x}")).1, ["/bin/sh", "-c", "test -f /x"]);
        assert_eq!(argv(&planned("{mode: reboot, condition: [test, -f, /x]}")).1, ["test", "-f", "/x"]);
    }

    #[test]
    fn what_is_not_understood_leaves_the_machine_on() {
        for bad in [
            "{delay: now}",
            "{mode: off}",
            "{mode: reboot, delay: soon}",
            "{mode: reboot, delay: -5}",
            "{mode: reboot, delay: 99999999}",
            "{mode: reboot, condition: {a: b}}",
            "{mode: reboot, condition: []}",
            "{mode: reboot, contition: 'false'}",
            "reboot",
        ] {
            let outcome = planned(bad);
            assert!(outcome.steps().is_empty() && !outcome.findings.is_empty(), "{bad}");
        }
    }
}
