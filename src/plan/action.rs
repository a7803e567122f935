// SPDX-License-Identifier: Apache-2.0
//! The primitive changes that a step is made of.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Result;
use crate::host_key;
use crate::network::render::kernel;
use crate::plan::accounts::hash::sha512_crypt;
use crate::plan::power::PowerState;
use crate::plan::request::{Purpose, Request};
use crate::root::{Root, Tree};

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

/// A group.
#[derive(Debug, Clone, Default)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Number of a new group; else the next free one.
    pub gid: Option<u32>,
    /// In the system's range.
    pub system: bool,
    /// Users that are added to it; each must be there already.
    pub members: Vec<String>,
}

/// A user. One that exists keeps its numbers, home, shell and name; supplementary groups are added to.
///
/// Made as `useradd` of shadow 4.13 does: numbers by `login.defs`, a group of its own, home from `/etc/skel`,
/// ranges in `subuid` and `subgid`.
#[derive(Clone, Default)]
#[allow(missing_docs)]
pub struct User {
    pub name: String,
    pub uid: Option<u32>,
    pub gecos: Option<String>,
    pub home: Option<PathBuf>,
    pub shell: Option<String>,
    /// In place of a group of its own name.
    pub primary_group: Option<String>,
    /// No group of its own: the default group of `login.defs` (users, 100).
    pub no_user_group: bool,
    pub groups: Vec<String>,
    pub system: bool,
    pub no_create_home: bool,
    /// A crypt(3) hash to begin with; none is a locked account.
    pub password: Option<String>,
    /// Day on which the account ends, `YYYY-MM-DD`.
    pub expires: Option<String>,
    /// Days after the password's end until the account is disabled.
    pub inactive: Option<i64>,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What becomes of a user's password. All of it is in `/etc/shadow`.
#[derive(Clone, Default)]
#[allow(missing_docs)]
pub struct Password {
    pub user: String,
    /// None leaves it.
    pub hash: Option<PasswordHash>,
    /// `Some(true)` puts `!` before it, `Some(false)` takes it away.
    pub lock: Option<bool>,
    /// Must be changed at the next login.
    pub expire: bool,
}

/// What shadow gets for a password.
#[derive(Clone, PartialEq, Eq)]
pub enum PasswordHash {
    /// Made by crypt(3) elsewhere, or nothing.
    Given(String),
    /// Made of a password as it is typed, and only when it is written: it takes its milliseconds.
    Typed {
        /// The password.
        text: String,
        /// Always the same for one user of one instance, so that `plan` and `run` agree.
        salt: [u8; 12],
    },
}

impl From<&str> for PasswordHash {
    fn from(hash: &str) -> Self {
        PasswordHash::Given(hash.to_owned())
    }
}

impl PasswordHash {
    /// The hash.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            PasswordHash::Given(hash) => hash.into(),
            PasswordHash::Typed { text, salt } => sha512_crypt(text, salt).into(),
        }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Password").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Keys for a user: `~/.ssh` 0700 and `authorized_keys` 0600, the user's own, lines that are there kept, a key that is
/// there already (same type and blob) not repeated but given the new options.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct AuthorizedKeys {
    pub user: String,
    /// Whole lines: options, type, blob, comment.
    pub keys: Vec<String>,
}

type Guard = Arc<dyn Fn(&Root) -> Result<bool> + Send + Sync>;
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
