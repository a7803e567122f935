// SPDX-License-Identifier: Apache-2.0
//! The few lines that a person needs: on the machine's console while it boots, on the terminal when called by hand.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use nix::libc::{O_NOCTTY, O_NONBLOCK};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::getppid;

use crate::report::line::one_line;

/// What is for the console, and how.
#[derive(Debug, Clone, Copy)]
pub enum Text<'a> {
    /// Each line with the agent's name before it.
    Lines(&'a str),
    /// Lines as they stand: programs look for them.
    Block(&'a str),
    /// One line that nothing else may keep: neither a log nor the journal.
    Secret(&'a str),
}

/// How long a full line to the console is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Says it, as [`say`] does.
pub fn tell(text: Text) {
    match text {
        Text::Lines(text) => text.lines().for_each(say),
        Text::Block(text) => {
            // Lines of what somebody gave: nothing may move a terminal's cursor.
            let lines: String = text.lines().map(|line| format!("{}\n", one_line(line))).collect();
            write(&lines, true);
        }
        Text::Secret(text) => write(&format!("firstlight: {}\n", one_line(text)), !started_by_init()),
    }
}

/// Says one line: on stderr, which is the terminal or the journal, and during a boot on the console too. Nobody is told
/// if there is nowhere to say it.
pub fn say(text: &str) {
    write(&format!("firstlight: {}\n", one_line(text)), true);
}

/// To the console of a boot, and to stderr where that may keep it.
fn write(text: &str, stderr: bool) {
    if started_by_init() {
        // A serial line that nobody empties must not hold up the boot, and the agent wants no controlling terminal.
        let console = OpenOptions::new().write(true).custom_flags(O_NONBLOCK | O_NOCTTY).open("/dev/console");
        let _ = console.and_then(|console| write_patiently(console, text.as_bytes(), PATIENCE));
    }
    if stderr {
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

/// A console takes some kilobytes at once and the rest as it sends them; one that nobody listens at takes none.
pub(super) fn write_patiently(mut console: File, mut bytes: &[u8], patience: Duration) -> io::Result<()> {
    let end = Instant::now() + patience;
    while !bytes.is_empty() {
        match console.write(bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let left =
                    PollTimeout::try_from(end.saturating_duration_since(Instant::now())).unwrap_or(PollTimeout::ZERO);
                let mut waited = [PollFd::new(console.as_fd(), PollFlags::POLLOUT)];
                poll(&mut waited, left)?;
                if !waited.iter().filter_map(PollFd::revents).any(|came| came.contains(PollFlags::POLLOUT)) {
                    return Err(error);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether systemd or OpenRC started this process itself, as against a person or another program.
pub fn started_by_init() -> bool {
    let by_systemd = std::env::var_os("INVOCATION_ID").is_some() && getppid().as_raw() == 1;
    by_systemd || std::env::var_os("RC_SVCNAME").is_some()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::thread;

    use super::*;

    /// A pipe as the console: the writing end does not block.
    fn console() -> (io::PipeReader, File) {
        let (reader, writer) = io::pipe().unwrap();
        let writer = File::from(std::os::fd::OwnedFd::from(writer));
        nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK)).unwrap();
        (reader, writer)
    }

    #[test]
    fn a_slow_console_gets_all_of_it_and_a_dead_one_holds_nobody() {
        let text = "x".repeat(1 << 20);
        let (mut slow, writer) = console();
        let reader = thread::spawn(move || {
            let mut all = String::new();
            slow.read_to_string(&mut all).unwrap();
            all.len()
        });
        write_patiently(writer, text.as_bytes(), Duration::from_secs(60)).unwrap();
        assert_eq!(reader.join().unwrap(), text.len());
        let (_dead, writer) = console();
        assert!(write_patiently(writer, text.as_bytes(), Duration::from_millis(20)).is_err());
    }
}
