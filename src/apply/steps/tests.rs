// SPDX-License-Identifier: Apache-2.0
//! Tests of working through a plan.

use std::cell::Cell;

use super::*;
use crate::finding::{Findings, Origin};
use crate::http::scripted::{Scripted, whole};
use crate::plan::action::{Action, Write};
use crate::plan::order::{self, Progress, Record as _};
use crate::plan::request::{Purpose, Request};
use crate::plan::step::Frequency;
use crate::scratch::Scratch;

/// Works on the running system, where alone programs run, with the journal in a scratch root.
struct Bench {
    scratch: Scratch,
    strict: bool,
    told_to_end: Cell<bool>,
}

impl Bench {
    fn new() -> Self {
        Self { scratch: Scratch::new(), strict: false, told_to_end: Cell::new(false) }
    }

    fn journal(&self) -> Journal {
        Journal::read(&self.scratch.root(), "i-1").unwrap()
    }

    /// One run: a program that prints `end` tells the agent to end.
    fn run(&self, steps: &[Step]) -> (Vec<StepStatus>, Ending) {
        let mut journal = self.journal();
        let plan = order::due(steps.to_vec(), &journal, &mut Findings::default());
        let mut worker = Worker {
            power: None,
            target: &Target::new(Root::open("/".as_ref()).unwrap()),
            journal: &mut journal,
            today: Day(1),
            strict: self.strict,
            told_to_end: &|| self.told_to_end.get(),
            output: &mut |line| self.told_to_end.set(self.told_to_end.get() || line == "end"),
            console: &mut |_| (),
        };
        worker.stage(&plan, Stage::Final).unwrap()
    }

    /// One run: whether the boot is to end with it.
    fn run_for_power(&self, steps: &[Step]) -> bool {
        let mut journal = self.journal();
        let plan = order::due(steps.to_vec(), &journal, &mut Findings::default());
        let mut worker = Worker {
            target: &Target::new(Root::open("/".as_ref()).unwrap()),
            journal: &mut journal,
            today: Day(1),
            strict: false,
            told_to_end: &|| false,
            output: &mut |_| (),
            console: &mut |_| (),
            power: None,
        };
        worker.stage(&plan, Stage::Final).unwrap();
        worker.power.is_some()
    }

    /// Adds a line to the file of that name.
    fn adds(&self, name: &str, script: &str) -> Step {
        let file = self.scratch.path("/").join(name);
        let script = format!("echo once >>{}; {script}", file.display());
        step(name, vec![Action::Run(Command::script(["/bin/sh", "-c", &script]))])
    }

    fn times(&self, name: &str) -> usize {
        std::fs::read_to_string(self.scratch.path("/").join(name)).map_or(0, |text| text.lines().count())
    }
}

fn step(name: &str, actions: Vec<Action>) -> Step {
    let origin = Origin::document("user_data");
    Step { name: name.into(), stage: Stage::Final, frequency: Frequency::PerInstance, origin, actions }
}

#[test]
fn what_had_not_begun_when_the_agent_was_told_to_end_is_the_next_run_s() {
    let bench = Bench::new();
    let steps = [bench.adds("first", "echo end"), bench.adds("second", "true")];
    let (told, ending) = bench.run(&steps);
    assert_eq!((told.len(), ending), (1, Ending::Interrupted));
    assert_eq!(bench.journal().progress(&steps[1]), Progress::Fresh);
    assert!(!bench.journal().completed(Stage::Final));
    bench.told_to_end.set(false);
    assert_eq!(bench.run(&steps).1, Ending::Complete);
    assert_eq!((bench.times("first"), bench.times("second")), (1, 1));
    assert!(bench.journal().completed(Stage::Final));
}

#[test]
fn a_program_that_never_started_is_started_by_the_next_run() {
    let bench = Bench::new();
    let program = bench.adds("script", "true");
    // Stopped, or out of space, while what the program needs is written: beneath a file nothing can be made.
    let blocked = Action::Write(Write::new("/proc/version/below", ""));
    let failing = step("script", vec![blocked, program.actions[0].clone()]);
    let (told, ending) = bench.run(&[failing]);
    assert_eq!((told[0].outcome, ending), (StepOutcome::Failed, Ending::Unfinished));
    assert!(!bench.journal().completed(Stage::Final));
    bench.run(&[program]);
    assert_eq!(bench.times("script"), 1);
}

#[test]
fn strict_ends_with_the_first_failure_and_else_all_have_their_turn() {
    for (strict, ending, times) in [(false, Ending::Complete, 1), (true, Ending::Strict, 0)] {
        let bench = Bench { strict, ..Bench::new() };
        let steps = [bench.adds("fails", "exit 3"), bench.adds("next", "true")];
        assert_eq!(bench.run(&steps).1, ending);
        assert_eq!((bench.times("fails"), bench.times("next")), (1, times));
        bench.run(&steps);
        assert_eq!(bench.times("fails"), 1, "somebody's command is never repeated");
    }
}

#[test]
fn a_list_that_was_not_run_to_its_end_has_failed() {
    let bench = Bench::new();
    let path = bench.scratch.path("/progress");
    let script = format!("echo 1 0 9.9 >{}; exit 0", path.display());
    let mut command = Command::script(["/bin/sh", "-c", &script]);
    let entries = (1..=3).map(|number| (number, String::new())).collect();
    command.progress = Some(crate::plan::action::Progress { path, entries, strict: false });
    let (told, _) = bench.run(&[step("runcmd", vec![Action::Run(command)])]);
    let error = told[0].error.as_deref().unwrap();
    assert_eq!(told[0].outcome, StepOutcome::Failed);
    assert!(error.contains("entry 2 ended the script, entry 3 was not run"), "{error}");
}

#[test]
fn what_ends_the_boot_is_left_to_the_end_and_asked_for_once() {
    let asked = |condition: Condition| {
        let command = Command::tool(["never-run-here"]);
        step("power_state", vec![Action::PowerState(PowerState { command, condition })])
    };
    let program = |name: &str| Condition::Succeeds(Command::script([name]));
    let missing = Condition::AnyExists(vec!["/nonexistent/reboot-required".into()]);
    let there = Condition::AnyExists(vec!["/nonexistent/reboot-required".into(), "/proc/version".into()]);
    for (condition, due) in
        [(Condition::Always, true), (program("true"), true), (program("false"), false), (missing, false), (there, true)]
    {
        let bench = Bench::new();
        let steps = [asked(condition)];
        assert_eq!(bench.run_for_power(&steps), due);
        // What is due ends with the machine: who is stopped before is told of it.
        let progress = if due { Progress::Interrupted } else { Progress::Done };
        assert_eq!(bench.journal().progress(&steps[0]), progress);
        assert!(!bench.run_for_power(&steps), "the next boot does not ask for it again");
    }
}

#[test]
fn a_boot_that_was_to_end_and_was_cut_short_does_not_end_the_next_one() {
    let bench = Bench::new();
    let power = PowerState { command: Command::tool(["never-run-here"]), condition: Condition::Always };
    let steps = [step("power_state", vec![Action::PowerState(power)])];
    bench.journal().begin(&steps[0]).unwrap();
    assert!(!bench.run_for_power(&steps));
}

#[test]
fn a_random_password_is_set_and_told_in_confidence() {
    let scratch = Scratch::new();
    scratch.file("/etc/passwd", "ops:x:1000:1000::/home/ops:/bin/sh\n");
    scratch.file("/etc/shadow", "ops:!:1::::::\n");
    let target = Target::new(scratch.root());
    let mut journal = Journal::read(&scratch.root(), "i-1").unwrap();
    let mut said = Vec::new();
    let mut worker = Worker {
        target: &target,
        journal: &mut journal,
        today: Day(1),
        strict: false,
        told_to_end: &|| false,
        output: &mut |_| (),
        console: &mut |text| match text {
            Text::Secret(text) => said.push(text.to_owned()),
            other => panic!("{other:?}"),
        },
        power: None,
    };
    let action = Action::RandomPassword { user: "ops".to_owned(), expire: true };
    let (told, _) = worker.step(&step("passwords ops", vec![action])).unwrap();
    assert_eq!((told.outcome, said.len()), (StepOutcome::Done, 1));
    let password = said[0].strip_prefix("the password of ops is ").unwrap();
    let shadow = scratch.text("/etc/shadow");
    let hash = shadow.split(':').nth(1).unwrap();
    assert!(hash.starts_with("$6$") && shadow.contains(":0:"), "{shadow}");
    assert!(password.len() == 20 && !format!("{told:?}").contains(password));
    let openssl = std::process::Command::new("openssl")
        .args(["passwd", "-6", "-salt", hash.split('$').nth(2).unwrap(), password])
        .output();
    match openssl {
        Ok(output) => assert_eq!(String::from_utf8(output.stdout).unwrap().trim_end(), hash),
        Err(_) => println!("SKIPPED: no openssl here"),
    }
}

#[test]
fn a_program_that_hangs_is_ended_and_the_next_step_has_its_turn() {
    let bench = Bench::new();
    let mut hangs = Command::script(["sleep", "300"]);
    hangs.timeout = Some(Duration::from_millis(100));
    let (told, ending) = bench.run(&[step("hangs", vec![Action::Run(hangs)]), bench.adds("next", "true")]);
    assert_eq!((told[0].outcome, told[1].outcome), (StepOutcome::Failed, StepOutcome::Done));
    assert_eq!((ending, bench.times("next")), (Ending::Complete, 1));
}

#[test]
fn what_a_program_printed_is_in_no_error() {
    let bench = Bench::new();
    let (told, _) = bench.run(&[bench.adds("login", "echo the password is hunter2; exit 7")]);
    let error = told[0].error.as_deref().unwrap();
    assert!(error.contains("exit code 7") && error.contains(state::OUTPUT), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
    assert_eq!(told[0].commands[0].tail, ["the password is hunter2"]);
}

#[test]
fn a_server_that_is_busy_fails_the_step_and_the_next_run_asks_again() {
    let bench = Bench::new();
    let busy = whole("503 Service Unavailable", "", "");
    let server = Scripted::start(vec![busy, whole("200 OK", "", "once\n")]);
    let write = Write { append: true, ..Write::new(bench.scratch.path("/served"), "") };
    let purpose = Purpose::File { write, fallback: false };
    let limit = Duration::from_secs(10);
    let request = Request { url: server.url("/"), headers: Vec::new(), tries: 1, limit, purpose };
    let steps = [step("served", vec![Action::Request(request)]), bench.adds("next", "true")];
    let (told, ending) = bench.run(&steps);
    assert_eq!((told[0].outcome, told[1].outcome, ending), (StepOutcome::Failed, StepOutcome::Done, Ending::Complete));
    assert_eq!(bench.run(&steps).0[0].outcome, StepOutcome::Done);
    assert_eq!((bench.times("served"), bench.run(&steps).0.len()), (1, 0));
}
