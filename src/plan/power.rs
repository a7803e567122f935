// SPDX-License-Identifier: Apache-2.0
//! Power state: whether the machine goes down or starts again when everything else is done.

use std::fmt;
use std::path::PathBuf;

use crate::plan::action::Command;

/// A program that ends this boot. It is started when the last stage is over: after its records and the status are written
/// and the disks are synced. Its step is at its end by then, so no later boot does it again.
///
/// Of several that are due the last one counts.
#[derive(Debug, Clone)]
pub struct PowerState {
    /// What brings the machine down.
    pub command: Command,
    /// Looked at when the step has its turn.
    pub condition: Condition,
}

/// When it is due.
#[derive(Clone)]
pub enum Condition {
    /// In any case.
    Always,
    /// Where this program ends with exit code 0.
    Succeeds(Command),
    /// Where one of these files is there, as package managers leave one (`/run/reboot-required`).
    AnyExists(Vec<PathBuf>),
}

/// What a person reads after the command; nothing of what holds in any case.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::Always => Ok(()),
            Condition::Succeeds(command) => write!(f, "if this succeeds: {}", command.argv.join(" ")),
            Condition::AnyExists(files) => {
                let files: Vec<_> = files.iter().map(|file| file.to_string_lossy()).collect();
                write!(f, "if there is {}", files.join(" or "))
            }
        }
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::Always => f.write_str("Always"),
            Condition::Succeeds(_) => f.write_str("Succeeds"),
            Condition::AnyExists(files) => f.debug_tuple("AnyExists").field(files).finish(),
        }
    }
}
