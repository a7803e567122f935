// SPDX-License-Identifier: Apache-2.0
//! Whether a static network is up: its addresses are there, and its way out.
//!
//! `network-online.target` says that too, a second or more later: it waits for what IPv6 does in the background as well.
//! What is static needs nobody's answer, so a script that only wants its address need not wait for that.

use std::net::IpAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::ifaddrs::getifaddrs;

use crate::guest::Nic;
use crate::network::model::{Link, NetworkConfig};
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

/// Waits until the addresses of the interfaces that are there are set, and the IPv4 default route where there is one.
pub fn wait(config: &NetworkConfig, nics: &[Nic]) {
    let here = |link: &&Link| nic_of(link, nics).is_some();
    let links: Vec<&Link> = config.links.iter().filter(here).collect();
    let wanted: Vec<IpAddr> = links.iter().flat_map(|link| &link.addresses).map(|address| address.address()).collect();
    let way_out =
        links.iter().flat_map(|link| &link.routes).any(|route| route.to.is_default() && route.to.address().is_ipv4());
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
}
