// SPDX-License-Identifier: Apache-2.0
//! Working through a plan: step by step, journalled, one step's failure never another's.

use std::time::{Duration, Instant};

use crate::apply::commands::{self, End, Outcome};
use crate::apply::entries::Entries;
use crate::apply::journal::Journal;
use crate::apply::output::bounded;
use crate::apply::request;
use crate::apply::target::Target;
use crate::error::{Error, Result};
use crate::fault;
use crate::plan::action::{Action, Command, Password, PasswordHash};
use crate::plan::change::Change;
use crate::plan::day::Day;
use crate::plan::order::Plan;
use crate::plan::power::{Condition, PowerState};
use crate::plan::step::{Stage, Step};
use crate::random;
use crate::report::console::Text;
use crate::report::status::{CommandStatus, EntryStatus, StepOutcome, StepStatus};
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
    /// Gets what is for the console.
    pub console: &'a mut dyn FnMut(Text),
    /// What ends this boot once everything is recorded, as soon as a step asks for it.
    pub power: Option<(Command, Step)>,
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
        let result = fault::apart(&format!("step {}", step.name), || self.actions(step, &mut begun, &mut told))
            .unwrap_or_else(|| Err(Error::fatal("a defect of firstlight ended this step; please report it")));
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
        } else if self.power.as_ref().is_some_and(|(_, of)| of.name == step.name) {
            // Its end comes with the machine's: whoever is stopped before that is told of it.
            Turn::Ended
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
            if let Action::RandomPassword { user, expire } = action {
                told.changes += self.random_password(user, *expire)?;
                continue;
            }
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
                match change {
                    Change::Message(text) => (self.console)(Text::Lines(&moment(&text))),
                    Change::Report(report) => (self.console)(Text::Block(&(report.lines)(self.target.root())?)),
                    Change::PowerState(power) => {
                        self.journal.begin(step)?;
                        *begun = true;
                        self.power_state(power, step, commands)?;
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// How many changes it took.
    fn random_password(&mut self, user: &str, expire: bool) -> Result<usize> {
        let password = random::password()?;
        let hash = Some(PasswordHash::Typed { text: password.clone(), salt: random::bytes()? });
        let set = Action::Password(Password { user: user.to_owned(), hash, lock: None, expire });
        let changes = self.target.perform(&set, self.today, &mut |_| Ok(()))?;
        (self.console)(Text::Secret(&format!("the password of {user} is {password}")));
        Ok(changes.len())
    }

    /// Remembers what ends the boot, where its condition holds.
    fn power_state(&mut self, asked: PowerState, step: &Step, told: &mut Vec<CommandStatus>) -> Result<()> {
        let holds = match &asked.condition {
            Condition::Always => true,
            Condition::AnyExists(files) => files.iter().any(|file| self.target.root().exists(file)),
            Condition::Succeeds(command) => {
                let outcome = commands::run(command, &mut bounded(self.output))?;
                let holds = outcome.started && outcome.end == End::Code(0);
                // The words are the user's, and everybody may read the status.
                let program = command.argv.iter().take(1).cloned().collect();
                told.push(CommandStatus { argv: program, ..command_status(command, outcome, Vec::new()) });
                holds
            }
        };
        // Of several the last one counts, and does what the others asked for.
        match holds.then(|| self.power.replace((asked.command, step.clone()))).flatten() {
            Some((_, earlier)) => self.journal.end(&earlier, true),
            None => Ok(()),
        }
    }
}

/// Keeps how a program went. One that failed, or an entry of a list that did, is an error. What was printed may be
/// secret: the error only says where it is.
fn judge(command: &Command, outcome: Outcome, root: &Root, told: &mut Vec<CommandStatus>) -> Result<()> {
    let entries = match &command.progress {
        Some(progress) if outcome.started => {
            Entries::read(&root.read_text(&progress.path)?.unwrap_or_default(), progress)
        }
        _ => Entries::default(),
    };
    let program = command.argv.first().map_or("", String::as_str);
    let started = outcome.started;
    let problem = if started {
        entries.problem(program, outcome.end)
    } else {
        Some(format!("{program}: not started, as the agent was told to end"))
    };
    told.push(command_status(command, outcome, entries.told));
    match problem {
        None => Ok(()),
        Some(problem) if !started => Err(Error::fatal(problem)),
        Some(problem) => Err(Error::fatal(problem).help(format!("what it printed is in {}", state::OUTPUT))),
    }
}

fn command_status(command: &Command, outcome: Outcome, entries: Vec<EntryStatus>) -> CommandStatus {
    CommandStatus {
        argv: command.argv.clone(),
        ended: outcome.end.to_string(),
        interrupted: outcome.end == End::Interrupted,
        took_ms: milliseconds(outcome.duration),
        tail: outcome.tail,
        entries,
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
mod tests;
