// SPDX-License-Identifier: Apache-2.0
//! What went wrong in the world, by what the caller must do about it.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::finding::{Finding, Origin};

/// The result of whatever can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the caller must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It is not there: go on without it.
    Absent,
    /// It is there and can't be read as what it should be: say where, go on without it.
    Malformed,
    /// It may work later: try again until the deadline.
    Transient,
    /// It won't work: stop this part.
    Fatal,
}

/// An error: what happened, where, why, and what to do.
pub struct Error {
    kind: Kind,
    /// The place in the input, where that is known.
    origin: Option<Box<Origin>>,
    message: String,
    help: Option<String>,
    retry_after: Option<Duration>,
    status: Option<u16>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, origin: None, message: message.into(), help: None, retry_after: None, status: None, source: None }
    }

    /// Something that is not there.
    pub fn absent(message: impl Into<String>) -> Self {
        Self::new(Kind::Absent, message)
    }

    /// Something that is not what it should be; see also `From<Finding>`, which knows the place.
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::new(Kind::Malformed, message)
    }

    /// Something that may work later.
    pub fn transient(message: impl Into<String>) -> Self {
        Self::new(Kind::Transient, message)
    }

    /// Something that won't work.
    pub fn fatal(message: impl Into<String>) -> Self {
        Self::new(Kind::Fatal, message)
    }

    /// With the error beneath it.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// With advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Something that may work later, but not before that time has passed (HTTP's `Retry-After`).
    #[must_use]
    pub fn not_before(mut self, pause: Duration) -> Self {
        self.retry_after = Some(pause);
        self
    }

    /// What a server answered with that status (HTTP's).
    #[must_use]
    pub fn answered(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// The same error as part of doing `what`.
    #[must_use]
    pub fn while_doing(mut self, what: impl fmt::Display) -> Self {
        self.message = match self.origin.take() {
            Some(origin) => format!("{what}: {origin}: {}", self.message),
            None => format!("{what}: {}", self.message),
        };
        self
    }

    /// What the caller must do.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether it is just not there.
    pub fn is_absent(&self) -> bool {
        self.kind == Kind::Absent
    }

    /// Whether trying again makes sense.
    pub fn is_transient(&self) -> bool {
        self.kind == Kind::Transient
    }

    /// How long to wait before trying again, where the other side said so.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The status that the server answered with, where one did (HTTP's).
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// The message and its causes on one line, without the advice.
    pub fn without_advice(&self) -> String {
        match &self.origin {
            Some(origin) => format!("{origin}: {}", self.without_place()),
            None => self.without_place(),
        }
    }

    fn without_place(&self) -> String {
        let mut text = self.message.clone();
        let mut cause: Option<&dyn StdError> = self.source.as_deref().map(|e| e as &dyn StdError);
        while let Some(error) = cause {
            text += &format!(": {error}");
            cause = error.source();
        }
        text
    }

    /// What this error says of the input: at the place that it knows itself, else at `origin`.
    pub fn finding(&self, origin: &Origin) -> Finding {
        let finding = Finding::error(self.origin.as_deref().unwrap_or(origin), self.without_place());
        match &self.help {
            Some(help) => finding.help(help),
            None => finding,
        }
    }

    /// Advice for the person who reads it.
    pub fn advice(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

/// The message and its causes on one line, then the advice.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.without_advice())?;
        match &self.help {
            Some(help) => write!(f, "\n    help: {help}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.kind)
    }
}

// `source()` stays empty: `Display` already tells the whole chain.
impl StdError for Error {}

impl From<Finding> for Error {
    fn from(finding: Finding) -> Self {
        Error { origin: Some(Box::new(finding.origin)), help: finding.help, ..Error::malformed(finding.message) }
    }
}

/// Says of an operating system's error what was being done to which path.
pub trait At<T> {
    /// `doing` is a verb: "read", "rename". A path that is not there is `Absent`, all else `Fatal`.
    fn at(self, doing: &str, path: &Path) -> Result<T>;
}

impl<T, E: Into<io::Error>> At<T> for std::result::Result<T, E> {
    fn at(self, doing: &str, path: &Path) -> Result<T> {
        self.map_err(|error| {
            let error: io::Error = error.into();
            let kind = if error.kind() == io::ErrorKind::NotFound { Kind::Absent } else { Kind::Fatal };
            let help = advice(error.kind()).map(str::to_owned);
            Error { help, ..Error::new(kind, format!("cannot {doing} {}", path.display())) }.because(error)
        })
    }
}

/// What a person can do where the system refuses.
fn advice(kind: io::ErrorKind) -> Option<&'static str> {
    use io::ErrorKind::{
        AlreadyExists, DirectoryNotEmpty, IsADirectory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem,
        StorageFull,
    };
    match kind {
        PermissionDenied => Some("run as root; as root, look for attributes (lsattr) and mount options"),
        StorageFull | QuotaExceeded => Some("the file system is full: make room, then run again"),
        ReadOnlyFilesystem => Some("the file system is mounted read-only: mount it for writing, then run again"),
        IsADirectory => Some("it is a directory, and a file is wanted"),
        AlreadyExists | DirectoryNotEmpty => Some("something else has the place: move it away"),
        _ => None,
    }
}

/// Takes "it is not there" as an answer.
pub trait OrAbsent<T> {
    /// `None` where it is absent.
    fn or_absent(self) -> Result<Option<T>>;
}

impl<T> OrAbsent<T> for Result<T> {
    fn or_absent(self) -> Result<Option<T>> {
        match self {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_reads_what_where_why_and_what_to_do() {
        let missing = std::fs::read("/nonexistent/file").at("read", Path::new("/nonexistent/file"));
        let error = missing.unwrap_err().help("mount it first");
        assert!(error.is_absent());
        assert_eq!(
            error.to_string(),
            "cannot read /nonexistent/file: No such file or directory (os error 2)\n    help: mount it first"
        );
    }

    #[test]
    fn a_place_that_is_known_is_kept_and_said_once() {
        let place = Origin::document("meta_data.json").at(1, 7);
        let error = Error::from(Finding::error(&place, "this is not JSON").help("mend it"));
        assert_eq!(error.to_string(), "meta_data.json:1:7: this is not JSON\n    help: mend it");
        let finding = error.finding(&Origin::document("drive.iso"));
        assert_eq!(finding.to_string(), "meta_data.json:1:7: error: this is not JSON\n    help: mend it");
        let error = error.while_doing("drive.iso").to_string();
        assert!(error.starts_with("drive.iso: meta_data.json:1:7: this is not JSON\n"), "{error}");
    }
}
