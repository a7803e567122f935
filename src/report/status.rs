// SPDX-License-Identifier: Apache-2.0
//! The status file: what happened in this boot, for programs and for `firstlight status`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::finding::{Finding, Findings, escaped};
use crate::plan::action::Command;
use crate::plan::step::{Stage, Step};
use crate::report::clock;

/// The outcome so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// No stage has begun in this boot.
    #[default]
    NotStarted,
    /// A stage is running, or one is still to come.
    Running,
    /// Everything is done.
    Done,
    /// Finished, and something that was asked for is not done.
    Degraded,
    /// Could not go on.
    Failed,
    /// No configuration was found; nothing was changed.
    NoSeed,
    /// Switched off.
    Disabled,
}

impl Outcome {
    /// Exit code of the commands that tell it: 0 fine, 1 failed, 2 finished with recoverable errors.
    pub fn exit_code(self) -> u8 {
        match self {
            Outcome::Failed => 1,
            Outcome::Degraded => 2,
            _ => 0,
        }
    }

    /// Whether nothing more is to come in this boot.
    pub fn is_final(self) -> bool {
        !matches!(self, Outcome::NotStarted | Outcome::Running)
    }

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::NotStarted => "not-started",
            Outcome::Running => "running",
            Outcome::Done => "done",
            Outcome::Degraded => "degraded",
            Outcome::Failed => "failed",
            Outcome::NoSeed => "no-seed",
            Outcome::Disabled => "disabled",
        }
    }
}

/// The whole file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// The outcome of all stages.
    pub status: Outcome,
    /// Which boot this is about, by the kernel's `boot_id`.
    pub boot_id: String,
    /// Name of the datasource.
    pub datasource: Option<String>,
    /// Where it was.
    pub place: Option<String>,
    /// The instance.
    pub instance_id: Option<String>,
    /// Stages that have begun, by name.
    pub stages: BTreeMap<String, StageStatus>,
    /// What is to be said of the input.
    pub findings: Vec<FindingStatus>,
    /// Why it failed, where it did.
    pub error: Option<String>,
    /// Steps that this run did.
    #[serde(skip)]
    pub steps_now: usize,
    /// Changes that this run made.
    #[serde(skip)]
    pub changes_now: usize,
    /// What ends this boot, now that it is recorded: the caller's to run.
    #[serde(skip)]
    pub power: Option<(Command, Step)>,
}

/// One stage.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StageStatus {
    /// UTC, ISO 8601.
    pub started: String,
    /// UTC, ISO 8601; empty while it runs.
    pub finished: String,
    /// Milliseconds.
    pub took_ms: u64,
    /// What was done, in order.
    pub steps: Vec<StepStatus>,
}

/// What became of a step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepOutcome {
    /// Done, or nothing was to do.
    #[default]
    Done,
    /// Ended in an error.
    Failed,
    /// Stopped in the middle, now or by an earlier run; not repeated.
    Interrupted,
    /// Left for the boot.
    Waiting,
}

/// One step.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StepStatus {
    /// Its name.
    pub name: String,
    /// Who asked for it.
    pub origin: String,
    /// What became of it.
    pub outcome: StepOutcome,
    /// How many changes it made.
    pub changes: usize,
    /// Milliseconds.
    pub took_ms: u64,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What was done in place of what was asked for first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// Programs that it ran.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<CommandStatus>,
}

impl StepStatus {
    /// Whether what was asked for is not done, and won't be by waiting.
    pub fn is_failure(&self) -> bool {
        matches!(self.outcome, StepOutcome::Failed | StepOutcome::Interrupted)
    }
}

/// One program.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CommandStatus {
    /// What was run.
    pub argv: Vec<String>,
    /// How it ended: `exit code 0`, `killed by SIGKILL`, `ended after its time limit`.
    pub ended: String,
    /// The agent ended it because it was told to end itself.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
    /// Milliseconds.
    pub took_ms: u64,
    /// Its last lines. Not in this file, which everybody may read: see [`crate::report::output`].
    #[serde(skip)]
    pub tail: Vec<String>,
    /// Its entries (`runcmd`, `bootcmd`) that were run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<EntryStatus>,
}

/// One entry of a list of commands.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EntryStatus {
    /// Its place in the list, from one.
    pub number: usize,
    /// Its exit code; none where it ended the whole script, or was ended with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// Milliseconds, to a hundredth of a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
    /// What was run. Not in this file, as `tail`.
    #[serde(skip)]
    pub text: String,
}

/// A finding as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FindingStatus {
    /// The stages whose runs found it.
    pub stages: BTreeSet<String>,
    /// `error`, `warning` or `note`.
    pub severity: String,
    /// Where.
    pub origin: String,
    /// What and why.
    pub message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl FindingStatus {
    fn says_the_same(&self, other: &Self) -> bool {
        (&self.severity, &self.origin, &self.message) == (&other.severity, &other.origin, &other.message)
    }
}

impl fmt::Display for FindingStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.origin, self.severity, self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, "\n    help: {help}"))
    }
}

impl From<&Finding> for FindingStatus {
    fn from(finding: &Finding) -> Self {
        Self {
            stages: BTreeSet::new(),
            severity: finding.severity.to_string(),
            origin: finding.origin.to_string(),
            message: finding.message.clone(),
            help: finding.help.clone(),
        }
    }
}

impl Status {
    /// What is told is about one instance: what was told of another is gone.
    pub fn about(&mut self, instance_id: &str, datasource: &str) {
        if self.instance_id.as_deref().is_some_and(|other| other != instance_id) {
            (self.place, self.findings, self.stages) = Default::default();
        }
        self.instance_id = Some(instance_id.to_owned());
        self.datasource = Some(datasource.to_owned());
    }

    /// What a run of `stages` found, in place of what an earlier run of the same ones did. What only other stages found
    /// stays: the seed as it was kept no longer tells it all.
    pub fn found(&mut self, findings: &Findings, stages: &[Stage]) {
        let names: BTreeSet<String> = stages.iter().map(|stage| stage.name().to_owned()).collect();
        self.findings.iter_mut().for_each(|known| known.stages.retain(|stage| !names.contains(stage)));
        self.add(findings.iter(), stages);
        self.findings.retain(|known| !known.stages.is_empty());
    }

    /// What a run of `stages` found besides.
    pub fn add<'a>(&mut self, findings: impl IntoIterator<Item = &'a Finding>, stages: &[Stage]) {
        let names: BTreeSet<String> = stages.iter().map(|stage| stage.name().to_owned()).collect();
        for mut finding in findings.into_iter().map(FindingStatus::from) {
            match self.findings.iter_mut().find(|known| known.says_the_same(&finding)) {
                Some(known) => known.stages.extend(names.iter().cloned()),
                None => {
                    finding.stages = names.clone();
                    self.findings.push(finding);
                }
            }
        }
    }

    /// A stage begins.
    pub fn start(&mut self, stage: Stage) {
        self.status = Outcome::Running;
        let told = self.stages.entry(stage.name().to_owned()).or_default();
        told.started = clock::now();
        told.finished.clear();
    }

    /// A stage has ended with these steps.
    pub fn end(&mut self, stage: Stage, steps: Vec<StepStatus>, took: Duration) {
        self.steps_now += steps.iter().filter(|step| step.outcome != StepOutcome::Waiting).count();
        self.changes_now += steps.iter().map(|step| step.changes).sum::<usize>();
        let told = self.stages.entry(stage.name().to_owned()).or_default();
        told.finished = clock::now();
        told.took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        // A run by hand in the same boot adds to what the boot's own run told.
        for step in steps {
            match told.steps.iter_mut().find(|old| old.name == step.name) {
                Some(old) => *old = step,
                None => told.steps.push(step),
            }
        }
    }

    /// The few lines that a person at the console needs.
    pub fn summary(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(error) = &self.error {
            lines.push(format!("failed: {error}"));
        }
        for step in self.stages.values().flat_map(|stage| &stage.steps).filter(|step| step.is_failure()) {
            lines.push(format!("{}: {}", escaped(&step.name), step.error.as_deref().unwrap_or("interrupted")));
        }
        for step in self.stages.values().flat_map(|stage| &stage.steps) {
            lines.extend(step.warning.iter().map(|warning| format!("{}: warning: {warning}", escaped(&step.name))));
        }
        for finding in self.findings.iter().filter(|finding| finding.severity != "note") {
            lines.push(finding.to_string());
        }
        lines.push(match (&self.instance_id, self.status) {
            (_, Outcome::NoSeed) => "no configuration was found; nothing was changed".to_owned(),
            (Some(id), status) if self.steps_now == 0 => format!("{}: instance {id}, nothing to do", status.name()),
            (Some(id), status) => {
                format!("{}: instance {id}, {} steps, {} changes", status.name(), self.steps_now, self.changes_now)
            }
            (None, Outcome::Running) => "no configuration yet: the search goes on when the network is up".to_owned(),
            (None, status) => status.name().to_owned(),
        });
        lines
    }

    /// The outcome of what has been done so far.
    pub fn outcome(&self) -> Outcome {
        if self.error.is_some() {
            Outcome::Failed
        } else if self.findings.iter().any(|finding| finding.severity == "error")
            || self.stages.values().flat_map(|stage| &stage.steps).any(StepStatus::is_failure)
        {
            Outcome::Degraded
        } else {
            Outcome::Done
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Origin;

    #[test]
    fn an_error_among_the_findings_or_steps_degrades() {
        let mut status = Status::default();
        assert_eq!(status.outcome().exit_code(), 0);
        let origin = Origin::document("user_data");
        status.findings.push((&Finding::warning(&origin, "doubtful")).into());
        assert_eq!(status.outcome(), Outcome::Done);
        status.findings.push((&Finding::error(&origin, "left out")).into());
        assert_eq!(status.outcome().exit_code(), 2);
        status.error = Some("no".into());
        assert_eq!(status.outcome().exit_code(), 1);
    }

    #[test]
    fn what_one_stage_found_outlives_the_next_and_is_told_once() {
        let origin = Origin::document("user_data");
        let findings = |messages: &[&str]| {
            let mut findings = Findings::default();
            findings.extend(messages.iter().map(|message| Finding::error(&origin, *message)));
            findings
        };
        let told = |status: &Status| status.findings.iter().map(|known| known.message.clone()).collect::<Vec<_>>();
        let mut status = Status::default();
        status.about("i-1", "config-drive");
        status.found(&findings(&["a drive is damaged", "unknown key"]), &[Stage::Local]);
        // The next stage is another process, which reads what the first one left.
        let mut status: Status = serde_json::from_slice(&serde_json::to_vec(&status).unwrap()).unwrap();
        status.about("i-1", "config-drive");
        status.found(&findings(&["unknown key"]), &[Stage::Network]);
        assert_eq!(told(&status), ["a drive is damaged", "unknown key"]);
        assert_eq!(status.outcome(), Outcome::Degraded);
        status.found(&findings(&["unknown key"]), &Stage::ALL);
        assert_eq!(told(&status), ["unknown key"], "a whole run has the last word");
        status.about("i-2", "config-drive");
        assert!(status.findings.is_empty());
    }

    #[test]
    fn a_file_of_another_version_is_read_as_far_as_it_goes() {
        let status: Status = serde_json::from_str("{\"status\":\"done\",\"novel\":1}").unwrap();
        assert_eq!(status.status, Outcome::Done);
    }
}
