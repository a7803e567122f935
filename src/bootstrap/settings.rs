// SPDX-License-Identifier: Apache-2.0
//! The bootstrap loop as the image's settings have it, and what an image is given for it.

use std::path::{Path, PathBuf};

use crate::bootstrap::files::Files;
use crate::bootstrap::{Bootstrap, Record, State};
use crate::config::base::Settings;
use crate::error::Result;
use crate::root::Root;
use crate::state;

/// Name of its unit among those that a boot may want.
pub const UNIT: &str = "bootstrap";

impl Bootstrap {
    /// What the settings say, else the defaults.
    pub fn from_settings(settings: &Settings) -> Self {
        let mut bootstrap = Self::default();
        let Some(told) = settings.bootstrap.clone() else { return bootstrap };
        if let Some(url) = told.url {
            bootstrap.url = url.value;
        }
        if let Some(interval) = told.interval {
            bootstrap.interval = interval;
        }
        if let Some(directory) = told.directory {
            bootstrap.directory = directory.value;
        }
        if let Some(log) = told.log {
            bootstrap.log = log.value;
        }
        bootstrap.timeout = told.timeout.filter(|timeout| !timeout.is_zero());
        bootstrap.sha256 = told.sha256.map(|digest| digest.value);
        bootstrap.public_key = told.public_key.map(|key| key.value);
        bootstrap
    }

    /// Whether a loop started now would try the script.
    pub fn is_due(&self, root: &Root) -> Result<bool> {
        let record = Record::read(root)?.unwrap_or_default();
        let files = Files::new(root, &self.directory);
        Ok(record.state != State::Succeeded && files.is_enabled() && files.tries(record.tries) < files.max_retry())
    }
}

/// What an image begins with: the switch, the number of tries, and none made.
pub fn initial_files() -> [(PathBuf, &'static str); 3] {
    let file = |name: &str| Path::new(state::BOOTSTRAP_DIR).join(name);
    [(file("start-bootstrap"), "\n"), (file("bootstrap-max-retry"), "10\n"), (file("retry-amount"), "0\n")]
}

/// What a loop leaves that an image must not be published with.
pub fn leftovers() -> [PathBuf; 4] {
    let file = |name: &str| Path::new(state::BOOTSTRAP_DIR).join(name);
    [state::BOOTSTRAP.into(), state::BOOTSTRAP_LOG.into(), file("retry-amount"), file("bootstrap-script")]
}
