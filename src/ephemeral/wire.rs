// SPDX-License-Identifier: Apache-2.0
//! A socket for IPv4 packets on one link, which needs no address: packet(7).

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, SockaddrLike as _, bind, recv, sendto, socket,
};

/// IPv4's number in Ethernet's frames.
const IPV4: u16 = 0x0800;

/// A socket for IPv4 packets on one link: it hears all of them, whatever address they are for, and sends to everybody.
///
/// A UDP socket would not do: on an interface without an address the kernel drops what comes for one (`rp_filter`).
pub struct Wire {
    socket: OwnedFd,
    everybody: LinkAddr,
}

impl Wire {
    /// On the Ethernet of that number.
    pub fn open(interface: u32) -> io::Result<Self> {
        let everybody = everybody(interface).ok_or(Errno::EINVAL)?;
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        // Without a protocol it hears nothing before it is bound to its link.
        let socket = socket(AddressFamily::Packet, SockType::Datagram, flags, None)?;
        bind(socket.as_raw_fd(), &everybody)?;
        Ok(Self { socket, everybody })
    }

    /// Sends a packet to everybody on the link.
    pub fn send(&self, packet: &[u8]) -> io::Result<()> {
        sendto(self.socket.as_raw_fd(), packet, &self.everybody, MsgFlags::empty())?;
        Ok(())
    }

    /// The next packet that has come, as far as the buffer goes; `None` for none yet.
    pub fn receive<'a>(&self, buffer: &'a mut [u8]) -> io::Result<Option<&'a [u8]>> {
        match recv(self.socket.as_raw_fd(), buffer, MsgFlags::empty()) {
            Ok(length) => Ok(buffer.get(..length)),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Everybody on the Ethernet of that number: `nix` has no safe way to such an address.
#[allow(unsafe_code)]
fn everybody(interface: u32) -> Option<LinkAddr> {
    let place = libc::sockaddr_ll {
        sll_family: u16::try_from(libc::AF_PACKET).ok()?,
        sll_protocol: IPV4.to_be(),
        sll_ifindex: i32::try_from(interface).ok()?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0],
    };
    let length = u32::try_from(size_of_val(&place)).ok();
    // SAFETY: it points to a whole `sockaddr_ll`, of the length that is said, which is copied.
    unsafe { LinkAddr::from_raw((&raw const place).cast(), length) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_the_broadcast_address_of_the_link() {
        let everybody = everybody(7).unwrap();
        assert_eq!((everybody.ifindex(), everybody.addr(), everybody.halen()), (7, Some([0xff; 6]), 6));
        assert_eq!(everybody.protocol(), u16::from_ne_bytes([8, 0]), "in the network's byte order");
        assert!(super::everybody(u32::MAX).is_none());
    }
}
