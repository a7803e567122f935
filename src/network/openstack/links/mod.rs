// SPDX-License-Identifier: Apache-2.0
//! The `links` of an OpenStack document: interfaces, bonds of them, VLANs on either.

mod bonds;
mod names;
mod vlans;

use std::collections::BTreeMap;

use crate::finding::{Finding, Findings, Located};
use crate::network::json::Json;
use crate::network::model::{Given, Kind, Link, Match, Physical};
use crate::network::prefix::Mac;
use crate::network::words::{self, NAME, is_free_name};

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
            let name = json.text("name", findings).filter(|name| is_name(name, findings));
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
}

/// What it is made of; no VLAN is made without its tag.
fn sort(json: &Json, findings: &mut Findings) -> Sort {
    let kind = json.text("type", findings);
    match kind.as_ref().map(|kind| kind.as_str()) {
        Some("bond") => return Sort::Bond,
        Some("vlan") => {
            let tag = json.parsed::<u32>("vlan_id", findings);
            let (Some(tag), Some(parent)) = (tag, json.text("vlan_link", findings)) else {
                let message = "a VLAN needs a `vlan_id` and a `vlan_link`; it is left out";
                findings.push(Finding::error(&json.origin, message));
                return Sort::Broken;
            };
            return match words::vlan_tag(&tag, findings) {
                Some(tag) => Sort::Vlan { tag, parent },
                None => Sort::Broken,
            };
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
    words::mtu(mtu, *words::MTU.start(), findings)
}

fn is_name(name: &Located<String>, findings: &mut Findings) -> bool {
    let fits = is_free_name(name);
    if !fits {
        findings.push(Finding::error(&name.origin, format!("`{}` is not a name for an interface ({NAME})", **name)));
    }
    fits
}
