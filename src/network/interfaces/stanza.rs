// SPDX-License-Identifier: Apache-2.0
//! What a stanza's options mean for its interface. Version 1 of network-config has the same options in YAML, so its
//! reader comes here too.

use std::fmt::Display;
use std::net::IpAddr;
use std::str::FromStr;

use crate::finding::{Finding, Findings, Located, Origin};
use crate::network::interfaces::draft::Draft;
use crate::network::interfaces::{command, device};
use crate::network::model::{Address, Dhcp6, Dns, Kind, Link, LinkLocal, Route, push_new};
use crate::network::prefix::Prefix;
use crate::network::settled;
use crate::network::words;

/// An option: its name with hyphens (`dns-nameservers`), and the rest of its line.
pub struct Entry {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: Located<String>,
}

impl Entry {
    /// Underscores in the name are read as hyphens, as ifupdown's hooks do.
    pub fn new(key: &str, value: &str, origin: Origin) -> Self {
        Self { key: key.replace('_', "-"), value: Located::new(value.to_owned(), origin) }
    }

    /// What the value says; one that can't be read so is reported.
    pub fn parsed<T: FromStr<Err: Display>>(&self, findings: &mut Findings) -> Option<Located<T>> {
        match self.value.trim().parse() {
            Ok(value) => Some(Located::new(value, self.value.origin.clone())),
            Err(error) => {
                findings.push(Finding::error(&self.value.origin, format!("`{}` is left out: {error}", *self.value)));
                None
            }
        }
    }

    fn is_command(&self) -> bool {
        ["up", "down", "pre-up", "post-up", "pre-down", "post-down"].contains(&self.key.as_str())
    }

    /// Whether it is switched on; anything but a switch is reported.
    fn flag(&self, findings: &mut Findings) -> Option<bool> {
        match self.value.to_ascii_lowercase().as_str() {
            "1" | "2" | "true" | "yes" | "on" => Some(true),
            "0" | "false" | "no" | "off" => Some(false),
            other => {
                let message = format!("`{}` is true or false, not `{other}`; left out", self.key);
                findings.push(Finding::error(&self.value.origin, message));
                None
            }
        }
    }
}

/// `iface NAME FAMILY METHOD` and its options.
pub struct Stanza {
    /// The interface's name, with a label behind a colon (`eth0:1`) where it is another address of it.
    pub name: String,
    /// Whether it is about IPv6.
    pub inet6: bool,
    /// How the interface gets its addresses.
    pub method: String,
    /// Where it begins.
    pub origin: Origin,
    /// In the document's order.
    pub entries: Vec<Entry>,
}

/// What of several options makes one address and its route.
#[derive(Default)]
struct Static<'a> {
    address: Option<&'a Entry>,
    mask: Option<&'a Entry>,
    gateway: Option<&'a Entry>,
    metric: Option<Located<u32>>,
    peer: Option<Located<IpAddr>>,
    deprecated: bool,
}

impl Stanza {
    /// Without options.
    pub fn new(name: &str, inet6: bool, method: &str, origin: Origin) -> Self {
        Self { name: name.to_owned(), inet6, method: method.to_owned(), origin, entries: Vec::new() }
    }

    /// Does to the network what the stanza says; a stanza without a name says nothing.
    pub fn apply(self, draft: &mut Draft, findings: &mut Findings) {
        if self.name.is_empty() {
            return;
        }
        let (name, label) = match self.name.split_once(':') {
            Some((name, part)) if command::is_label(part) && self.name.len() <= 15 => (name, Some(self.name.clone())),
            Some((name, _)) => (name, None),
            None => (self.name.as_str(), None),
        };
        if draft.link(name, &self.origin, findings).is_none() {
            return;
        }
        let enslaved = self.entries.iter().find(|entry| entry.key == "bond-master");
        if let Some(master) = enslaved {
            draft.enslave(name, master.value.clone());
        }
        for entry in &self.entries {
            match entry.key.as_str() {
                "vlan-raw-device" => draft.tag(name).parent = Some(entry.value.clone()),
                "vlan-id" => draft.tag(name).id = Some(entry.value.clone()),
                _ => {}
            }
        }
        let Some(link) = draft.known(name) else { return };
        self.method(link, findings);
        let mut given = Static::default();
        let (commands, options): (Vec<&Entry>, _) = self.entries.iter().partition(|entry| entry.is_command());
        for entry in options {
            // A member repeats its bond's options.
            if enslaved.is_some() && entry.key.starts_with("bond-") || entry.key.starts_with("vlan-") {
                continue;
            }
            if !given.take(entry, findings) && !self.option(entry, link, findings) {
                findings.push(unknown(entry));
            }
        }
        given.apply(&self, label, link, findings);
        let mut masters = Vec::new();
        commands.into_iter().for_each(|entry| masters.extend(run(entry, link, findings)));
        masters.into_iter().for_each(|master| draft.enslave(name, master));
    }

    fn method(&self, link: &mut Link, findings: &mut Findings) {
        match (self.inet6, self.method.as_str()) {
            (_, "manual" | "static") => {}
            (_, "loopback") => link.kind = Kind::Loopback,
            (false, "dhcp") => link.dhcp4 = true,
            (false, "ipv4ll") => link.link_local = Some(LinkLocal { ipv4: true, ipv6: true }),
            (true, "dhcp") => {
                link.dhcp6 = Some(Dhcp6::Stateful);
                link.accept_ra = link.accept_ra.or(Some(true));
            }
            (true, "auto") => link.accept_ra = link.accept_ra.or(Some(true)),
            (_, other) => {
                let message = format!("nothing here does what the method `{other}` asks for; it is taken as `manual`");
                findings.push(Finding::error(&self.origin, message));
            }
        }
    }

    /// One option that stands for itself; `false` where there is none of that name.
    fn option(&self, entry: &Entry, link: &mut Link, findings: &mut Findings) -> bool {
        let dhcp = self.method == "dhcp";
        match entry.key.as_str() {
            "mtu" => mtu(entry, self.inet6 && self.method != "manual", link, findings),
            "hwaddress" | "hw-mac-address" => device::mac(entry, link, findings),
            "dns-nameservers" | "dns-nameserver" | "dns-search" | "dns-domain" => dns(entry, &mut link.dns, findings),
            "accept-ra" => link.accept_ra = entry.flag(findings).or(link.accept_ra),
            "privext" => link.ipv6_privacy = entry.flag(findings).or(link.ipv6_privacy),
            "dhcp" if self.inet6 && !dhcp => {
                if entry.flag(findings) == Some(true) {
                    link.dhcp6 = link.dhcp6.or(Some(Dhcp6::Stateless));
                }
            }
            "hostname" if dhcp && words::domain(&entry.value).is_some() => {
                link.dhcp4_overrides.hostname = Some(entry.value.clone());
            }
            "wakeonlan" | "ethernet-wol" => {
                let on = match entry.value.as_str() {
                    "g" => Some(true),
                    "d" => Some(false),
                    _ => entry.flag(findings),
                };
                if let Kind::Physical(physical) = &mut link.kind {
                    physical.wake_on_lan = on.or(physical.wake_on_lan);
                }
            }
            // What follows from the address, or is about how ifupdown goes about it.
            "broadcast" | "network" | "autoconf" | "dad-attempts" | "dad-interval" | "ll-attempts" | "ll-interval" => {}
            _ => return device::apply(entry, link, findings),
        }
        true
    }
}

/// A command: what it would do is done where it is understood. Given back is the master that the link gets.
fn run(entry: &Entry, link: &mut Link, findings: &mut Findings) -> Option<Located<String>> {
    // It changes nothing.
    if *entry.value == settled::COMMAND {
        return None;
    }
    let message = format!("commands are not run; left out: `{}`", *entry.value);
    if entry.key.ends_with("down") {
        if !command::undoes(&entry.value) {
            findings.push(Finding::warning(&entry.value.origin, message));
        }
        return None;
    }
    let done = command::apply(&entry.value, link);
    if done.is_none() {
        let help =
            "understood are routes, rules, addresses, MTUs by `ip` or `route`; user-data's `runcmd` runs commands";
        findings.push(Finding::error(&entry.value.origin, message).help(help));
    }
    done?.map(|master| Located::new(master, entry.value.origin.clone()))
}

fn unknown(entry: &Entry) -> Finding {
    const KNOWN: &[&str] = &[
        "address",
        "netmask",
        "gateway",
        "metric",
        "mtu",
        "hwaddress",
        "dns-nameservers",
        "dns-search",
        "accept-ra",
        "privext",
        "pointopoint",
        "bond-slaves",
        "bond-mode",
        "bridge-ports",
        "vlan-raw-device",
    ];
    let unknown = Finding::error(&entry.value.origin, format!("unknown option `{}`; it is left out", entry.key));
    unknown.did_you_mean(&entry.key, KNOWN.iter().copied())
}

/// An MTU; `ipv6` where it is for IPv6 alone.
fn mtu(entry: &Entry, ipv6: bool, link: &mut Link, findings: &mut Findings) {
    let least = if ipv6 { words::IPV6_MTU } else { *words::MTU.start() };
    let Some(mtu) = entry.parsed::<u32>(findings).and_then(|mtu| words::mtu(mtu, least, findings)) else { return };
    let place = if ipv6 { &mut link.ipv6_mtu } else { &mut link.mtu };
    if let Some(before) = place.as_ref().filter(|before| before.value != *mtu) {
        let message = format!("another MTU than {}, which is given above; this one counts", before.value);
        findings.push(Finding::warning(&mtu.origin, message));
    }
    *place = Some(mtu);
}

/// Name servers or search domains, parted by blanks.
pub fn dns(entry: &Entry, dns: &mut Dns, findings: &mut Findings) {
    for word in entry.value.split([' ', '\t', '\n', ',']).filter(|word| !word.is_empty()).take(64) {
        let server = entry.key.starts_with("dns-nameserver");
        match (word.parse(), words::domain(word)) {
            (Ok(address), _) if server => push_new(&mut dns.servers, address),
            (_, Some(domain)) if !server => push_new(&mut dns.search, domain.to_owned()),
            _ => {
                let what = if server { "an IP address" } else { "a domain name" };
                findings.push(Finding::error(&entry.value.origin, format!("`{word}` is not {what}; it is left out")));
            }
        }
    }
}

impl<'a> Static<'a> {
    /// Takes one of the options that make an address; `false` for any other.
    fn take(&mut self, entry: &'a Entry, findings: &mut Findings) -> bool {
        match entry.key.as_str() {
            "address" | "ip-address" => self.address = Some(entry),
            "netmask" | "prefix" => self.mask = self.mask.or(Some(entry)),
            "gateway" => self.gateway = Some(entry),
            "metric" => self.metric = entry.parsed(findings),
            "pointopoint" => self.peer = entry.parsed(findings),
            "preferred-lifetime" => self.deprecated = *entry.value == "0",
            "scope" if *entry.value == "global" => {}
            _ => return false,
        }
        true
    }

    fn apply(self, stanza: &Stanza, label: Option<String>, link: &mut Link, findings: &mut Findings) {
        match (stanza.method.as_str(), self.address) {
            ("static" | "loopback", Some(address)) => {
                let mask = self.mask.map(|mask| &mask.value);
                if let Some(mut prefix) = prefix(&address.value, mask, true, findings) {
                    if let Some(peer) = self.peer.filter(|peer| prefix.value.same_family(peer.value)) {
                        // The other end is reached by the link, whatever network it is in.
                        prefix.value = Prefix::host(prefix.value.address());
                        link.add_route(peer.map(|peer| Route::direct(Prefix::host(peer))));
                    }
                    let label = label.filter(|_| prefix.value.address().is_ipv4());
                    let address = prefix.map(|prefix| Address { prefix, label, deprecated: self.deprecated });
                    if link.addresses.iter().all(|other| other.prefix != address.prefix) {
                        link.addresses.push(address);
                    }
                }
            }
            ("static", None) => {
                findings.push(Finding::error(&stanza.origin, "`static` without an `address`; it has none"));
            }
            (method, Some(address)) => {
                let message = format!("an address is for `static`, not for `{method}`; left out");
                findings.push(Finding::error(&address.value.origin, message));
            }
            (_, None) => {}
        }
        let gateway = self.gateway.and_then(|gateway| gateway.parsed::<IpAddr>(findings));
        match (gateway, stanza.method.as_str()) {
            (Some(via), _) => {
                let metric = self.metric.map(|metric| metric.value);
                link.add_route(via.map(|via| Route { metric, ..Route::new(Prefix::default_of(via), via) }));
            }
            (None, "dhcp") if self.metric.is_some() => {
                let overrides = if stanza.inet6 { &mut link.dhcp6_overrides } else { &mut link.dhcp4_overrides };
                overrides.route_metric = self.metric;
            }
            (None, _) => {}
        }
    }
}

/// An address and its netmask. A length in the address itself wins; without any, `assumed` takes the field's /24 or
/// /64 and says so, and else it is that one address (or everything, for the unspecified one).
pub fn prefix(
    text: &Located<String>,
    mask: Option<&Located<String>>,
    assumed: bool,
    findings: &mut Findings,
) -> Option<Located<Prefix>> {
    let at = |prefix| Located::new(prefix, text.origin.clone());
    let written: Prefix = match text.trim().parse() {
        Ok(prefix) => prefix,
        Err(error) => {
            findings.push(Finding::error(&text.origin, format!("`{}` is left out: {error}", **text)));
            return None;
        }
    };
    let address = written.address();
    if let Some(mask) = mask.filter(|_| !text.contains('/')) {
        return words::masked(address, mask, findings).map(at);
    }
    match (text.contains('/'), assumed) {
        (true, _) => Some(at(written)),
        (false, _) if address.is_unspecified() => Some(at(Prefix::default_of(address))),
        (false, true) => words::assumed(address, &text.origin, findings).map(at),
        (false, false) => Some(at(written)),
    }
}
