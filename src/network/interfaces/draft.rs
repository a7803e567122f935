// SPDX-License-Identifier: Apache-2.0
//! A network that is being put together: interfaces found by their names, and members that are named before they are
//! described.

use std::collections::{HashMap, HashSet};

use crate::finding::{Finding, Findings, Located, Origin};
use crate::network::interfaces::device::{self, Tag};
use crate::network::model::{Kind, Link, Match, NetworkConfig};
use crate::network::words::{NAME, is_interface_name};

/// The most interfaces that are read of one document.
const LINK_LIMIT: usize = 1000;

/// See the file's head.
pub struct Draft {
    /// What is there so far.
    pub config: NetworkConfig,
    places: HashMap<String, usize>,
    /// The member, and the name of the bond, bridge or VRF that it is in.
    masters: Vec<(Located<String>, String)>,
    /// What makes VLANs of interfaces.
    tags: HashMap<String, Tag>,
}

impl Draft {
    /// Without a link.
    pub fn new(origin: Origin) -> Self {
        Self { config: NetworkConfig::new(origin), places: HashMap::new(), masters: Vec::new(), tags: HashMap::new() }
    }

    /// The links so far.
    pub fn links_mut(&mut self) -> impl Iterator<Item = &mut Link> {
        self.config.links.iter_mut()
    }

    /// The link of that name.
    pub fn known(&mut self, name: &str) -> Option<&mut Link> {
        self.config.links.get_mut(*self.places.get(name)?)
    }

    /// The link of that name; where there is none yet, hardware that is so called. `None`, with a finding, where the name
    /// cannot be one or there are too many.
    pub fn link(&mut self, name: &str, origin: &Origin, findings: &mut Findings) -> Option<&mut Link> {
        if !self.places.contains_key(name) {
            if !is_interface_name(name) {
                let message = format!("`{name}` is not the name of an interface ({NAME}); left out");
                findings.push(Finding::error(origin, message));
                return None;
            }
            let by = Match::named(Located::new(name.to_owned(), origin.clone()));
            self.add(Link::new(name.to_owned(), Kind::Physical(by.into()), origin.clone()), findings)?;
        }
        self.known(name)
    }

    /// Adds a link whose `id` is new.
    pub fn add(&mut self, link: Link, findings: &mut Findings) -> Option<()> {
        if self.config.links.len() >= LINK_LIMIT {
            let message = format!("more than {LINK_LIMIT} interfaces; from here on they are left out");
            findings.push(Finding::error(&self.config.origin, message));
            return None;
        }
        self.places.insert(link.id.clone(), self.config.links.len());
        self.config.links.push(link);
        Some(())
    }

    /// That the interface `name` is a member of the bond, bridge or VRF `master`.
    pub fn enslave(&mut self, name: &str, master: Located<String>) {
        self.masters.push((Located::new(name.to_owned(), master.origin), master.value));
    }

    /// What is known of the tag of the VLAN `name`.
    pub fn tag(&mut self, name: &str) -> &mut Tag {
        self.tags.entry(name.to_owned()).or_default()
    }

    /// The network, when all is read: members are there, and nobody is his own member.
    pub fn finish(mut self, findings: &mut Findings) -> NetworkConfig {
        for (member, master) in std::mem::take(&mut self.masters) {
            match self.known(&master).map(|link| &mut link.kind) {
                Some(Kind::Bond { members, .. } | Kind::Bridge { members, .. } | Kind::Vrf { members, .. }) => {
                    if members.iter().all(|other| other.value != member.value) {
                        members.push(member);
                    }
                }
                _ => findings
                    .push(Finding::error(&member.origin, format!("nothing named `{master}` has members; left out"))),
            }
        }
        let tags = std::mem::take(&mut self.tags);
        for link in &mut self.config.links {
            device::make_vlan(link, tags.get(&link.id), findings);
        }
        let named: Vec<_> = self.config.links.iter().flat_map(Link::members).cloned().collect();
        for member in named {
            self.link(&member.value, &member.origin, findings);
        }
        self.separate(findings);
        for link in self.config.links.iter_mut().filter(|link| link.kind == Kind::Loopback) {
            // Where ifupdown's users write what is for the whole guest.
            self.config.dns = self.config.dns.then(&std::mem::take(&mut link.dns));
        }
        // Every guest has `lo`; it is worth a word only where something is on it.
        self.config.links.retain(|link| link.kind != Kind::Loopback || link.is_configured() || !link.routes.is_empty());
        self.config
    }

    /// Drops members that are there twice, in two, or that are made of what they are to be part of.
    fn separate(&mut self, findings: &mut Findings) {
        let mut masters: HashMap<String, String> = HashMap::new();
        let untagged = self.config.links.iter().filter(|link| matches!(link.kind, Kind::Vlan { id: 0, .. }));
        let mut lost: HashSet<String> = untagged.map(|link| link.id.clone()).collect();
        for place in 0..self.config.links.len() {
            let Some(link) = self.config.links.get(place).filter(|link| !lost.contains(&link.id)) else { continue };
            let (id, tagged) = (link.id.clone(), matches!(link.kind, Kind::Vlan { .. }));
            let mut kept = Vec::new();
            for member in link.members().to_vec() {
                let name = &member.value;
                let message = if !self.places.contains_key(name) {
                    // Why it could not be has been said.
                    String::new()
                } else if self.is_made_of(name, &id) && tagged {
                    format!("the VLAN `{id}` would be on itself; it is left out")
                } else if self.is_made_of(name, &id) {
                    format!("`{id}` would be made of itself; `{name}` is left out of it")
                } else if let Some(other) = masters.get(name).filter(|_| !tagged) {
                    format!("`{name}` is a member of `{other}` already; it is left out of `{id}`")
                } else {
                    if !tagged {
                        masters.insert(name.clone(), id.clone());
                    }
                    kept.push(member);
                    continue;
                };
                if !message.is_empty() {
                    findings.push(Finding::error(&member.origin, message));
                }
            }
            match self.config.links.get_mut(place).map(|link| &mut link.kind) {
                Some(Kind::Bond { members, .. } | Kind::Bridge { members, .. } | Kind::Vrf { members, .. }) => {
                    *members = kept;
                }
                Some(Kind::Vlan { id: tag, .. }) if kept.is_empty() => {
                    *tag = 0;
                    lost.insert(id);
                }
                _ => {}
            }
        }
        // What is on a VLAN that is lost is lost with it.
        loop {
            let before = lost.len();
            for link in &self.config.links {
                match &link.kind {
                    Kind::Vlan { parent, .. } if lost.contains(&parent.value) && !lost.contains(&link.id) => {
                        let message = format!("the VLAN `{}` is left out, because `{}` is", link.id, **parent);
                        findings.push(Finding::error(&parent.origin, message));
                        lost.insert(link.id.clone());
                    }
                    _ => {}
                }
            }
            if lost.len() == before {
                break;
            }
        }
        self.config.links.retain(|link| !lost.contains(&link.id));
        for link in &mut self.config.links {
            if let Kind::Bond { members, .. } | Kind::Bridge { members, .. } | Kind::Vrf { members, .. } =
                &mut link.kind
            {
                members.retain(|member| !lost.contains(&member.value));
            }
        }
    }

    /// Whether the link `name` is, or is made of, `part`.
    fn is_made_of(&self, name: &str, part: &str) -> bool {
        let mut seen = HashSet::new();
        let mut open = vec![name];
        while let Some(name) = open.pop() {
            if name == part {
                return true;
            }
            if !seen.insert(name) {
                continue;
            }
            let link = self.places.get(name).and_then(|place| self.config.links.get(*place));
            // A link that was found to be made of itself is taken apart already.
            let apart = |link: &&Link| !matches!(link.kind, Kind::Vlan { id: 0, .. });
            open.extend(link.filter(apart).into_iter().flat_map(Link::members).map(|member| member.value.as_str()));
        }
        false
    }
}
