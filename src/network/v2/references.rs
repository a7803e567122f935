// SPDX-License-Identifier: Apache-2.0
//! What links are made of other links: each reference leads to a link, none goes round in a circle, and nobody has two
//! masters.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::finding::{Finding, Findings, Located};
use crate::network::model::options::{Form, Setting};
use crate::network::model::{Extra, Kind, Link};

/// What a reference can lead to.
pub(super) struct Names {
    /// Definitions that the model has no word for (tunnels, wifis, …).
    pub elsewhere: BTreeSet<String>,
    /// Definitions that had to be left out.
    pub left_out: BTreeSet<String>,
}

/// The links whose references lead somewhere, in the same order. A member that does not costs only itself; a VLAN without
/// its parent is left out, and one whose parent netplan alone knows is given back beside them.
pub(super) fn resolve(links: Vec<Link>, mut names: Names, findings: &mut Findings) -> (Vec<Link>, Vec<Link>) {
    let mut order: Vec<String> = links.iter().map(|link| link.id.clone()).collect();
    let mut waiting: BTreeMap<String, Link> = links.into_iter().map(|link| (link.id.clone(), link)).collect();
    let mut done: BTreeMap<String, Link> = BTreeMap::new();
    let mut masters: BTreeMap<String, String> = BTreeMap::new();
    while !waiting.is_empty() {
        let rests = |link: &Link| link.members().iter().all(|member| !waiting.contains_key(&member.value));
        let mut next: Vec<String> = order.iter().filter(|id| waiting.get(*id).is_some_and(rests)).cloned().collect();
        if next.is_empty() {
            // A circle, or what stands on one: it is opened where that leaves most of it.
            let open = |link: &Link| !matches!(link.kind, Kind::Vlan { .. });
            let first = order.iter().find(|id| waiting.get(*id).is_some_and(open));
            next.extend(first.or_else(|| order.iter().find(|id| waiting.contains_key(*id))).cloned());
        }
        for id in next {
            let Some(mut link) = waiting.remove(&id) else { continue };
            let cost = match link.kind {
                Kind::Vlan { .. } => format!("`{id}` is left out"),
                _ => format!("it is left out of `{id}`"),
            };
            let mut known = |member: &Located<String>| {
                let problem = if done.contains_key(&member.value) {
                    return true;
                } else if member.value == id {
                    format!("`{id}` cannot be made of itself")
                } else if waiting.contains_key(&member.value) {
                    format!("`{}` is made of `{id}` itself, or of what goes round in a circle", **member)
                } else if names.left_out.contains(&member.value) {
                    format!("`{}` is left out", **member)
                } else {
                    format!("no link `{}` is defined here", **member)
                };
                findings.push(Finding::error(&member.origin, format!("{problem}; {cost}")));
                false
            };
            let mut outside = Vec::new();
            let is_whole = match &mut link.kind {
                Kind::Bond { members, .. } | Kind::Bridge { members, .. } | Kind::Vrf { members, .. } => {
                    outside.extend(members.extract_if(.., |member| names.elsewhere.contains(&member.value)));
                    members.retain(&mut known);
                    true
                }
                Kind::Vlan { parent, .. } => names.elsewhere.contains(&parent.value) || known(parent),
                Kind::Physical(_) | Kind::Dummy | Kind::Loopback => true,
            };
            if !is_whole {
                names.left_out.insert(id);
                continue;
            }
            only_master(&mut link, &mut masters, findings);
            settings_of_members(&mut link, &outside, findings);
            link.extra.extend(outside.into_iter().map(|member| {
                Located::new(Extra { key: "interfaces".to_owned(), value: json!([member.value]) }, member.origin)
            }));
            done.insert(id, link);
        }
    }
    order.retain(|id| done.contains_key(id));
    let links = order.iter().filter_map(|id| done.remove(id));
    links.partition(|link| !matches!(&link.kind, Kind::Vlan { parent, .. } if names.elsewhere.contains(&parent.value)))
}

/// Takes away members that another bond, bridge or VRF has already; the kernel would move them, netplan refuses.
fn only_master(link: &mut Link, masters: &mut BTreeMap<String, String>, findings: &mut Findings) {
    let (Kind::Bond { members, .. } | Kind::Bridge { members, .. } | Kind::Vrf { members, .. }) = &mut link.kind else {
        return;
    };
    members.retain(|member| {
        let master = masters.entry(member.value.clone()).or_insert_with(|| link.id.clone());
        let is_first = *master == link.id;
        if !is_first {
            let message = format!("`{}` is a part of `{master}` already; it is left out of `{}`", **member, link.id);
            findings.push(Finding::error(&member.origin, message));
        }
        is_first
    });
}

/// Takes away what is set for members that are none.
fn settings_of_members(link: &mut Link, outside: &[Located<String>], findings: &mut Findings) {
    let (Kind::Bond { members, settings } | Kind::Bridge { members, settings }) = &mut link.kind else { return };
    settings.retain(|setting| {
        let Setting { option, value, member } = &setting.value;
        let named = member.as_ref().or(Some(value).filter(|_| option.form == Form::Member));
        let Some(named) = named else { return true };
        let is_member = members.iter().chain(outside).any(|member| member.value == *named);
        if !is_member {
            let message = format!("`{named}` is no member of `{}`; what is set for it is left out", link.id);
            findings.push(Finding::error(&setting.origin, message));
        }
        is_member
    });
}
