// SPDX-License-Identifier: Apache-2.0
//! `firstlight status`: what happened in this boot.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use crate::bootstrap;
use crate::cli::{Common, print, print_json, tell};
use crate::error::{Kind, Result};
use crate::finding::escaped;
use crate::plan::step::Stage;
use crate::report;
use crate::report::line::one_line;
use crate::report::status::{CommandStatus, Outcome, Status, StepOutcome, StepStatus};
use crate::root::{Root, Tree as _};
use crate::state;

/// Tell what happened in this boot; exit code 0 done, 1 failed, 2 done with recoverable errors
#[derive(Args)]
pub struct Arguments {
    /// Wait until the last stage has ended
    #[arg(long)]
    wait: bool,
    /// The longest wait, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "900")]
    timeout: u64,
    /// Every step, with what failed and how
    #[arg(long)]
    long: bool,
    /// How to print it
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// A longer command is cut.
const SHOWN_LIMIT: usize = 120;
/// Between two looks.
const POLL: Duration = Duration::from_millis(100);

impl Arguments {
    pub(super) fn exec(&self, common: &Common) -> Result<ExitCode> {
        let root = Root::open(&common.root)?;
        let limit = Duration::from_secs(self.timeout);
        let started = Instant::now();
        let mut status = report::status(&root)?;
        while self.wait && !status.status.is_final() && started.elapsed() < limit {
            std::thread::sleep(POLL);
            status = report::status(&root)?;
        }
        // The record holds what the script printed, so it is root's alone; everybody else goes without.
        let bootstrap = match bootstrap::Record::read(&root) {
            Err(error) if !root.owners() && error.kind() == Kind::Fatal => None,
            record => record.transpose(),
        };
        match self.format {
            Format::Json => {
                let mut value = serde_json::to_value(&status).unwrap_or_default();
                if let (Some(fields), Some(bootstrap)) = (value.as_object_mut(), &bootstrap) {
                    let told = match bootstrap {
                        Ok(record) => serde_json::to_value(record).unwrap_or_default(),
                        Err(error) => serde_json::json!({ "error": error.to_string() }),
                    };
                    fields.insert("bootstrap".to_owned(), told);
                }
                print_json(&value)?;
            }
            Format::Text => {
                // As with the record: everybody may ask, and root alone sees what was printed.
                let hidden = self.long && report::output::add(&root, &mut status).is_err();
                let mut text = text(&status, self.long);
                if hidden {
                    let _ =
                        writeln!(text, "what programs were given and printed is for root to see, in {}", state::TAILS);
                }
                match &bootstrap {
                    Some(Ok(record)) => text.push_str(&bootstrap_text(record, self.long)),
                    // The local stage may have told it.
                    Some(Err(error)) if !text.contains(&error.without_advice()) => {
                        let _ = writeln!(text, "bootstrap: error: {error}");
                    }
                    _ => {}
                }
                print(&text)?;
            }
        }
        if self.wait && !status.status.is_final() {
            tell(&format!("firstlight: still {} after {} s", status.status.name(), self.timeout));
            return Ok(ExitCode::FAILURE);
        }
        Ok(ExitCode::from(status.status.exit_code()))
    }
}

/// The record in a line, and at length what the last try printed last.
fn bootstrap_text(record: &bootstrap::Record, long: bool) -> String {
    let mut text = format!("bootstrap: {record}\n");
    for line in record.last.iter().filter(|_| long).flat_map(|last| &last.tail) {
        let _ = writeln!(text, "  | {line}");
    }
    text
}

pub(crate) fn text(status: &Status, long: bool) -> String {
    let mut text = format!("status: {}\n", status.status.name());
    if let (Some(datasource), Some(place)) = (&status.datasource, &status.place) {
        let _ = writeln!(text, "datasource: {datasource} ({place})");
    }
    if let Some(id) = &status.instance_id {
        let _ = writeln!(text, "instance: {id}");
    }
    if let Some(error) = &status.error {
        let _ = writeln!(text, "error: {error}");
    }
    for name in Stage::ALL.map(Stage::name) {
        let Some(stage) = status.stages.get(name) else { continue };
        let failed = stage.steps.iter().filter(|step| step.outcome != StepOutcome::Done).count();
        let steps = stage.steps.len();
        let _ = write!(text, "stage {name}: {steps} steps, {failed} not done, {} ms", stage.took_ms);
        let _ = if long { writeln!(text, ", from {}", stage.started) } else { writeln!(text) };
        let told = |step: &&StepStatus| long || step.outcome != StepOutcome::Done || step.warning.is_some();
        for step in stage.steps.iter().filter(told) {
            let outcome = match step.outcome {
                StepOutcome::Done => "done",
                StepOutcome::Failed => "failed",
                StepOutcome::Interrupted => "interrupted",
                StepOutcome::Waiting => "waits for the boot",
            };
            let _ = writeln!(text, "  {outcome}: {} ({} ms)    # {}", escaped(&step.name), step.took_ms, step.origin);
            if let Some(error) = &step.error {
                let _ = writeln!(text, "    {}", error.replace('\n', "\n    "));
            }
            if let Some(warning) = &step.warning {
                let _ = writeln!(text, "    warning: {warning}");
            }
            step.commands.iter().filter(|_| long).for_each(|command| text.push_str(&command_text(command)));
        }
    }
    for finding in &status.findings {
        let _ = writeln!(text, "{finding}");
    }
    if status.status == Outcome::NoSeed {
        text.push_str("no configuration was found, so nothing was changed: `firstlight detect` tells why\n");
    }
    text
}

/// A program, its entries where it is a list of commands, and what it printed last.
fn command_text(command: &CommandStatus) -> String {
    let argv = escaped(&command.argv.join(" "));
    let mut text = format!("    {argv}: {} ({} ms)\n", command.ended, command.took_ms);
    for entry in &command.entries {
        let exit = entry.exit.map_or_else(|| "ended here".to_owned(), |code| format!("exit {code}"));
        let took = entry.took_ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
        let shown: String = one_line(&entry.text).chars().take(SHOWN_LIMIT).collect();
        let line = format!("      {:>3}. {exit:<10} {took:>9}  {shown}", entry.number);
        let _ = writeln!(text, "{}", line.trim_end());
    }
    for line in &command.tail {
        let _ = writeln!(text, "      | {}", escaped(line));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::status::EntryStatus;

    #[test]
    fn a_list_of_commands_is_told_entry_by_entry() {
        let entry = |number, exit, took_ms, text: &str| EntryStatus { number, exit, took_ms, text: text.to_owned() };
        let command = CommandStatus {
            argv: vec!["/bin/sh".to_owned(), "runcmd".to_owned()],
            ended: "exit code 3".to_owned(),
            took_ms: 1260,
            tail: vec!["to\u{1b}[2Jp".to_owned()],
            entries: vec![
                entry(1, Some(0), Some(10), "echo hi"),
                entry(2, Some(127), Some(1250), "frobnicate <<END\nx\nEND"),
                entry(10, None, None, ""),
            ],
            ..CommandStatus::default()
        };
        assert_eq!(
            command_text(&command),
            "    /bin/sh runcmd: exit code 3 (1260 ms)\n\
             \x20       1. exit 0         10 ms  echo hi\n\
             \x20       2. exit 127     1250 ms  frobnicate <<END; x; END\n\
             \x20      10. ended here         -\n\
             \x20     | to\\u{1b}[2Jp\n"
        );
    }
}
