// SPDX-License-Identifier: Apache-2.0
//! One card that is brought up for a while: its carrier, its IPv6 address, its DHCP lease, and the way back.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use log::{debug, info};

use crate::ephemeral::dhcp::{Client, Lease};
use crate::ephemeral::ways;
use crate::ephemeral::wire::Wire;
use crate::http::Way;
use crate::netlink::{Address, Interface, Route, Socket, State};
use crate::random;

/// How long a card that was just brought up may take to notice its carrier: copper needs three seconds for that.
const CARRIER: Duration = Duration::from_secs(5);
/// How long the kernel may take to be sure of a link's IPv6 address: it asks whether somebody else has it.
const SURE: Duration = Duration::from_secs(5);
/// How long an address outlives the time that servers are asked.
const SLACK: Duration = Duration::from_secs(10);
/// The routes' metric, and the interface's number more: behind what anybody else sets, and no two alike.
const METRIC: u32 = 20_000;
/// `RT_TABLE_MAIN`.
const MAIN: u32 = 254;
/// `RTN_UNICAST`.
const UNICAST: u8 = 1;
/// `RT_SCOPE_LINK`.
const ON_LINK: u8 = 253;
/// Where platforms have their metadata.
const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// More than the longest packet.
const BUFFER: usize = 2048;
/// Packets that are looked at before others have their turn.
const BURST: usize = 64;

/// A card that is up for a while.
pub struct Link {
    interface: Interface,
    begun: Instant,
    /// Since when it has its carrier.
    running: Option<Instant>,
    has_ipv6: bool,
    ipv4: Ipv4,
    /// The IPv4 address that it has for a while.
    address: Option<Address>,
    /// What was changed beside: a file, and what was in it.
    changed: Option<(PathBuf, String)>,
    /// Whether others are up, too.
    has_others: bool,
}

/// How far a link is with DHCP.
enum Ipv4 {
    /// It has not begun.
    Awaited,
    Asked(Wire, Client),
    /// It has an address, and asks again then where that ends before the questions do.
    Leased(Option<Instant>),
    /// It won't have any, and why.
    Never(String),
}

impl Link {
    /// Brings up that interface. `has_others` says whether others are, too.
    ///
    /// # Errors
    /// The kernel's own.
    pub fn bring_up(interface: Interface, has_others: bool, socket: &mut Socket) -> io::Result<Self> {
        if !interface.up {
            socket.request(Interface::set_up(interface.index, true))?;
        }
        let ipv4 = Ipv4::Awaited;
        let begun = Instant::now();
        Ok(Self { interface, begun, running: None, has_ipv6: false, ipv4, address: None, changed: None, has_others })
    }

    /// Takes notice of what the kernel has. A way where there is one by now by the link's own IPv6 address.
    pub fn look(&mut self, state: &State, now: Instant) -> Option<Way> {
        let index = self.interface.index;
        let runs = state.interfaces.iter().any(|interface| interface.index == index && interface.carrier);
        if runs && self.running.is_none() {
            debug!("{} has its carrier after {:?}", self.interface.name, now - self.begun);
            self.running = Some(now);
            self.ipv4 = self.client(now).unwrap_or_else(Ipv4::Never);
        }
        let is_new = runs && !self.has_ipv6 && state.addresses.iter().any(|address| ways::is_own(address, index));
        self.has_ipv6 |= is_new;
        // Routers tell name servers, too (RFC 8106), but not us: the kernel keeps that to itself.
        is_new.then(|| ways::by(&self.interface, false, Some(Vec::new())))
    }

    fn client(&self, now: Instant) -> Result<Ipv4, String> {
        // InfiniBand's addresses do not fit into DHCP's messages, and packets to everybody need one of 20 bytes (RFC 4390).
        let mac = self.interface.mac.as_slice().try_into().map_err(|_| "no DHCP: it is no Ethernet".to_owned())?;
        let xid = random::bytes().map_err(|error| error.to_string())?;
        let wire = Wire::open(self.interface.index).map_err(|error| format!("no DHCP: {error}"))?;
        Ok(Ipv4::Asked(wire, Client::new(mac, u32::from_ne_bytes(xid), now)))
    }

    /// Goes on with DHCP. A way where there is one by now by IPv4; `deadline` is when it is not needed any more.
    pub fn ask(&mut self, socket: &mut Socket, now: Instant, deadline: Instant) -> Option<Way> {
        if matches!(self.ipv4, Ipv4::Leased(Some(again)) if again <= now) {
            self.ipv4 = self.client(now).unwrap_or_else(Ipv4::Never);
        }
        let Ipv4::Asked(wire, client) = &mut self.ipv4 else { return None };
        let lease = match exchange(wire, client, now) {
            Ok(lease) => lease?,
            Err(error) => {
                self.ipv4 = Ipv4::Never(format!("DHCP failed: {error}"));
                return None;
            }
        };
        let is_first = self.address.is_none();
        self.settle(&lease, socket, now, deadline.saturating_duration_since(now) + SLACK);
        let names = lease.names.into_iter().map(IpAddr::from).collect();
        (is_first && self.address.is_some()).then(|| ways::by(&self.interface, true, Some(names)))
    }

    /// Takes the address for a time, and sets the routes. Another address than before takes its place.
    fn settle(&mut self, lease: &Lease, socket: &mut Socket, now: Instant, time: Duration) {
        let (name, index) = (&self.interface.name, self.interface.index);
        let (own, length) = lease.address;
        info!("{name}: DHCP gave {own}/{length}");
        let address =
            Address { interface: index, address: own.into(), length, label: None, deprecated: false, tentative: false };
        let seconds = u32::try_from(time.min(lease.duration).as_secs()).unwrap_or(u32::MAX).max(1);
        let old = self.address.take_if(|old| *old != address);
        if let Some(old) = old
            && let Err(error) = socket.request(old.remove())
        {
            debug!("{name}: {}: {error}", old.address);
        }
        if let Err(error) = socket.request(address.lend(seconds)) {
            self.ipv4 = Ipv4::Never(format!("it can't have the address {own}: {error}"));
            return;
        }
        // Where nothing leads to it, the service is on the link.
        let on_link = (!lease.leads_to(METADATA)).then_some((METADATA, 32, None));
        for (to, length, via) in lease.routes.iter().copied().chain(on_link) {
            let route = Route {
                to: (to.into(), length),
                table: MAIN,
                kind: UNICAST,
                scope: if via.is_some() { 0 } else { ON_LINK },
                metric: METRIC.saturating_add(index),
                via: via.map(IpAddr::from),
                interface: index,
                // With that address the kernel takes away the route, too.
                source: Some(own.into()),
                mtu: lease.mtu.map(u32::from).filter(|mtu| *mtu < self.interface.mtu).unwrap_or(0),
                on_link: via.is_some(),
            };
            if let Err(error) = socket.request(route.add()) {
                debug!("{name}: no route to {to}/{length}: {error}");
            }
        }
        if self.has_others && self.changed.is_none() {
            self.changed = loosen(name);
        }
        self.address = Some(address);
        self.ipv4 = Ipv4::Leased(again(lease, now, time));
    }

    /// Whether the kernel is to be looked at again for it.
    pub fn is_watched(&self, now: Instant) -> bool {
        self.running.is_none_or(|since| !self.has_ipv6 && now < since + SURE)
    }

    /// Whether no other way is to come by it.
    pub fn is_settled(&self, now: Instant) -> bool {
        match self.running {
            None => now >= self.begun + CARRIER,
            Some(_) => !self.is_watched(now) && (self.address.is_some() || matches!(self.ipv4, Ipv4::Never(_))),
        }
    }

    /// The socket that answers come by.
    pub fn wire(&self) -> Option<&Wire> {
        if let Ipv4::Asked(wire, _) = &self.ipv4 { Some(wire) } else { None }
    }

    /// When it has something to send.
    pub fn next(&self) -> Option<Instant> {
        match &self.ipv4 {
            Ipv4::Asked(_, client) => Some(client.next()),
            Ipv4::Leased(again) => *again,
            Ipv4::Awaited | Ipv4::Never(_) => None,
        }
    }

    /// How it stands with it, for a person.
    pub fn story(&self) -> String {
        let ipv4 = match &self.ipv4 {
            Ipv4::Awaited => "no carrier",
            Ipv4::Asked(..) => "no DHCP server has answered",
            Ipv4::Leased(_) => "it has an address",
            Ipv4::Never(why) => why,
        };
        format!("{}: {ipv4}", self.interface.name)
    }

    /// Leaves the interface as it was. One that is down loses what routers have announced, too.
    pub fn take_down(self, socket: &mut Socket) {
        let mut requests = Vec::new();
        if let Some(address) = &self.address {
            requests.push(address.remove());
        }
        if !self.interface.up {
            requests.push(Interface::set_up(self.interface.index, false));
        }
        for request in requests {
            if let Err(error) = socket.request(request) {
                debug!("{} can't be left as it was: {error}", self.interface.name);
            }
        }
        if let Some((path, value)) = self.changed
            && let Err(error) = fs::write(&path, value)
        {
            debug!("{}: {error}", path.display());
        }
    }
}

/// When a lease is asked for again: when half of it is over, as RFC 2131 has it (section 4.4.5), and not more than once a
/// second; `None` where it lasts for `time`. It is asked for from the beginning: servers give an address again to whom they
/// have given it.
fn again(lease: &Lease, now: Instant, time: Duration) -> Option<Instant> {
    (lease.duration < time).then(|| now + (lease.duration / 2).max(Duration::from_secs(1)))
}

/// Sends what is due and takes what has come.
fn exchange(wire: &Wire, client: &mut Client, now: Instant) -> io::Result<Option<Lease>> {
    let mut buffer = [0; BUFFER];
    for _ in 0..BURST {
        let Some(packet) = wire.receive(&mut buffer)? else { break };
        if let Some(lease) = client.take(packet, now) {
            return Ok(Some(lease));
        }
    }
    if let Some(packet) = client.due(now)
        && let Err(error) = wire.send(&packet)
    {
        // It is sent again.
        debug!("DHCP: {error}");
    }
    Ok(None)
}

/// Lets an interface take packets from where the routing table would lead by another card: of two that both lead to one
/// address, the kernel hears only the better one where it is strict (`rp_filter`).
fn loosen(name: &str) -> Option<(PathBuf, String)> {
    let file = |of: &str| PathBuf::from(format!("/proc/sys/net/ipv4/conf/{of}/rp_filter"));
    let (all, own) = (fs::read_to_string(file("all")).ok()?, fs::read_to_string(file(name)).ok()?);
    // The larger number counts: 0 takes all, 1 is strict, 2 is loose.
    if all.trim().max(own.trim()) != "1" {
        return None;
    }
    fs::write(file(name), "2").ok()?;
    Some((file(name), own))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(mac: &[u8]) -> Link {
        let interface =
            Interface { index: 7, name: "ens3".to_owned(), mac: mac.to_vec(), up: true, ..Interface::default() };
        Link::bring_up(interface, false, &mut Socket::open().unwrap()).unwrap()
    }

    fn state(carrier: bool, tentative: bool) -> State {
        let own = Address {
            interface: 7,
            address: "fe80::1".parse().unwrap(),
            length: 64,
            label: None,
            deprecated: false,
            tentative,
        };
        let interface = Interface { index: 7, carrier, ..Interface::default() };
        State { interfaces: vec![interface], addresses: vec![own], ..State::default() }
    }

    #[test]
    fn a_link_has_its_own_address_once_the_kernel_is_sure() {
        let (mut link, now) = (link(&[0; 20]), Instant::now());
        assert!(link.look(&state(false, false), now).is_none() && link.is_watched(now), "no carrier");
        assert!(link.look(&state(true, true), now).is_none() && link.is_watched(now), "not sure");
        assert!(link.look(&state(true, true), now + SURE).is_none() && !link.is_watched(now + SURE), "never sure");
        assert!(!link.is_settled(now));
        let way = link.look(&state(true, false), now).unwrap();
        assert!(way.interface.is_some_and(|interface| interface.has_ipv6 && !interface.has_ipv4));
        assert!(link.look(&state(true, false), now).is_none(), "told once");
        assert!(link.is_settled(now), "InfiniBand is not asked for IPv4: {}", link.story());
    }

    #[test]
    fn a_lease_is_asked_for_again_only_where_it_is_too_short() {
        let (now, time) = (Instant::now(), Duration::from_secs(120));
        let lease = |seconds| {
            let address = (Ipv4Addr::new(192, 0, 2, 50), 24);
            Lease { address, duration: Duration::from_secs(seconds), routes: Vec::new(), names: Vec::new(), mtu: None }
        };
        let due = |seconds| again(&lease(seconds), now, time).map(|again| (again - now).as_secs());
        assert_eq!((due(60), due(0), due(119), due(120), due(3600)), (Some(30), Some(1), Some(59), None, None));
        let mut link = link(&[0; 20]);
        (link.ipv4, link.running) = (Ipv4::Leased(Some(now)), Some(now));
        assert_eq!(link.next(), Some(now));
        assert!(link.ask(&mut Socket::open().unwrap(), now, now + time).is_none());
        assert!(matches!(link.ipv4, Ipv4::Never(_)), "it has begun again, and InfiniBand can't: {}", link.story());
    }

    #[test]
    fn a_cable_that_is_not_there_is_not_waited_for() {
        let link = link(&[2, 0, 0, 0, 0, 1]);
        let now = Instant::now();
        assert!(!link.is_settled(now) && link.is_settled(now + CARRIER));
        assert_eq!(link.story(), "ens3: no carrier");
        assert!(link.is_watched(now + CARRIER), "late is better than never");
    }
}
