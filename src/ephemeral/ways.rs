// SPDX-License-Identifier: Apache-2.0
//! The ways of a network that is there.

use std::net::IpAddr;

use crate::http::{self, Way};
use crate::netlink::{Address, Interface, Socket, State};

/// Whether the network is up: somebody has given it an address that is not the link's own.
pub fn is_up() -> bool {
    read().addresses.iter().any(is_global)
}

/// The ways of a network that is up: first as the routing table says, then by each interface, for a service that only one
/// of them leads to. By a link's own IPv6 address alone there is a way, too.
pub fn ways_up() -> Vec<Way> {
    of(&read())
}

fn read() -> State {
    Socket::open().and_then(|mut socket| State::read_links(&mut socket)).unwrap_or_default()
}

/// By that interface, for one family: so no server is asked twice where the other one comes later. `names` are the servers
/// to ask for names, where the guest's own resolver is of no use.
pub(super) fn by(interface: &Interface, has_ipv4: bool, names: Option<Vec<IpAddr>>) -> Way {
    let Interface { name, index, .. } = interface.clone();
    Way { interface: Some(http::Interface { name, index, has_ipv4, has_ipv6: !has_ipv4, names }) }
}

/// Whether it is an IPv6 address of that link's own, which nobody else has.
pub(super) fn is_own(address: &Address, interface: u32) -> bool {
    let is_link_local = matches!(address.address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    is_link_local && address.interface == interface && !address.tentative
}

fn is_global(address: &Address) -> bool {
    match address.address {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local(),
    }
}

fn of(state: &State) -> Vec<Way> {
    let mut ways = Vec::new();
    if state.addresses.iter().any(is_global) {
        ways.push(Way::routed());
    }
    let has_ipv4 = |interface: &Interface| {
        let own = |address: &&Address| address.interface == interface.index && address.address.is_ipv4();
        state.addresses.iter().filter(own).any(|address| !address.address.is_loopback())
    };
    // A part of a bond or a bridge has no connections of its own.
    let leading: Vec<&Interface> = state.interfaces.iter().filter(|it| it.running && it.master == 0).collect();
    // The one with IPv4 is where the routing table leads.
    let several = leading.iter().filter(|interface| has_ipv4(interface)).count() > 1;
    for interface in leading {
        if several && has_ipv4(interface) {
            ways.push(by(interface, true, None));
        }
        if state.addresses.iter().any(|address| is_own(address, interface.index)) {
            ways.push(by(interface, false, None));
        }
    }
    ways
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Interfaces numbered from 1 with these addresses; `~` before one that is not sure yet.
    fn state(interfaces: &[(&str, &[&str])]) -> State {
        let mut state = State::default();
        for (index, (name, addresses)) in (1..).zip(interfaces) {
            let (name, running) = ((*name).to_owned(), true);
            state.interfaces.push(Interface { index, name, running, ..Interface::default() });
            state.addresses.extend(addresses.iter().map(|text| {
                let (tentative, address) = (text.starts_with('~'), text.trim_start_matches('~').parse().unwrap());
                Address { interface: index, address, length: 64, label: None, deprecated: false, tentative }
            }));
        }
        state
    }

    /// The ways of that network, as a person reads them.
    fn ways(state: &State) -> Vec<String> {
        let family = |way: &Way| way.interface.as_ref().map_or(0, |interface| if interface.has_ipv4 { 4 } else { 6 });
        of(state).iter().map(|way| format!("{way} {}", family(way))).collect()
    }

    const LO: (&str, &[&str]) = ("lo", &["127.0.0.1", "::1"]);

    #[test]
    fn what_the_routing_table_says_goes_first() {
        let one = state(&[LO, ("eth0", &["192.0.2.5", "fe80::1"])]);
        assert_eq!(ways(&one), ["the network 0", "eth0 6"], "its IPv4 is asked once");
        let two = state(&[LO, ("eth0", &["192.0.2.5"]), ("eth1", &["169.254.3.4", "2001:db8::5"])]);
        assert_eq!(ways(&two), ["the network 0", "eth0 4", "eth1 4"]);
    }

    #[test]
    fn without_a_global_address_links_have_their_own() {
        assert!(ways(&state(&[LO])).is_empty());
        let links = state(&[LO, ("eth0", &["~fe80::1"]), ("eth1", &["fe80::2"])]);
        assert_eq!(ways(&links), ["eth1 6"], "an address that somebody else may have is none");
    }

    #[test]
    fn what_leads_nowhere_is_no_way() {
        let mut state = state(&[LO, ("eth0", &["192.0.2.5"]), ("eth1", &["fe80::2"]), ("eth2", &["192.0.2.6"])]);
        state.interfaces[2].master = 9;
        state.interfaces[3].running = false;
        assert_eq!(ways(&state), ["the network 0"]);
    }
}
