// SPDX-License-Identifier: Apache-2.0
//! What a link is made of: the sections, and the keys that each has for itself.

use crate::config::document::{Data, Node};
use crate::config::read::Read as _;
use crate::finding::{Finding, Findings, Located};
use crate::network::model::options::{BOND, BRIDGE, Form, LinkOption, Setting};
use crate::network::model::{Kind, Match, Physical};
use crate::network::prefix::Mac;
use crate::network::v2::value::{
    entries, fit, flag, interface_name, is_of_pattern, items, mapping, number, parsed, text, unknown,
};
use crate::network::words;

/// A section whose entries are links that the model knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Ethernets,
    Bonds,
    Bridges,
    Vlans,
    Vrfs,
    Dummies,
}

impl Section {
    /// By its key.
    pub(super) fn named(key: &str) -> Option<Self> {
        Some(match key {
            "ethernets" => Section::Ethernets,
            "bonds" => Section::Bonds,
            "bridges" => Section::Bridges,
            "vlans" => Section::Vlans,
            "vrfs" => Section::Vrfs,
            "dummy-devices" => Section::Dummies,
            _ => return None,
        })
    }

    /// The keys that [`kind`] reads.
    pub(super) fn own(self) -> &'static [&'static str] {
        match self {
            Section::Ethernets => &["match", "set-name", "wakeonlan"],
            Section::Bonds | Section::Bridges => &["interfaces", "parameters"],
            Section::Vlans => &["id", "link"],
            Section::Vrfs => &["table", "interfaces"],
            Section::Dummies => &[],
        }
    }
}

/// What the link is made of; `None`, with a finding, where that cannot be told.
pub(super) fn kind(section: Section, id: &str, node: &Node, findings: &mut Findings) -> Option<Kind> {
    let get = |key: &str| node.get(key).filter(|value| !value.is_null());
    let members = |findings: &mut Findings| {
        let listed = get("interfaces").map(|node| items(node, findings)).unwrap_or_default();
        listed.iter().filter_map(|item| text(item, findings)).collect::<Vec<_>>()
    };
    let needed = |key: &str, findings: &mut Findings| {
        let value = get(key);
        if value.is_none() {
            findings.push(Finding::error(&node.origin, format!("`{id}` has no `{key}`; it is left out")));
        }
        value
    };
    Some(match section {
        Section::Ethernets => return physical(id, node, findings),
        Section::Bonds => Kind::Bond { members: members(findings), settings: settings(BOND, node, findings) },
        Section::Bridges => Kind::Bridge { members: members(findings), settings: settings(BRIDGE, node, findings) },
        Section::Vlans => {
            let tag: Option<Located<u32>> = Located::read(needed("id", findings)?, findings);
            let tag = tag.and_then(|tag| words::vlan_tag(&tag, findings));
            let parent = text(needed("link", findings)?, findings);
            Kind::Vlan { id: tag?, parent: parent? }
        }
        Section::Vrfs => {
            let table = number(needed("table", findings)?, 1, u32::MAX, findings)?;
            Kind::Vrf { table: *table, members: members(findings) }
        }
        Section::Dummies => Kind::Dummy,
    })
}

fn physical(id: &str, node: &Node, findings: &mut Findings) -> Option<Kind> {
    let mut physical = Physical { infiniband: node.get("infiniband-mode").is_some(), ..Physical::default() };
    let given = node.get("match").filter(|value| !value.is_null());
    if let Some(given) = given {
        physical.by = matched(given, findings)?;
        physical.infiniband |= physical.by.mac.as_ref().is_some_and(|mac| mac.is_infiniband());
    }
    let is_loopback = physical.by.name.as_ref().is_none_or(|name| *name.value == *"lo");
    if id == "lo" && is_loopback && physical.by.mac.is_none() && physical.by.drivers.is_empty() {
        return Some(Kind::Loopback);
    }
    if let Some(value) = node.get("wakeonlan").filter(|value| !value.is_null()) {
        physical.wake_on_lan = flag(value, findings).map(|flag| *flag);
    }
    if let Some(value) = node.get("set-name").filter(|value| !value.is_null()) {
        physical.set_name = text(value, findings).and_then(|name| interface_name(name, findings));
        if given.is_none() && physical.set_name.is_some() {
            let message = "`set-name` without a `match`: nothing but the name tells which interface it is; left out";
            findings.push(Finding::error(&value.origin, message).help("match it by `macaddress`"));
            physical.set_name = None;
        }
    }
    Some(Kind::Physical(physical))
}

const MATCH: &[&str] = &["macaddress", "name", "driver"];

/// Which interface is meant. Where one of the criteria is unfit there is none: another interface could fit the rest.
fn matched(node: &Node, findings: &mut Findings) -> Option<Match> {
    const PATTERN: &str = "a pattern of names (letters, digits, `_`, `.`, `-`, `*`, `?`, `[]`)";
    let mut by = Match::default();
    let mut is_open = true;
    for (name, key, value) in entries(mapping(node, findings)?, findings) {
        is_open = false;
        match name {
            "macaddress" => by.mac = Some(parsed::<Mac>(value, findings)?),
            "name" => by.name = Some(fit(text(value, findings)?, is_of_pattern, PATTERN, findings)?),
            "driver" => {
                for item in items(value, findings) {
                    by.drivers.push(fit(text(item, findings)?, is_of_pattern, PATTERN, findings)?);
                }
            }
            _ => {
                unknown(key, &[MATCH], findings);
                return None;
            }
        }
    }
    if is_open {
        // Nothing asked for is all that there are.
        by.name = Some(Located::new("*".to_owned(), node.origin.clone()));
    }
    Some(by)
}

fn settings(table: &'static [LinkOption], node: &Node, findings: &mut Findings) -> Vec<Located<Setting>> {
    let mut settings: Vec<Located<Setting>> = Vec::new();
    let Some(node) = node.get("parameters").filter(|value| !value.is_null()) else { return settings };
    for (name, key, value) in entries(node, findings) {
        if let Some(option) = LinkOption::named(table, name) {
            settings.retain(|other| other.option != option);
            setting(option, value, &mut settings, findings);
        } else {
            let known: Vec<&str> = table.iter().map(|option| option.netplan).collect();
            unknown(key, &[&known], findings);
        }
    }
    settings
}

fn setting(option: &'static LinkOption, node: &Node, settings: &mut Vec<Located<Setting>>, findings: &mut Findings) {
    let mut add = |member: Option<&str>, written: &str, node: &Node| match option.value(written) {
        Ok(value) => {
            let setting = Setting { option, value, member: member.map(str::to_owned) };
            settings.push(Located::new(setting, node.origin.clone()));
        }
        Err(expected) => {
            findings.push(Finding::error(&node.origin, format!("`{written}` is left out: {expected}")));
        }
    };
    match (&node.data, option.form) {
        (Data::Mapping(members), Form::PerMember(_)) => {
            for (member, value) in members {
                add(member.text(), value.text().unwrap_or_default(), value);
            }
        }
        (Data::Sequence(items), Form::Addresses) => {
            let words: Vec<&str> = items.iter().map(|item| item.text().unwrap_or("[]")).collect();
            add(None, &words.join(" "), node);
        }
        (Data::Scalar(scalar), form) if !matches!(form, Form::PerMember(_)) => add(None, &scalar.text, node),
        _ => {
            let message = format!("{} is not what `{}` can be; it is left out", node.described(), option.netplan);
            findings.push(Finding::error(&node.origin, message));
        }
    }
}
