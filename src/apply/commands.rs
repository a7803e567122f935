// SPDX-License-Identifier: Apache-2.0
//! Running a program: a session of its own, a small clean environment, its output line by line, and an end in any case.

use std::fs::File;
use std::io::{self, PipeReader, Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{self, Child, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Pid, setsid};

use crate::apply::interrupt::{Interrupt, readable};
use crate::apply::lines::Lines;
use crate::error::{At, Error, Result};
use crate::plan::action::Command;

/// What every program finds; `Command::env` comes on top.
const ENVIRONMENT: [(&str, &str); 3] =
    [("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), ("HOME", "/root"), ("LANG", "C.UTF-8")];

/// From SIGTERM to SIGKILL.
const GRACE: Duration = Duration::from_secs(5);
/// How long output is waited for that a program's children may still write after its own end.
const DRAIN: Duration = Duration::from_secs(1);

/// How a program went.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Whether it was started at all: not where the agent had been told to end before.
    pub started: bool,
    /// Why it ended.
    pub end: End,
    /// From its start to its end.
    pub duration: Duration,
    /// The last lines of its output.
    pub tail: Vec<String>,
}

/// Why a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself, with this exit code.
    Code(i32),
    /// By a signal that the agent did not send.
    Signal(i32),
    /// The agent ended it after its time limit.
    TimedOut,
    /// The agent ended it, or did not start it, because the agent itself was told to end.
    Interrupted,
}

/// As a person reads it: "exit code 3".
impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            End::Code(code) => write!(f, "exit code {code}"),
            End::Signal(number) => match Signal::try_from(*number) {
                Ok(signal) => write!(f, "killed by {signal}"),
                Err(_) => write!(f, "killed by signal {number}"),
            },
            End::TimedOut => f.write_str("ended after its time limit"),
            End::Interrupted => f.write_str("ended with the agent"),
        }
    }
}

/// Runs a program to its end. Its output, stdout and stderr as they come, is given to `sink` a line at a time.
///
/// At its time limit, or when the agent gets SIGTERM or SIGINT, the whole process group gets SIGTERM, and SIGKILL five
/// seconds later; nothing is started after such a signal. Children that a program leaves behind when it ends by itself are left alone.
///
/// # Errors
/// Absent: there is no such program or directory. Fatal: it can't be started. How it ends is never an error.
pub fn run(command: &Command, sink: &mut dyn FnMut(&str)) -> Result<Outcome> {
    run_with_grace(command, GRACE, sink)
}

fn run_with_grace(command: &Command, grace: Duration, sink: &mut dyn FnMut(&str)) -> Result<Outcome> {
    let interrupt = Interrupt::watch()?;
    let started = Instant::now();
    if interrupt.came() {
        return Ok(Outcome { started: false, end: End::Interrupted, duration: started.elapsed(), tail: Vec::new() });
    }
    let (mut child, output) = start(command)?;
    let mut lines = Lines::new(sink);
    let limit = command.timeout.and_then(|limit| started.checked_add(limit));
    match follow(&mut child, output, limit, grace, &interrupt, &mut lines) {
        Ok(end) => Ok(Outcome { started: true, end, duration: started.elapsed(), tail: lines.finish() }),
        Err(error) => {
            let _ = killpg(group_of(&child), Signal::SIGKILL);
            let _ = child.wait();
            Err(Error::fatal("cannot follow a program, so it was killed").because(error))
        }
    }
}

/// Its session's leader leads the group too.
fn group_of(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}

fn follow(
    child: &mut Child,
    output: PipeReader,
    mut limit: Option<Instant>,
    grace: Duration,
    interrupt: &Interrupt,
    lines: &mut Lines,
) -> io::Result<End> {
    let group = group_of(child);
    let mut following = Following { output: Some(output), exit: tell_of_exit(group)?, exited: false };
    let mut ending: Option<End> = None;
    while !following.is_over() {
        let left = limit.map(|limit| limit.saturating_duration_since(Instant::now()));
        let by_itself = ending.is_none() && !following.exited;
        let reason = if left.is_some_and(|left| left.is_zero()) {
            if !by_itself {
                break;
            }
            End::TimedOut
        } else {
            match following.wait(by_itself.then_some(interrupt), left, lines)? {
                Event::Nothing => continue,
                Event::Exited => {
                    if ending.is_none() {
                        limit = Some(Instant::now() + DRAIN);
                    }
                    continue;
                }
                Event::Interrupted => End::Interrupted,
            }
        };
        ending = Some(reason);
        limit = Some(Instant::now() + grace);
        let _ = killpg(group, Signal::SIGTERM);
    }
    if ending.is_some() {
        // The number can't be another group's yet: the leader is reaped after this.
        let _ = killpg(group, Signal::SIGKILL);
    }
    let status = following.reap(child, grace)?;
    Ok(ending.unwrap_or_else(|| end_of(status)))
}

fn start(command: &Command) -> Result<(Child, PipeReader)> {
    let [name, arguments @ ..] = command.argv.as_slice() else {
        return Err(Error::malformed("an empty command"));
    };
    let directory = command.directory.as_deref().unwrap_or(Path::new("/"));
    directory.metadata().at("enter", directory)?;
    let cannot = |error: io::Error| {
        let kind = if error.kind() == io::ErrorKind::NotFound { Error::absent } else { Error::fatal };
        kind(format!("cannot run {name}")).because(error)
    };
    let (output, writer) = io::pipe().map_err(cannot)?;
    let mut program = process::Command::new(name);
    program
        .args(arguments)
        .env_clear()
        .envs(ENVIRONMENT)
        .envs(command.env.iter().map(|(key, value)| (key, value)))
        .current_dir(directory)
        .stdin(input(&command.stdin).map_err(cannot)?)
        .stdout(writer.try_clone().map_err(cannot)?)
        .stderr(writer);
    // A session and not only a group: without a terminal a program can't stop to ask somebody a question. And where the
    // agent is killed the program goes too, so that the agent's next run does not meet it.
    // SAFETY: between fork and exec only what is async-signal-safe may be called: two system calls and no memory.
    #[allow(unsafe_code)]
    unsafe {
        program.pre_exec(|| Ok(setsid().and_then(|_| set_pdeathsig(Signal::SIGTERM))?));
    }
    let child = spawn(&mut program).map_err(cannot)?;
    Ok((child, output))
}

/// A script that was written just now is busy as long as a child that another thread is starting still holds the
/// descriptor that it was written through: until that child's own exec.
fn spawn(program: &mut process::Command) -> io::Result<Child> {
    for _ in 0..50 {
        match program.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => thread::sleep(Duration::from_millis(10)),
            outcome => return outcome,
        }
    }
    program.spawn()
}

/// A file in memory, so that a program that does not read its input can't hold the agent, and no secret meets a disk.
fn input(bytes: &[u8]) -> io::Result<Stdio> {
    if bytes.is_empty() {
        return Ok(Stdio::null());
    }
    let mut file = File::from(memfd_create(c"stdin", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file.into())
}

/// A stream that ends when the program does. It is left to be reaped, so that its number stays its own.
fn tell_of_exit(program: Pid) -> io::Result<UnixStream> {
    let (here, there) = UnixStream::pair()?;
    thread::Builder::new().name("exit".to_owned()).spawn(move || {
        while waitid(Id::Pid(program), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR) {}
        drop(there);
    })?;
    Ok(here)
}

/// A program that was started, as far as it has been followed.
struct Following {
    /// Until all its writers are gone.
    output: Option<PipeReader>,
    exit: UnixStream,
    exited: bool,
}

enum Event {
    Nothing,
    Exited,
    Interrupted,
}

impl Following {
    fn is_over(&self) -> bool {
        self.exited && self.output.is_none()
    }

    /// Waits for the next thing to happen, and passes output on.
    fn wait(&mut self, interrupt: Option<&Interrupt>, left: Option<Duration>, lines: &mut Lines) -> io::Result<Event> {
        let exit = (!self.exited).then(|| self.exit.as_fd());
        let [interrupted, exited, written] =
            readable([interrupt.map(Interrupt::pipe), exit, self.output.as_ref().map(AsFd::as_fd)], left)?;
        if written && let Some(output) = &mut self.output {
            let mut buffer = [0; 16 << 10];
            match output.read(&mut buffer)? {
                0 => self.output = None,
                count => lines.push(buffer.get(..count).unwrap_or_default()),
            }
        }
        self.exited |= exited;
        Ok(match (exited, interrupted) {
            (true, _) => Event::Exited,
            (false, true) => Event::Interrupted,
            (false, false) => Event::Nothing,
        })
    }

    /// The status; `None` for a program that even SIGKILL does not end (it waits for a device).
    fn reap(&self, child: &mut Child, patience: Duration) -> io::Result<Option<ExitStatus>> {
        if !self.exited && readable([Some(self.exit.as_fd())], Some(patience))? == [false] {
            return Ok(None);
        }
        child.wait().map(Some)
    }
}

fn end_of(status: Option<ExitStatus>) -> End {
    match status.map(|status| (status.code(), status.signal())) {
        Some((Some(code), _)) => End::Code(code),
        Some((None, Some(signal))) => End::Signal(signal),
        _ => End::TimedOut,
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufRead;

    use nix::sys::signal::kill;

    use super::*;

    fn shell(script: &str) -> Command {
        Command::script(["/bin/sh", "-c", script])
    }

    fn run_for_lines(command: &Command) -> (Outcome, Vec<String>) {
        let mut lines = Vec::new();
        let outcome = run_with_grace(command, Duration::from_millis(500), &mut |line| lines.push(line.to_owned()));
        (outcome.unwrap(), lines)
    }

    /// Waits until the program has gone, or waits for a parent that does not ask.
    fn has_gone(pid: &str) -> bool {
        (0..200).any(|_| {
            let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let gone = state.rsplit(')').next().is_none_or(|rest| rest.is_empty() || rest.starts_with(" Z"));
            if !gone {
                thread::sleep(Duration::from_millis(50));
            }
            gone
        })
    }

    #[test]
    fn both_outputs_come_in_their_order_with_the_exit_code() {
        let (outcome, lines) = run_for_lines(&shell("echo one; echo two >&2; printf three; exit 3"));
        assert_eq!(lines, ["one", "two", "three"]);
        assert_eq!(outcome.tail, lines);
        assert_eq!(outcome.end, End::Code(3));
        assert_eq!(outcome.end.to_string(), "exit code 3");
        assert_ne!(outcome.end, End::Code(0));
        let (outcome, _) = run_for_lines(&shell("kill -9 $$"));
        assert_eq!(outcome.end.to_string(), "killed by SIGKILL");
    }

    #[test]
    fn the_environment_is_clean_and_input_is_given_in_full() {
        let mut command = shell("env; wc -c; pwd");
        command.env.push(("EXTRA".to_owned(), "yes".to_owned()));
        command.stdin = vec![b'x'; 1 << 20];
        command.directory = Some("/proc".into());
        let (_, lines) = run_for_lines(&command);
        for expected in ["HOME=/root", "EXTRA=yes", "1048576", "/proc"] {
            assert!(lines.iter().any(|line| line == expected), "{expected} in {lines:?}");
        }
        assert!(!lines.iter().any(|line| line.starts_with("CARGO")), "{lines:?}");
        // A program that does not read its input holds nobody.
        command.argv = vec!["true".to_owned()];
        assert_eq!(run_for_lines(&command).0.end, End::Code(0));
    }

    #[test]
    fn what_can_t_be_run_is_said() {
        let run = |command: &Command| run(command, &mut |_| ()).unwrap_err();
        let error = run(&Command::script(["no-such-program"]));
        assert!(error.is_absent() && error.to_string().starts_with("cannot run no-such-program: "), "{error}");
        assert!(run(&Command::script(["/etc/passwd"])).to_string().contains("Permission denied"));
        let mut lost = shell("true");
        lost.directory = Some("/no/such/directory".into());
        assert!(run(&lost).to_string().contains("cannot enter /no/such/directory"));
        assert!(!run(&Command::script(Vec::<String>::new())).is_absent());
    }

    #[test]
    fn a_child_left_behind_neither_holds_the_agent_nor_is_killed() {
        let (outcome, lines) = run_for_lines(&shell("sleep 300 & echo $!"));
        assert_eq!(outcome.end, End::Code(0));
        assert!(Path::new("/proc").join(&lines[0]).exists());
        kill(Pid::from_raw(lines[0].parse().unwrap()), Signal::SIGKILL).unwrap();
    }

    #[test]
    fn the_time_limit_ends_the_whole_group_even_if_it_does_not_want_to() {
        for script in ["sleep 300 & echo $!; wait", "trap '' TERM; sleep 300 & echo $!; while :; do wait; done"] {
            let mut command = shell(script);
            command.timeout = Some(Duration::from_millis(300));
            let (outcome, lines) = run_for_lines(&command);
            assert_eq!(outcome.end, End::TimedOut);
            assert!(has_gone(&lines[0]), "{script}");
        }
    }

    #[test]
    fn a_program_that_prints_without_end_meets_its_limit() {
        let mut command = Command::script(["yes"]);
        command.timeout = Some(Duration::from_millis(200));
        assert_eq!(run(&command, &mut |_| ()).unwrap().end, End::TimedOut);
    }

    /// Signals are for a whole process, so this runs in one of its own: see the next two tests.
    #[test]
    #[ignore = "run by the next tests"]
    fn interrupted_run() {
        let script = shell("trap 'kill $!; echo cleaning up; exit 0' TERM; echo $$; echo ready; sleep 300 & wait");
        let outcome = run(&script, &mut |line| println!("{line}")).unwrap();
        println!("{:?}", outcome.end);
        let again = run(&shell("sleep 300"), &mut |_| ()).unwrap();
        println!("again: {:?}, started: {}", again.end, again.started);
    }

    /// An agent that runs a script, that script's process, and what is still to be printed.
    fn agent_with_script() -> (Child, String, impl Iterator<Item = String>) {
        let name = concat!(module_path!(), "::interrupted_run").split_once("::").unwrap().1;
        let mut agent = process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--ignored", "--nocapture"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = io::BufReader::new(agent.stdout.take().unwrap()).lines().map(|line| line.unwrap());
        let printed: Vec<String> = output.by_ref().take_while(|line| line != "ready").collect();
        let script = printed.last().unwrap().clone();
        (agent, script, output)
    }

    #[test]
    fn sigterm_to_the_agent_ends_the_program_in_order() {
        let (mut agent, _, output) = agent_with_script();
        kill(group_of(&agent), Signal::SIGTERM).unwrap();
        let rest: Vec<String> = output.collect();
        assert!(agent.wait().unwrap().success(), "the signal killed the agent: {rest:?}");
        for expected in ["cleaning up", "Interrupted", "again: Interrupted, started: false"] {
            assert!(rest.iter().any(|line| line == expected), "{expected} in {rest:?}");
        }
    }

    #[test]
    fn a_program_does_not_outlive_an_agent_that_is_killed() {
        let (mut agent, script, _output) = agent_with_script();
        agent.kill().unwrap();
        agent.wait().unwrap();
        assert!(has_gone(&script));
    }
}
