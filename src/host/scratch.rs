// SPDX-License-Identifier: Apache-2.0
//! A directory for what must not outlive a command: overlays, seeds, sockets. Gone at its end, by a signal, and after a kill.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The directory.
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes one below `parent` (default: TMPDIR), after taking away those whose makers were killed.
    pub fn new(_parent: Option<&Path>) -> Result<Self> {
        Err(Error::fatal("scratch is not built yet"))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
