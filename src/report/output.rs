// SPDX-License-Identifier: Apache-2.0
//! What each step's programs were given and printed last: beside the status and for root alone, as it may hold secrets.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::report::status::{CommandStatus, Status, StepStatus};
use crate::report::{boot_id, write};
use crate::root::{Root, Tree as _};
use crate::state;

/// The whole file: the programs of each step by the step's name, in their order.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Tails {
    boot_id: String,
    steps: BTreeMap<String, Vec<Tail>>,
}

/// One program.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Tail {
    /// Its last lines.
    printed: Vec<String>,
    /// The texts of its entries that were run, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    entries: Vec<String>,
}

impl Tail {
    fn of(command: &CommandStatus) -> Self {
        let texts = command.entries.iter().map(|entry| entry.text.clone());
        Self { printed: command.tail.clone(), entries: texts.collect() }
    }
}

impl Tails {
    /// What this boot has left so far. A file that is damaged or of another boot is nothing.
    fn read(root: &Root) -> Result<Self> {
        let bytes = root.read(Path::new(state::TAILS))?.unwrap_or_default();
        let tails: Self = serde_json::from_slice(&bytes).unwrap_or_default();
        let boot_id = boot_id(root);
        Ok(if tails.boot_id == boot_id { tails } else { Self { boot_id, ..Self::default() } })
    }
}

/// Keeps what the programs of these steps printed last, beside what those of other steps did.
pub fn keep(root: &Root, steps: &[StepStatus]) -> Result<()> {
    let mut ran = steps.iter().filter(|step| !step.commands.is_empty()).peekable();
    if ran.peek().is_none() {
        return Ok(());
    }
    let mut tails = Tails::read(root)?;
    for step in ran {
        tails.steps.insert(step.name.clone(), step.commands.iter().map(Tail::of).collect());
    }
    write(root, state::TAILS, &tails, 0o600).map(drop)
}

/// Fills in what the programs that `status` tells of were given and printed last.
///
/// # Errors
/// It can't be read, as by anybody but root.
pub fn add(root: &Root, status: &mut Status) -> Result<()> {
    let mut tails = Tails::read(root)?;
    for step in status.stages.values_mut().flat_map(|stage| &mut stage.steps) {
        let tails = tails.steps.remove(&step.name).unwrap_or_default();
        for (command, tail) in step.commands.iter_mut().zip(tails) {
            command.tail = tail.printed;
            command.entries.iter_mut().zip(tail.entries).for_each(|(entry, text)| entry.text = text);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::report;
    use crate::report::status::{EntryStatus, StageStatus};

    #[test]
    fn what_a_program_printed_is_root_s_to_read() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        let step = |name: &str, printed: &str| StepStatus {
            name: name.to_owned(),
            commands: vec![CommandStatus {
                tail: vec![printed.to_owned()],
                entries: vec![EntryStatus { number: 1, text: format!("echo {printed}"), ..EntryStatus::default() }],
                ..CommandStatus::default()
            }],
            ..StepStatus::default()
        };
        let steps = vec![step("bootcmd", "hunter2"), step("runcmd", "swordfish")];
        let mut status = Status::default();
        status.stages.insert("final".to_owned(), StageStatus { steps: steps.clone(), ..StageStatus::default() });
        // Two stages, as two runs.
        steps.chunks(1).for_each(|steps| keep(&root, steps).unwrap());
        report::publish(&root, &status).unwrap();

        let public = std::fs::read_to_string(directory.path().join(state::STATUS.trim_start_matches("/"))).unwrap();
        assert!(!public.contains("hunter2") && !public.contains("swordfish"), "{public}");
        let mode = directory.path().join(state::TAILS.trim_start_matches("/")).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let mut read = report::status(&root).unwrap();
        add(&root, &mut read).unwrap();
        let tails: Vec<&str> =
            read.stages["final"].steps.iter().map(|step| step.commands[0].tail[0].as_str()).collect();
        assert_eq!(tails, ["hunter2", "swordfish"]);
        assert_eq!(read.stages["final"].steps[1].commands[0].entries[0].text, "echo swordfish");
    }
}
