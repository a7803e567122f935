// SPDX-License-Identifier: Apache-2.0
//! How the bootstrap loop ended, in the one line that a person reads.

use std::fmt;
use std::path::PathBuf;

use crate::bootstrap::record::{Record, State, count};

/// How the loop ended. `tries` are those of all boots.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Conclusion {
    Succeeded {
        tries: u32,
    },
    /// In an earlier run; nothing was done.
    AlreadySucceeded {
        tries: u32,
    },
    /// As many tries as there may be, `last` the result of the last.
    GaveUp {
        tries: u32,
        last: Option<String>,
    },
    /// The one try that was asked for failed, and there are some left.
    Failed {
        tries: u32,
        limit: u32,
        last: String,
    },
    /// `switch`, the guest's `start-bootstrap`, is not there.
    Disabled {
        tries: u32,
        switch: PathBuf,
    },
    /// The agent was told to end. The try that was under way counts.
    Interrupted {
        tries: u32,
    },
}

impl Conclusion {
    pub(super) fn gave_up(tries: u32, record: &Record) -> Self {
        Self::GaveUp { tries, last: record.last.as_ref().map(|last| last.result.clone()) }
    }

    pub(super) fn failed(record: &Record) -> Self {
        let last = record.last.as_ref().map(|last| last.result.clone()).unwrap_or_default();
        Self::Failed { tries: record.tries, limit: record.max_retry, last }
    }

    /// Whether the machine lacks what the script should have done, with nobody having switched it off.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::GaveUp { .. } | Self::Failed { .. })
    }

    pub(super) fn state(&self) -> State {
        match self {
            Self::Succeeded { .. } | Self::AlreadySucceeded { .. } => State::Succeeded,
            Self::GaveUp { .. } => State::GaveUp,
            Self::Failed { .. } => State::Waiting,
            Self::Disabled { .. } => State::Disabled,
            Self::Interrupted { .. } => State::Interrupted,
        }
    }
}

impl fmt::Display for Conclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Succeeded { tries } => write!(f, "bootstrap succeeded at try {tries}"),
            Self::AlreadySucceeded { tries } => write!(f, "bootstrap has succeeded before, at try {tries}"),
            Self::GaveUp { tries, last: Some(last) } => {
                write!(f, "bootstrap gave up after {} (last: {last})", count(*tries))
            }
            Self::GaveUp { tries, last: None } => write!(f, "bootstrap gave up after {}", count(*tries)),
            Self::Failed { tries, limit, last } => write!(f, "bootstrap failed at try {tries} of {limit} ({last})"),
            Self::Disabled { tries: 0, switch } => write!(f, "bootstrap is disabled: no {}", switch.display()),
            Self::Disabled { tries, switch } => {
                write!(f, "bootstrap is disabled after {}: no {}", count(*tries), switch.display())
            }
            Self::Interrupted { tries } => {
                write!(f, "bootstrap was told to end after {}; the next start goes on", count(*tries))
            }
        }
    }
}
