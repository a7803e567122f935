// SPDX-License-Identifier: Apache-2.0
//! For systemd-networkd: one `.network` file a link (systemd.network(5)).

use std::fmt::Write as _;

use crate::finding::Findings;
use crate::guest::Nic;
use crate::network::model::{Dhcp6, Link, NetworkConfig};
use crate::network::render::{HEADER, RenderedFile};

/// Where networkd looks for the administrator's files.
pub const DIRECTORY: &str = "/etc/systemd/network";
/// How names of our files begin: before those that distributions ship (`20-wired`, `80-…`), as the first match wins.
pub const PREFIX: &str = "10-firstlight-";

/// One file a link. All may read them: networkd does not run as root.
pub fn render(config: &NetworkConfig, _: Option<&[Nic]>, _: &mut Findings) -> Vec<RenderedFile> {
    let file = |link: &Link| RenderedFile {
        path: format!("{DIRECTORY}/{PREFIX}{}.network", link.id).into(),
        content: network(config, link),
        mode: 0o644,
    };
    config.links.iter().map(file).collect()
}

fn network(config: &NetworkConfig, link: &Link) -> String {
    let mut sections = vec![matching(link)];
    sections.extend(device(link));
    sections.push(addressing(config, link));
    sections.extend(routes(link));
    format!("{HEADER}{}", sections.join("\n"))
}

fn matching(link: &Link) -> String {
    let by = link.physical().map(|physical| &physical.by);
    match by.map(|by| (&by.mac, &by.name)) {
        // What is built on top of an interface often carries its MAC address.
        Some((Some(mac), _)) => {
            format!("[Match]\nMACAddress={}\nKind=!bond bridge ipvlan macvlan team vlan\n", mac.value)
        }
        Some((None, Some(name))) => format!("[Match]\nName={}\n", name.value),
        _ => format!("[Match]\nName={}\n", link.id),
    }
}

fn device(link: &Link) -> Option<String> {
    let mut section = String::from("[Link]\n");
    if let Some(mtu) = &link.mtu {
        let _ = writeln!(section, "MTUBytes={}", mtu.value);
    }
    if !link.is_configured() {
        section.push_str("RequiredForOnline=no\n");
    }
    (link.mtu.is_some() || !link.is_configured()).then_some(section)
}

fn addressing(config: &NetworkConfig, link: &Link) -> String {
    // Stateless DHCPv6 starts by itself when a router's announcement says so.
    let dhcp = match (link.dhcp4, link.dhcp6 == Some(Dhcp6::Stateful)) {
        (true, true) => "yes",
        (true, false) => "ipv4",
        (false, true) => "ipv6",
        (false, false) => "no",
    };
    let mut section = format!("[Network]\nDHCP={dhcp}\n");
    if let Some(accept) = link.accept_ra {
        let _ = writeln!(section, "IPv6AcceptRA={}", if accept { "yes" } else { "no" });
    }
    for address in &link.addresses {
        let _ = writeln!(section, "Address={}", address.prefix);
    }
    let dns = config.dns_of(link);
    for server in &dns.servers {
        let _ = writeln!(section, "DNS={server}");
    }
    if !dns.search.is_empty() {
        let _ = writeln!(section, "Domains={}", dns.search.join(" "));
    }
    section
}

fn routes(link: &Link) -> impl Iterator<Item = String> + '_ {
    link.routes.iter().map(|route| {
        let mut section = String::from("[Route]\n");
        if !route.to.is_default() {
            let _ = writeln!(section, "Destination={}", route.to);
        }
        if let Some(via) = route.via {
            let _ = writeln!(section, "Gateway={via}");
        }
        if link.is_on_link(route) {
            section.push_str("GatewayOnLink=yes\n");
        }
        if let Some(metric) = route.metric {
            let _ = writeln!(section, "Metric={metric}");
        }
        section
    })
}
