// SPDX-License-Identifier: Apache-2.0
//! The bonds among the links of an OpenStack document.

use std::collections::BTreeSet;

use super::{Entry, Links, Sort};
use crate::finding::{Finding, Findings, Located, closest};
use crate::network::json::Json;
use crate::network::model::options::{BOND, Form, LinkOption, Setting};
use crate::network::model::{Kind, Link};

impl Links<'_> {
    /// Each with those of its members that are there.
    pub(super) fn make_bonds(&mut self, names: &[String], findings: &mut Findings) {
        let mut bound = BTreeSet::new();
        for (index, name) in names.iter().enumerate() {
            let Some(Entry { sort: Sort::Bond, json, .. }) = self.entries.get(index) else { continue };
            let mut members = Vec::new();
            for id in json.words("bond_links", findings) {
                let entry = self.position(&id.value).and_then(|place| self.entries.get(place));
                let wrong = match entry.map(|entry| (&entry.sort, &entry.link)) {
                    Some((Sort::Physical { .. }, Some(member))) if bound.insert(id.value.clone()) => {
                        members.push(Located::new(member.id.clone(), id.origin));
                        continue;
                    }
                    Some((Sort::Physical { .. }, Some(_))) => "is in a bond already",
                    Some((Sort::Bond | Sort::Vlan { .. }, _)) => "is not hardware",
                    Some(_) => "is left out itself",
                    None => "is no link of the document",
                };
                let message = format!("`{}` {wrong}; the bond {name} goes without it", *id);
                findings.push(Finding::error(&id.origin, message));
            }
            if members.is_empty() {
                let message = format!("the bond {name} has no members (`bond_links`); it is left out");
                findings.push(Finding::error(&json.origin, message));
                continue;
            }
            let settings = self.settings(json, &members, findings);
            let mut link = Link::new(name.clone(), Kind::Bond { members, settings }, json.origin.clone());
            link.mac = json.parsed("ethernet_mac_address", findings);
            if let Some(entry) = self.entries.get_mut(index) {
                entry.link = Some(link);
            }
        }
    }

    /// All that nova and ironic call `bond_…`, by the names that the kernel and others have for it.
    fn settings(&self, bond: &Json, members: &[Located<String>], findings: &mut Findings) -> Vec<Located<Setting>> {
        let mut settings: Vec<Located<Setting>> = Vec::new();
        for (key, json) in bond.below("bond_") {
            if key == "links" {
                continue;
            }
            let Some(option) = LinkOption::named(BOND, &key) else {
                let unknown =
                    Finding::error(&json.origin, format!("bonds have no option `bond_{key}`; it is left out"));
                let known = BOND.iter().map(|option| option.kernel);
                findings.push(match closest(&key, known) {
                    Some(close) => unknown.help(format!("did you mean `bond_{close}`?")),
                    None => unknown,
                });
                continue;
            };
            let Some(text) = json.scalar(findings) else { continue };
            let value = match option.form {
                Form::Member => {
                    let of_bond = |link: &&Link| members.iter().any(|member| member.value == link.id);
                    self.made(&text)
                        .filter(of_bond)
                        .map(|link| link.id.clone())
                        .ok_or_else(|| "a member of the bond is expected".to_owned())
                }
                _ => option.value(&text),
            };
            match value {
                Ok(value) if settings.iter().all(|other| other.option.kernel != option.kernel) => {
                    settings.push(Located::new(Setting { option, value, member: None }, text.origin));
                }
                Ok(_) => {
                    let message = format!("`bond_{key}` says again what another option says; it is left out");
                    findings.push(Finding::error(&text.origin, message));
                }
                Err(error) => {
                    findings.push(Finding::error(&text.origin, format!("`{}` is left out: {error}", *text)));
                }
            }
        }
        settings.sort_by_key(|setting| setting.option.attribute);
        settings
    }
}
