// SPDX-License-Identifier: Apache-2.0
//! A program of the guest that is asked a question: without a shell, and bounded in time and in what it says.
//!
//! For looking at the machine. What changes it is run by `apply::commands`.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::error::{Error, Result};

/// How often a program is looked at that says nothing more and has not ended.
const POLL: Duration = Duration::from_millis(5);
/// How long a program may take to be gone once it was killed.
const GRACE: Duration = Duration::from_secs(1);
/// Bytes of its complaint that are kept.
const COMPLAINT: usize = 4096;

/// What a program answered.
#[derive(Debug)]
pub struct Answer {
    /// It ended with exit code 0.
    pub success: bool,
    /// Its standard output.
    pub output: Vec<u8>,
    /// The beginning of its standard error.
    pub complaint: String,
}

/// What `program`, run with `arguments` in a small clean environment, answers within `patience`, in at most `limit` bytes.
/// Past either bound it is killed, and the programs that it has started with it.
///
/// # Errors
/// Absent: there is no such program. Malformed: it says more. Fatal: it can't be run, or takes longer.
pub fn ask(program: &Path, arguments: &[&str], limit: usize, patience: Duration) -> Result<Answer> {
    let deadline = Instant::now() + patience;
    let cannot = |error: io::Error| {
        let kind = if error.kind() == io::ErrorKind::NotFound { Error::absent } else { Error::fatal };
        kind(format!("cannot run {}", program.display())).because(error)
    };
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs([("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), ("LC_ALL", "C")])
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(cannot)?;
    let mut answer = Answer { success: false, output: Vec::new(), complaint: String::new() };
    let end = follow(&mut child, limit, deadline, &mut answer).map_err(cannot);
    if !matches!(end, Ok(End::Exited(_))) {
        if let Ok(group) = i32::try_from(child.id()) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        let _ = exit(&mut child, Instant::now() + GRACE);
    }
    match end? {
        End::Exited(status) => Ok(Answer { success: status.success(), ..answer }),
        End::TooMuch => Err(Error::malformed(format!("{} says more than {limit} bytes", program.display()))),
        End::TooLate => Err(Error::fatal(format!("{} gave no answer within {patience:?}", program.display()))),
    }
}

enum End {
    Exited(ExitStatus),
    TooMuch,
    TooLate,
}

/// Reads what it says until its end, or past a bound.
fn follow(child: &mut Child, limit: usize, deadline: Instant, answer: &mut Answer) -> io::Result<End> {
    let (mut output, mut complaint) = (child.stdout.take(), child.stderr.take());
    let mut complained = Vec::new();
    while output.is_some() || complaint.is_some() {
        let fds = [output.as_ref().map(AsFd::as_fd), complaint.as_ref().map(AsFd::as_fd)];
        let mut polled: Vec<PollFd> = fds.iter().flatten().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(End::TooLate);
        }
        // Rounded up, so as not to spin in the last millisecond.
        let timeout = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        match poll(&mut polled, timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let mut ready = polled.iter().map(|fd| fd.any().unwrap_or_default()).collect::<Vec<_>>().into_iter();
        if output.is_some() && ready.next() == Some(true) && take(&mut output, &mut answer.output)? {
            output = None;
        }
        if complaint.is_some() && ready.next() == Some(true) && take(&mut complaint, &mut complained)? {
            complaint = None;
        }
        if answer.output.len() > limit {
            return Ok(End::TooMuch);
        }
        complained.truncate(COMPLAINT);
    }
    answer.complaint = String::from_utf8_lossy(&complained).trim().to_owned();
    Ok(exit(child, deadline)?.map_or(End::TooLate, End::Exited))
}

/// Reads what is there by now; whether that was the end.
fn take(pipe: &mut Option<impl Read>, into: &mut Vec<u8>) -> io::Result<bool> {
    let Some(pipe) = pipe else { return Ok(true) };
    let mut buffer = [0; 16 << 10];
    let count = pipe.read(&mut buffer)?;
    into.extend(buffer.get(..count).unwrap_or_default());
    Ok(count == 0)
}

/// How it ended; `None` where it has not by then.
fn exit(child: &mut Child, deadline: Instant) -> io::Result<Option<ExitStatus>> {
    loop {
        match child.try_wait()? {
            None if Instant::now() < deadline => sleep(POLL),
            status => return Ok(status),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn sh(script: &str, limit: usize, patience: Duration) -> Result<Answer> {
        ask(Path::new("/bin/sh"), &["-c", script], limit, patience)
    }

    #[test]
    fn both_streams_and_the_outcome_are_told_apart() {
        let answer = sh("printf hello; echo '  no  ' >&2; exit 3", 5, PATIENCE).unwrap();
        assert_eq!((answer.success, answer.output.as_slice(), answer.complaint.as_str()), (false, &b"hello"[..], "no"));
        let answer = sh("yes | head -c 300000; yes no | head -c 300000 >&2", 300_000, PATIENCE).unwrap();
        assert_eq!((answer.success, answer.output.len()), (true, 300_000));
        assert!(answer.complaint.len() <= COMPLAINT);
    }

    #[test]
    fn a_program_that_knows_no_end_is_ended_with_all_that_it_started() {
        let begun = Instant::now();
        let scratch = crate::scratch::Scratch::new();
        let note = scratch.path("pid");
        let script = format!("sleep 600 & echo $! > {}; wait", note.display());
        let error = sh(&script, 5, Duration::from_secs(2)).unwrap_err();
        assert!(error.to_string().contains("/bin/sh gave no answer within 2s"), "{error}");
        let pid = Pid::from_raw(std::fs::read_to_string(&note).unwrap().trim().parse().unwrap());
        let is_gone = || nix::sys::signal::kill(pid, None).is_err() || is_zombie(pid);
        while !is_gone() {
            assert!(begun.elapsed() < PATIENCE, "the program that it started lives on");
            sleep(POLL);
        }
        assert_eq!(sh("yes", 1000, PATIENCE).unwrap_err().kind(), Kind::Malformed);
        assert!(begun.elapsed() < PATIENCE);
    }

    fn is_zombie(pid: Pid) -> bool {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
    }

    #[test]
    fn a_program_that_is_not_there_is_absent() {
        assert!(ask(Path::new("/nonexistent/tool"), &[], 1, PATIENCE).unwrap_err().is_absent());
    }
}
