// SPDX-License-Identifier: Apache-2.0
//! A socket to the kernel's network: one request, one answer.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, setsockopt, socket,
    sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike as _};

use crate::netlink::message::{Message, Received, flags, messages, u32_at};

/// Of an answer: how it went, 0 or a negative errno.
const ERROR: u16 = 2;
/// Of an answer: that was the last of a list.
const DONE: u16 = 3;
/// More than the kernel sends at once.
const BUFFER: usize = 256 << 10;
/// The kernel answers at once; it is not waited for without an end.
const SECONDS: i64 = 10;
/// How often a list is asked for again that changed while it was read.
const TRIES: usize = 5;
/// The most objects of a list that are read: more than a guest at its first boot has.
const MOST: usize = 100_000;

/// A connection to the kernel's rtnetlink, in the network namespace of this process.
#[derive(Debug)]
pub struct Socket {
    socket: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Socket {
    /// A new one.
    pub fn open() -> io::Result<Self> {
        let (kind, protocol) = (SockType::Raw, SockProtocol::NetlinkRoute);
        let socket = socket(AddressFamily::Netlink, kind, SockFlag::SOCK_CLOEXEC, protocol)?;
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::seconds(SECONDS))?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        Ok(Self { socket, sequence: 0, buffer: vec![0; BUFFER] })
    }

    /// Asks for a change. `Err` is the kernel's own.
    pub fn request(&mut self, message: Message) -> io::Result<()> {
        let sequence = self.send(message)?;
        loop {
            let buffer = self.receive()?;
            if let Some(answer) = messages(buffer).find(|answer| answer.sequence == sequence && answer.kind == ERROR) {
                return verdict(&answer);
            }
        }
    }

    /// All objects that `message` (with [`flags::DUMP`]) asks for: what `read` makes of each.
    pub fn list<T>(&mut self, message: &Message, mut read: impl FnMut(&Received) -> Option<T>) -> io::Result<Vec<T>> {
        let mut tries = 1;
        loop {
            let sequence = self.send(message.clone())?;
            let mut objects = Vec::new();
            let (mut done, mut changed) = (false, false);
            while !done {
                let buffer = self.receive()?;
                for answer in messages(buffer).filter(|answer| answer.sequence == sequence) {
                    changed |= answer.flags & flags::INTERRUPTED != 0;
                    match answer.kind {
                        ERROR | DONE => {
                            verdict(&answer)?;
                            done = true;
                        }
                        _ if objects.len() < MOST => objects.extend(read(&answer)),
                        _ => return Err(io::Error::other(format!("more than {MOST} entries"))),
                    }
                }
            }
            if !changed || tries == TRIES {
                return Ok(objects);
            }
            tries += 1;
        }
    }

    fn send(&mut self, message: Message) -> io::Result<u32> {
        self.sequence = self.sequence.wrapping_add(1);
        send(self.socket.as_raw_fd(), &message.finish(self.sequence), MsgFlags::empty())?;
        Ok(self.sequence)
    }

    fn receive(&mut self) -> io::Result<&[u8]> {
        let length = loop {
            match recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::MSG_TRUNC) {
                Err(Errno::EINTR) => {}
                length => break length?,
            }
        };
        self.buffer.get(..length).ok_or_else(|| io::Error::other("an answer is too long"))
    }
}

fn verdict(answer: &Received) -> io::Result<()> {
    match u32_at(answer.body, 0).map_or(0, u32::cast_signed) {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error.saturating_neg())),
    }
}
