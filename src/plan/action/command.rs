// SPDX-License-Identifier: Apache-2.0
//! A program that an action runs.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Result;
use crate::root::Root;

type Guard = Arc<dyn Fn(&Root) -> Result<bool> + Send + Sync>;

/// A program, run without a shell.
#[derive(Clone)]
pub struct Command {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// On top of a small clean environment.
    pub env: Vec<(String, String)>,
    /// Where; else `/`.
    pub directory: Option<PathBuf>,
    /// Given on its standard input; never logged.
    pub stdin: Vec<u8>,
    /// When its process group is ended.
    pub timeout: Option<Duration>,
    /// May be run again after an interruption (`netplan generate`), unlike somebody's script.
    pub repeatable: bool,
    /// On an image root the whole step waits for the boot; else the program is left out there.
    pub waits_for_boot: bool,
    /// Fetches something, so that a stage after the local one begins with the network up; somebody's script always may.
    pub fetches: bool,
    /// What it tells of its parts.
    pub progress: Option<Progress>,
    /// Looks at the running system directly before: whether the program is still needed, or an error why it must not
    /// run. For what can't be undone, and depends on more than was known when it was planned. An absent device is
    /// waited for, for a while.
    pub guard: Option<Guard>,
}

/// Where a program that has parts appends an `ENTRY EXIT UPTIME` line when it starts (entry and exit are 0) and after
/// each part.
#[derive(Clone)]
pub struct Progress {
    /// The file; missing before it starts.
    pub path: PathBuf,
    /// All parts in the order in which they run: each one's number, and its text, which may be secret.
    pub entries: Vec<(usize, String)>,
    /// The first part that fails ends the program.
    pub strict: bool,
}

/// How long somebody's script may take, so that one that hangs fails and the steps after it have their turn: below the 6
/// hours after which systemd would end the final stage as a whole.
pub const SCRIPT_LIMIT: Duration = Duration::from_secs(5 * 60 * 60);

impl Command {
    /// A tool of the guest that may be run as often as needed; two minutes.
    pub fn tool<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self { timeout: Some(Duration::from_secs(120)), repeatable: true, waits_for_boot: false, ..Self::script(argv) }
    }

    /// A tool that fetches what it works on: waits for the boot and the network, and takes at most `minutes`.
    pub fn fetching<S: Into<String>>(minutes: u64, argv: impl IntoIterator<Item = S>) -> Self {
        let timeout = Some(Duration::from_secs(minutes * 60));
        Self { timeout, waits_for_boot: true, fetches: true, ..Self::tool(argv) }
    }

    /// Somebody's script: run once, for at most [`SCRIPT_LIMIT`].
    pub fn script<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            directory: None,
            stdin: Vec::new(),
            timeout: Some(SCRIPT_LIMIT),
            repeatable: false,
            waits_for_boot: true,
            fetches: false,
            progress: None,
            guard: None,
        }
    }

    /// Looked at by `guard` directly before.
    #[must_use]
    pub fn guarded(mut self, guard: impl Fn(&Root) -> Result<bool> + Send + Sync + 'static) -> Self {
        self.guard = Some(Arc::new(guard));
        self
    }

    /// On an image root the whole step waits for the boot.
    #[must_use]
    pub fn waiting_for_boot(mut self) -> Self {
        self.waits_for_boot = true;
        self
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command").field("argv", &self.argv).finish_non_exhaustive()
    }
}
