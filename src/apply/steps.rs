// SPDX-License-Identifier: Apache-2.0
//! Working through a plan: step by step, journalled, one step's failure never another's.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::apply::commands::{self, End};
use crate::apply::journal::Journal;
use crate::apply::target::Target;
use crate::error::{Error, Result};
use crate::plan::accounts::day::Day;
use crate::plan::action::Command;
use crate::plan::change::Change;
use crate::plan::order::Plan;
use crate::plan::step::{Stage, Step};
use crate::report::status::{CommandStatus, StepOutcome, StepStatus};
use crate::root::{Root, Tree as _};

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
    /// Gets each line that a program prints.
    pub output: &'a mut dyn FnMut(&str),
    /// Gets each line for the console.
    pub console: &'a mut dyn FnMut(&str),
}

impl Worker<'_> {
    /// Works through the steps of one stage; what became of each.
    ///
    /// # Errors
    /// Fatal: the journal can't be written, so that nothing could be promised about the next run.
    pub fn stage(&mut self, plan: &Plan, stage: Stage) -> Result<Vec<StepStatus>> {
        let mut told = Vec::new();
        for step in plan.interrupted.iter().filter(|step| step.stage == stage) {
            let error = "stopped in the middle by an earlier end of the agent or the machine; not repeated";
            self.journal.end(step, false)?;
            told.push(status(step, StepOutcome::Interrupted, Some(error.to_owned())));
        }
        let mut complete = true;
        for step in plan.steps.iter().filter(|step| step.stage == stage) {
            if step.waits_for_boot() && !self.target.root().is_live() {
                complete = false;
                told.push(status(step, StepOutcome::Waiting, None));
                continue;
            }
            let step_told = self.step(step)?;
            let outcome = step_told.outcome;
            if let Some(error) = &step_told.error {
                log::error!("{}: {error} ({})", step.name, step.origin);
            }
            told.push(step_told);
            if outcome == StepOutcome::Interrupted || (self.strict && outcome == StepOutcome::Failed) {
                complete = false;
                break;
            }
        }
        if complete {
            self.journal.complete(stage)?;
        }
        Ok(told)
    }

    fn step(&mut self, step: &Step) -> Result<StepStatus> {
        let started = Instant::now();
        log::debug!("{} ({})", step.name, step.origin);
        self.journal.begin(step)?;
        let mut told = status(step, StepOutcome::Done, None);
        let result = catch_unwind(AssertUnwindSafe(|| self.actions(step, &mut told)))
            .unwrap_or_else(|_| Err(Error::fatal("a defect of firstlight ended this step; please report it")));
        told.took_ms = milliseconds(started.elapsed());
        if let Err(error) = result {
            told.outcome = StepOutcome::Failed;
            told.error = Some(error.to_string());
        }
        if told.commands.iter().any(|command| command.interrupted) {
            told.outcome = StepOutcome::Interrupted;
        } else {
            self.journal.end(step, told.outcome == StepOutcome::Done)?;
        }
        Ok(told)
    }

    fn actions(&mut self, step: &Step, told: &mut StepStatus) -> Result<()> {
        for action in &step.actions {
            let (root, output) = (self.target.root(), &mut *self.output);
            let commands = &mut told.commands;
            let changes =
                self.target.perform(action, self.today, &mut |command| run(command, root, output, commands))?;
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

/// Runs a program and keeps how it went. A program that fails, or an entry of a list that does, is an error.
fn run(command: &Command, root: &Root, output: &mut dyn FnMut(&str), told: &mut Vec<CommandStatus>) -> Result<()> {
    let outcome = commands::run(command, output)?;
    let failed_entries = match &command.progress {
        Some(progress) => failed_entries(&root.read_text(progress)?.unwrap_or_default()),
        None => BTreeMap::new(),
    };
    let mut problem = match outcome.end {
        End::Code(0) if failed_entries.is_empty() => None,
        End::Code(_) if !failed_entries.is_empty() => Some(entries_text(&failed_entries)),
        end => Some(format!("{}: {end}", command.argv.first().map_or("", String::as_str))),
    };
    if let (Some(problem), Some(last)) = (&mut problem, outcome.tail.last()) {
        problem.push_str(&format!("; the last line: {last}"));
    }
    told.push(CommandStatus {
        argv: command.argv.clone(),
        ended: outcome.end.to_string(),
        interrupted: outcome.end == End::Interrupted,
        took_ms: milliseconds(outcome.duration),
        tail: outcome.tail,
        failed_entries,
    });
    problem.map_or(Ok(()), |problem| Err(Error::fatal(problem)))
}

/// Exit codes that are not zero, by the number of the entry, from `INDEX EXIT UPTIME` lines.
fn failed_entries(progress: &str) -> BTreeMap<usize, i32> {
    let entry = |line: &str| {
        let mut words = line.split_whitespace();
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    };
    progress.lines().filter_map(entry).filter(|(_, code)| *code != 0).collect()
}

fn entries_text(failed: &BTreeMap<usize, i32>) -> String {
    let each: Vec<String> =
        failed.iter().map(|(index, code)| format!("entry {index} ended with exit code {code}")).collect();
    each.join(", ")
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
