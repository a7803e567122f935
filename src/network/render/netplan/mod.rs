// SPDX-License-Identifier: Apache-2.0
//! For netplan: one file, format version 2.

mod link;
mod parameters;
#[cfg(test)]
mod round_trip;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::{Finding, Findings};
use crate::guest::Nic;
use crate::network::model::{Extra, Kind, Link, NetworkConfig};
use crate::network::render::netplan::yaml::Keys;
use crate::network::render::{HEADER, RenderedFile, nic_of};

/// Where netplan looks for files.
pub const DIRECTORY: &str = "/etc/netplan";
/// Our one file. Netplan merges all of the directory; what sorts later wins.
pub const PATH: &str = "/etc/netplan/50-firstlight.yaml";

/// One file, root's alone: netplan complains of one that others can read.
pub fn render(config: &NetworkConfig, nics: Option<&[Nic]>, findings: &mut Findings) -> Vec<RenderedFile> {
    let ids = ids(config, nics);
    let mut network = Keys::default();
    network.set("version", 2);
    for name in order(config) {
        let mut section = Keys::default();
        for link in config.links.iter().filter(|link| self::section(&link.kind) == name) {
            let id = ids.get(link.id.as_str()).map_or(link.id.as_str(), String::as_str);
            section.set(id, link::keys(config, link, nics, &ids, findings));
        }
        network.filled(name, section);
        for extra in config.extra.iter().filter(|extra| extra.key == name) {
            network.merge(name, &extra.value.value);
        }
    }
    findings_of_all(config, findings);
    let mut document = Keys::default();
    document.set("network", network);
    match yaml::written(&document.into()) {
        Ok(yaml) => vec![RenderedFile { path: PATH.into(), content: format!("{HEADER}{yaml}"), mode: 0o600 }],
        Err(error) => {
            findings.push(Finding::error(&config.origin, format!("cannot be written for netplan: {error}")));
            Vec::new()
        }
    }
}

/// The section that a link is in.
fn section(kind: &Kind) -> &'static str {
    match kind {
        Kind::Physical(_) | Kind::Loopback => "ethernets",
        Kind::Bond { .. } => "bonds",
        Kind::Bridge { .. } => "bridges",
        Kind::Vlan { .. } => "vlans",
        Kind::Vrf { .. } => "vrfs",
        Kind::Dummy => "dummy-devices",
    }
}

/// The keys in the order in which they are written: what others are made of comes first, as far as that goes. Netplan
/// reads a section again for a name that comes later, and some versions then take a bridge's path costs for doubled.
fn order(config: &NetworkConfig) -> Vec<&str> {
    const LINKS: [&str; 6] = ["ethernets", "dummy-devices", "bonds", "bridges", "vlans", "vrfs"];
    let vlan = |id: &str| config.links.iter().any(|link| link.id == id && matches!(link.kind, Kind::Vlan { .. }));
    let mut bridges = config.links.iter().filter(|link| matches!(link.kind, Kind::Bridge { .. }));
    let has_vlans = bridges.any(|bridge| bridge.members().iter().any(|member| vlan(&member.value)));
    let [ethernets, dummies, bonds, bridges, vlans, vrfs] = LINKS;
    let (first, second) = if has_vlans { (vlans, bridges) } else { (bridges, vlans) };
    let alone = config.extra.iter().filter(|extra| !LINKS.contains(&extra.key.as_str()));
    let (settings, sections): (Vec<_>, Vec<_>) = alone.partition(|extra| extra.value.value.is_string());
    let mut order: Vec<&str> = settings.iter().map(|extra| extra.key.as_str()).collect();
    order.extend([ethernets, dummies]);
    order.extend(sections.iter().map(|extra| extra.key.as_str()));
    order.extend([bonds, first, second, vrfs]);
    order
}

/// What each link is called here, by its `id`.
///
/// For hardware the interface's name where it is known: netplan merges definitions of the same name, so that ours takes
/// precedence over one that the image brings; two names for one interface would leave it to the alphabet. Where
/// something that only netplan understands may refer to a link, all keep the names that its author gave them.
fn ids<'a>(config: &'a NetworkConfig, nics: Option<&[Nic]>) -> BTreeMap<&'a str, String> {
    let refers = |extra: &Extra| !extra.value.is_string() || extra.key == "link";
    let extras = config.links.iter().flat_map(|link| &link.extra).filter(|extra| extra.key == "link");
    let keep = config.extra.iter().chain(extras).any(|extra| refers(extra));
    let mut taken: BTreeSet<String> =
        config.links.iter().filter(|l| l.physical().is_none()).map(|l| l.id.clone()).collect();
    let mut ids = BTreeMap::new();
    for link in &config.links {
        let mut id = link.id.clone();
        if link.physical().is_some() {
            let nic = the_nic(link, nics).filter(|_| !keep);
            id = nic.map_or(id, |nic| nic.name.clone());
            while !taken.insert(id.clone()) {
                id.push('_');
            }
        }
        ids.insert(link.id.as_str(), id);
    }
    ids
}

/// The interface that `link` means, where it can mean no other.
fn the_nic<'a>(link: &Link, nics: Option<&'a [Nic]>) -> Option<&'a Nic> {
    link.physical().filter(|physical| !physical.by.is_pattern())?;
    nic_of(link, nics?)
}

/// What netplan has no word for in the whole of the network.
fn findings_of_all(config: &NetworkConfig, findings: &mut Findings) {
    if let Some(dummy) = config.links.iter().find(|link| link.kind == Kind::Dummy) {
        let message = "netplan knows dummy devices from its version 1.0 on; an older one refuses all of its file";
        findings.push(Finding::note(&dummy.origin, message));
    }
}

/// For a netplan before 1.0, which refuses all of its file for a dummy device: a bridge without ports in its place, which
/// was the way until then. It has no carrier, so that nobody may wait for it.
#[must_use]
pub fn without_dummies(mut config: NetworkConfig, findings: &mut Findings) -> NetworkConfig {
    for link in config.links.iter_mut().filter(|link| link.kind == Kind::Dummy) {
        link.kind = Kind::Bridge { members: Vec::new(), settings: Vec::new() };
        link.optional = true;
        let message = format!("netplan knows dummy devices from its version 1.0 on; `{}` is a bridge here", link.id);
        let ipv6 = link.addresses.iter().any(|address| address.address().is_ipv6());
        let finding = Finding::warning(&link.origin, message);
        findings.push(match ipv6 {
            true => finding.help("a bridge without ports does not confirm its IPv6 addresses; put them on `lo`"),
            false => finding,
        });
    }
    config
}
