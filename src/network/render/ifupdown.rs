// SPDX-License-Identifier: Apache-2.0
//! For Debian's ifupdown: one file of stanzas (interfaces(5)), several of one family for several addresses.

use std::fmt::Write as _;
use std::net::IpAddr;

use crate::finding::{Finding, Findings};
use crate::guest::Nic;
use crate::network::model::{Dhcp6, Dns, Link, NetworkConfig};
use crate::network::render::{HEADER, RenderedFile, nic_of};

/// The administrator's file, which must include the directory of ours.
pub const INTERFACES: &str = "/etc/network/interfaces";
/// Where pieces of it stand.
pub const DIRECTORY: &str = "/etc/network/interfaces.d";
/// Our one file. `source-directory` takes only names of letters, digits, `-` and `_`.
pub const PATH: &str = "/etc/network/interfaces.d/50-firstlight";

/// One file. ifupdown knows interfaces by name only, so a link whose interface is not known is left out.
pub fn render(config: &NetworkConfig, nics: Option<&[Nic]>, findings: &mut Findings) -> Vec<RenderedFile> {
    let mut content = format!("{HEADER}\nauto lo\niface lo inet loopback\n");
    for link in &config.links {
        match (name(link, nics), nics) {
            (Some(name), _) => content.push_str(&stanzas(link, &name, &config.dns_of(link))),
            // Known not to be there: said already, for every renderer alike.
            (None, Some(_)) => {}
            (None, None) => findings.push(
                Finding::error(
                    &link.origin,
                    "ifupdown needs the interface's name, and a guest that is not running shows none; left out",
                )
                .help("run in the guest, or choose the renderer networkd or netplan"),
            ),
        }
    }
    vec![RenderedFile { path: PATH.into(), content, mode: 0o644 }]
}

/// The interface's name: the guest's word, or the document's where the guest is not there to ask.
fn name(link: &Link, nics: Option<&[Nic]>) -> Option<String> {
    match nics {
        Some(nics) => nic_of(link, nics).map(|nic| nic.name.clone()),
        None => link.physical()?.by.name.as_ref().map(|name| name.value.clone()),
    }
}

/// The names of the interfaces that are written for.
pub fn names(config: &NetworkConfig, nics: Option<&[Nic]>) -> Vec<String> {
    config.links.iter().filter_map(|link| name(link, nics)).collect()
}

fn stanzas(link: &Link, name: &str, dns: &Dns) -> String {
    let mut heads: Vec<(String, Option<IpAddr>)> = Vec::new();
    if link.dhcp4 {
        heads.push(("inet dhcp\n".to_owned(), None));
    }
    match (link.dhcp6, link.accept_ra) {
        (Some(Dhcp6::Stateful), _) => heads.push(("inet6 dhcp\n    accept_ra 1\n".to_owned(), None)),
        (Some(Dhcp6::Stateless), _) => heads.push(("inet6 auto\n    dhcp 1\n".to_owned(), None)),
        (None, Some(true)) => heads.push(("inet6 auto\n".to_owned(), None)),
        (None, _) => {}
    }
    for address in &link.addresses {
        let (family, accept_ra) = match address.address() {
            IpAddr::V4(_) => ("inet", ""),
            IpAddr::V6(_) if link.accept_ra == Some(true) => ("inet6", "    accept_ra 1\n"),
            IpAddr::V6(_) => ("inet6", "    accept_ra 0\n"),
        };
        heads.push((format!("{family} static\n    address {}\n{accept_ra}", address.prefix), Some(address.address())));
    }
    if heads.is_empty() {
        heads.push(("inet manual\n".to_owned(), None));
    }
    let last = heads.len() - 1;
    let mut text = format!("\nauto {name}\n");
    for (index, (head, _)) in heads.iter().enumerate() {
        let _ = write!(text, "iface {name} {head}");
        if index == 0 {
            text.push_str(&first(link, dns));
        }
        if index == last {
            text.push_str(&routes(link));
        }
    }
    text
}

/// What is said once for the interface. The options of that name exist for some methods only, commands for all.
fn first(link: &Link, dns: &Dns) -> String {
    let mut text = String::new();
    if let Some(mtu) = link.mtu.as_ref().map(|mtu| mtu.value) {
        let _ = writeln!(text, "    pre-up ip link set dev $IFACE mtu {mtu}");
    }
    if !dns.servers.is_empty() {
        let servers: Vec<String> = dns.servers.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "    dns-nameservers {}", servers.join(" "));
    }
    if !dns.search.is_empty() {
        let _ = writeln!(text, "    dns-search {}", dns.search.join(" "));
    }
    text
}

/// In the last stanza, when all addresses stand; `replace`, as a failing `up` leaves the interface half configured.
fn routes(link: &Link) -> String {
    let mut text = String::new();
    for route in &link.routes {
        let Some(via) = route.via else { continue };
        let family = if via.is_ipv4() { "-4" } else { "-6" };
        let to = if route.to.is_default() { "default".to_owned() } else { route.to.to_string() };
        let _ = write!(text, "    up ip {family} route replace {to} via {via} dev $IFACE");
        if link.is_on_link(route) {
            text.push_str(" onlink");
        }
        if let Some(metric) = route.metric {
            let _ = write!(text, " metric {metric}");
        }
        text.push('\n');
    }
    text
}

/// The administrator's file as ours needs it: our directory included, no stanza of our interfaces.
pub fn adapt(text: &str, names: &[String]) -> String {
    with_source(&without_stanzas(text, names))
}

/// `/etc/network/interfaces` such that it includes the directory of our file.
fn with_source(text: &str) -> String {
    let sourced = text.lines().any(|line| {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("source"), Some(what)) => {
                what == format!("{DIRECTORY}/*") || what == PATH || what == "interfaces.d/*"
            }
            (Some("source-directory"), Some(what)) => matches!(what.trim_end_matches('/'), DIRECTORY | "interfaces.d"),
            _ => false,
        }
    });
    match text {
        _ if sourced => text.to_owned(),
        "" => format!("source {DIRECTORY}/*\n"),
        _ => format!("{}\n\nsource {DIRECTORY}/*\n", text.trim_end_matches('\n')),
    }
}

/// The same text with the stanzas of `names` made comments: ifupdown adds up all stanzas of an interface, so that an
/// image's `iface ens3 inet dhcp` would run beside the address that the platform gave.
pub fn without_stanzas(text: &str, names: &[String]) -> String {
    let mut ours = false;
    let mut continued = false;
    let mut result = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let mut words = line.split_whitespace();
        match words.next() {
            _ if continued => {}
            Some("iface") => ours = words.next().is_some_and(|name| names.iter().any(|other| other == name)),
            Some("auto" | "mapping" | "source" | "source-directory" | "rename" | "template") => ours = false,
            Some(word) if word.starts_with("allow-") || word.starts_with("no-auto-") => ours = false,
            Some(_) | None => {}
        }
        let is_comment = line.trim_start().starts_with('#') && !continued;
        if ours && !is_comment && !line.trim().is_empty() {
            result.push_str("#firstlight# ");
        }
        result.push_str(line);
        continued = !is_comment && line.trim_end_matches('\n').ends_with('\\');
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN: &str = "# The loopback network interface\nauto lo\niface lo inet loopback\n\nallow-hotplug ens3\n\
                          iface ens3 inet dhcp\n    up logger \\\n  iface\n\niface ens4 inet manual\n";

    #[test]
    fn our_directory_is_included_once() {
        let with = with_source(DEBIAN);
        assert!(with.starts_with(DEBIAN.trim_end()) && with.ends_with("\n\nsource /etc/network/interfaces.d/*\n"));
        assert_eq!(with_source(&with), with);
        assert_eq!(with_source(""), "source /etc/network/interfaces.d/*\n");
        for included in ["source-directory /etc/network/interfaces.d/\n", "  source interfaces.d/*\n"] {
            assert_eq!(with_source(included), included);
        }
    }

    #[test]
    fn an_older_stanza_of_our_interface_is_made_a_comment_and_no_other() {
        let without = without_stanzas(DEBIAN, &["ens3".to_owned()]);
        assert_eq!(
            without,
            "# The loopback network interface\nauto lo\niface lo inet loopback\n\nallow-hotplug ens3\n#firstlight# iface \
             ens3 inet dhcp\n#firstlight#     up logger \\\n#firstlight#   iface\n\niface ens4 inet manual\n"
        );
        assert_eq!(without_stanzas(&without, &["ens3".to_owned()]), without);
    }
}
