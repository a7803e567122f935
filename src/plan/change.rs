// SPDX-License-Identifier: Apache-2.0
//! Changes: what is left of an action once nothing has to be decided any more.

use std::fmt;
use std::path::PathBuf;

use crate::host_key::Kind;
use crate::network::render::kernel;
use crate::plan::action::{Command, Report};
use crate::plan::power::PowerState;
use crate::plan::request::Request;

/// One change of the machine, nothing left to decide.
#[derive(Clone)]
#[allow(missing_docs)]
pub enum Change {
    /// A file's content, mode or owner.
    File {
        path: PathBuf,
        content: Vec<u8>,
        old: Option<Old>,
        mode: u32,
        uid: u32,
        gid: u32,
        secret: bool,
    },
    Directory {
        path: PathBuf,
        mode: u32,
        uid: u32,
        gid: u32,
    },
    Link {
        path: PathBuf,
        target: PathBuf,
    },
    Remove {
        path: PathBuf,
    },
    Hostname(String),
    /// What of the kernel's network is not there yet; and all that is asked, as the kernel drops some of it when it
    /// makes the rest.
    Interfaces {
        missing: Vec<kernel::Change>,
        asked: Vec<kernel::Change>,
    },
    Entropy(Vec<u8>),
    HostKey {
        kind: Kind,
        path: PathBuf,
        mode: u32,
        gid: u32,
    },
    /// Made when it is applied.
    RandomPassword {
        user: String,
        expire: bool,
    },
    Run(Command),
    /// What its answer comes to is known when it has come.
    Request(Request),
    Message(String),
    Report(Report),
    PowerState(PowerState),
}

/// The file that another one replaces: what a diff shows, if its readers may see it.
#[derive(Clone)]
#[allow(missing_docs)]
pub struct Old {
    pub content: Vec<u8>,
    pub mode: u32,
}

/// Without the bytes, which may be secret.
impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::File { path, content, mode, uid, gid, .. } => {
                write!(f, "File({}, {} bytes, {mode:o}, {uid}:{gid})", path.display(), content.len())
            }
            Change::Directory { path, mode, uid, gid } => {
                write!(f, "Directory({}, {mode:o}, {uid}:{gid})", path.display())
            }
            Change::Link { path, target } => write!(f, "Link({} -> {})", path.display(), target.display()),
            Change::Remove { path } => write!(f, "Remove({})", path.display()),
            Change::Hostname(name) => write!(f, "Hostname({name})"),
            Change::Interfaces { missing, .. } => {
                f.debug_list().entries(missing.iter().map(kernel::Change::command)).finish()
            }
            Change::Entropy(bytes) => write!(f, "Entropy({} bytes)", bytes.len()),
            Change::HostKey { kind, path, .. } => write!(f, "HostKey({}, {})", kind.name(), path.display()),
            Change::Run(command) => write!(f, "Run({command:?})"),
            Change::Request(request) => write!(f, "Request({request:?})"),
            Change::Message(text) => write!(f, "Message({text})"),
            Change::RandomPassword { user, .. } => write!(f, "RandomPassword({user})"),
            Change::Report(report) => report.fmt(f),
            Change::PowerState(power) => power.fmt(f),
        }
    }
}
