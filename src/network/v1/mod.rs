// SPDX-License-Identifier: Apache-2.0
//! Reads version 1 of cloud-init's network-config: a list of devices with their subnets.
//!
//! It is Debian's `/etc/network/interfaces` in YAML: a device with its subnets is an interface with its stanzas, and the
//! options have the same names. So each becomes a stanza, and [`Stanza::apply`] says what that means.

mod subnet;

use crate::config::document::Node;
use crate::config::read::{Read as _, unfit};
use crate::finding::{Finding, Findings, Located};
use crate::network::interfaces::draft::Draft;
use crate::network::interfaces::stanza::{Entry, Stanza, dns};
use crate::network::interfaces::vlan;
use crate::network::model::{Activation, Dns, Kind, Link, Match, NetworkConfig, Physical, Route};
use crate::network::prefix::Mac;
use crate::network::words::{NAME, is_interface_name};

/// What an entry of the list may be.
const TYPES: &[&str] = &["physical", "bond", "bridge", "vlan", "infiniband", "loopback", "nameserver", "route"];
/// Those that are found by their MAC address; others get theirs.
const HARDWARE: &[&str] = &["physical", "infiniband"];
/// Keys of a device that are read one by one; all others are options of its stanza.
const OWN: &[&str] = &[
    "type",
    "name",
    "subnets",
    "params",
    "mac_address",
    "vlan_id",
    "vlan_link",
    "keep_configuration",
    // What curtin and its friends leave there, and says nothing to us.
    "id",
    "device_id",
];
/// The most entries that are read: devices, subnets and routes together.
const ENTRY_LIMIT: usize = 4096;

/// What is gathered on the way through the list.
struct Reader<'a> {
    draft: Draft,
    routes: Vec<Located<Route>>,
    /// For one interface, by its name.
    dns: Vec<(Located<String>, Dns)>,
    entries_left: usize,
    findings: &'a mut Findings,
}

/// Reads the mapping that has the `version`; `None`, with findings, where nothing of it can be read.
pub fn read(node: &Node, findings: &mut Findings) -> Option<NetworkConfig> {
    let list = match node.get("config") {
        Some(list) => list,
        None => {
            findings.push(Finding::error(&node.origin, "version 1 needs a list `config`; nothing of it is used"));
            return None;
        }
    };
    if list.items().is_none() && !list.is_null() {
        findings.push(Finding::error(&list.origin, format!("`config` is a list, not {}", list.described())));
        return None;
    }
    let draft = Draft::new(node.origin.clone());
    let mut reader = Reader { draft, routes: Vec::new(), dns: Vec::new(), entries_left: ENTRY_LIMIT, findings };
    reader.items(list).iter().for_each(|entry| reader.entry(entry));
    Some(reader.finish())
}

impl Reader<'_> {
    /// The mappings of a list; null is an empty one.
    fn items<'n>(&mut self, list: &'n Node) -> Vec<&'n Node> {
        if list.is_null() {
            return Vec::new();
        }
        let Some(items) = list.items() else {
            let message = format!("a list is expected, not {}; it is left out", list.described());
            self.findings.push(Finding::error(&list.origin, message));
            return Vec::new();
        };
        if items.len() > self.entries_left && self.entries_left > 0 {
            let message = format!("more than {ENTRY_LIMIT} entries; from here on they are left out");
            self.findings.push(Finding::error(&list.origin, message));
        }
        let read: Vec<&Node> = items.iter().take(self.entries_left).collect();
        self.entries_left -= read.len();
        let (mappings, others): (Vec<&Node>, _) = read.into_iter().partition(|item| !item.entries().is_empty());
        for other in others {
            let message = format!("a mapping is expected, not {}; it is left out", other.described());
            self.findings.push(Finding::error(&other.origin, message));
        }
        mappings
    }

    /// The text of a key; null and an empty one are the same as not being there.
    fn text(&mut self, node: &Node, key: &str) -> Option<Located<String>> {
        let value = node.get(key).filter(|value| !value.is_null())?;
        let text = Located::<String>::read(value, self.findings)?;
        (!text.is_empty()).then_some(text)
    }

    /// The options that a mapping's pairs are; a list is one option for each, or one of all its words.
    fn options(&mut self, node: &Node, except: &[&str]) -> Vec<Entry> {
        let mut options = Vec::new();
        for (key, value) in node.entries() {
            let Some(name) = key.text().filter(|name| !except.contains(name)) else { continue };
            let items = match value.items() {
                Some(items) => items.iter().collect(),
                None if value.is_null() => continue,
                None => vec![value],
            };
            for item in items {
                match item.text() {
                    Some("") => {}
                    Some(text) => options.push(Entry::new(name, text.trim(), item.origin.clone())),
                    None => {
                        let _: Option<()> = unfit(item, &String::kind(), self.findings);
                    }
                }
            }
        }
        options
    }

    fn entry(&mut self, entry: &Node) {
        let Some(kind) = self.text(entry, "type") else {
            self.findings.push(Finding::error(&entry.origin, "an entry without a `type`; it is left out"));
            return;
        };
        match kind.as_str() {
            "nameserver" => self.nameserver(entry),
            "route" => {
                if let Some(route) = self.route(entry) {
                    self.routes.push(route);
                }
            }
            "physical" | "bond" | "bridge" | "vlan" | "infiniband" | "loopback" => self.device(entry, &kind),
            other => {
                let unknown = Finding::error(&kind.origin, format!("unknown type `{other}`; the entry is left out"));
                let unknown = unknown.help(format!("known: {}", TYPES.join(", ")));
                self.findings.push(unknown.did_you_mean(other, TYPES.iter().copied()));
            }
        }
    }

    fn nameserver(&mut self, entry: &Node) {
        let mut own = Dns::default();
        for option in self.options(entry, &["type", "interface", "id"]) {
            let key = match option.key.as_str() {
                "address" | "addresses" => "dns-nameservers",
                "search" => "dns-search",
                other => {
                    let message = format!("unknown key `{other}`; it is left out");
                    let unknown = Finding::error(&option.value.origin, message);
                    self.findings.push(unknown.did_you_mean(other, ["address", "search", "interface"]));
                    continue;
                }
            };
            dns(&Entry { key: key.to_owned(), value: option.value }, &mut own, self.findings);
        }
        match self.text(entry, "interface") {
            Some(interface) => self.dns.push((interface, own)),
            None => self.draft.config.dns = self.draft.config.dns.then(&own),
        }
    }

    /// A device and its subnets.
    fn device(&mut self, entry: &Node, kind: &str) {
        let mac = self.text(entry, "mac_address");
        let name = self.text(entry, "name");
        let Some(link) = self.hardware_or_name(entry, kind, name, mac.as_ref()) else { return };
        let id = link.id.clone();
        if self.draft.add(link, self.findings).is_none() {
            return;
        }
        let mut stanza = Stanza::new(&id, false, "manual", entry.origin.clone());
        stanza.entries = self.options(entry, OWN);
        if let Some(mac) = mac.filter(|_| !HARDWARE.contains(&kind)) {
            stanza.entries.push(Entry { key: "hwaddress".to_owned(), value: mac });
        }
        if let Some(params) = entry.get("params") {
            let prefix = format!("{kind}-");
            let made = ["bond", "bridge"].contains(&kind);
            for mut option in self.options(params, &[]) {
                // `mode` is the same as `bond-mode` where nothing else is meant.
                if made && !option.key.starts_with(&prefix) && option.key != "mtu" {
                    option.key.insert_str(0, &prefix);
                }
                stanza.entries.push(option);
            }
        }
        stanza.apply(&mut self.draft, self.findings);
        if kind == "vlan" {
            let (parent, tag) = (self.text(entry, "vlan_link"), self.text(entry, "vlan_id"));
            if let Some(link) = self.draft.known(&id) {
                link.kind = vlan(parent, tag, link, self.findings);
            }
        }
        if let Some(keep) = entry.get("keep_configuration") {
            let message = "`keep_configuration` is networkd's alone; it is left out";
            self.findings.push(Finding::warning(&keep.origin, message));
        }
        self.subnets(entry, &id);
    }

    /// The link that a device is, without its options. Hardware with a name and a MAC address gets that name.
    fn hardware_or_name(
        &mut self,
        entry: &Node,
        kind: &str,
        name: Option<Located<String>>,
        mac: Option<&Located<String>>,
    ) -> Option<Link> {
        let index = self.draft.config.links.len();
        let by_mac = mac.and_then(|mac| match mac.parse::<Mac>() {
            Ok(parsed) => Some(Located::new(parsed, mac.origin.clone())),
            Err(error) => {
                let message = format!("`{}` is left out: {error}", **mac);
                // Of what is made, the stanza's option is read and said so.
                if HARDWARE.contains(&kind) {
                    self.findings.push(Finding::error(&mac.origin, message));
                }
                None
            }
        });
        let id = match &name {
            Some(name) if !is_interface_name(name) => {
                let message = format!("`{}` is not the name of an interface ({NAME})", **name);
                self.findings.push(Finding::error(&name.origin, message + "; the device is left out"));
                return None;
            }
            Some(name) => name.value.clone(),
            // A name that no device can have.
            None if by_mac.is_some() && HARDWARE.contains(&kind) => format!("link.{index}.by-mac"),
            None => {
                self.findings.push(Finding::error(&entry.origin, format!("a {kind} without a `name`; it is left out")));
                return None;
            }
        };
        if self.draft.known(&id).is_some() {
            let message = format!("a second device `{id}`; it is left out");
            self.findings.push(Finding::error(&entry.origin, message));
            return None;
        }
        let made = match kind {
            "bond" => Kind::Bond { members: Vec::new(), settings: Vec::new() },
            "bridge" => Kind::Bridge { members: Vec::new(), settings: Vec::new() },
            "loopback" => Kind::Loopback,
            _ => {
                let by = match (by_mac, &name) {
                    (Some(mac), _) => Match::mac(mac),
                    (None, name) => Match { name: name.clone(), ..Match::default() },
                };
                let set_name = name.filter(|_| by.mac.is_some());
                Kind::Physical(Physical { by, set_name, infiniband: kind == "infiniband", ..Physical::default() })
            }
        };
        Some(Link::new(id, made, entry.origin.clone()))
    }

    fn finish(mut self) -> NetworkConfig {
        for (interface, own) in self.dns {
            match self.draft.known(&interface.value) {
                Some(link) => link.dns = link.dns.then(&own),
                None => {
                    let message = format!("there is no device `{}`; its name servers are left out", *interface);
                    self.findings.push(Finding::error(&interface.origin, message));
                }
            }
        }
        let mut config = self.draft.finish(self.findings);
        config.bare_members(self.findings);
        for lost in config.override_routes(None, self.routes) {
            let message = format!("no device has a network that reaches {}; the route is left out", *lost);
            self.findings.push(Finding::error(&lost.origin, message));
        }
        config
    }
}

/// `control`: who brings a device up.
fn activation(word: &str) -> Option<Activation> {
    match word {
        "auto" => Some(Activation::Auto),
        "hotplug" => Some(Activation::Hotplug),
        "manual" => Some(Activation::Manual),
        "off" => Some(Activation::Off),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
