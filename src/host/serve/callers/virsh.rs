// SPDX-License-Identifier: Apache-2.0
//! libvirt by its own program, `virsh`. Its C library would be no part of a static file; what is asked for here, the program
//! answers in two processes for all domains at once.

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::error::{Error, Result};
use crate::host::serve::callers::domains::{Domain, Domains};
use crate::host::serve::callers::names::is_uuid;
use crate::host::tether::tether;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes of an answer, and of what virsh complains about.
const MOST: u64 = 64 << 20;
const COMPLAINT: u64 = 4096;
/// Domains that one process is asked for: the kernel takes no longer argument than 128 KiB.
const AT_ONCE: usize = 1000;
/// Seconds after which a follower ends by itself and another takes its place: a connection that has died without a word is
/// not listened to for longer.
const FOLLOWED: &str = "60";
/// The longest line of an event.
const LINE: u64 = 64 << 10;

/// libvirt at one place.
#[derive(Debug, Clone)]
pub struct Virsh {
    program: PathBuf,
    uri: String,
    followed: Followed,
}

/// The process that follows, while there is one that nobody has waited for: no other has its number.
type Followed = Arc<Mutex<Option<Pid>>>;

impl Virsh {
    /// libvirt at that URI.
    ///
    /// # Errors
    /// Absent: there is no `virsh`.
    pub fn at(uri: &str) -> Result<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let program = std::env::split_paths(&path).map(|place| place.join("virsh")).find(|program| program.is_file());
        let none = || Error::absent("there is no virsh").help("install it (Debian: libvirt-clients)");
        Ok(Self::new(program.ok_or_else(none)?, uri))
    }

    /// With that program in virsh's place.
    pub fn new(program: PathBuf, uri: &str) -> Self {
        Self { program, uri: uri.to_owned(), followed: Arc::default() }
    }

    /// All domains, running or not.
    ///
    /// # Errors
    /// Transient: libvirt does not answer. Malformed: it can't be understood.
    pub async fn domains(&self) -> Result<Vec<Domain>> {
        let list = self.answer(&["list", "--all", "--uuid"]).await?;
        let list = String::from_utf8_lossy(&list.stdout).into_owned();
        let uuids: Vec<&str> = list.split_whitespace().filter(|word| is_uuid(word)).collect();
        let mut domains = Vec::new();
        for some in uuids.chunks(AT_ONCE) {
            let commands: Vec<String> = some.iter().map(|uuid| format!("dumpxml {uuid}")).collect();
            // One that is gone meanwhile is complained about, and the others are there.
            let output = self.run(&[&commands.join("; ")]).await?;
            domains.extend(Domains::read(&output.stdout)?);
        }
        Ok(domains)
    }

    /// Begins to follow what happens to domains, for a minute.
    ///
    /// # Errors
    /// Transient: the program can't be run.
    pub fn follow(&self) -> Result<Follower> {
        let arguments = ["event", "--loop", "--all", "--timeout", FOLLOWED];
        let mut child = self.command(&arguments).stderr(Stdio::null()).spawn().map_err(|error| self.cannot(error))?;
        let output = child.stdout.take().map(BufReader::new);
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        *self.followed.lock().unwrap_or_else(PoisonError::into_inner) = pid;
        Ok(Follower { child, output, followed: Arc::clone(&self.followed) })
    }

    /// Ends the process that follows, now: at the end of a program its runtime may not come to it any more.
    pub fn stop(&self) {
        if let Some(pid) = self.followed.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = kill(pid, Signal::SIGKILL);
        }
    }

    async fn answer(&self, arguments: &[&str]) -> Result<Output> {
        let output = self.run(arguments).await?;
        if output.status.success() {
            return Ok(output);
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = complaint.lines().map(|line| line.trim_start_matches("error: ").trim()).collect();
        let why = lines.into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join(": ");
        Err(Error::transient(format!("libvirt at {}: {why}", self.shown())))
    }

    async fn run(&self, arguments: &[&str]) -> Result<Output> {
        let mut child = self.command(arguments).stderr(Stdio::piped()).spawn().map_err(|error| self.cannot(error))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let all = async {
            let (stdout, stderr) = tokio::try_join!(bounded(stdout, MOST), bounded(stderr, COMPLAINT))?;
            Ok::<_, std::io::Error>(Output { status: child.wait().await?, stdout, stderr })
        };
        let late = |_| Error::transient(format!("libvirt at {} gave no answer within {PATIENCE:?}", self.shown()));
        let output = timeout(PATIENCE, all).await.map_err(late)?.map_err(|error| self.cannot(error))?;
        if output.stdout.len() as u64 == MOST {
            return Err(Error::malformed(format!("virsh says more than {} MiB of the domains", MOST >> 20)));
        }
        Ok(output)
    }

    /// Reading alone is asked for: so nobody needs to be let in as an administrator.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--readonly", "--quiet", "--connect", &self.uri]).args(arguments);
        command.env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        // Spawned by a thread of the runtime, which lives as long as that does.
        tether(command.as_std_mut(), Vec::new());
        command
    }

    fn cannot(&self, error: std::io::Error) -> Error {
        Error::transient(format!("cannot run {}", self.program.display())).because(error)
    }

    /// The URI without its query, which may name keys.
    pub fn shown(&self) -> &str {
        self.uri.split('?').next().unwrap_or_default()
    }
}

/// What is read, of at most so many bytes; the rest is read too, for the writer's sake, and dropped.
async fn bounded(pipe: Option<impl AsyncRead + Unpin>, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        (&mut pipe).take(most).read_to_end(&mut bytes).await?;
        tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await?;
    }
    Ok(bytes)
}

/// A process that tells what happens to domains. It ends when it is dropped.
pub struct Follower {
    child: Child,
    output: Option<BufReader<ChildStdout>>,
    followed: Followed,
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.forget();
    }
}

impl Follower {
    /// Waits until something has happened that may give a card another owner; false once nothing more is told.
    pub async fn next(&mut self) -> bool {
        let Some(output) = &mut self.output else { return false };
        let mut line = Vec::new();
        while matches!((&mut *output).take(LINE).read_until(b'\n', &mut line).await, Ok(1..)) {
            if matters(&String::from_utf8_lossy(&line)) {
                return true;
            }
            line.clear();
        }
        // It has ended, or is about to.
        self.forget();
        let _ = self.child.start_kill();
        let _ = self.child.wait().await;
        false
    }

    /// Before it is waited for: afterwards its number may be another's.
    fn forget(&self) {
        *self.followed.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Whether an event is of a kind that may give a card another owner.
fn matters(line: &str) -> bool {
    ["'lifecycle'", "'device-added'", "'device-removed'"].iter().any(|kind| line.starts_with(&format!("event {kind} ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_give_a_card_another_owner_is_an_event() {
        assert!(matters("event 'lifecycle' for domain 'test': Stopped Destroyed\n"));
        assert!(matters("event 'device-added' for domain 'test': net1\n"));
        assert!(!matters("event 'balloon-change' for domain ''lifecycle'': 1KiB\n"));
        assert!(!matters("event loop timed out\n") && !matters("\n"));
    }

    #[test]
    fn what_a_uri_says_behind_its_question_mark_is_not_shown() {
        let virsh = Virsh::new(PathBuf::from("virsh"), "qemu+ssh://host/system?keyfile=/root/key");
        assert_eq!(virsh.shown(), "qemu+ssh://host/system");
    }
}
