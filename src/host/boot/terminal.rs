// SPDX-License-Identifier: Apache-2.0
//! This terminal as the guest's serial console, until Ctrl-].

use std::io::{self, IsTerminal as _, Write as _, stdin, stdout};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

use crate::error::{Error, Result};
use crate::host::qemu::{Console, Guest};

/// Ctrl-], as with virsh and telnet.
const LEAVE: u8 = 0x1d;

/// The connection; the terminal is as it was when this is dropped.
pub struct Terminal {
    before: Termios,
    left: Arc<AtomicBool>,
    _console: Console,
}

/// Whether there is one, before a guest is started for it.
///
/// # Errors
/// Malformed: standard input is no terminal.
pub fn check() -> Result<()> {
    if stdin().is_terminal() {
        return Ok(());
    }
    Err(Error::malformed("--console wants a terminal on standard input").help("--serial-log writes it to a file"))
}

/// Connects.
///
/// # Errors
/// Fatal: the terminal, or the guest's console, can't be used.
pub fn connect(guest: &Guest) -> Result<Terminal> {
    let cannot = |error: nix::Error| Error::fatal("cannot use the terminal").because(error);
    let before = tcgetattr(stdin()).map_err(cannot)?;
    let console = guest.console(stdout())?;
    let keys = console.input.try_clone().map_err(|error| Error::fatal("cannot open the console").because(error))?;
    let mut raw = before.clone();
    cfmakeraw(&mut raw);
    // This program writes lines of its own in between.
    raw.output_flags = before.output_flags;
    tcsetattr(stdin(), SetArg::TCSANOW, &raw).map_err(cannot)?;
    let left = Arc::new(AtomicBool::new(false));
    let terminal = Terminal { before, left: Arc::clone(&left), _console: console };
    // It ends with the program: a read of the terminal can't be called off.
    thread::Builder::new()
        .name("keys".to_owned())
        .spawn(move || {
            let _ = type_in(stdin().lock(), keys);
            left.store(true, Ordering::Release);
        })
        .map_err(|error| Error::fatal("cannot start a thread").because(error))?;
    Ok(terminal)
}

impl Terminal {
    /// Whether the person has left.
    pub fn is_left(&self) -> bool {
        self.left.load(Ordering::Acquire)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = tcsetattr(stdin(), SetArg::TCSANOW, &self.before);
        let _ = stdout().write_all(b"\r\n");
    }
}

/// Until the key for leaving.
fn type_in(mut keys: impl io::Read, mut guest: UnixStream) -> io::Result<()> {
    let mut buffer = [0; 256];
    loop {
        let count = keys.read(&mut buffer)?;
        let typed = buffer.get(..count).unwrap_or_default();
        let end = typed.iter().position(|byte| *byte == LEAVE);
        guest.write_all(typed.get(..end.unwrap_or(count)).unwrap_or_default())?;
        if end.is_some() || count == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn what_is_typed_reaches_the_guest_up_to_the_key_for_leaving() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        type_in(&b"ls\r\x03\x1dmore"[..], ours).unwrap();
        let mut typed = Vec::new();
        theirs.read_to_end(&mut typed).unwrap();
        assert_eq!(typed, b"ls\r\x03");
    }
}
