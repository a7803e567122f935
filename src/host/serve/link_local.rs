// SPDX-License-Identifier: Apache-2.0
//! The addresses that clouds have their metadata at, put on a bridge for as long as it is served there.
//!
//! The kernel is told to drop them by itself after a while, and told again as long as we live: a killed server leaves none.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use clap::Args;
use log::{info, warn};
use nix::libc::{EACCES, EPERM};
use nix::net::if_::if_nametoindex;

use crate::error::{Error, Result};
use crate::netlink::message::{Message, Received, attributes, flags, number, u32_at};
use crate::netlink::{Address, Interface, Socket, State};

/// EC2's and everybody's.
const IPV4: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// OpenStack's.
const OPENSTACK: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe);
/// EC2's.
const EC2: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// How many seconds an address outlives us, and how often it gets them anew.
const LIFETIME: u32 = 30;
const RENEWAL: Duration = Duration::from_secs(10);
/// `IFA_F_NODAD`: nobody else has it, and it serves at once.
const SURE: u32 = 0x02;
/// `IFA_F_PERMANENT`: without an end, so not ours.
const PERMANENT: u32 = 0x80;
/// `RTM_GETADDR`, and `RTM_NEWADDR` of its answer.
const GET: u16 = 22;
const NEW: u16 = 20;
/// Bytes of `struct ifaddrmsg`.
const HEAD: usize = 8;

/// Where guests reach the service.
#[derive(Args, Debug, Clone)]
#[group(id = "link-local")]
pub struct Arguments {
    /// Put 169.254.169.254 on the bridge BRIDGE (virbr0), serve there on port 80, and take it away at the end; no NAT is
    /// needed. It needs the capabilities CAP_NET_ADMIN, for the address, and CAP_NET_BIND_SERVICE, for the port, not root.
    /// While it is there this machine does not reach another service of that address
    #[arg(long, value_name = "BRIDGE")]
    pub bind_link_local: Option<String>,
    /// Put fe80::a9fe:a9fe (OpenStack's) and fd00:ec2::254 (EC2's) there, too
    #[arg(long, requires = "bind_link_local")]
    pub bind_link_local_ipv6: bool,
}

impl Arguments {
    /// Puts the addresses there that are asked for; `None` where none are.
    ///
    /// # Errors
    /// As [`Held::new`].
    pub fn hold(&self) -> Result<Option<Held>> {
        self.bind_link_local.as_deref().map(|bridge| Held::new(bridge, self.bind_link_local_ipv6)).transpose()
    }
}

/// Addresses on a bridge. They go when this is dropped; after a kill, within half a minute.
pub struct Held {
    bridge: String,
    index: u32,
    /// All that are served.
    addresses: Vec<IpAddr>,
    /// Dropped, it ends the renewals; told so, they leave what they found.
    end: Option<Sender<()>>,
    renewals: Option<JoinHandle<()>>,
}

impl Held {
    /// Puts 169.254.169.254 on the bridge; with `ipv6` OpenStack's and EC2's addresses of that family as well. One that is
    /// there without an end is somebody else's: it is served, and stays.
    ///
    /// # Errors
    /// Absent: no such interface. Fatal: it is down, or hardware, or the kernel refuses.
    pub fn new(bridge: &str, ipv6: bool) -> Result<Self> {
        let cannot = |error: io::Error| refused(bridge, error);
        let mut socket = Socket::open().map_err(cannot)?;
        let state = State::read_links(&mut socket).map_err(cannot)?;
        let index = fitting(&state, bridge)?.index;
        let mut wanted: Vec<(IpAddr, u8)> = vec![(IPV4.into(), 32)];
        if ipv6 {
            wanted.extend([(OPENSTACK.into(), 64), (EC2.into(), 128)] as [(IpAddr, u8); 2]);
        }
        let there = present(&mut socket, index).map_err(cannot)?;
        let (mut held, mut own, mut found) = (Vec::new(), Vec::new(), Vec::new());
        for (address, length) in wanted {
            held.push(address);
            if there.contains(&(address, true)) {
                info!("{bridge} has {address} already; it stays");
                continue;
            }
            found.extend(Some(address).filter(|_| there.contains(&(address, false))));
            own.push(Address { interface: index, address, length, label: None, deprecated: false, tentative: false });
        }
        let (end, ended) = channel();
        // Made before the first address is there: from then on whatever fails takes them away.
        let mut holder = Holder { bridge: bridge.to_owned(), index, socket, own: Vec::new() };
        for address in own {
            holder.socket.request(lend(&address)).map_err(cannot)?;
            holder.own.push(address);
        }
        let renewals = std::thread::Builder::new().name("link-local".to_owned()).spawn(move || {
            loop {
                match ended.recv_timeout(RENEWAL) {
                    Err(RecvTimeoutError::Timeout) => holder.renew(),
                    Err(RecvTimeoutError::Disconnected) => return,
                    Ok(()) => return holder.own.retain(|own| !found.contains(&own.address)),
                }
            }
        });
        let renewals = Some(renewals.map_err(cannot)?);
        Ok(Self { bridge: bridge.to_owned(), index, addresses: held, end: Some(end), renewals })
    }

    /// Where to listen, with the interface where an address needs one.
    pub fn addresses(&self, port: u16) -> Vec<SocketAddr> {
        let place = |address: &IpAddr| match *address {
            IpAddr::V4(v4) => SocketAddr::from((v4, port)),
            IpAddr::V6(v6) => {
                let scope = if v6.is_unicast_link_local() { self.index } else { 0 };
                SocketAddrV6::new(v6, port, 0, scope).into()
            }
        };
        self.addresses.iter().map(place).collect()
    }

    /// Takes away what was not there before, and leaves the rest to its end: somebody else of us serves there.
    pub fn give_up(mut self) {
        if let Some(end) = self.end.take() {
            let _ = end.send(());
        }
    }

    /// The bridge's number.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Whether the bridge is still the one that has the addresses.
    pub fn is_there(&self) -> bool {
        is_there(&self.bridge, self.index)
    }

    /// The bridge, to which what listens there is best bound (`SO_BINDTODEVICE`): nobody behind another card is a guest.
    pub fn bridge(&self) -> &str {
        &self.bridge
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(renewals) = self.renewals.take() {
            let _ = renewals.join();
        }
    }
}

/// The addresses that are ours.
struct Holder {
    bridge: String,
    index: u32,
    socket: Socket,
    own: Vec<Address>,
}

impl Holder {
    fn renew(&mut self) {
        if !is_there(&self.bridge, self.index) {
            return;
        }
        for address in &self.own {
            if let Err(error) = self.socket.request(lend(address)) {
                warn!("{} on {} can't be renewed: {error}", address.address, self.bridge);
            }
        }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // With the bridge they went as well.
        if !is_there(&self.bridge, self.index) {
            return;
        }
        for address in &self.own {
            if let Err(error) = self.socket.request(address.remove()) {
                warn!("{} stays on {} for {LIFETIME} seconds: {error}", address.address, self.bridge);
            }
        }
    }
}

/// What gives an address its next seconds.
fn lend(address: &Address) -> Message {
    let mut message = address.lend(LIFETIME);
    if address.address.is_ipv6() {
        message.number(8, SURE);
    }
    message
}

/// The interface, where it can have the address.
fn fitting<'a>(state: &'a State, bridge: &str) -> Result<&'a Interface> {
    let Some(interface) = state.interface(bridge) else {
        let bridges = state.interfaces.iter().filter(|interface| interface.kind == "bridge");
        let names: Vec<&str> = bridges.map(|interface| interface.name.as_str()).collect();
        let help = match names.is_empty() {
            true => "start libvirt's network (`virsh net-start default`) or make a bridge".to_owned(),
            false => format!("bridges here: {}", names.join(", ")),
        };
        return Err(Error::absent(format!("there is no bridge {bridge}")).help(help));
    };
    // This machine may have its own metadata there.
    if interface.kind.is_empty() {
        let message = format!("{bridge} is no bridge: the address would be in the way of what is behind it");
        return Err(Error::fatal(message).help("name the bridge that the guests are on"));
    }
    match interface.up {
        true => Ok(interface),
        false => Err(Error::fatal(format!("the bridge {bridge} is down")).help(format!("ip link set {bridge} up"))),
    }
}

fn is_there(bridge: &str, index: u32) -> bool {
    if_nametoindex(bridge) == Ok(index)
}

/// The addresses of an interface, and whether they have no end.
fn present(socket: &mut Socket, index: u32) -> io::Result<Vec<(IpAddr, bool)>> {
    socket.list(&Message::new(GET, flags::DUMP, &[0; HEAD]), |answer| read_address(answer, index))
}

fn read_address(answer: &Received, index: u32) -> Option<(IpAddr, bool)> {
    let low = *answer.body.get(2).filter(|_| answer.kind == NEW && u32_at(answer.body, 4) == Some(index))?;
    let (mut all, mut address) = (u32::from(low), None);
    for (attribute, value) in attributes(answer.body, HEAD) {
        match attribute {
            // IFA_ADDRESS; IFA_LOCAL is the own side's of a point-to-point link, and comes second.
            1 | 2 => address = ip(value),
            8 => all = number(value),
            _ => {}
        }
    }
    address.map(|address| (address, all & PERMANENT != 0))
}

fn ip(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()
}

fn refused(bridge: &str, error: io::Error) -> Error {
    let is_refused = matches!(error.raw_os_error(), Some(EPERM | EACCES));
    let failed = Error::fatal(format!("cannot put 169.254.169.254 on {bridge}")).because(error);
    match is_refused {
        true => failed.help(
            "it needs CAP_NET_ADMIN, and port 80 CAP_NET_BIND_SERVICE: as root, or by a service's AmbientCapabilities=; \
             without them, listen elsewhere",
        ),
        false => failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::message::messages;

    fn interface(name: &str, kind: &str, up: bool) -> Interface {
        Interface { name: name.to_owned(), kind: kind.to_owned(), up, ..Interface::default() }
    }

    #[test]
    fn only_a_bridge_that_is_up_gets_the_address() {
        let interfaces =
            vec![interface("br0", "bridge", true), interface("br1", "bridge", false), interface("eth0", "", true)];
        let state = State { interfaces, ..State::default() };
        let why = |name| fitting(&state, name).map(|_| ()).unwrap_err().to_string();
        assert_eq!(fitting(&state, "br0").unwrap().name, "br0");
        assert!(why("br1").contains("br1 is down\n    help: ip link set br1 up"), "{}", why("br1"));
        assert!(why("eth0").contains("eth0 is no bridge"), "{}", why("eth0"));
        assert_eq!(why("br2"), "there is no bridge br2\n    help: bridges here: br0, br1");
    }

    #[test]
    fn an_address_with_an_end_is_what_a_killed_server_left() {
        let answer = |flags: u32| {
            let mut message = Message::new(NEW, 0, &[2, 32, 0, 253, 7, 0, 0, 0]);
            message.attribute(1, &IPV4.octets()).attribute(2, &IPV4.octets()).number(8, flags);
            let bytes = message.finish(1);
            messages(&bytes).next().and_then(|received| read_address(&received, 7))
        };
        assert_eq!((answer(PERMANENT), answer(0)), (Some((IPV4.into(), true)), Some((IPV4.into(), false))));
    }

    #[test]
    fn a_missing_privilege_is_named() {
        let error = refused("br0", io::Error::from_raw_os_error(EPERM)).to_string();
        assert!(error.contains("CAP_NET_ADMIN") && error.contains("CAP_NET_BIND_SERVICE"), "{error}");
    }

    #[test]
    fn a_link_local_address_needs_its_interface() {
        let addresses = vec![IPV4.into(), OPENSTACK.into(), EC2.into()];
        let held = Held { bridge: "br0".to_owned(), index: 7, addresses, end: None, renewals: None };
        let places: Vec<String> = held.addresses(80).iter().map(SocketAddr::to_string).collect();
        assert_eq!(places, ["169.254.169.254:80", "[fe80::a9fe:a9fe%7]:80", "[fd00:ec2::254]:80"]);
    }
}
