// SPDX-License-Identifier: Apache-2.0
//! What a name or a number may be, whichever document it stands in: each reader asks here, so that no renderer has to.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use crate::finding::{Finding, Findings, Located, Origin};
use crate::network::model::Given;
use crate::network::prefix::{Prefix, mask_length};

/// What Linux accepts as an MTU; the loopback has the most.
pub const MTU: RangeInclusive<u32> = 68..=65536;
/// What IEEE 802.1Q leaves for the tags of VLANs.
pub const VLAN: RangeInclusive<u16> = 1..=4094;
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
    if (least..=*MTU.end()).contains(&*mtu) {
        return Some(mtu);
    }
    let message = format!("an MTU of {} is not between {least} and {}; it is left out", *mtu, MTU.end());
    findings.push(Finding::error(&mtu.origin, message));
    None
}

/// The tag of a VLAN; another number is reported.
pub fn vlan_tag(tag: &Located<u32>, findings: &mut Findings) -> Option<u16> {
    let fits = u16::try_from(tag.value).ok().filter(|tag| VLAN.contains(tag));
    if fits.is_none() {
        let message = format!("a VLAN's tag of {} is not between 1 and 4094; the VLAN is left out", tag.value);
        findings.push(Finding::error(&tag.origin, message));
    }
    fits
}

/// Whether a route to `to`, or from there, can go by `via`; one by a gateway of another family is reported.
pub fn goes_by(to: Prefix, via: IpAddr, origin: &Origin, findings: &mut Findings) -> bool {
    let same = to.same_family(via);
    if !same {
        let message = format!("{via} is of another family than {to}; the route is left out");
        findings.push(Finding::error(origin, message));
    }
    same
}

/// The network that an address without a length is taken to be in: one address alone would reach no gateway.
pub fn assumed(address: IpAddr, origin: &Origin, findings: &mut Findings) -> Option<Prefix> {
    let length = if address.is_ipv4() { 24 } else { 64 };
    findings.push(Finding::warning(origin, format!("{address} has no `netmask`; /{length} is assumed")));
    Prefix::new(address, length)
}

/// The network of an address whose mask stands beside it; a mask that is none is reported.
pub fn masked(address: IpAddr, mask: &Located<String>, findings: &mut Findings) -> Option<Prefix> {
    let masked = mask_length(mask.trim(), address).and_then(|length| Prefix::new(address, length));
    if masked.is_none() {
        let message = format!("`{}` is not a netmask for {address}, which is left out", **mask);
        findings.push(Finding::error(&mask.origin, message));
    }
    masked
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
