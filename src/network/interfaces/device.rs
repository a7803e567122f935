// SPDX-License-Identifier: Apache-2.0
//! Options that say what an interface is made of: bonds (ifenslave), bridges (bridge-utils-interfaces(5)), VLANs.

use crate::finding::{Finding, Findings, Located};
use crate::network::interfaces::stanza::Entry;
use crate::network::model::options::{BOND, BRIDGE, Form, LinkOption, Setting};
use crate::network::model::{Kind, Link};
use crate::network::prefix::Mac;
use crate::network::words::VLAN;

/// What is known of a VLAN's tag.
#[derive(Debug, Default)]
pub struct Tag {
    /// `vlan-raw-device`.
    pub parent: Option<Located<String>>,
    /// `vlan-id`.
    pub id: Option<Located<String>>,
}

/// Options of bridge-utils about how long it waits, which the bridge itself does not have.
const WAITING: &[&str] = &["bridge-maxwait", "bridge-waitport", "bridge-gcint"];

/// One option of a bond or a bridge; `false` where there is none of that name.
pub fn apply(entry: &Entry, link: &mut Link, findings: &mut Findings) -> bool {
    let key = entry.key.as_str();
    if WAITING.contains(&key) {
        let message = format!("`{key}` is about how bridge-utils waits; the bridge is made without it");
        findings.push(Finding::note(&entry.value.origin, message));
    } else if ["bond-slaves", "slaves", "bond-interfaces", "bond-members"].contains(&key) {
        parts(link, true).into_iter().for_each(|(members, _)| add(&entry.value, members, findings));
    } else if ["bridge-ports", "bridge-interfaces"].contains(&key) {
        parts(link, false).into_iter().for_each(|(members, _)| add(&entry.value, members, findings));
    } else if key == "bridge-hw" {
        parts(link, false);
        mac(entry, link, findings);
    } else if let Some(name) = key.strip_prefix("bond-") {
        let Some(option) = LinkOption::named(BOND, name) else { return false };
        parts(link, true).into_iter().for_each(|(_, settings)| set(option, entry, settings, findings));
    } else if let Some(name) = key.strip_prefix("bridge-") {
        let Some(option) = LinkOption::named(BRIDGE, name) else { return false };
        parts(link, false).into_iter().for_each(|(_, settings)| set(option, entry, settings, findings));
    } else {
        return false;
    }
    true
}

/// A hardware address: `MAC`, `ether MAC`.
pub fn mac(entry: &Entry, link: &mut Link, findings: &mut Findings) {
    let text = entry.value.split_whitespace().last().unwrap_or_default();
    match text.parse::<Mac>() {
        Ok(mac) => link.mac = Some(Located::new(mac, entry.value.origin.clone())),
        Err(error) => {
            findings.push(Finding::error(&entry.value.origin, format!("`{}` is left out: {error}", *entry.value)));
        }
    }
}

type Parts<'a> = (&'a mut Vec<Located<String>>, &'a mut Vec<Located<Setting>>);

/// The members and settings of the bond or bridge that the link is, or becomes by this.
fn parts(link: &mut Link, bond: bool) -> Option<Parts<'_>> {
    let (members, settings) = (Vec::new(), Vec::new());
    match (&link.kind, bond) {
        (Kind::Bond { .. }, true) | (Kind::Bridge { .. }, false) => {}
        (_, true) => link.kind = Kind::Bond { members, settings },
        (_, false) => link.kind = Kind::Bridge { members, settings },
    }
    match &mut link.kind {
        Kind::Bond { members, settings } | Kind::Bridge { members, settings } => Some((members, settings)),
        _ => None,
    }
}

/// Adds the members that are named; `none` is nobody.
fn add(names: &Located<String>, members: &mut Vec<Located<String>>, findings: &mut Findings) {
    let words = names.split([' ', '\t', '\n', ',']).filter(|word| !word.is_empty() && *word != "none");
    for word in words {
        if ["all", "regex", "noregex"].contains(&word) || word.contains(['*', '/', '[', '\\']) {
            let message = format!("`{word}` is a pattern of interfaces; left out");
            findings.push(Finding::error(&names.origin, message).help("name the interfaces"));
            return;
        }
        if members.iter().all(|other| other.value != word) {
            members.push(Located::new(word.to_owned(), names.origin.clone()));
        }
    }
}

fn set(option: &'static LinkOption, entry: &Entry, settings: &mut Vec<Located<Setting>>, findings: &mut Findings) {
    let (member, text) = match (option.form, entry.value.split_once(char::is_whitespace)) {
        (Form::PerMember(_), Some((member, number))) => (Some(member.to_owned()), number.trim()),
        (Form::PerMember(_), None) => {
            let message = format!("`{}` is about one member: `NAME NUMBER`; left out", entry.key);
            findings.push(Finding::error(&entry.value.origin, message));
            return;
        }
        // Of several the first that is there would be taken.
        (Form::Member, Some((first, _))) => (None, first),
        _ => (None, entry.value.as_str()),
    };
    match option.value(text) {
        Ok(value) => {
            // The later one counts, as everywhere in ifupdown's environment.
            settings.retain(|other| other.option != option || other.member != member);
            settings.push(Located::new(Setting { option, value, member }, entry.value.origin.clone()));
        }
        Err(reason) => {
            findings.push(Finding::error(&entry.value.origin, format!("`{}`: {reason}; left out", entry.key)));
        }
    }
}

/// Makes a VLAN of a link whose name (`eth0.100`, `vlan100`) or options say that it is one; of one that cannot be, tag 0.
pub fn make_vlan(link: &mut Link, tag: Option<&Tag>, findings: &mut Findings) {
    let Kind::Physical(_) = link.kind else { return };
    let (parent, id) = tag.map(|tag| (tag.parent.clone(), tag.id.clone())).unwrap_or_default();
    if parent.is_some() || dotted(&link.id).is_some() {
        link.kind = vlan(parent, id, link, findings);
    }
}

/// What is on the left of the last dot of a VLAN's name, and its tag on the right.
fn dotted(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once('.').filter(|(_, id)| is_number(id))
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

/// A VLAN; its name says what nothing else does. With the tag 0, and a finding, where something is missing or wrong.
pub fn vlan(
    parent: Option<Located<String>>,
    id: Option<Located<String>>,
    link: &Link,
    findings: &mut Findings,
) -> Kind {
    let at = |text: &str| Located::new(text.to_owned(), link.origin.clone());
    let (dotted, numbered) = (dotted(&link.id), link.id.strip_prefix("vlan").filter(|id| is_number(id)));
    let parent = parent.or(dotted.map(|(parent, _)| at(parent)));
    let id = id.or(dotted.map(|(_, id)| at(id))).or(numbered.map(at));
    let origin = id.as_ref().map_or(&link.origin, |id| &id.origin);
    let number = id.as_ref().and_then(|id| id.trim().parse().ok()).filter(|id| VLAN.contains(id));
    match (number, parent) {
        (Some(id), Some(parent)) => Kind::Vlan { id, parent },
        (number, parent) => {
            let what = if number.is_none() { "a tag from 1 to 4094" } else { "an interface that it is on" };
            findings.push(Finding::error(origin, format!("the VLAN `{}` needs {what}; it is left out", link.id)));
            let parent = parent.unwrap_or_else(|| Located::new(String::new(), link.origin.clone()));
            Kind::Vlan { id: 0, parent }
        }
    }
}
