// SPDX-License-Identifier: Apache-2.0
//! Waiting for a block device: the kernel's uevents, and looking again from time to time where they do not come.

use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use log::debug;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recvmsg, socket};

/// The group of events that the kernel itself sends; udev's are in another.
const KERNEL: u32 = 1;
/// How long to sleep without a socket.
const POLL: Duration = Duration::from_millis(250);
/// How long to trust a socket: in a container it may stay silent, and a drive need not report a new disc.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Block devices coming and changing. Open it before the first look, so that nothing is missed in between.
pub struct Uevents {
    socket: Option<OwnedFd>,
}

impl Uevents {
    /// Listens from now on. Where it can't (some containers), `wait` only sleeps.
    pub fn open() -> Self {
        let socket = listen().inspect_err(|error| debug!("no uevents ({error}): looking every {POLL:?}")).ok();
        Self { socket }
    }

    /// Returns when it makes sense to look again, at the latest at `deadline`; `false` when that has passed.
    pub fn wait(&self, deadline: Instant) -> bool {
        let pause = if self.socket.is_some() { LOOK_AGAIN } else { POLL };
        let until = deadline.min(Instant::now() + pause);
        loop {
            let now = Instant::now();
            if now >= deadline {
                return false;
            }
            if now >= until {
                return true;
            }
            let Some(socket) = &self.socket else {
                std::thread::sleep(until - now);
                continue;
            };
            // Rounded up, so as not to spin in the last millisecond.
            let timeout = PollTimeout::try_from(until - now + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(socket.as_fd(), PollFlags::POLLIN)], timeout) {
                Ok(1..) if block_event(socket) => return true,
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => std::thread::sleep(POLL.min(until - now)),
            }
        }
    }
}

fn listen() -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkKObjectUEvent)?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, KERNEL))?;
    Ok(socket)
}

/// Empties the socket; whether a block device was among what it held.
fn block_event(socket: &OwnedFd) -> bool {
    let mut seen = false;
    let mut buffer = [0; 8192];
    loop {
        let mut parts = [IoSliceMut::new(&mut buffer)];
        let (length, sender) = match recvmsg::<NetlinkAddr>(socket.as_raw_fd(), &mut parts, None, MsgFlags::empty()) {
            Ok(message) => (message.bytes, message.address),
            // Events were lost: anything may have happened.
            Err(Errno::ENOBUFS) => return true,
            Err(Errno::EINTR) => continue,
            Err(_) => return seen,
        };
        // Only the kernel is believed: port 0.
        if sender.is_some_and(|sender| sender.pid() == 0) {
            seen |= is_block(buffer.get(..length).unwrap_or_default());
        }
    }
}

/// Whether an event says that a block device came or changed.
fn is_block(event: &[u8]) -> bool {
    let has = |field: &[u8]| event.split(|byte| *byte == 0).any(|own| own == field);
    has(b"SUBSYSTEM=block") && !has(b"ACTION=remove")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_block_devices_that_came_or_changed_are_worth_a_look() {
        let event = |action: &str, subsystem: &str| {
            format!("{action}@/devices/x\0ACTION={action}\0DEVPATH=/devices/x\0SUBSYSTEM={subsystem}\0SEQNUM=1\0")
        };
        assert!(is_block(event("add", "block").as_bytes()));
        assert!(is_block(event("change", "block").as_bytes()));
        assert!(!is_block(event("remove", "block").as_bytes()));
        assert!(!is_block(event("add", "net").as_bytes()));
        assert!(!is_block(b""));
    }

    #[test]
    fn a_deadline_that_has_passed_is_not_waited_for() {
        assert!(!Uevents::open().wait(Instant::now()));
        assert!(!Uevents { socket: None }.wait(Instant::now()));
    }
}
