// SPDX-License-Identifier: Apache-2.0
//! Routes, rules and the options of bonds in the words of ip-route(8), ip-rule(8) and the kernel.

use crate::finding::Located;
use crate::guest::Nic;
use crate::network::model::options::Setting;
use crate::network::model::{Link, NetworkConfig, Route, Rule};
use crate::network::render::bond;
use crate::network::render::unsaid::Unsaid;

/// The main routing table.
pub(in crate::network::render) const MAIN: u32 = 254;

/// What is said of a route behind its destination, gateway and interface.
pub(in crate::network::render) fn route_options(link: &Link, route: &Route) -> String {
    let mut text = String::new();
    if link.is_on_link(route) {
        text.push_str(" onlink");
    }
    for (word, number) in [("metric", route.metric), ("table", route.table), ("mtu", route.mtu)] {
        if let Some(number) = number {
            text.extend([" ", word, " ", &number.to_string()]);
        }
    }
    if let Some(from) = route.from {
        text.extend([" src ", &from.to_string()]);
    }
    if let Some(scope) = route.scope {
        text.extend([" scope ", scope]);
    }
    text
}

/// Whether a rule is about IPv4; one without addresses is, as for ip-rule(8).
pub(in crate::network::render) fn is_ipv4(rule: &Rule) -> bool {
    rule.from.or(rule.to).is_none_or(|prefix| prefix.address().is_ipv4())
}

/// A rule in ip-rule(8)'s words; without a priority it stands before those that are there.
pub(in crate::network::render) fn rule(rule: &Rule) -> String {
    // One without addresses would be of no family.
    let everybody = rule.to.is_none().then(|| "0.0.0.0/0".to_owned());
    let from = rule.from.map(|from| from.to_string()).or(everybody);
    let mut text = from.map_or_else(String::new, |from| ["from ", &from].concat());
    if let Some(to) = rule.to {
        text.extend([if text.is_empty() { "to " } else { " to " }, &to.to_string()]);
    }
    if let Some(tos) = rule.tos {
        // ip-rule(8) takes it for hexadecimal in any case.
        text.push_str(&format!(" tos 0x{tos:02x}"));
    }
    let table = rule.table.unwrap_or(MAIN);
    for (word, number) in [("fwmark", rule.mark), ("table", Some(table)), ("priority", rule.priority)] {
        if let Some(number) = number {
            text.extend([" ", word, " ", &number.to_string()]);
        }
    }
    text
}

/// The options of a bond: `mode=802.3ad miimon=100`.
pub(in crate::network::render) fn bond_options(
    settings: &[Located<Setting>],
    config: &NetworkConfig,
    nics: Option<&[Nic]>,
    unsaid: &mut Unsaid,
) -> Vec<String> {
    let options = bond::options(settings, config, nics, unsaid);
    options.iter().map(|(option, value)| [option, "=", value].concat()).collect()
}

/// The link that `link` is a part of: a bond or a bridge.
pub(in crate::network::render) fn controller<'a>(link: &Link, config: &'a NetworkConfig) -> Option<&'a Link> {
    use crate::network::model::Kind::{Bond, Bridge};
    let has = |other: &&Link| {
        let switch = matches!(other.kind, Bond { .. } | Bridge { .. });
        switch && other.members().iter().any(|member| member.value == link.id)
    };
    config.links.iter().find(has)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_has_a_family_a_table_and_its_type_of_service_in_hexadecimal() {
        let to = Some("10.8.0.0/16".parse().unwrap());
        assert_eq!(rule(&Rule { to, tos: Some(16), ..Rule::default() }), "to 10.8.0.0/16 tos 0x10 table 254");
        let marked = Rule { mark: Some(7), table: Some(5), priority: Some(9), ..Rule::default() };
        assert_eq!(rule(&marked), "from 0.0.0.0/0 fwmark 7 table 5 priority 9");
        assert!(is_ipv4(&marked) && !is_ipv4(&Rule { from: Some("::/0".parse().unwrap()), ..Rule::default() }));
    }
}
