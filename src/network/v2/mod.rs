// SPDX-License-Identifier: Apache-2.0
//! Reads version 2 of cloud-init's network-config: netplan's own language.
//!
//! What the model has no word for is kept beside it, for netplan alone; an entry that is wrong costs only itself, where
//! netplan refuses the whole document, and the guest would have no network.

mod alone;
mod keys;
mod kind;
mod references;
mod route;
mod value;

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::config::document::{Data, Node};
use crate::finding::{Finding, Findings, Located, Origin};
use crate::network::model::{Extra, Kind, Link, NetworkConfig};
use crate::network::v2::alone::{extra, verbatim};
use crate::network::v2::keys::{NETPLAN_ALONE, NETPLAN_HARDWARE, WORDS, nested, take};
use crate::network::v2::kind::{Section, kind};
use crate::network::v2::references::{Names, resolve};
use crate::network::v2::value::{ENTRY_LIMIT, entries, fit, interface_name, mapping, text, unknown};
use crate::network::words::is_of_name;

/// The sections of links that the model knows.
pub(super) const SECTIONS: &[&str] = &["ethernets", "bonds", "bridges", "vlans", "vrfs", "dummy-devices"];
/// What only netplan has, up to its version 1.2: sections of other links, and one setting.
const NETPLAN_SECTIONS: &[&str] = &["wifis", "modems", "tunnels", "virtual-ethernets", "nm-devices", "xfrm-interfaces"];
const NETPLAN_SETTINGS: &[&str] = &["renderer", "openvswitch"];

/// The most members of links that are read, all of the document together.
const REFERENCE_LIMIT: usize = 4096;

/// Reads the mapping that has the `version`; `None`, with findings, where nothing of it can be read.
pub fn read(node: &Node, findings: &mut Findings) -> Option<NetworkConfig> {
    let mut config = NetworkConfig::new(node.origin.clone());
    let mut names = Names { elsewhere: BTreeSet::new(), left_out: BTreeSet::new() };
    let mut taken = BTreeSet::new();
    let mut links = Vec::new();
    let mut references = 0;
    // Whatever the order of the sections: what is not the model's is known before the links are.
    for (name, key, value) in entries(mapping(node, findings)?, findings).collect::<Vec<_>>() {
        if name == "version" || Section::named(name).is_some() {
            continue;
        }
        let known: [&[&str]; 4] = [SECTIONS, NETPLAN_SECTIONS, NETPLAN_SETTINGS, &["version"]];
        let is_section = NETPLAN_SECTIONS.contains(&name);
        if is_section || NETPLAN_SETTINGS.contains(&name) {
            let ids = entries(value, &mut Findings::default()).map(|(id, ..)| id.to_owned());
            names.elsewhere.extend(ids.filter(|_| is_section));
            config.extra.extend(extra(name, key, value, findings));
        } else {
            unknown(key, &known, findings);
        }
    }
    for (name, _, value) in entries(node, findings).collect::<Vec<_>>() {
        let Some(section) = Section::named(name) else { continue };
        let Some(value) = mapping(value, findings) else { continue };
        // One of which nothing is said is a link all the same.
        for (key, body) in value.entries() {
            let Some(id) = key.text() else { continue };
            if matches!(body.data, Data::Scalar(_)) && id == "renderer" {
                config.extra.extend(extra(id, key, body, findings).map(|inner| nested(name, inner)));
            } else if links.len() >= ENTRY_LIMIT {
                let message = format!("more than {ENTRY_LIMIT} links; from here on they are left out");
                findings.push(Finding::error(&key.origin, message));
                break;
            } else if names.elsewhere.contains(id) || !taken.insert(id.to_owned()) {
                findings.push(Finding::error(&key.origin, format!("a second definition of `{id}`; it is left out")));
            } else if let Some(link) = link(section, key, body, findings) {
                references += link.members().len();
                if references > REFERENCE_LIMIT {
                    let message = format!("more than {REFERENCE_LIMIT} members of links; `{id}` is left out");
                    findings.push(Finding::error(&key.origin, message));
                } else {
                    links.push(link);
                }
            } else {
                names.left_out.insert(id.to_owned());
            }
        }
    }
    let (links, beside) = resolve(links, names, findings);
    config.links = links;
    // As it is written: the model has no word for their parents.
    for link in beside {
        let written = node.get("vlans").and_then(|section| section.get(&link.id));
        let value = written.and_then(|node| verbatim(node, findings)).unwrap_or(Json::Null);
        config.extra.push(Located {
            value: Extra { key: "vlans".to_owned(), value: serde_json::json!({link.id: value}) },
            origin: link.origin,
        });
    }
    Some(config)
}

fn link(section: Section, key: &Node, node: &Node, findings: &mut Findings) -> Option<Link> {
    let id = text(key, findings)?;
    let id = match section {
        Section::Ethernets => fit(id, is_of_name, "an id (letters, digits, `_`, `.`, `-`)", findings)?,
        _ => interface_name(id, findings)?,
    };
    mapping(node, findings)?;
    let kind = kind(section, &id, node, findings)?;
    let mut link = Link::new(id.value, kind, key.origin.clone());
    for (name, key, value) in entries(node, findings) {
        if section.own().contains(&name) || take(&mut link, name, key, value, findings) {
            continue;
        }
        let hardware = if section == Section::Ethernets { NETPLAN_HARDWARE } else { &[] };
        if NETPLAN_ALONE.contains(&name) || hardware.contains(&name) {
            link.extra.extend(extra(name, key, value, findings));
        } else {
            unknown(key, &[WORDS, NETPLAN_ALONE, hardware, section.own()], findings);
        }
    }
    in_its_table(&mut link, findings);
    Some(link)
}

/// Routes and rules of a VRF are in its table, where nothing else is said; elsewhere netplan refuses the whole document.
fn in_its_table(link: &mut Link, findings: &mut Findings) {
    let Kind::Vrf { table, .. } = link.kind else { return };
    let mut settled = |place: &mut Option<u32>, origin: &Origin| {
        let other = place.replace(table).filter(|other| *other != table);
        if let Some(other) = other {
            let message = format!("table {other} is not that of `{}`, which is {table}; it is left out", link.id);
            findings.push(Finding::error(origin, message).help("it belongs to a link beneath the VRF"));
        }
        other.is_none()
    };
    link.routes.retain_mut(|route| settled(&mut route.value.table, &route.origin));
    link.rules.retain_mut(|rule| settled(&mut rule.value.table, &rule.origin));
}

#[cfg(test)]
mod tests;
