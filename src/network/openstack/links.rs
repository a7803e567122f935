// SPDX-License-Identifier: Apache-2.0
//! The `links` of an OpenStack document: interfaces, bonds of them, VLANs on either.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::{Finding, Findings, Located};
use crate::network::json::Json;
use crate::network::model::options::{BOND, Form, LinkOption, Setting};
use crate::network::model::{Given, Kind, Link, Match, Physical};
use crate::network::prefix::Mac;

/// What nova calls an interface that the guest sees as plain hardware, whatever it is on the host.
const PHYSICAL: &[&str] = &[
    "phy",
    "vif",
    "ovs",
    "tap",
    "bridge",
    "vhostuser",
    "hyperv",
    "hw_veb",
    "dvs",
    "cascading",
    "ethernet",
    "bgpovs",
    "ivs",
    "iovisor",
    "other",
    "802.1qbg",
    "802.1qbh",
    "hostdev_physical",
    INFINIBAND,
    "midonet",
    "vrouter",
    "macvtap",
    "agilio_ovs",
];
const INFINIBAND: &str = "ib_hostdev";
/// What Linux accepts on an Ethernet interface.
const MTU: std::ops::RangeInclusive<u32> = 68..=65535;
/// How many VLANs may stand on top of each other; the kernel's own bound is eight interfaces.
const DEPTH: usize = 8;
/// The longest name of an interface.
const NAME_LENGTH: usize = 15;

/// The links of a document, those among them that could be made, and what each is called by its networks.
pub(super) struct Links<'a> {
    entries: Vec<Entry<'a>>,
    /// Every `id` that the document has, and where its entry is; of links that are left out, too.
    ids: BTreeMap<String, usize>,
}

struct Entry<'a> {
    /// What the platform calls it.
    id: Located<String>,
    json: Json<'a>,
    sort: Sort,
    /// What its interface shall be called.
    name: Given<String>,
    /// What it makes, once that is certain.
    link: Option<Link>,
}

enum Sort {
    Physical {
        infiniband: bool,
    },
    Bond,
    Vlan {
        tag: u16,
        parent: Located<String>,
    },
    /// One that lacks what it cannot be made without.
    Broken,
}

impl<'a> Links<'a> {
    /// What is wrong with one link costs only that one and what is on top of it.
    pub(super) fn read(top: &Json<'a>, findings: &mut Findings) -> Self {
        let mut links = Self { entries: Vec::new(), ids: BTreeMap::new() };
        for json in top.objects("links", findings) {
            let Some(id) = json.text("id", findings) else {
                let message = "a link without an `id`: no network can name it; left out";
                findings.push(Finding::error(&json.origin, message));
                continue;
            };
            if links.ids.contains_key(&id.value) {
                findings.push(Finding::error(&id.origin, format!("a second link `{}`; it is left out", *id)));
                continue;
            }
            links.ids.insert(id.value.clone(), links.entries.len());
            let sort = sort(&json, findings);
            let name = json.text("name", findings).filter(|name| is_interface_name(name, findings));
            links.entries.push(Entry { id, json, sort, name, link: None });
        }
        let names = links.names(findings);
        links.make_physical(&names, findings);
        links.make_bonds(&names, findings);
        links.make_vlans(&names, findings);
        for Entry { json, link, .. } in &mut links.entries {
            if let Some(link) = link {
                link.mtu = mtu(json, findings);
            }
        }
        links
    }

    /// The link that a network is on; one that there is not, or that had to be left out, is reported.
    pub(super) fn of(&mut self, network: &Json, findings: &mut Findings) -> Option<&mut Link> {
        let Some(name) = network.text("link", findings) else {
            findings.push(Finding::error(&network.origin, "a network that names no `link`; it is left out"));
            return None;
        };
        let place = self.position(&name);
        let found = place.and_then(|place| self.entries.get_mut(place)?.link.as_mut());
        if found.is_none() && self.ids.contains_key(&name.value) {
            let message = format!("the network is left out, because its link `{}` is", *name);
            findings.push(Finding::error(&name.origin, message));
        } else if found.is_none() {
            let unknown = Finding::error(&name.origin, format!("no link `{}`; the network is left out", *name));
            findings.push(match self.ids.is_empty() {
                true => unknown.help("the document has no links"),
                false => {
                    unknown.help(format!("links here: {}", self.ids.keys().cloned().collect::<Vec<_>>().join(", ")))
                }
            });
        }
        found
    }

    /// In the order of the document.
    pub(super) fn into_links(self) -> Vec<Link> {
        self.entries.into_iter().filter_map(|entry| entry.link).collect()
    }

    /// What each link is called in the configuration: for bonds and VLANs that is the interface's name, `bond0`, `bond1`
    /// … in their order, `bond0.101`. No two are called the same.
    fn names(&mut self, findings: &mut Findings) -> Vec<String> {
        let mut taken = BTreeSet::new();
        for name in self.entries.iter_mut().map(|entry| &mut entry.name) {
            if let Some(second) = name.take_if(|name| !taken.insert(name.value.clone())) {
                let message = format!("a second interface that shall be called `{}`; this name is left out", *second);
                findings.push(Finding::error(&second.origin, message));
            }
        }
        let mut names: Vec<String> = self.entries.iter().map(|entry| own_name(entry).unwrap_or_default()).collect();
        let mut bonds = (0_usize..).map(|number| format!("bond{number}"));
        for (entry, name) in self.entries.iter().zip(&mut names) {
            if name.is_empty() && matches!(entry.sort, Sort::Bond) {
                *name = free(bonds.by_ref(), &mut taken);
            }
        }
        // No id that fits has a dot.
        let mut others = (0_usize..).map(|number| format!("link.{number}"));
        for (entry, name) in self.entries.iter().zip(&mut names) {
            if name.is_empty() && matches!(entry.sort, Sort::Physical { .. }) {
                *name = free(file_name(&entry.id).into_iter().chain(others.by_ref()), &mut taken);
            }
        }
        for index in 0..self.entries.len() {
            let Some(Entry { sort: Sort::Vlan { tag, parent }, .. }) = self.entries.get(index) else { continue };
            let below = self.position(parent).and_then(|below| {
                let entry = self.entries.get(below)?;
                // That of hardware is the guest's matter, where nobody has asked for one.
                if matches!(entry.sort, Sort::Bond) { names.get(below).cloned() } else { own_name(entry) }
            });
            let long = below.map(|below| format!("{below}.{tag}")).filter(|name| name.len() <= NAME_LENGTH);
            let short = (1_usize..).map(|n| if n == 1 { format!("vlan{tag}") } else { format!("vlan{tag}-{n}") });
            if let Some(name) = names.get_mut(index).filter(|name| name.is_empty()) {
                *name = free(long.into_iter().chain(short), &mut taken);
            }
        }
        names
    }

    fn position(&self, id: &str) -> Option<usize> {
        self.ids.get(id).copied()
    }

    /// What the link of that `id` makes.
    fn made(&self, id: &str) -> Option<&Link> {
        self.entries.get(self.position(id)?)?.link.as_ref()
    }

    fn make_physical(&mut self, names: &[String], findings: &mut Findings) {
        let mut macs: Vec<(Mac, String)> = Vec::new();
        for (entry, name) in self.entries.iter_mut().zip(names) {
            let Sort::Physical { infiniband } = entry.sort else { continue };
            let json = &entry.json;
            let physical = match (json.parsed::<Mac>("ethernet_mac_address", findings), &entry.name) {
                (Some(mac), set_name) => {
                    if let Some((_, other)) = macs.iter().find(|(other, _)| *other == mac.value) {
                        let message = format!(
                            "link `{}` has the MAC address of `{other}`, and no interface can be told by it; left out",
                            *entry.id
                        );
                        findings.push(Finding::error(&mac.origin, message));
                        continue;
                    }
                    macs.push((mac.value, entry.id.value.clone()));
                    let infiniband = infiniband || mac.is_infiniband();
                    Physical { set_name: set_name.clone(), infiniband, ..Match::mac(mac).into() }
                }
                (None, Some(name)) => Physical { infiniband, ..Match::named(name.clone()).into() },
                (None, None) => {
                    let message = format!("link `{}` has no usable `ethernet_mac_address`; it is left out", *entry.id);
                    findings.push(Finding::error(&json.origin, message));
                    continue;
                }
            };
            entry.link = Some(Link::new(name.clone(), Kind::Physical(physical), json.origin.clone()));
        }
    }

    fn make_bonds(&mut self, names: &[String], findings: &mut Findings) {
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
                findings.push(match crate::finding::closest(&key, known) {
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
        settings
    }

    /// Those whose parent is there, then those on top of these.
    fn make_vlans(&mut self, names: &[String], findings: &mut Findings) {
        let mut waiting: Vec<(usize, &String)> = names.iter().enumerate().collect();
        for _ in 0..DEPTH {
            waiting.retain(|(index, name)| self.make_vlan(*index, name, findings).is_none());
        }
        for (index, name) in waiting {
            if let Some(Entry { sort: Sort::Vlan { parent, .. }, .. }) = self.entries.get(index) {
                let message = match self.ids.contains_key(&parent.value) {
                    true => format!("the VLAN {name} is left out, because its link `{}` is", **parent),
                    false => format!("no link `{}`; the VLAN {name} is left out", **parent),
                };
                findings.push(Finding::error(&parent.origin, message));
            }
        }
    }

    fn make_vlan(&mut self, index: usize, name: &str, findings: &mut Findings) -> Option<()> {
        let Entry { sort: Sort::Vlan { tag, parent }, json, .. } = self.entries.get(index)? else { return None };
        let below = self.made(parent)?.id.clone();
        let kind = Kind::Vlan { id: *tag, parent: Located::new(below, parent.origin.clone()) };
        let mut link = Link::new(name.to_owned(), kind, json.origin.clone());
        link.mac = json.parsed("vlan_mac_address", findings);
        self.entries.get_mut(index)?.link = Some(link);
        Some(())
    }
}

/// What it is made of; no VLAN is made without its tag.
fn sort(json: &Json, findings: &mut Findings) -> Sort {
    let kind = json.text("type", findings);
    match kind.as_ref().map(|kind| kind.as_str()) {
        Some("bond") => return Sort::Bond,
        Some("vlan") => {
            let tag = json.parsed::<u16>("vlan_id", findings);
            let (Some(tag), Some(parent)) = (tag, json.text("vlan_link", findings)) else {
                let message = "a VLAN needs a `vlan_id` and a `vlan_link`; it is left out";
                findings.push(Finding::error(&json.origin, message));
                return Sort::Broken;
            };
            if !(1..=4094).contains(&tag.value) {
                let message = format!("a `vlan_id` of {} is not between 1 and 4094; the VLAN is left out", tag.value);
                findings.push(Finding::error(&tag.origin, message));
                return Sort::Broken;
            }
            return Sort::Vlan { tag: tag.value, parent };
        }
        Some(kind) if !PHYSICAL.contains(&kind) => {
            let message = format!("unknown link type `{kind}`; it is taken as an ordinary interface");
            findings.push(Finding::warning(&json.origin.key("type"), message));
        }
        _ => {}
    }
    Sort::Physical { infiniband: kind.is_some_and(|kind| kind.value == INFINIBAND) }
}

fn mtu(json: &Json, findings: &mut Findings) -> Given<u32> {
    // Neutron writes 0 where it knows none.
    let mtu = json.parsed::<u32>("mtu", findings).filter(|mtu| **mtu != 0)?;
    if !MTU.contains(&mtu) {
        let message = format!("an MTU of {} is not between {} and {}; left out", *mtu, MTU.start(), MTU.end());
        findings.push(Finding::error(&mtu.origin, message));
        return None;
    }
    Some(mtu)
}

/// The kernel's rule for names, less the characters that a manager's file would take for its own.
fn is_interface_name(name: &Located<String>, findings: &mut Findings) -> bool {
    let fits = name.len() <= NAME_LENGTH && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    let fits = fits && name.chars().any(|c| c != '.');
    if !fits {
        findings.push(Finding::error(&name.origin, "not the name of an interface (15 letters, digits, `_`, `.`, `-`)"));
    }
    fits
}

/// The platform's id where it is fit for the name of a file and of a netplan definition.
fn file_name(id: &str) -> Option<String> {
    let fits = (1..=64).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    fits.then(|| id.to_owned())
}

fn own_name(entry: &Entry) -> Option<String> {
    entry.name.as_ref().map(|name| name.value.clone())
}

/// The first of `names` that nothing is called yet.
fn free(mut names: impl Iterator<Item = String>, taken: &mut BTreeSet<String>) -> String {
    names.find(|name| taken.insert(name.clone())).unwrap_or_default()
}
