// SPDX-License-Identifier: Apache-2.0
//! Where nobody says anything of the network: DHCP on the interface that most likely leads somewhere.

use crate::finding::{Located, Origin};
use crate::guest::Nic;
use crate::network::model::{Kind, Link, Match, NetworkConfig};

/// DHCP on the best of the interfaces; `None` where there is none.
///
/// IPv4 by DHCP, IPv6 as the router says: by its announcements, and by DHCPv6 where these ask for it. (cloud-init asks
/// for DHCPv6 outright, for which ifupdown would wait in every network without.) The boot waits for it, as for any
/// network that somebody asked for: what needs the network at all finds it there. It keeps its name.
pub fn network(nics: &[Nic], origin: &Origin) -> Option<NetworkConfig> {
    let nic = best(nics)?;
    let mut link = Link::new(nic.name.clone(), Kind::Physical(meaning(nic, origin).into()), origin.clone());
    link.dhcp4 = true;
    link.accept_ra = Some(true);
    let mut config = NetworkConfig::new(origin.clone());
    config.links.push(link);
    Some(config)
}

/// By its MAC, which stays while names change; by its name where others have the same MAC.
pub fn meaning(nic: &Nic, origin: &Origin) -> Match {
    match nic.mac.parse() {
        Ok(mac) if !nic.has_twin => Match::mac(Located::new(mac, origin.clone())),
        _ => Match::named(Located::new(nic.name.clone(), origin.clone())),
    }
}

/// The interface to try first.
pub fn best(nics: &[Nic]) -> Option<&Nic> {
    candidates(nics).into_iter().next()
}

/// The interfaces that may lead somewhere: those with a carrier, then those that may have it once they are up; among those
/// `eth0`, then by name, `ens3` before `ens10`. The same order as cloud-init's.
pub fn candidates(nics: &[Nic]) -> Vec<&Nic> {
    let mut candidates: Vec<&Nic> =
        nics.iter().filter(|nic| !nic.name.starts_with("veth") && may_lead_somewhere(nic)).collect();
    candidates.sort_by_cached_key(|nic| (nic.carrier != Some(true), nic.name != "eth0", natural(&nic.name)));
    candidates
}

fn may_lead_somewhere(nic: &Nic) -> bool {
    nic.carrier == Some(true)
        || matches!(nic.operstate.as_str(), "" | "dormant" | "down" | "lowerlayerdown" | "unknown")
}

/// The name with its numbers filled up with zeros, so that they sort as numbers.
fn natural(name: &str) -> String {
    let mut key = String::new();
    let mut rest = name;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number) = rest.split_at(start);
        let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
        let (number, after) = number.split_at(end);
        key.push_str(before);
        key.push_str(&format!("{number:0>16}"));
        rest = after;
    }
    key + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nic(name: &str, carrier: Option<bool>, operstate: &str) -> Nic {
        let mac = format!("52:54:00:00:00:{:02x}", name.len());
        Nic { name: name.into(), mac, carrier, operstate: operstate.into(), ..Nic::default() }
    }

    fn chosen(nics: &[Nic]) -> Option<&str> {
        best(nics).map(|nic| nic.name.as_str())
    }

    #[test]
    fn the_best_interface_has_a_carrier_or_may_get_one() {
        let (down, up) = (nic("ens3", None, "down"), nic("ens10", Some(true), "up"));
        assert_eq!(chosen(&[down.clone(), up.clone()]), Some("ens10"));
        assert_eq!(chosen(&[nic("ens4", Some(true), "up"), up.clone()]), Some("ens4"), "numbers sort as numbers");
        assert_eq!(chosen(&[nic("ens4", Some(true), "up"), nic("eth0", Some(true), "up")]), Some("eth0"));
        assert_eq!(
            chosen(&[down, nic("eth0", Some(false), "down"), up]),
            Some("ens10"),
            "a carrier goes before a name"
        );
        assert_eq!(chosen(&[nic("veth0", Some(true), "up"), nic("ens3", None, "notpresent")]), None);
    }

    #[test]
    fn it_is_matched_by_its_mac_unless_a_twin_has_the_same() {
        let origin = Origin::document("fallback");
        let by = |nic: Nic| network(&[nic], &origin).unwrap().links.remove(0).physical().unwrap().by.clone();
        assert!(by(nic("ens3", None, "down")).name.is_none());
        let twin = by(Nic { has_twin: true, ..nic("ens3", None, "down") });
        assert_eq!((twin.mac, twin.name.unwrap().value.as_str()), (None, "ens3"));
        assert_eq!(network(&[], &origin), None);
    }
}
