// SPDX-License-Identifier: Apache-2.0
//! For systemd-networkd: a `.network` file for each link, a `.netdev` file for each that is made, a `.link` file for
//! each that is renamed.

mod link;
mod netdev;
mod network;
#[cfg(test)]
mod tests;
mod unit;

pub use link::names;
pub use network::is_required;

use std::path::PathBuf;

use crate::finding::{Finding, Findings};
use crate::guest::Nic;
use crate::network::model::{Kind, Link, NetworkConfig, Physical, push_new};
use crate::network::render::networkd::unit::Unit;
use crate::network::render::{RenderedFile, Renderer, inexpressible};
use crate::network::words::is_interface_name;

/// Where networkd and udev look for the administrator's files.
pub const DIRECTORY: &str = "/etc/systemd/network";
/// How names of our files begin: before those that distributions ship (`20-wired`, `80-…`), as the first match wins.
pub const PREFIX: &str = "10-firstlight-";
/// The same for what a pattern matches: what names its interface comes before it.
pub const PATTERN_PREFIX: &str = "11-firstlight-";

/// All may read the files: networkd does not run as root. It knows interfaces by patterns too, so that `nics` only make
/// more certain what is known without them.
pub fn render(config: &NetworkConfig, nics: Option<&[Nic]>, findings: &mut Findings) -> Vec<RenderedFile> {
    let mut config = config.clone();
    config.links.retain(|link| {
        let Some(word) = unfit(link) else { return true };
        let message =
            format!("systemd takes `{word}` neither for an interface's name nor for a pattern; it is left out");
        findings.push(Finding::error(&link.origin, message));
        false
    });
    let mut files = Vec::new();
    config.links.iter_mut().for_each(Link::name_table);
    for link in &config.links {
        let units = [
            ("link", link::of(link, nics)),
            ("netdev", netdev::of(link, findings)),
            ("network", Some(network::of(link, &config, nics))),
        ];
        for (kind, unit) in units {
            files.extend(unit.map(|unit| file(link, kind, unit, findings)));
        }
    }
    files
}

fn file(link: &Link, kind: &str, unit: Unit, findings: &mut Findings) -> RenderedFile {
    let prefix = if link.physical().is_some_and(|physical| physical.by.is_pattern()) { PATTERN_PREFIX } else { PREFIX };
    RenderedFile {
        path: PathBuf::from([DIRECTORY, "/", prefix, &link.id, ".", kind].concat()),
        content: unit.text(&link.origin, findings),
        mode: 0o644,
    }
}

/// The name of a link that no interface can have, or its pattern that would be none, or more than one, in a list of
/// patterns between blanks: left out alone, it would let the file match every interface.
fn unfit(link: &Link) -> Option<&str> {
    let Some(Physical { by, .. }) = link.physical() else {
        return (!is_interface_name(&link.id)).then_some(link.id.as_str());
    };
    let mut patterns = by.drivers.iter().chain(&by.name).map(|pattern| pattern.value.as_str());
    let fits = |c: char| c.is_ascii_graphic() && !"\\\"'".contains(c);
    patterns.find(|pattern| pattern.is_empty() || pattern.starts_with('!') || !pattern.chars().all(fits))
}

/// The interface that a file is for.
///
/// Hardware is told from what is made of it and carries its MAC address, or fits its pattern: `Type=` is of that kind in
/// all versions, `Kind=` came with 251. A member of a bond carries the bond's address, and one that gets another carries
/// that: they are known by their own, permanent one.
///
/// systemd before 245 does not know that word, and would take each such file for one that all hardware fits: the first
/// would draw the whole guest into the bond. So what it may carry meanwhile stands beside it.
fn matching(unit: &mut Unit, link: &Link, config: &NetworkConfig, nics: Option<&[Nic]>) {
    unit.section("Match");
    let Some(physical) = link.physical() else { return unit.set("Name", &link.id) };
    let by = &physical.by;
    if let Some(mac) = &by.mac {
        let bond = bond_of(link, config);
        if link.mac.is_some() || bond.is_some() {
            unit.set("PermanentMACAddress", &mac.value);
            unit.list("MACAddress", &carried(link, bond, config, nics).iter().map(String::as_str).collect::<Vec<_>>());
        } else {
            unit.set("MACAddress", &mac.value);
        }
    }
    if by.mac.is_some() || by.is_pattern() {
        unit.set("Type", if physical.infiniband { &"infiniband" } else { &"ether" });
    }
    let drivers: Vec<&str> = by.drivers.iter().map(|driver| driver.value.as_str()).collect();
    let nic = nics.and_then(|nics| super::nic_of(link, nics));
    match nic.filter(|nic| nic.has_twin && drivers.is_empty() && !nic.driver.is_empty()) {
        Some(nic) => unit.set("Driver", &nic.driver),
        None => unit.list("Driver", &drivers),
    }
    match (&by.name, &physical.set_name) {
        (Some(_), Some(name)) => unit.set("Name", &name.value),
        (Some(name), None) => unit.set("Name", &name.value),
        (None, _) if by.mac.is_none() && by.drivers.is_empty() => unit.set("Name", &link.id),
        (None, _) => {}
    }
}

/// The addresses that a link may carry, its own first; none where that of a neighbour in the bond is not known.
fn carried(link: &Link, bond: Option<&Link>, config: &NetworkConfig, nics: Option<&[Nic]>) -> Vec<String> {
    let members = bond.map_or(&[][..], Link::members);
    let neighbours = members.iter().filter(|id| id.value != link.id);
    let neighbours = neighbours.map(|id| config.links.iter().find(|other| other.id == id.value));
    let links: Vec<Option<&Link>> = [Some(link)].into_iter().chain(neighbours).collect();
    let own = |link: Option<&Link>| {
        let link = link?;
        let mac = link.physical().and_then(|physical| physical.by.mac.as_ref()).map(|mac| mac.to_string());
        mac.or_else(|| Some(super::nic_of(link, nics?)?.mac.clone()))
    };
    let Some(own) = links.iter().map(|link| own(*link)).collect::<Option<Vec<String>>>() else { return Vec::new() };
    let given = links.iter().copied().chain([bond]).flatten().filter_map(|link| link.mac.as_ref());
    let mut all = Vec::new();
    own.into_iter().chain(given.map(|mac| mac.to_string())).for_each(|mac| push_new(&mut all, mac));
    all
}

/// The bond that a link is in.
fn bond_of<'a>(link: &Link, config: &'a NetworkConfig) -> Option<&'a Link> {
    masters(link, config).find(|master| matches!(master.kind, Kind::Bond { .. }))
}

/// What is made of a link: bonds, bridges and VRFs that it is in, VLANs on it.
fn masters<'a>(link: &Link, config: &'a NetworkConfig) -> impl Iterator<Item = &'a Link> {
    config.links.iter().filter(move |master| master.members().iter().any(|member| member.value == link.id))
}

fn no_word(origin: &crate::finding::Origin, what: &str) -> Finding {
    inexpressible(Renderer::Networkd, origin, what)
}
