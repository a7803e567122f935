// SPDX-License-Identifier: Apache-2.0
//! How many routers an answer with a token passes: with one, a container's network in the guest never sees it.

use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};

use nix::sys::socket::{setsockopt, sockopt};

/// The kernel's own number.
const DEFAULT: i32 = -1;

/// The socket of a connection, and how far tokens go on it.
pub struct Hops {
    socket: OwnedFd,
    is_v6: bool,
    limit: u8,
}

impl Hops {
    /// For that connection; `None` where the socket cannot be held a second time, and then no token may be sent.
    pub fn new(socket: impl AsFd, peer: IpAddr, limit: u8) -> Option<Self> {
        let socket = socket.as_fd().try_clone_to_owned().ok()?;
        Some(Self { socket, is_v6: peer.is_ipv6(), limit })
    }

    /// What is sent from now on is a token, or it is not.
    pub fn before_answer(&self, is_token: bool) {
        let hops = if is_token { i32::from(self.limit) } else { DEFAULT };
        // Only a connection that has gone already refuses.
        let _ = match self.is_v6 {
            true => setsockopt(&self.socket, sockopt::Ipv6Ttl, &hops),
            false => setsockopt(&self.socket, sockopt::Ipv4Ttl, &hops),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_token_goes_so_far_and_all_else_as_ever() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, peer) = listener.accept().unwrap();
        let before = server.ttl().unwrap();
        let hops = Hops::new(&server, peer.ip(), 1).unwrap();
        hops.before_answer(true);
        assert_eq!(server.ttl().unwrap(), 1);
        hops.before_answer(false);
        assert_eq!(server.ttl().unwrap(), before);
    }
}
