// SPDX-License-Identifier: Apache-2.0
//! What a DHCP server gives: an address for a while, and the routes behind it.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::ephemeral::dhcp::message::{Reply, option};

/// More than any platform gives.
const MOST_ROUTES: usize = 32;
/// As many as are asked.
const MOST_NAMES: usize = 3;
/// What every network carries (RFC 791); a smaller MTU would be a mistake.
const LEAST_MTU: u16 = 576;

/// What a DHCP server gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The address, and the length of its network's prefix.
    pub address: (Ipv4Addr, u8),
    /// For how long.
    pub duration: Duration,
    /// Where to, the length of that prefix, and by which router; `None` where that network is on the link.
    pub routes: Vec<(Ipv4Addr, u8, Option<Ipv4Addr>)>,
    /// The servers that know names.
    pub names: Vec<Ipv4Addr>,
    /// Bytes, where the server says so.
    pub mtu: Option<u16>,
}

impl Lease {
    /// What an acknowledgement gives; `None` where its address is none for a host.
    pub fn of(reply: &Reply) -> Option<Self> {
        let address = reply.address;
        let first = address.octets()[0];
        if first == 0 || first >= 224 || address.is_loopback() {
            return None;
        }
        let mask = reply.address_of(option::MASK).map(Ipv4Addr::to_bits);
        let length = match mask {
            Some(mask) if mask.leading_ones() == mask.count_ones() && mask != 0 => mask.leading_ones(),
            // As networks were before there were masks, which is what other clients take as well.
            _ => match first {
                0..128 => 8,
                128..192 => 16,
                _ => 24,
            },
        };
        let mut routes = classless(reply.option(option::ROUTES));
        // Who understands them must not look at the routers (RFC 3442).
        if routes.is_empty() {
            routes.extend(reply.address_of(option::ROUTERS).map(|router| (Ipv4Addr::UNSPECIFIED, 0, Some(router))));
        }
        let seconds = reply.address_of(option::LEASE).map_or(u32::MAX, Ipv4Addr::to_bits);
        let mtu = reply.option(option::MTU).try_into().map(u16::from_be_bytes);
        Some(Self {
            address: (address, u8::try_from(length).unwrap_or(32)),
            duration: Duration::from_secs(seconds.into()),
            routes,
            names: reply.addresses_of(option::NAMES).take(MOST_NAMES).collect(),
            mtu: mtu.ok().filter(|mtu| *mtu >= LEAST_MTU),
        })
    }

    /// Whether one of its networks has that address.
    pub fn leads_to(&self, there: Ipv4Addr) -> bool {
        let own = (self.address.0, self.address.1);
        let networks = self.routes.iter().map(|(to, length, _)| (*to, *length)).chain([own]);
        networks.into_iter().any(|(to, length)| network(to, length) == network(there, length))
    }
}

/// The routes of option 121: a prefix's length, as many bytes of it as count, a router. What is cut short or makes no
/// sense ends them.
fn classless(mut value: &[u8]) -> Vec<(Ipv4Addr, u8, Option<Ipv4Addr>)> {
    let mut routes = Vec::new();
    while let [length @ 0..=32, rest @ ..] = value
        && routes.len() < MOST_ROUTES
    {
        let Some((prefix, rest)) = rest.split_at_checked(usize::from(length.div_ceil(8))) else { break };
        let Some((router, rest)) = rest.split_first_chunk::<4>() else { break };
        let mut to = [0; 4];
        to.iter_mut().zip(prefix).for_each(|(to, byte)| *to = *byte);
        let router = Some(Ipv4Addr::from(*router)).filter(|router| !router.is_unspecified());
        routes.push((network(Ipv4Addr::from(to), *length), *length, router));
        value = rest;
    }
    routes
}

/// The address with only so many leading bits.
fn network(address: Ipv4Addr, length: u8) -> Ipv4Addr {
    let mask = u32::MAX.checked_shl(32_u32.saturating_sub(length.into())).unwrap_or(0);
    Ipv4Addr::from_bits(address.to_bits() & mask)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ephemeral::dhcp::message::kind;
    use crate::ephemeral::dhcp::message::tests::{MAC, XID, reply};

    fn lease(options: &[(u8, &[u8])]) -> Option<Lease> {
        Lease::of(&Reply::read(&reply(kind::ACK, options), XID, MAC).unwrap())
    }

    const ROUTER: (u8, &[u8]) = (option::ROUTERS, &[192, 0, 2, 1, 192, 0, 2, 2]);
    const ANYWHERE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

    #[test]
    fn of_several_routers_the_first_leads_everywhere() {
        let lease = lease(&[(option::MASK, &[255, 255, 255, 128]), ROUTER, (option::LEASE, &[0, 0, 14, 16])]).unwrap();
        assert_eq!(lease.address, (Ipv4Addr::new(192, 0, 2, 50), 25));
        assert_eq!(lease.routes, [(ANYWHERE, 0, Some(Ipv4Addr::new(192, 0, 2, 1)))]);
        assert_eq!((lease.duration.as_secs(), lease.mtu), (3600, None));
        assert!(lease.leads_to(Ipv4Addr::new(169, 254, 169, 254)));
    }

    #[test]
    fn classless_routes_take_the_routers_place() {
        // As Neutron writes them: the metadata service by the DHCP server's port, the rest by the router; then a network
        // on the link whose prefix has bits that do not count.
        let routes = [&[32, 169, 254, 169, 254, 192, 0, 2, 2, 0, 192, 0, 2, 1][..], &[9, 10, 255, 0, 0, 0, 0]].concat();
        let lease = lease(&[ROUTER, (option::ROUTES, &routes)]).unwrap();
        assert_eq!(
            lease.routes,
            [
                (Ipv4Addr::new(169, 254, 169, 254), 32, Some(Ipv4Addr::new(192, 0, 2, 2))),
                (ANYWHERE, 0, Some(Ipv4Addr::new(192, 0, 2, 1))),
                (Ipv4Addr::new(10, 128, 0, 0), 9, None),
            ]
        );
    }

    #[test]
    fn of_classless_routes_those_before_the_damage_count() {
        let broken = |routes: &[u8]| lease(&[ROUTER, (option::ROUTES, routes)]).unwrap().routes.len();
        assert_eq!(broken(&[8, 10, 192, 0, 2, 1, 33, 1, 2, 3, 4, 5, 6, 7, 8]), 1, "a prefix of 33 bits");
        assert_eq!(broken(&[8, 10, 192, 0, 2, 1, 24, 10]), 1, "cut short");
        assert_eq!(broken(&[8, 10, 192, 0, 2]), 1, "none is left: the router counts");
        assert_eq!(broken(&[8, 10, 192, 0, 2, 1].repeat(40)), MOST_ROUTES);
    }

    #[test]
    fn a_mask_that_is_none_gives_way_to_the_address_class() {
        for mask in [&[255, 0, 255, 0][..], &[0, 0, 0, 0], &[255, 255]] {
            assert_eq!(lease(&[(option::MASK, mask)]).unwrap().address.1, 24);
        }
        let alone = lease(&[]).unwrap();
        assert!(!alone.leads_to(Ipv4Addr::new(169, 254, 169, 254)), "no router");
        assert!(alone.leads_to(Ipv4Addr::new(192, 0, 2, 77)), "its own network");
        assert_eq!(alone.duration, Duration::from_secs(u32::MAX.into()), "without a time it has no end");
    }

    #[test]
    fn an_address_that_no_host_can_have_is_no_lease() {
        for address in [[0, 0, 0, 0], [127, 0, 0, 1], [224, 0, 0, 1], [255, 255, 255, 255]] {
            let mut message = reply(kind::ACK, &[ROUTER]);
            message[16..20].copy_from_slice(&address);
            assert_eq!(Lease::of(&Reply::read(&message, XID, MAC).unwrap()), None);
        }
    }

    #[test]
    fn names_are_asked_of_no_more_servers_than_that() {
        let names = |value: &[u8]| lease(&[(option::NAMES, value)]).unwrap().names;
        assert_eq!(
            names(&[192, 0, 2, 1, 192, 0, 2, 2, 192]),
            [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)]
        );
        assert_eq!((names(&[1; 40]).len(), names(&[0; 8]).len()), (MOST_NAMES, 0));
    }

    #[test]
    fn an_mtu_too_small_to_be_meant_is_not_taken() {
        let mtu = |bytes: &[u8]| lease(&[(option::MTU, bytes)]).unwrap().mtu;
        assert_eq!((mtu(&[5, 170]), mtu(&[0, 68]), mtu(&[5])), (Some(1450), None, None));
    }

    proptest! {
        #[test]
        fn any_routes_are_networks(value in proptest::collection::vec(any::<u8>(), 0..300)) {
            for (to, length, _) in classless(&value) {
                prop_assert_eq!(to, network(to, length));
            }
        }
    }
}
