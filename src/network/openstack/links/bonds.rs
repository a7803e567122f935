// SPDX-License-Identifier: Apache-2.0
//! The bonds among the links of an OpenStack document.

use std::collections::BTreeSet;

use super::{Entry, Links, Sort};
use crate::finding::{Finding, Findings, Located, closest};
use crate::network::json::Json;
use crate::network::model::options::{BOND, Form, LinkOption, Setting};
use crate::network::model::{Kind, Link};

/// What nova's documentation has as a bond's mode, and what it means.
const MISTYPED: &str = "802.1ad";
const MEANT: &str = "802.3ad";

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
                Form::Word(_) if option.kernel == "mode" && text.value == MISTYPED => {
                    let message = format!("`{MISTYPED}` is no mode of a bond; {MEANT} is taken to be meant");
                    findings.push(Finding::warning(&text.origin, message));
                    Ok(MEANT.to_owned())
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

#[cfg(test)]
mod tests {
    use crate::finding::Findings;
    use crate::network::model::Kind;
    use crate::network::model::options::get;
    use crate::network::openstack::read;
    use crate::seed::Document;

    #[test]
    fn the_mode_of_nova_s_documentation_is_what_it_means() {
        let json = r#"{"links": [{"id": "a", "ethernet_mac_address": "fa:16:3e:00:00:01"},
            {"id": "b", "type": "bond", "bond_links": ["a"], "bond_mode": "802.1ad"}]}"#;
        let mut findings = Findings::default();
        let config = read(&Document::new("n", json), &mut findings).unwrap();
        let Kind::Bond { settings, .. } = &config.links[1].kind else { panic!() };
        assert_eq!((get(settings, "mode"), findings.iter().count()), (Some("802.3ad"), 1));
        assert!(!findings.has_errors());
    }
}
