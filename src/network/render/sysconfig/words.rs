// SPDX-License-Identifier: Apache-2.0
//! Routes, rules and the options of bonds in the words of ip-route(8), ip-rule(8) and the kernel.

use crate::finding::Located;
use crate::guest::Nic;
use crate::network::model::options::{Form, Setting};
use crate::network::model::{Link, NetworkConfig, Route, Rule};
use crate::network::render::interface_named;
use crate::network::render::unsaid::Unsaid;

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

/// A rule; without a priority it stands before those that are there.
pub(in crate::network::render) fn rule(rule: &Rule) -> String {
    let mut text = match rule.from {
        Some(from) => ["from ", &from.to_string()].concat(),
        None => "from all".to_owned(),
    };
    if let Some(to) = rule.to {
        text.extend([" to ", &to.to_string()]);
    }
    let tos = rule.tos.map(u32::from);
    for (word, number) in [("fwmark", rule.mark), ("tos", tos), ("table", rule.table), ("priority", rule.priority)] {
        if let Some(number) = number {
            text.extend([" ", word, " ", &number.to_string()]);
        }
    }
    if rule.table.is_none() {
        text.push_str(" table main");
    }
    text
}

/// The options of a bond, `mode=802.3ad miimon=100`: the mode first, as the kernel refuses others without it.
pub(in crate::network::render) fn bond_options(
    settings: &[Located<Setting>],
    config: &NetworkConfig,
    nics: Option<&[Nic]>,
    unsaid: &mut Unsaid,
) -> String {
    let mut options = Vec::new();
    for setting in settings {
        let name = match setting.option.form {
            Form::Member => interface_named(&setting.value.value, config, nics),
            _ => Some(setting.value.value.clone()),
        };
        let kernel = setting.option.kernel;
        match name {
            Some(value) if kernel == "mode" => options.insert(0, [kernel, "=", &value].concat()),
            Some(value) => options.push([kernel, "=", &value].concat()),
            None => unsaid.say(&setting.origin, "a part of the bond whose name is not known"),
        }
    }
    options.join(" ")
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
