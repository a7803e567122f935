// SPDX-License-Identifier: Apache-2.0
//! What the links of a network are called in the kernel, and which of them is upon which.

use std::collections::BTreeMap;

use crate::finding::{Finding, Findings, Located};
use crate::guest::Nic;
use crate::network::model::{Kind, Link, NetworkConfig};
use crate::network::render::names::{interface_name, nic_of};
use crate::network::words::is_interface_name;

/// The interfaces' names by the links' ids; one that is not there, or not to be named, has none.
pub(super) struct Names(BTreeMap<String, String>);

impl Names {
    /// After the renames. Hardware that is absent has been reported; what cannot be told is reported here.
    pub(super) fn of(config: &NetworkConfig, nics: Option<&[Nic]>, findings: &mut Findings) -> Self {
        let mut names = BTreeMap::new();
        for link in &config.links {
            let name = match (&link.kind, nics) {
                (Kind::Loopback, _) => Some("lo".to_owned()),
                // Another link may have renamed it.
                (Kind::Physical(_), Some(all)) => nic_of(link, all).and_then(|nic| {
                    let same = |other: &&Link| nic_of(other, all).is_some_and(|own| own.name == nic.name);
                    let names = config.links.iter().filter(same).filter_map(|other| interface_name(other, nics));
                    { names }.find(|name| *name != nic.name).or(Some(nic.name.clone()))
                }),
                (Kind::Physical(_), None) => told(link, findings),
                _ if is_interface_name(&link.id) => Some(link.id.clone()),
                _ => {
                    let message = format!("`{}` is no name that the kernel takes for an interface", link.id);
                    findings.push(Finding::error(&link.origin, format!("{message}; it is left out")));
                    None
                }
            };
            names.extend(name.map(|name| (link.id.clone(), name)));
        }
        Self(names)
    }

    /// The name of the link with that id.
    pub(super) fn of_link(&self, id: &str) -> Option<String> {
        self.0.get(id).cloned()
    }

    /// From here on it is not there.
    pub(super) fn forget(&mut self, id: &str) {
        self.0.remove(id);
    }

    /// The name of a part; one that is described nowhere is reported.
    pub(super) fn of_member(
        &self,
        member: &Located<String>,
        config: &NetworkConfig,
        findings: &mut Findings,
    ) -> Option<String> {
        if !config.links.iter().any(|link| link.id == member.value) {
            let message = format!("there is no link `{}` in this network; it is left out", member.value);
            findings.push(Finding::error(&member.origin, message));
        }
        self.of_link(&member.value)
    }
}

/// What a description alone says of hardware that nobody has seen.
fn told(link: &Link, findings: &mut Findings) -> Option<String> {
    let name = interface_name(link, None).filter(|name| is_interface_name(name));
    if name.is_none() {
        let message = format!("the name of the interface `{}` is known in the running guest alone", link.id);
        findings.push(Finding::error(&link.origin, format!("{message}; it is left out")));
    }
    name
}

/// The links so that each comes after its parts and parents; else in the order of the document. One that is a part of
/// itself is reported and left out.
pub(super) fn upon_each_other<'a>(config: &'a NetworkConfig, findings: &mut Findings) -> Vec<&'a Link> {
    let mut waiting: Vec<&Link> = config.links.iter().collect();
    let mut ordered = Vec::new();
    loop {
        let waits = |link: &Link| link.members().iter().any(|part| waiting.iter().any(|other| other.id == part.value));
        let Some(next) = waiting.iter().position(|link| !waits(link)) else { break };
        ordered.push(waiting.remove(next));
    }
    for link in waiting {
        let message = format!("`{}` is made of parts that are made of it, or of such; it is left out", link.id);
        findings.push(Finding::error(&link.origin, message));
    }
    ordered
}
