// SPDX-License-Identifier: Apache-2.0
//! The kernel's network by rtnetlink(7): the form of its messages, a socket, and what is there.

mod address;
mod interface;
pub mod message;
mod route;
mod rule;
mod socket;

use std::io;
use std::net::IpAddr;

pub use address::Address;
pub use interface::Interface;
pub use route::Route;
pub use rule::Rule;
pub use socket::Socket;

use message::{Message, flags};

/// An address and how many of its leading bits count.
pub type Prefix = (IpAddr, u8);

/// What the kernel has, at one moment.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct State {
    pub interfaces: Vec<Interface>,
    pub addresses: Vec<Address>,
    pub routes: Vec<Route>,
    pub rules: Vec<Rule>,
}

impl State {
    /// All that is there. Errors: the kernel's own (no netlink in this sandbox), and more than is read.
    pub fn read(socket: &mut Socket) -> io::Result<Self> {
        Ok(Self {
            routes: socket.list(&all(route::GET, route::HEAD), Route::read)?,
            rules: socket.list(&all(rule::GET, rule::HEAD), Rule::read)?,
            ..Self::read_links(socket)?
        })
    }

    /// Interfaces and addresses alone. Errors as [`State::read`].
    pub fn read_links(socket: &mut Socket) -> io::Result<Self> {
        Ok(Self {
            interfaces: socket.list(&all(interface::GET, interface::HEAD), Interface::read)?,
            addresses: socket.list(&all(address::GET, address::HEAD), Address::read)?,
            ..Self::default()
        })
    }

    /// The interface of that name.
    pub fn interface(&self, name: &str) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| interface.name == name)
    }

    /// The number of the interface of that name.
    pub fn index(&self, name: &str) -> Option<u32> {
        self.interface(name).map(|interface| interface.index)
    }
}

/// What asks for all objects of a kind, whose struct has that length.
fn all(kind: u16, length: usize) -> Message {
    Message::new(kind, flags::DUMP, [0; 16].get(..length).unwrap_or_default())
}

/// `AF_INET` or `AF_INET6`.
fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { 2 } else { 10 }
}

/// The address that is all zero, of a family by its number.
fn unspecified(family: u8) -> Option<IpAddr> {
    match family {
        2 => Some(IpAddr::from([0; 4])),
        10 => Some(IpAddr::from([0; 16])),
        _ => None,
    }
}

/// An address as it is on the wire.
fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// The address that these bytes are.
fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// What reads back from a message that was built.
#[cfg(test)]
fn again<T>(message: Message, read: impl Fn(&message::Received) -> Option<T>) -> Option<T> {
    let bytes = message.finish(1);
    message::messages(&bytes).next().and_then(|received| read(&received))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_of_its_loopback() {
        let state = State::read(&mut Socket::open().unwrap()).unwrap();
        let lo = state.interface("lo").unwrap();
        assert_eq!((lo.index, lo.mac.as_slice()), (1, [0; 6].as_slice()));
        assert!(state.rules.iter().any(|rule| rule.table == 254), "the main table is asked: {:?}", state.rules);
    }

    #[test]
    fn what_the_kernel_refuses_is_its_own_error() {
        let nobody = Message::new(19, flags::ACKNOWLEDGE, &[0; 16]);
        let error = Socket::open().unwrap().request(nobody).unwrap_err();
        assert!(error.raw_os_error().is_some(), "{error}");
    }
}
