// SPDX-License-Identifier: Apache-2.0
//! Whether a static network is up: its addresses are there, and its way out.
//!
//! `network-online.target` says that too, a second or more later: it waits for what IPv6 does in the background as well.
//! What is static needs nobody's answer, so a script that only wants its address need not wait for that.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::ifaddrs::getifaddrs;

use crate::guest::Nic;
use crate::network::model::{Activation, Kind, Link, NetworkConfig, Route};
use crate::network::render::nic_of;

/// The longest wait; what needs the network then says so itself.
const PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);

/// Whether nothing of it comes from a DHCP server or a router, and there is something.
pub fn is_static(config: &NetworkConfig) -> bool {
    let automatic = |link: &Link| link.dhcp4 || link.dhcp6.is_some() || link.accept_ra == Some(true);
    let ipv4 = |link: &Link| link.addresses.iter().any(|address| address.address().is_ipv4());
    config.links.iter().any(ipv4) && !config.links.iter().any(automatic)
}

/// Waits until the addresses of the interfaces that can be there are set, and the IPv4 default route where there is one.
pub fn wait(config: &NetworkConfig, nics: &[Nic]) {
    let links: Vec<&Link> = expected(config, nics);
    let wanted: Vec<IpAddr> = links.iter().flat_map(|link| &link.addresses).map(|address| address.address()).collect();
    let main = |route: &Route| route.table.is_none() && route.to.is_default() && route.to.address().is_ipv4();
    let in_main = links.iter().filter(|link| !in_vrf(link, config));
    let way_out = in_main.flat_map(|link| &link.routes).any(|route| main(route));
    let begun = Instant::now();
    while !(has_all(&wanted) && (!way_out || has_default_route())) {
        if begun.elapsed() > PATIENCE {
            log::warn!("the instance's addresses are not up after {PATIENCE:?}; going on without");
            return;
        }
        sleep(POLL);
    }
    log::debug!("the network was up after {:?}", begun.elapsed());
}

/// The links whose addresses the boot waits for: brought up at boot, of hardware that is there, or made of some that is.
fn expected<'a>(config: &'a NetworkConfig, nics: &[Nic]) -> Vec<&'a Link> {
    let mut here: BTreeSet<&str> = BTreeSet::new();
    loop {
        let is_here = |link: &&Link| match &link.kind {
            Kind::Physical(_) => nic_of(link, nics).is_some(),
            // A bond without members has no carrier, and a VLAN without its parent is not made.
            Kind::Bond { .. } | Kind::Vlan { .. } => link.members().iter().any(|id| here.contains(id.as_str())),
            Kind::Dummy | Kind::Loopback | Kind::Bridge { .. } | Kind::Vrf { .. } => true,
        };
        let found: BTreeSet<&str> = config.links.iter().filter(is_here).map(|link| link.id.as_str()).collect();
        if found.len() == here.len() {
            break;
        }
        here = found;
    }
    let at_boot = |link: &&Link| !link.optional && link.activation == Activation::Auto;
    config.links.iter().filter(at_boot).filter(|link| here.contains(link.id.as_str())).collect()
}

/// Whether its routes are in a table of their own.
fn in_vrf(link: &Link, config: &NetworkConfig) -> bool {
    let is_vrf = |other: &Link| matches!(other.kind, Kind::Vrf { .. });
    let member = |other: &Link| is_vrf(other) && other.members().iter().any(|member| member.value == link.id);
    is_vrf(link) || config.links.iter().any(member)
}

fn has_all(wanted: &[IpAddr]) -> bool {
    let Ok(interfaces) = getifaddrs() else { return true };
    let addresses: Vec<IpAddr> = interfaces
        .filter_map(|interface| {
            let address = interface.address?;
            let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
        })
        .collect();
    wanted.iter().all(|address| addresses.contains(address))
}

/// A line of the kernel's IPv4 table to nowhere in particular.
fn has_default_route() -> bool {
    let table = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
    table.lines().skip(1).any(|line| {
        let mut words = line.split_whitespace().skip(1);
        words.next() == Some("00000000") && words.nth(5) == Some("00000000")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Findings;
    use crate::seed::Document;

    fn config(networks: &str) -> NetworkConfig {
        let text = format!(
            r#"{{"links": [{{"id": "a", "type": "phy", "ethernet_mac_address": "52:54:00:00:00:01"}}], "networks": [{networks}]}}"#
        );
        let document = Document::new("network_data.json", text);
        crate::network::openstack::read(&document, &mut Findings::default()).unwrap()
    }

    #[test]
    fn only_what_nobody_has_to_answer_is_static() {
        let fixed = r#"{"id": "n", "type": "ipv4", "link": "a", "ip_address": "127.0.0.1", "netmask": "255.0.0.0"}"#;
        let dhcp = r#"{"id": "m", "type": "ipv4_dhcp", "link": "a"}"#;
        assert!(is_static(&config(fixed)));
        assert!(
            !is_static(&config(dhcp)) && !is_static(&config(&format!("{fixed}, {dhcp}"))) && !is_static(&config(""))
        );
    }

    #[test]
    fn an_address_that_is_there_is_not_waited_for_and_an_absent_interface_neither() {
        let begun = Instant::now();
        let there =
            config(r#"{"id": "n", "type": "ipv4", "link": "a", "ip_address": "127.0.0.1", "netmask": "255.0.0.0"}"#);
        wait(&there, &[Nic { name: "lo".into(), mac: "52:54:00:00:00:01".into(), ..Nic::default() }]);
        let never =
            config(r#"{"id": "n", "type": "ipv4", "link": "a", "ip_address": "192.0.2.1", "netmask": "255.0.0.0"}"#);
        wait(&never, &[]);
        assert!(begun.elapsed() < PATIENCE);
    }

    #[test]
    fn what_is_made_of_hardware_is_waited_for_where_some_of_that_is_there() {
        let text = "version: 2\nethernets:\n  a: {match: {macaddress: '52:54:00:00:00:01'}}\n  b: {match: {macaddress: \
            '52:54:00:00:00:02'}}\nbonds:\n  bond0: {interfaces: [a, b]}\nvlans:\n  v: {id: 7, link: bond0, addresses: \
            [192.0.2.1/24]}\ndummy-devices:\n  dummy0: {optional: true, addresses: [192.0.2.2/24]}\n";
        let document = Document::new("network-config", text);
        let asked = crate::network::network_config::read(&document, &mut Findings::default());
        let Some(crate::network::network_config::Asked::Network(config)) = asked else { panic!("{asked:?}") };
        let expected = |macs: &[&str]| {
            let nic = |mac: &&str| Nic { mac: (*mac).to_owned(), ..Nic::default() };
            let nics: Vec<Nic> = macs.iter().map(nic).collect();
            expected(&config, &nics).iter().map(|link| link.id.clone()).collect::<Vec<_>>()
        };
        assert!(is_static(&config));
        assert_eq!(expected(&["52:54:00:00:00:02"]), ["b", "bond0", "v"]);
        assert_eq!(expected(&[]), [""; 0]);
    }
}
