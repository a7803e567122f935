// SPDX-License-Identifier: Apache-2.0
//! The primitive changes that a step is made of.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::error::Result;
use crate::host_key;
use crate::network::render::kernel;
use crate::plan::power::PowerState;
use crate::plan::request::{Purpose, Request};
use crate::root::Tree;

mod account;
mod command;

pub use account::{AuthorizedKeys, Group, Password, PasswordHash, User};
pub use command::{Command, Progress, SCRIPT_LIMIT};

/// One primitive change. Relative to the machine's state only in ways that are a pure function of it.
#[derive(Debug, Clone)]
pub enum Action {
    /// A whole file.
    Write(Write),
    /// A file's new text as a function of its old one.
    Edit(Edit),
    /// A directory and its missing parents.
    #[allow(missing_docs)]
    Directory { path: PathBuf, mode: u32, owner: Owner },
    /// A symbolic link in place of whatever is there.
    #[allow(missing_docs)]
    Link { path: PathBuf, target: PathBuf },
    /// A file or a link away, where it is there.
    #[allow(missing_docs)]
    Remove { path: PathBuf },
    /// A group, made where it is missing, with members added.
    Group(Group),
    /// A user, made where it is missing.
    User(User),
    /// A password, its lock and its age.
    Password(Password),
    /// A password that nobody knows before it is applied, and that the console alone is told then.
    #[allow(missing_docs)]
    RandomPassword { user: String, expire: bool },
    /// Public keys added to a user's `authorized_keys`.
    AuthorizedKeys(AuthorizedKeys),
    /// The running kernel's host name.
    Hostname(String),
    /// The running kernel's network: names, virtual interfaces, addresses, routes, rules. What is there is left, and one
    /// that cannot be made costs only itself.
    Interfaces(Vec<kernel::Change>),
    /// Random bytes into the kernel's pool.
    Entropy(Vec<u8>),
    /// A new pair of host keys of sshd, the private one at `path`; made when it is applied, so that no plan shows it.
    #[allow(missing_docs)]
    HostKey { kind: host_key::Kind, path: PathBuf, mode: u32, owner: Owner },
    /// A program.
    Run(Command),
    /// A request to a server, and what its answer asks for.
    Request(Request),
    /// What this machine rules out: why. The plan shows it and the step fails with it, so that nothing is left out in
    /// silence.
    Refuse(String),
    /// Lines for whoever watches the console: `$uptime` and `$timestamp` are those of their moment.
    Message(String),
    /// Lines for whoever watches the console, of what is in the tree at their moment.
    Report(Report),
    /// What becomes of the machine once all is done and recorded.
    PowerState(PowerState),
}

impl Action {
    /// Whether an image root has nothing that it could change.
    pub fn needs_live_system(&self) -> bool {
        matches!(
            self,
            Action::Hostname(_)
                | Action::Interfaces(_)
                | Action::Entropy(_)
                | Action::HostKey { .. }
                | Action::RandomPassword { .. }
                | Action::Run(_)
                | Action::Request(_)
                | Action::Refuse(_)
                | Action::Message(_)
                | Action::Report(_)
                | Action::PowerState(_)
        )
    }

    /// The file that it writes, wherever the content comes from.
    pub fn written(&self) -> Option<&Write> {
        match self {
            Action::Write(write) | Action::Request(Request { purpose: Purpose::File { write, .. }, .. }) => Some(write),
            _ => None,
        }
    }

    /// The same, to be changed.
    pub fn written_mut(&mut self) -> Option<&mut Write> {
        match self {
            Action::Write(write) | Action::Request(Request { purpose: Purpose::File { write, .. }, .. }) => Some(write),
            _ => None,
        }
    }

    /// Whether it adds to the end of a file: done twice it leaves another tree than done once.
    pub fn appends(&self) -> bool {
        self.written().is_some_and(|write| write.append)
    }
}

/// Who owns a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Owner {
    /// root:root.
    #[default]
    Root,
    /// `user:group`, as names or numbers; an empty half stays root's.
    Named(String, String),
}

/// A whole file, written beside and renamed.
#[derive(Debug, Clone)]
pub struct Write {
    /// Where.
    pub path: PathBuf,
    /// What.
    pub content: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// Whose.
    pub owner: Owner,
    /// At the end of what is there, in place of it. The mode and owner of a file that exists are still set.
    pub append: bool,
    /// An earlier run began with it, and may have been stopped just after it: where the file already ends with the
    /// content, that is not appended again. The plan's to set, by what the journal tells.
    pub begun: bool,
    /// Shown as a digest.
    pub secret: bool,
}

impl Write {
    /// root's, 0644.
    pub fn new(path: impl Into<PathBuf>, content: impl Into<Vec<u8>>) -> Self {
        Self {
            path: path.into(),
            content: content.into(),
            mode: 0o644,
            owner: Owner::Root,
            append: false,
            begun: false,
            secret: false,
        }
    }

    /// With these permission bits.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Of this owner.
    #[must_use]
    pub fn owner(mut self, owner: Owner) -> Self {
        self.owner = owner;
        self
    }

    /// Shown as a digest only.
    #[must_use]
    pub fn secret(mut self) -> Self {
        self.secret = true;
        self
    }
}

type Editor = Arc<dyn Fn(&str) -> Result<String> + Send + Sync>;

/// A file's new text as a pure function of its old one (empty where the file is missing). Mode and owner of a file
/// that exists are kept. Where the function gives back what it got, nothing is done.
#[derive(Clone)]
pub struct Edit {
    /// Which file.
    pub path: PathBuf,
    /// Mode of a new file.
    pub mode: u32,
    /// The function.
    pub change: Editor,
    /// Leave a file that is missing missing.
    pub only_existing: bool,
}

impl Edit {
    /// Changes `path` by `change`; a missing file is made with mode 0644.
    pub fn new(path: impl Into<PathBuf>, change: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self { path: path.into(), mode: 0o644, change: Arc::new(move |old| Ok(change(old))), only_existing: false }
    }

    /// Mode of a new file.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Leaves a file that is missing missing.
    #[must_use]
    pub fn only_existing(mut self) -> Self {
        self.only_existing = true;
        self
    }
}

impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edit").field("path", &self.path).finish_non_exhaustive()
    }
}

type Reporter = Arc<dyn Fn(&dyn Tree) -> Result<String> + Send + Sync>;

/// Lines for the console as a pure function of the tree: programs look for them, so they stand as they are.
#[derive(Clone)]
pub struct Report {
    /// What they tell, for the plan: it cannot know them.
    pub about: &'static str,
    /// The function; nothing is said where it gives nothing.
    pub lines: Reporter,
}

impl Report {
    /// Tells `about` by `lines`.
    pub fn new(about: &'static str, lines: impl Fn(&dyn Tree) -> Result<String> + Send + Sync + 'static) -> Self {
        Self { about, lines: Arc::new(lines) }
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Report").field(&self.about).finish()
    }
}
