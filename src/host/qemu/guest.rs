// SPDX-License-Identifier: Apache-2.0
//! A running guest: a thread for each of its sockets, one queue of events, and an end that nothing outlives.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::arguments::{self, Sockets};
use super::monitor::{self, Said};
use super::process::Process;
use super::{Accelerator, Event, Machine, failure, firmware, lines::Lines};
use crate::error::{At as _, Error, Result};
use crate::host::interrupt::{self, Listening};
use crate::host::scratch::Scratch;

/// How long QEMU may take to come up, on a machine that is busy.
const START: Duration = Duration::from_secs(60);
/// How long it may take to flush its images.
const QUIT: Duration = Duration::from_secs(10);
/// Events that wait to be asked for.
const QUEUE: usize = 4096;
const PORT_LINE: usize = 4 * 1024 * 1024;
const CONSOLE_LINE: usize = 4096;
const COMPLAINT: usize = 64 * 1024;
const LOG: u64 = 64 * 1024 * 1024;

enum Message {
    Running,
    Event(Event),
    /// Look whether a signal has come.
    Wake,
}

/// What the console's bytes go to besides, while somebody is connected to it.
type Tap = Arc<Mutex<Option<Box<dyn std::io::Write + Send>>>>;

/// A running guest; ended when it is dropped, and when this program is killed.
pub struct Guest {
    // Dropped first: a thread that waits for room in the queue then ends.
    events: Option<Receiver<Message>>,
    monitor: UnixStream,
    console: UnixStream,
    tap: Tap,
    interrupted: bool,
    listening: Option<Listening>,
    process: Option<Process>,
}

/// The guest's console, connected.
pub struct Console {
    /// What is written here the guest reads.
    pub input: UnixStream,
    tap: Tap,
}

impl Drop for Console {
    fn drop(&mut self) {
        *self.tap.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Guest {
    pub(super) fn launch(
        program: &Path,
        machine: &Machine,
        accelerator: Accelerator,
        scratch: &Scratch,
    ) -> Result<Self> {
        let firmware = if machine.uefi { Some(firmware::prepare(&machine.name, scratch)?) } else { None };
        let log = match &machine.serial_log {
            Some(path) => Some(File::create(path).at("write", path)?),
            None => None,
        };
        let (sender, events) = sync_channel(QUEUE);
        let mut wires = Wires::default();
        let tap = Tap::default();
        let (monitor, monitor_number) = wires.socket()?;
        let (console, console_number) = wires.socket()?;
        wires.follow(&monitor, "monitor", follow_monitor(sender.clone()))?;
        wires.follow(&console, "console", follow_console(sender.clone(), log, Arc::clone(&tap)))?;
        let mut ports = Vec::new();
        for name in &machine.ports {
            let (port, number) = wires.socket()?;
            wires.follow(&port, "port", follow_port(sender.clone(), name.clone()))?;
            ports.push(number);
        }
        let (complaints, said) = (UnixStream::pair().map_err(no_socket)?, Arc::new(Mutex::new(Vec::new())));
        wires.follow(&complaints.0, "complaints", follow_complaints(Arc::clone(&said)))?;
        let sockets = Sockets { monitor: monitor_number, console: console_number, ports };
        let arguments = arguments::arguments(machine, accelerator, firmware.as_ref(), &sockets)?;

        let waker = sender.clone();
        // Where the queue is full its reader is awake.
        let listening = interrupt::listen(move || drop(waker.try_send(Message::Wake)))?;
        let inherited = std::mem::take(&mut wires.theirs);
        let process = Process::start(program, arguments, inherited, OwnedFd::from(complaints.1), move |status| {
            wires.finish();
            let said = said.lock().unwrap_or_else(PoisonError::into_inner);
            let event = Event::Exited(status, String::from_utf8_lossy(&said).into_owned());
            let _ = sender.send(Message::Event(event));
        })?;
        let mut guest = Self {
            events: Some(events),
            monitor,
            console,
            tap,
            interrupted: false,
            listening: Some(listening),
            process: Some(process),
        };
        guest.begin(machine)?;
        Ok(guest)
    }

    /// Lets the guest run, and waits until QEMU has done so.
    fn begin(&mut self, machine: &Machine) -> Result<()> {
        // Where QEMU has ended already its own complaint says why.
        let _ = self.monitor.write_all(monitor::begin().as_bytes());
        let deadline = Instant::now() + START;
        loop {
            match self.receive(deadline)? {
                Some(Message::Running) => return Ok(()),
                Some(Message::Event(Event::Exited(status, said))) => {
                    return Err(failure::at_start(machine, status, &said));
                }
                Some(_) => interrupt::check()?,
                None => return Err(Error::fatal(format!("QEMU has not started within {} s", START.as_secs()))),
            }
        }
    }

    /// The next event, or none by that time.
    ///
    /// # Errors
    /// Fatal: QEMU's end was told already.
    pub fn next(&mut self, until: Instant) -> Result<Option<Event>> {
        loop {
            if !self.interrupted && interrupt::requested().is_some() {
                self.interrupted = true;
                return Ok(Some(Event::Interrupted));
            }
            match self.receive(until)? {
                Some(Message::Event(event)) => return Ok(Some(event)),
                Some(Message::Running | Message::Wake) => {}
                None => return Ok(None),
            }
        }
    }

    fn receive(&mut self, until: Instant) -> Result<Option<Message>> {
        let gone = || Error::fatal("QEMU has ended");
        let patience = until.saturating_duration_since(Instant::now());
        match self.events.as_ref().ok_or_else(gone)?.recv_timeout(patience) {
            Ok(message) => Ok(Some(message)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(gone()),
        }
    }

    /// Asks the guest to switch off (ACPI); [`Event::Shutdown`] tells when it did.
    ///
    /// # Errors
    /// Fatal: QEMU does not listen any more.
    pub fn power_down(&mut self) -> Result<()> {
        self.monitor
            .write_all(monitor::power_down().as_bytes())
            .map_err(|error| Error::fatal("cannot ask the guest to switch off").because(error))
    }

    /// Connects to the serial console: what the guest writes goes to `output` too, until the answer is dropped.
    ///
    /// # Errors
    /// Fatal: no more files can be opened.
    pub fn console(&self, output: impl std::io::Write + Send + 'static) -> Result<Console> {
        let input = self.console.try_clone().map_err(no_socket)?;
        *self.tap.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(output));
        Ok(Console { input, tap: Arc::clone(&self.tap) })
    }

    /// Ends QEMU now, its images flushed.
    ///
    /// # Errors
    /// Fatal: it did not end by itself, and was killed: what the guest wrote last may be lost.
    pub fn quit(self) -> Result<()> {
        self.quit_hearing(drop)
    }

    /// The same; `each` hears what the guest has said by then and nobody has asked for yet.
    ///
    /// # Errors
    /// As those of [`Self::quit`].
    pub fn quit_hearing(mut self, mut each: impl FnMut(Event)) -> Result<()> {
        let _ = self.monitor.write_all(monitor::quit().as_bytes());
        let deadline = Instant::now() + QUIT;
        loop {
            match self.receive(deadline) {
                // Its end, told now or before.
                Ok(Some(Message::Event(Event::Exited(..)))) | Err(_) => return Ok(()),
                Ok(Some(Message::Event(event))) => each(event),
                Ok(Some(_)) => {}
                Ok(None) => return Err(Error::fatal("QEMU did not end when asked, and was killed")),
            }
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.events = None;
        self.process = None;
        self.listening = None;
    }
}

fn no_socket(error: std::io::Error) -> Error {
    Error::fatal("cannot make a socket").because(error)
}

/// The sockets between QEMU and this program, and the threads that read them.
#[derive(Default)]
struct Wires {
    ours: Vec<UnixStream>,
    theirs: Vec<OwnedFd>,
    threads: Vec<JoinHandle<()>>,
}

impl Wires {
    /// Our end, and the number of QEMU's.
    fn socket(&mut self) -> Result<(UnixStream, i32)> {
        let (ours, theirs) = UnixStream::pair().map_err(no_socket)?;
        let number = theirs.as_raw_fd();
        self.theirs.push(theirs.into());
        Ok((ours, number))
    }

    /// Reads it on a thread of its own: `each` gets what comes, and nothing at the end.
    fn follow(&mut self, socket: &UnixStream, name: &str, mut each: impl FnMut(&[u8]) + Send + 'static) -> Result<()> {
        self.ours.push(socket.try_clone().map_err(no_socket)?);
        let mut socket = socket.try_clone().map_err(no_socket)?;
        let read = move || {
            let mut buffer = [0; 16 * 1024];
            loop {
                match socket.read(&mut buffer) {
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Ok(0) | Err(_) => return each(&[]),
                    Ok(count) => each(buffer.get(..count).unwrap_or_default()),
                }
            }
        };
        let thread = thread::Builder::new().name(name.to_owned()).spawn(read);
        self.threads.push(thread.map_err(|error| Error::fatal("cannot start a thread").because(error))?);
        Ok(())
    }

    /// QEMU has ended: what is on the way is read, and a program that QEMU had started does not hold anybody.
    fn finish(self) {
        for socket in self.ours {
            let _ = socket.shutdown(Shutdown::Read);
        }
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}

fn follow_monitor(sender: SyncSender<Message>) -> impl FnMut(&[u8]) {
    let mut lines = Lines::new(PORT_LINE);
    move |bytes| {
        lines.take(bytes, |line| {
            let message = match monitor::read(&line) {
                Said::Running => Message::Running,
                Said::Event(event) => Message::Event(event),
                Said::Nothing => return,
            };
            let _ = sender.send(message);
        });
    }
}

fn follow_port(sender: SyncSender<Message>, port: String) -> impl FnMut(&[u8]) {
    let mut lines = Lines::new(PORT_LINE);
    move |bytes| {
        let send = |line| drop(sender.send(Message::Event(Event::Line { port: port.clone(), line })));
        lines.take(bytes, send);
        let rest = if bytes.is_empty() { lines.rest() } else { String::new() };
        if !rest.is_empty() {
            send(rest);
        }
    }
}

fn follow_console(sender: SyncSender<Message>, log: Option<File>, tap: Tap) -> impl FnMut(&[u8]) {
    let (mut lines, mut log, mut room) = (Lines::new(CONSOLE_LINE), log, LOG);
    move |bytes| {
        let kept = bytes.get(..usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len())).unwrap_or_default();
        room -= kept.len() as u64;
        // A log that can't be written does not end the guest.
        if log.as_mut().is_some_and(|file| file.write_all(kept).is_err()) {
            log = None;
        }
        if let Some(tap) = &mut *tap.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = tap.write_all(bytes).and_then(|()| tap.flush());
        }
        let send = |line: String| {
            if let Some((_, words)) = line.split_once("Kernel panic - ") {
                let _ = sender.send(Message::Event(Event::Panicked(words.to_owned())));
            }
            let _ = sender.try_send(Message::Event(Event::Console(line)));
        };
        lines.take(bytes, send);
        let rest = if bytes.is_empty() { lines.rest() } else { String::new() };
        if !rest.is_empty() {
            send(rest);
        }
    }
}

/// The beginning of what QEMU says on standard error.
fn follow_complaints(said: Arc<Mutex<Vec<u8>>>) -> impl FnMut(&[u8]) {
    move |bytes| {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        let room = COMPLAINT.saturating_sub(said.len());
        said.extend(bytes.iter().take(room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_last_words_are_a_panic_and_a_console_line() {
        let (sender, events) = sync_channel(8);
        let mut follow = follow_console(sender, None, Tap::default());
        follow(b"[ 1.0] Kernel panic - not sync");
        follow(b"ing: Attempted to kill init!\r\nlogin: ");
        follow(b"");
        drop(follow);
        let said = events.iter().map(|message| match message {
            Message::Event(event) => format!("{event:?}"),
            _ => String::new(),
        });
        let expected = [
            r#"Panicked("not syncing: Attempted to kill init!")"#,
            r#"Console("[ 1.0] Kernel panic - not syncing: Attempted to kill init!")"#,
            r#"Console("login: ")"#,
        ];
        assert_eq!(said.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_console_that_nobody_listens_to_does_not_wait() {
        let (sender, _events) = sync_channel(2);
        let mut follow = follow_console(sender, None, Tap::default());
        follow("line\n".repeat(100).as_bytes());
    }

    #[test]
    fn its_log_has_all_that_the_console_says() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (sender, _events) = sync_channel(2);
        let mut follow = follow_console(sender, Some(file.reopen().unwrap()), Tap::default());
        follow(b"a\n\xff");
        follow(b"b");
        assert_eq!(std::fs::read(file.path()).unwrap(), b"a\n\xffb");
    }
}
