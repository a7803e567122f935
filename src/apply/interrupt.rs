// SPDX-License-Identifier: Apache-2.0
//! SIGTERM and SIGINT while something must be ended in order: a run between its steps, a program, a pause between tries.
//!
//! Outside of a watch both end the agent as ever; everything on disk is made for that.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc::c_int;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use crate::error::{Error, Result};

/// Both ends live as long as the process, so the handler never meets a number that has become another file.
static PIPE: OnceLock<(UnixStream, UnixStream)> = OnceLock::new();
static WRITE_END: AtomicI32 = AtomicI32::new(-1);
/// How many watches there are, and what was done with the signals before the first.
static WATCHES: Mutex<(usize, Vec<(Signal, SigAction)>)> = Mutex::new((0, Vec::new()));

/// While one lives, SIGTERM and SIGINT no longer end the process but make [`Interrupt::pipe`] readable, for good: who
/// asked the agent to end has not changed their mind when the next program is about to start.
pub struct Interrupt {
    pipe: &'static UnixStream,
}

impl Interrupt {
    /// Begins to watch.
    pub fn watch() -> Result<Self> {
        let cannot = |error: io::Error| Error::fatal("cannot watch for SIGTERM").because(error);
        let (pipe, write_end) = match PIPE.get() {
            Some(ends) => ends,
            None => {
                let ends = UnixStream::pair().map_err(cannot)?;
                // A signal handler must not block on a pipe that is full: one byte says it all.
                ends.1.set_nonblocking(true).map_err(cannot)?;
                PIPE.get_or_init(|| ends)
            }
        };
        WRITE_END.store(write_end.as_raw_fd(), Ordering::Release);
        let mut watches = WATCHES.lock().unwrap_or_else(PoisonError::into_inner);
        if watches.0 == 0 {
            let action = SigAction::new(SigHandler::Handler(told), SaFlags::SA_RESTART, SigSet::empty());
            for signal in [Signal::SIGTERM, Signal::SIGINT] {
                // SAFETY: `told` does nothing but what signal-safety(7) allows: one write to a descriptor that stays open.
                #[allow(unsafe_code)]
                let before = unsafe { sigaction(signal, &action) }.map_err(|errno| cannot(errno.into()))?;
                watches.1.push((signal, before));
            }
        }
        watches.0 += 1;
        Ok(Self { pipe })
    }

    /// Readable once a signal has come. Nothing is to be read from it.
    pub fn pipe(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    /// Sleeps; whether a signal ended the sleep.
    pub fn sleep(&self, duration: Duration) -> bool {
        let end = Instant::now().checked_add(duration);
        loop {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            match readable([Some(self.pipe())], left) {
                Ok([true]) => return true,
                Ok([false]) if left.is_none_or(|left| !left.is_zero()) => (),
                _ => return false,
            }
        }
    }

    /// Whether a signal has come.
    pub fn came(&self) -> bool {
        self.sleep(Duration::ZERO)
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        let mut watches = WATCHES.lock().unwrap_or_else(PoisonError::into_inner);
        watches.0 -= 1;
        if watches.0 == 0 {
            for (signal, before) in watches.1.drain(..) {
                // SAFETY: it is what the kernel gave as the disposition of this signal.
                #[allow(unsafe_code)]
                let _ = unsafe { sigaction(signal, &before) };
            }
        }
    }
}

/// Waits until one of these can be read or has ended, at most for `left`; which ones can. A signal may end the wait early.
pub fn readable<const N: usize>(ends: [Option<BorrowedFd<'_>>; N], left: Option<Duration>) -> io::Result<[bool; N]> {
    let mut polled: Vec<PollFd> = ends.iter().flatten().map(|end| PollFd::new(*end, PollFlags::POLLIN)).collect();
    // Rounded up, so that nobody spins through the last millisecond.
    let millis = left.map(|left| left.as_nanos().div_ceil(1_000_000));
    let timeout = millis.map_or(PollTimeout::NONE, |ms| PollTimeout::try_from(ms).unwrap_or(PollTimeout::MAX));
    match poll(&mut polled, timeout) {
        Err(Errno::EINTR) => return Ok([false; N]),
        outcome => outcome?,
    };
    let mut polled = polled.iter();
    Ok(ends.map(|end| end.is_some() && polled.next().and_then(PollFd::any).unwrap_or(true)))
}

extern "C" fn told(_signal: c_int) {
    let errno = Errno::last_raw();
    let end: RawFd = WRITE_END.load(Ordering::Acquire);
    // SAFETY: the descriptor is that of a static that is never dropped.
    #[allow(unsafe_code)]
    let end = unsafe { BorrowedFd::borrow_raw(end) };
    let _ = nix::unistd::write(end, &[0]);
    Errno::set_raw(errno);
}
