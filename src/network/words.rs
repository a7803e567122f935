// SPDX-License-Identifier: Apache-2.0
//! What a name or a number may be, whichever document it stands in: each reader asks here, so that no renderer has to.

use std::ops::RangeInclusive;

use crate::finding::{Finding, Findings, Located};
use crate::network::model::Given;

/// What Linux accepts as an MTU; the loopback has the most.
pub const MTU: RangeInclusive<u32> = 68..=65536;
/// What RFC 8200 asks of every link, in bytes.
pub const IPV6_MTU: u32 = 1280;

/// What [`is_interface_name`] asks for, for a person.
pub const NAME: &str = "at most 15 letters, digits, `_`, `.`, `-`; `lo`, `all` and `default` are taken";

/// Whether the kernel and every manager take it for the name of an interface: at most 15 letters, digits and `_`, `.`,
/// `-`, no number, nothing that a command line takes for an option or a path for a hidden file, and not a word that has a
/// meaning of its own in `/proc/sys/net`.
pub fn is_interface_name(name: &str) -> bool {
    (1..=15).contains(&name.len())
        && name.chars().all(is_of_name)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && name.chars().any(|c| c.is_ascii_alphabetic())
        && !["all", "default"].contains(&name)
}

/// Whether an interface can be made or renamed to that: `lo` is there already.
pub fn is_free_name(name: &str) -> bool {
    is_interface_name(name) && name != "lo"
}

/// Of the name of an interface, of a definition, of a domain, and of what stands behind the colon of a label.
pub fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_.-".contains(c)
}

/// A search domain, without the dot at its end; `None` for what cannot stand in a list of them.
pub fn domain(name: &str) -> Option<&str> {
    let name = name.trim_end_matches('.');
    ((1..=253).contains(&name.len()) && name.chars().all(is_of_name)).then_some(name)
}

/// An MTU of at least `least`; another is reported.
pub fn mtu(mtu: Located<u32>, least: u32, findings: &mut Findings) -> Given<u32> {
    if (least..=*MTU.end()).contains(&mtu) {
        return Some(mtu);
    }
    let message = format!("an MTU of {} is not between {least} and {}; it is left out", *mtu, MTU.end());
    findings.push(Finding::error(&mtu.origin, message));
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_the_kernel_and_every_manager_takes() {
        for name in ["eth0", "bond0.4094", "0a", "br-lan_1", "fifteen-letters", "_x"] {
            assert!(is_free_name(name), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "-x",
            ".x",
            "12",
            "lo",
            "all",
            "sixteen-letters-",
            "a b",
            "a/b",
            "a:1",
            "eth0\n",
            "ens*",
            "é",
            "%d",
        ] {
            assert!(!is_free_name(name), "{name:?}");
        }
    }

    #[test]
    fn a_domain_is_more_than_dots() {
        assert_eq!(domain("example.org."), Some("example.org"));
        assert_eq!([".", "..", "", "a b", "a\nb"].map(domain), [None; 5]);
    }
}
