// SPDX-License-Identifier: Apache-2.0
//! For guests without a network manager: what the kernel itself shall have, thing by thing, in the order in which it can
//! be made.
//!
//! What is upon others comes after them: an interface is made, gets its parts, its hardware address and MTU; then all
//! are brought up, and only then get addresses, routes and rules, which the kernel drops with an interface that goes
//! down. There is no DHCP client: a link that needs one is a finding.

mod change;
mod names;
mod renames;
mod routing;

pub use change::{Change, Make, Task, number};
pub use renames::renames;

use crate::finding::{Finding, Findings, Origin};
use crate::guest::Nic;
use crate::network::model::options::{Form, Setting};
use crate::network::model::{Activation, Address, Kind, Link, NetworkConfig};
use crate::network::render::{Renderer, inexpressible};
use names::{Names, upon_each_other};

/// What the kernel shall have.
pub fn render(config: &NetworkConfig, nics: Option<&[Nic]>, findings: &mut Findings) -> Vec<Change> {
    let changes = nics.map_or_else(Vec::new, |nics| renames(config, nics));
    let names = Names::of(config, nics, findings);
    let mut drawing = Drawing { config, names, changes, findings };
    let mut links: Vec<(&Link, String)> = Vec::new();
    for link in upon_each_other(config, drawing.findings) {
        if drawing.has_parent(link)
            && let Some(name) = drawing.names.of_link(&link.id)
        {
            drawing.make(link, &name);
            links.push((link, name));
        }
    }
    let (active, left): (Vec<_>, Vec<_>) = links.iter().partition(|(link, _)| is_active(link));
    for (link, name) in left.into_iter().filter(|(link, _)| link.is_configured()) {
        let note = format!("{name} is not brought up, and gets no addresses and routes before it is");
        drawing.findings.push(Finding::note(&link.origin, note));
    }
    active.iter().for_each(|(link, name)| drawing.bring_up(link, name));
    active.iter().for_each(|(link, name)| drawing.addresses(link, name));
    active.iter().for_each(|(link, name)| drawing.routes(link, name));
    active.iter().for_each(|(link, _)| drawing.rules(link));
    drawing.changes
}

fn is_active(link: &Link) -> bool {
    matches!(link.activation, Activation::Auto | Activation::Hotplug)
}

/// The changes so far.
struct Drawing<'a> {
    config: &'a NetworkConfig,
    names: Names,
    changes: Vec<Change>,
    findings: &'a mut Findings,
}

impl Drawing<'_> {
    fn add(&mut self, origin: &Origin, task: Task) {
        self.changes.push(Change { task, origin: origin.clone() });
    }

    fn cannot(&mut self, origin: &Origin, what: &str) {
        self.findings.push(inexpressible(Renderer::Kernel, origin, what));
    }

    /// Whether what a VLAN is upon is there; if not, neither is the VLAN.
    fn has_parent(&mut self, link: &Link) -> bool {
        let Kind::Vlan { parent, .. } = &link.kind else { return true };
        if self.names.of_member(parent, self.config, self.findings).is_none() {
            let message = format!("`{}` is left out: what it is upon, `{}`, is not there", link.id, parent.value);
            self.findings.push(Finding::error(&parent.origin, message));
            self.names.forget(&link.id);
            return false;
        }
        true
    }

    /// The interface itself, its parts, and what has to be so before it is up.
    fn make(&mut self, link: &Link, name: &str) {
        self.say_what_is_left_out(link, name);
        self.create(link, name);
        let named = || name.to_owned();
        if let Some(mac) = &link.mac {
            if self.is_part_of(link, |kind| matches!(kind, Kind::Bond { .. })) {
                self.cannot(&mac.origin, "a hardware address of a bond's member, which has that of its bond");
            } else {
                self.add(&mac.origin, Task::Mac { name: named(), mac: mac.value });
            }
        }
        self.members(link, name);
        if let Some(mtu) = &link.mtu {
            self.add(&mtu.origin, Task::Mtu { name: named(), mtu: mtu.value });
        }
        let has_ipv6 = link.is_configured() && link.addresses.iter().any(|address| address.address().is_ipv6());
        let part = self.is_part_of(link, |kind| matches!(kind, Kind::Bond { .. } | Kind::Bridge { .. }));
        let settings = [
            // A part of another interface must not get addresses from the routers that the whole listens to.
            ("disable_ipv6", (part && !has_ipv6).then_some(1)),
            // Also where packets are forwarded, as a guest with containers does.
            ("accept_ra", link.accept_ra.map(|listens| if listens { 2 } else { 0 })),
            ("use_tempaddr", link.ipv6_privacy.map(|private| if private { 2 } else { 0 })),
            ("addr_gen_mode", link.link_local.filter(|own| !own.ipv6).map(|_| 1)),
        ];
        for (key, value) in settings {
            if let Some(value) = value {
                self.add(&link.origin, Task::Ipv6 { name: named(), key, value });
            }
        }
    }

    fn create(&mut self, link: &Link, name: &str) {
        let (make, settings) = match &link.kind {
            Kind::Physical(_) | Kind::Loopback => return,
            Kind::Dummy => (Make::Dummy, &[][..]),
            Kind::Bond { settings, .. } => (Make::Bond, &settings[..]),
            Kind::Bridge { settings, .. } => (Make::Bridge, &settings[..]),
            Kind::Vrf { table, .. } => (Make::Vrf { table: *table }, &[][..]),
            Kind::Vlan { id, parent } => match self.names.of_link(&parent.value) {
                Some(parent) => (Make::Vlan { id: *id, parent }, &[][..]),
                None => return,
            },
        };
        let own = settings.iter().filter(|setting| !is_about_a_member(setting));
        let settings = own.map(|setting| setting.value.clone()).collect();
        self.add(&link.origin, Task::Link { name: name.to_owned(), make, settings });
    }

    fn members(&mut self, link: &Link, name: &str) {
        let (members, settings) = match &link.kind {
            Kind::Bond { members, settings } | Kind::Bridge { members, settings } => (members, &settings[..]),
            Kind::Vrf { members, .. } => (members, &[][..]),
            _ => return,
        };
        for member in members {
            if let Some(member_name) = self.names.of_member(member, self.config, self.findings) {
                self.add(&member.origin, Task::Master { name: member_name, master: name.to_owned() });
            }
        }
        for setting in settings.iter().filter(|setting| is_about_a_member(setting)) {
            let id = setting.member.as_ref().unwrap_or(&setting.value.value);
            let Some(member) = self.names.of_link(id) else { continue };
            let (name, value) = match setting.option.form {
                Form::Member => (name.to_owned(), member),
                _ => (member, setting.value.value.clone()),
            };
            let task = Task::Member { name, setting: Setting { value, ..setting.value.clone() } };
            self.add(&setting.origin, task);
        }
    }

    fn bring_up(&mut self, link: &Link, name: &str) {
        self.add(&link.origin, Task::Up { name: name.to_owned() });
        // The kernel gives it the link's own whenever that comes up.
        if let Some(mtu) = &link.ipv6_mtu {
            self.add(&mtu.origin, Task::Ipv6 { name: name.to_owned(), key: "mtu", value: mtu.value });
        }
    }

    fn addresses(&mut self, link: &Link, name: &str) {
        for address in &link.addresses {
            let mut asked: Address = address.value.clone();
            asked.label = match asked.label {
                Some(_) if address.address().is_ipv6() => {
                    self.cannot(&address.origin, "the label of an IPv6 address");
                    None
                }
                // As ip(8) has it: the interface's name, or that, a colon, and what tells it apart.
                Some(label)
                    if label != name && label.strip_prefix(name).is_none_or(|rest| !is_suffix(rest, &label)) =>
                {
                    let rule = format!("{name} does not begin the label `{label}`, or it has more than 15 letters");
                    self.findings.push(Finding::warning(&address.origin, format!("{rule}; it is left out")));
                    None
                }
                label => label,
            };
            self.add(&address.origin, Task::Address { name: name.to_owned(), address: asked });
        }
    }

    fn is_part_of(&self, link: &Link, of: impl Fn(&Kind) -> bool) -> bool {
        let mut wholes = self.config.links.iter().filter(|whole| of(&whole.kind));
        wholes.any(|whole| whole.members().iter().any(|member| member.value == link.id))
    }

    fn say_what_is_left_out(&mut self, link: &Link, name: &str) {
        if link.dhcp4 || link.dhcp6.is_some() {
            let protocol = if link.dhcp4 { "DHCP" } else { "DHCPv6" };
            let message =
                format!("{name} is to be configured by {protocol}, and no network manager here would ask for it");
            let help =
                "give it static addresses, or install a network manager: systemd-networkd, ifupdown, NetworkManager";
            self.findings.push(Finding::error(&link.origin, message).help(help));
        }
        if link.physical().is_some_and(|physical| physical.wake_on_lan == Some(true)) {
            self.cannot(&link.origin, "wake-on-LAN");
        }
        if link.link_local.is_some_and(|own| own.ipv4) {
            self.cannot(&link.origin, "link-local IPv4 addresses");
        }
    }
}

fn is_about_a_member(setting: &Setting) -> bool {
    matches!(setting.option.form, Form::Member | Form::PerMember(_))
}

fn is_suffix(rest: &str, label: &str) -> bool {
    let plain = |suffix: &str| !suffix.is_empty() && suffix.bytes().all(|c| c.is_ascii_alphanumeric());
    label.len() <= 15 && rest.strip_prefix(':').is_some_and(plain)
}

#[cfg(test)]
mod tests;
