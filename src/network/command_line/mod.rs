// SPDX-License-Identifier: Apache-2.0
//! The network in the kernel's command line: `ip=` in the forms of klibc and dracut, `network-config=`.

mod encoded;
mod ip;
mod made;

use crate::finding::{Findings, Origin};
use crate::guest::Nic;
use crate::network::network_config::Asked;

/// Where the running kernel shows it.
pub const PATH: &str = "/proc/cmdline";
/// Words that are looked at; a kernel takes a few kilobytes.
const WORD_LIMIT: usize = 1000;

/// What the command line asks for; `None` where it says nothing of the network. A whole document goes before single
/// interfaces. `nics` are the guest's interfaces, where they are known: `ip=` may leave it to us which is meant.
pub fn read(command_line: &str, nics: Option<&[Nic]>, findings: &mut Findings) -> Option<Asked> {
    read_of(&Origin::document(PATH), command_line, nics, findings)
}

/// The same of a command line that stands in another file.
pub fn read_of(origin: &Origin, text: &str, nics: Option<&[Nic]>, findings: &mut Findings) -> Option<Asked> {
    let line = Line { text, origin: origin.clone() };
    let document = encoded::read(&line, findings);
    document.or_else(|| ip::read(&line, nics, findings).map(Asked::Network))
}

/// Whether it asks, for an interface that it does not name, for whatever a server or router may tell (`ip=dhcp`). That
/// is for an initramfs that has something to fetch, and no description of a network.
pub fn is_general(command_line: &str) -> bool {
    let ip = values(command_line, "ip").chain(values(command_line, "ip6")).all(|value| !value.contains(':'));
    ip && values(command_line, "network-config").next().is_none()
}

/// Whether it asks the initramfs for a network.
pub fn has_ip(command_line: &str) -> bool {
    values(command_line, "ip").chain(values(command_line, "ip6")).next().is_some()
}

/// A command line, and the file that it stands in.
struct Line<'a> {
    text: &'a str,
    origin: Origin,
}

impl<'a> Line<'a> {
    /// The values of `KEY=VALUE`, each with its origin.
    fn values(&self, key: &'a str) -> impl Iterator<Item = (&'a str, Origin)> {
        values(self.text, key).map(move |value| (value, self.origin.key(key)))
    }
}

fn values<'a>(text: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    let words = text.split_ascii_whitespace().take(WORD_LIMIT).map(|word| word.trim_matches('"'));
    let values = words.filter_map(move |word| word.strip_prefix(key)?.strip_prefix('='));
    values.map(|value| value.trim_matches('"'))
}

/// The parts between colons. An IPv6 address has its own in brackets, which are taken off.
fn fields(value: &str) -> Vec<&str> {
    let mut inside = false;
    let fields = value.split(|c| {
        inside = c == '[' || (inside && c != ']');
        c == ':' && !inside
    });
    fields.map(|field| field.strip_prefix('[').and_then(|field| field.strip_suffix(']')).unwrap_or(field)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    impl<'a> Line<'a> {
        pub(super) fn of_kernel(text: &'a str) -> Self {
            Self { text, origin: Origin::document(PATH) }
        }
    }

    #[test]
    fn a_finding_names_the_file_that_was_read() {
        let mut findings = Findings::default();
        read_of(&Origin::document("seen"), "ip=ibft network-config=x", None, &mut findings);
        assert_eq!(findings.iter().filter(|finding| finding.origin.document_name() == "seen").count(), 2);
    }

    use proptest::prelude::*;

    #[test]
    fn an_address_of_ipv6_is_one_field() {
        assert_eq!(
            fields("[2001:db8::5]::[fe80::1]:64:h:ens3:none"),
            ["2001:db8::5", "", "fe80::1", "64", "h", "ens3", "none"]
        );
        assert_eq!(fields(""), [""]);
    }

    #[test]
    fn what_names_no_interface_is_general() {
        for general in ["quiet", "ip=dhcp rd.neednet=1", "ip=on ip6=auto6"] {
            assert!(is_general(general), "{general}");
        }
        for particular in ["ip=ens3:dhcp", "ip=::::::dhcp", "network-config=disabled"] {
            assert!(!is_general(particular), "{particular}");
        }
        assert!(has_ip("quiet ip=dhcp") && !has_ip("rip=dhcp ipx=1"));
    }

    proptest! {
        #[test]
        fn no_command_line_panics_or_names_what_is_no_interface(
            line in "((ip|bond|vlan|bridge|ifname|rd.route|nameserver|BOOTIF|network-config)=([a-z0-9\\[\\]:.,/=-]|dhcp|ens3|10.0.0.5){0,20} ?){0,6}"
        ) {
            let mut findings = Findings::default();
            if let Some(Asked::Network(config)) = read(&line, Some(&[]), &mut findings) {
                for link in &config.links {
                    prop_assert!(crate::network::words::is_interface_name(&link.id), "{}", link.id);
                }
            }
        }
    }
}
