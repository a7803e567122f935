// SPDX-License-Identifier: Apache-2.0
//! Working through a plan: step by step, journalled, one step's failure never another's.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::apply::commands::{self, End, Outcome};
use crate::apply::entries::Entries;
use crate::apply::journal::Journal;
use crate::apply::output::bounded;
use crate::apply::request;
use crate::apply::target::Target;
use crate::error::{Error, Result};
use crate::plan::action::{Action, Command};
use crate::plan::change::Change;
use crate::plan::day::Day;
use crate::plan::order::Plan;
use crate::plan::step::{Stage, Step};
use crate::report::status::{CommandStatus, StepOutcome, StepStatus};
use crate::root::{Root, Tree as _};
use crate::state;

/// What a stage's work is done with.
pub struct Worker<'a> {
    /// What is changed.
    pub target: &'a Target,
    /// What was done.
    pub journal: &'a mut Journal,
    /// Day of the passwords that are set.
    pub today: Day,
    /// The first failed step ends the run.
    pub strict: bool,
    /// Whether the agent was told to end: no further step begins.
    pub told_to_end: &'a dyn Fn() -> bool,
    /// Gets each line that a program prints.
    pub output: &'a mut dyn FnMut(&str),
    /// Gets each line for the console.
    pub console: &'a mut dyn FnMut(&str),
}

/// How the work on a stage ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Each step had its turn, or waits for the boot.
    Complete,
    /// Each step had its turn, and one of them is to be tried again by the next run.
    Unfinished,
    /// A step failed, and the settings are `strict`.
    Strict,
    /// The agent was told to end.
    Interrupted,
}

/// What the next run is to find of a step that had its turn.
enum Turn {
    /// Its end.
    Ended,
    /// Nothing: it failed before the first thing that must not happen twice.
    Unbegun,
    /// That it was stopped.
    Interrupted,
}

impl Worker<'_> {
    /// Works through the steps of one stage: what became of each, and how that ended.
    ///
    /// # Errors
    /// Fatal: the journal can't be written, so that nothing could be promised about the next run.
    pub fn stage(&mut self, plan: &Plan, stage: Stage) -> Result<(Vec<StepStatus>, Ending)> {
        let mut told = Vec::new();
        let ending = self.steps(plan, stage, &mut told)?;
        self.target.sync()?;
        self.journal.settle()?;
        if ending == Ending::Complete
            && !plan.incomplete
            && !told.iter().any(|step| step.outcome == StepOutcome::Waiting)
        {
            self.journal.complete(stage)?;
        }
        Ok((told, ending))
    }

    fn steps(&mut self, plan: &Plan, stage: Stage, told: &mut Vec<StepStatus>) -> Result<Ending> {
        for step in plan.interrupted.iter().filter(|step| step.stage == stage) {
            let error = "stopped in the middle by an earlier end of the agent or the machine; not repeated";
            self.journal.end(step, false)?;
            told.push(status(step, StepOutcome::Interrupted, Some(error.to_owned())));
        }
        if self.strict && !told.is_empty() {
            return Ok(Ending::Strict);
        }
        let mut ending = Ending::Complete;
        for step in plan.steps.iter().filter(|step| step.stage == stage) {
            if (self.told_to_end)() {
                return Ok(Ending::Interrupted);
            }
            if step.waits_for_boot() && !self.target.root().is_live() {
                told.push(status(step, StepOutcome::Waiting, None));
                continue;
            }
            let (step_told, turn) = self.step(step)?;
            let failed = step_told.outcome == StepOutcome::Failed;
            if let Some(error) = &step_told.error {
                log::error!("{}: {error} ({})", step.name, step.origin);
            }
            told.push(step_told);
            match turn {
                Turn::Ended => {}
                Turn::Unbegun => ending = Ending::Unfinished,
                Turn::Interrupted => return Ok(Ending::Interrupted),
            }
            if self.strict && failed {
                return Ok(Ending::Strict);
            }
        }
        Ok(ending)
    }

    fn step(&mut self, step: &Step) -> Result<(StepStatus, Turn)> {
        let started = Instant::now();
        log::debug!("{} ({})", step.name, step.origin);
        // What must happen once is begun with its first program: all that comes before can be done again.
        let mut begun = !step.at_most_once();
        if begun {
            self.journal.begin(step)?;
        }
        let mut told = status(step, StepOutcome::Done, None);
        let result = catch_unwind(AssertUnwindSafe(|| self.actions(step, &mut begun, &mut told)))
            .unwrap_or_else(|_| Err(Error::fatal("a defect of firstlight ended this step; please report it")));
        told.took_ms = milliseconds(started.elapsed());
        if let Err(error) = result {
            told.outcome = StepOutcome::Failed;
            told.error = Some(error.to_string());
        }
        let turn = if told.commands.iter().any(|command| command.interrupted) {
            told.outcome = StepOutcome::Interrupted;
            Turn::Interrupted
        } else if told.outcome == StepOutcome::Failed && !begun {
            Turn::Unbegun
        } else {
            self.journal.end(step, told.outcome == StepOutcome::Done)?;
            Turn::Ended
        };
        Ok((told, turn))
    }

    fn actions(&mut self, step: &Step, begun: &mut bool, told: &mut StepStatus) -> Result<()> {
        for action in &step.actions {
            let answer = match action {
                Action::Request(request) => request::make(request, self.target.root(), &mut told.warning)?,
                _ => None,
            };
            let action = answer.as_ref().unwrap_or(action);
            let commands = &mut told.commands;
            let (journal, output) = (&mut *self.journal, &mut *self.output);
            let mut run = |command: &Command| {
                let begins = !*begun && !command.repeatable;
                if begins {
                    journal.begin(step)?;
                    *begun = true;
                }
                let outcome = commands::run(command, &mut bounded(output))?;
                if begins && !outcome.started {
                    journal.withdraw(step)?;
                }
                judge(command, outcome, self.target.root(), commands)
            };
            let changes = self.target.perform(action, self.today, &mut run)?;
            told.changes += changes.len();
            for change in changes {
                if let Change::Message(text) = change {
                    (self.console)(&moment(&text));
                }
            }
        }
        Ok(())
    }
}

/// Keeps how a program went. One that failed, or an entry of a list that did, is an error. What was printed may be
/// secret: the error only says where it is.
fn judge(command: &Command, outcome: Outcome, root: &Root, told: &mut Vec<CommandStatus>) -> Result<()> {
    let entries = match &command.progress {
        Some(progress) if outcome.started => {
            Entries::read(&root.read_text(&progress.path)?.unwrap_or_default(), &progress.entries)
        }
        _ => Entries::default(),
    };
    let program = command.argv.first().map_or("", String::as_str);
    let problem = if outcome.started {
        entries.problem(program, outcome.end)
    } else {
        Some(format!("{program}: not started, as the agent was told to end"))
    };
    told.push(CommandStatus {
        argv: command.argv.clone(),
        ended: outcome.end.to_string(),
        interrupted: outcome.end == End::Interrupted,
        took_ms: milliseconds(outcome.duration),
        tail: outcome.tail,
        failed_entries: entries.failed,
    });
    match problem {
        None => Ok(()),
        Some(problem) if !outcome.started => Err(Error::fatal(problem)),
        Some(problem) => Err(Error::fatal(problem).help(format!("what it printed is in {}", state::OUTPUT))),
    }
}

fn status(step: &Step, outcome: StepOutcome, error: Option<String>) -> StepStatus {
    StepStatus { name: step.name.clone(), origin: step.origin.to_string(), outcome, error, ..StepStatus::default() }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Fills in what is only known now.
fn moment(text: &str) -> String {
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    let uptime = uptime.split_whitespace().next().unwrap_or("?").to_owned();
    text.replace("$uptime", &uptime).replace("$timestamp", &crate::report::clock::now())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::finding::{Findings, Origin};
    use crate::http::scripted::{Scripted, whole};
    use crate::plan::action::Write;
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
        assert_eq!(
            (told[0].outcome, told[1].outcome, ending),
            (StepOutcome::Failed, StepOutcome::Done, Ending::Complete)
        );
        assert_eq!(bench.run(&steps).0[0].outcome, StepOutcome::Done);
        assert_eq!((bench.times("served"), bench.run(&steps).0.len()), (1, 0));
    }

    #[test]
    fn a_list_that_was_not_run_to_its_end_has_failed() {
        let bench = Bench::new();
        let path = bench.scratch.path("/progress");
        let script = format!("echo 1 0 9.9 >{}; exit 0", path.display());
        let mut command = Command::script(["/bin/sh", "-c", &script]);
        command.progress = Some(crate::plan::action::Progress { path, entries: vec![1, 2, 3] });
        let (told, _) = bench.run(&[step("runcmd", vec![Action::Run(command)])]);
        let error = told[0].error.as_deref().unwrap();
        assert_eq!(told[0].outcome, StepOutcome::Failed);
        assert!(error.contains("entry 2 ended the script, entry 3 was not run"), "{error}");
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
}
