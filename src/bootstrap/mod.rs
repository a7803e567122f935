// SPDX-License-Identifier: Apache-2.0
//! The site's bootstrap script: fetched, checked, run, counted, until it succeeds.
//!
//! It is tried until it exits with 0, for ever after which it is not run again, or until `bootstrap-max-retry` tries in
//! all, over reboots. The limit, and whether `start-bootstrap` is there, are read again before each try, since the script
//! may change both. A try is counted before anything of it happens: a script that reboots uses up a try, and so does a
//! download that fails. Where `start-bootstrap` is taken away the loop ends; put back, it is seen at the next start.

use std::path::PathBuf;
use std::time::Duration;

use crate::apply::commands::End;
use crate::apply::interrupt::Interrupt;
use crate::error::Result;
use crate::http;
use crate::root::Root;
use crate::state;

mod conclusion;
mod environment;
mod fetch;
mod files;
pub mod lock;
mod output;
mod record;
mod seal;
mod settings;
#[cfg(test)]
mod tests;
mod turn;

pub use conclusion::Conclusion;
pub use record::{Record, State, Try};
pub use settings::UNIT;

use files::Files;
use output::Output;
use seal::Seal;

/// By how much of it the interval is made longer or shorter.
const SPREAD_PERCENT: u32 = 10;

/// What to fetch from where, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bootstrap {
    /// Where the script is.
    pub url: String,
    /// From the end of a try to the start of the next, give or take a tenth.
    pub interval: Duration,
    /// When the script's process group is ended; none lets it run.
    pub timeout: Option<Duration>,
    /// Tries in all, where the file `bootstrap-max-retry` does not say it.
    pub max_retry: u32,
    /// The guest's directory of `start-bootstrap`, `bootstrap-max-retry`, `retry-amount` and `bootstrap-script`.
    pub directory: PathBuf,
    /// The guest's file to which output is appended.
    pub log: PathBuf,
    /// SHA-256 that the script must have, in hex.
    pub sha256: Option<String>,
    /// minisign's public key, as the base64 line or the whole file, of whoever signs the script. The signature is
    /// fetched from the script's URL with `.minisig` added to its path.
    pub public_key: Option<String>,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self {
            url: "http://10.0.2.100/vm-bootstrap".to_owned(),
            interval: Duration::from_secs(60),
            timeout: None,
            max_retry: 10,
            directory: state::BOOTSTRAP_DIR.into(),
            log: state::BOOTSTRAP_LOG.into(),
            sha256: None,
            public_key: None,
        }
    }
}

impl Bootstrap {
    /// Tries until there is nothing left to try; with `once`, at most one time. SIGTERM and SIGINT end a script that
    /// runs, and a pause, in order; a download they simply end with the agent.
    ///
    /// # Errors
    /// Malformed: a URL, digest or key of the settings, or the record of earlier tries. Transient: another bootstrap
    /// runs. Fatal: the count can't be kept. How the script goes is never an error.
    pub fn run(&self, root: &Root, once: bool) -> Result<Conclusion> {
        http::parse(&self.url).map_err(|error| error.while_doing("bootstrap url"))?;
        let seal = Seal::parse(self.sha256.as_deref(), self.public_key.as_deref())?;
        let files = Files::new(root, &self.directory);
        let _lock = lock::take(root)?;
        let mut record = Record::read(root)?.unwrap_or_default();
        if record.state == State::Succeeded {
            return Ok(Conclusion::AlreadySucceeded { tries: record.tries });
        }
        let conclusion = self.turns(root, &files, &seal, &mut record, once)?;
        record.state = conclusion.state();
        record.write(root)?;
        match conclusion {
            // A machine that makes no use of it gets no log of it.
            Conclusion::Disabled { tries: 0, .. } => log::info!("{conclusion}"),
            _ => Output::open(root, &self.log).say(&conclusion.to_string()),
        }
        Ok(conclusion)
    }

    fn turns(&self, root: &Root, files: &Files, seal: &Seal, record: &mut Record, once: bool) -> Result<Conclusion> {
        loop {
            if let Some(conclusion) = self.stopped(files, record) {
                return Ok(conclusion);
            }
            let number = files.tries(record.tries).saturating_add(1);
            record.begin(number, files.max_retry(self.max_retry));
            files.count(number)?;
            record.write(root)?;

            let (last, end) = self.turn(root, files, seal, record);
            record.last = Some(last);
            match end {
                Some(End::Code(0)) => return Ok(Conclusion::Succeeded { tries: number }),
                Some(End::Interrupted) => return Ok(Conclusion::Interrupted { tries: number }),
                _ if once => return Ok(self.stopped(files, record).unwrap_or_else(|| Conclusion::failed(record))),
                _ => (),
            }
            record.state = State::Waiting;
            record.write(root)?;
            // No pause where there will be no other try.
            if self.stopped(files, record).is_none()
                && Interrupt::watch()?.sleep(http::spread(self.interval, SPREAD_PERCENT))
            {
                return Ok(Conclusion::Interrupted { tries: number });
            }
        }
    }

    /// Why there is no other try, as the files say now.
    fn stopped(&self, files: &Files, record: &Record) -> Option<Conclusion> {
        let tries = files.tries(record.tries);
        if !files.is_enabled() {
            return Some(Conclusion::Disabled { tries, switch: files.switch().to_owned() });
        }
        (tries >= files.max_retry(self.max_retry)).then(|| Conclusion::gave_up(tries, record))
    }
}
