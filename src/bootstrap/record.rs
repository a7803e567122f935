// SPDX-License-Identifier: Apache-2.0
//! What is known of the bootstrap script from one boot to the next.

use serde::{Deserialize, Serialize};
use std::fmt;

use crate::error::{Error, Result};
use crate::root::{Root, Tree as _};
use crate::state;

/// The record.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// Where it stands.
    pub state: State,
    /// Tries so far, the one under way among them.
    pub tries: u32,
    /// How many there might be when the last one began.
    pub max_retry: u32,
    /// The last try that came to its end.
    pub last: Option<Try>,
}

/// Where the bootstrap stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Not tried yet.
    #[default]
    New,
    /// A try is under way, or was when the machine went down.
    Running,
    /// The last try failed, and there will be another.
    Waiting,
    /// Done for ever.
    Succeeded,
    /// No tries are left.
    GaveUp,
    /// `start-bootstrap` is not there.
    Disabled,
    /// The agent was told to end.
    Interrupted,
}

/// One try.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Try {
    /// Which one, from 1.
    pub number: u32,
    /// When, UTC.
    pub started: String,
    /// How long it took, download and all.
    pub seconds: f64,
    /// What came of it, for a person.
    pub result: String,
    /// Where the script ended by itself.
    pub exit_code: Option<i32>,
    /// The last lines that it printed.
    pub tail: Vec<String>,
}

/// "1 try", "2 tries".
pub(super) fn count(tries: u32) -> String {
    if tries == 1 { "1 try".to_owned() } else { format!("{tries} tries") }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.state {
            State::New => f.write_str("not tried yet"),
            State::Running => write!(f, "try {} of {} is under way", self.tries, self.max_retry),
            State::Waiting => write!(f, "waiting after {} of {}", count(self.tries), self.max_retry),
            State::Succeeded => write!(f, "succeeded after {}", count(self.tries)),
            State::GaveUp => write!(f, "gave up after {}", count(self.tries)),
            State::Disabled => f.write_str("disabled: start-bootstrap is not there"),
            State::Interrupted => write!(f, "stopped with the agent after {}", count(self.tries)),
        }?;
        match &self.last {
            Some(last) if self.state != State::Succeeded => write!(f, "; the last one: {}", last.result),
            _ => Ok(()),
        }
    }
}

impl Record {
    /// The record beneath the root; `None` where nothing was ever tried.
    ///
    /// # Errors
    /// Malformed where it can't be read as what it should be: whether the script has succeeded is then not known, and
    /// running it again could do harm.
    pub fn read(root: &Root) -> Result<Option<Self>> {
        let Some(text) = root.read_text(state::BOOTSTRAP.as_ref())? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|error| {
            Error::malformed(format!("{} is damaged", state::BOOTSTRAP))
                .because(error)
                .help("remove it to let the script run, if it may run again")
        })
    }

    pub(super) fn write(&self, root: &Root) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(|e| Error::fatal("cannot write the record").because(e))?;
        // The script's output may hold what only root should read.
        root.write_durably(state::BOOTSTRAP.as_ref(), &text, 0o600)
    }

    pub(super) fn begin(&mut self, number: u32, max_retry: u32) {
        self.state = State::Running;
        self.tries = number;
        self.max_retry = max_retry;
    }
}
