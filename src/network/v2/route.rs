// SPDX-License-Identifier: Apache-2.0
//! Routes, and the rules of `routing-policy`.

use std::net::IpAddr;

use crate::config::document::Node;
use crate::finding::{Finding, Findings, Located};
use crate::network::model::{Route, RouteKind, Rule};
use crate::network::prefix::Prefix;
use crate::network::v2::alone::extra;
use crate::network::v2::value::{entries, flag, mapping, number, parsed, text, unknown, word};
use crate::network::words;

const ROUTE: &[&str] = &["to", "via", "from", "on-link", "metric", "type", "scope", "table", "mtu"];
/// Of a route, what only netplan has a word for.
const ROUTE_EXTRA: &[&str] = &["congestion-window", "advertised-receive-window", "advmss"];
/// Types of routes that netplan hands through to networkd.
const KIND_EXTRA: &[&str] = &["anycast", "broadcast", "multicast", "nat", "xresolve"];
const SCOPES: &[&str] = &["global", "link", "host"];
const RULE: &[&str] = &["from", "to", "table", "priority", "mark", "type-of-service"];

/// One route; `None` where it could come to lead elsewhere than its author meant.
pub(super) fn route(node: &Node, findings: &mut Findings) -> Option<Located<Route>> {
    let mut to = None;
    let mut route = Route::direct(Prefix::default_of(IpAddr::from([0, 0, 0, 0])));
    for (name, key, value) in entries(mapping(node, findings)?, findings) {
        match name {
            "to" => to = Some(text(value, findings)?),
            "via" => route.via = Some(*parsed::<IpAddr>(value, findings)?),
            "from" => route.from = Some(parsed::<Prefix>(value, findings)?.address()),
            "table" => route.table = Some(*number(value, 1, u32::MAX, findings)?),
            "type" => {
                let kind = value.text().unwrap_or_default().to_ascii_lowercase();
                match RouteKind::ALL.into_iter().find(|known| known.name() == kind) {
                    Some(kind) => route.kind = kind,
                    None if KIND_EXTRA.contains(&kind.as_str()) => {
                        route.extra.extend(extra(name, key, value, findings))
                    }
                    None => {
                        word(value, &RouteKind::ALL.map(RouteKind::name), findings)?;
                    }
                }
            }
            "on-link" => route.on_link = flag(value, findings).map(|flag| *flag),
            "metric" => route.metric = number(value, 0, u32::MAX, findings).map(|metric| *metric),
            "mtu" => route.mtu = number(value, 1, u32::MAX, findings).map(|mtu| *mtu),
            "scope" => route.scope = word(value, SCOPES, findings),
            _ if ROUTE_EXTRA.contains(&name) => route.extra.extend(extra(name, key, value, findings)),
            _ => unknown(key, &[ROUTE, ROUTE_EXTRA], findings),
        }
    }
    let Some(to) = to else {
        findings.push(Finding::error(&node.origin, "a route without a `to`; it is left out"));
        return None;
    };
    route.to = destination(&to, &route, findings)?;
    let families = [route.via, route.from];
    if !families.into_iter().flatten().all(|address| words::goes_by(route.to, address, &to.origin, findings)) {
        return None;
    }
    if route.via.is_some() && route.kind != RouteKind::Unicast {
        let message = format!("a route of type `{}` goes nowhere; its gateway is left out", route.kind.name());
        findings.push(Finding::warning(&to.origin, message));
        route.via = None;
    }
    Some(Located::new(route, node.origin.clone()))
}

fn destination(to: &Located<String>, route: &Route, findings: &mut Findings) -> Option<Prefix> {
    let relative = route.via.or(route.from).unwrap_or(route.to.address());
    match (to.trim(), to.trim().parse::<Prefix>()) {
        ("default", _) => Some(Prefix::default_of(relative)),
        // Without a length it cannot be meant as one address.
        (written, Ok(to)) if !written.contains('/') && to.address().is_unspecified() => {
            Some(Prefix::default_of(to.address()))
        }
        (_, Ok(to)) => Some(to.network()),
        (written, Err(error)) => {
            findings.push(Finding::error(&to.origin, format!("the route to `{written}` is left out: {error}")));
            None
        }
    }
}

/// One rule; `None` where it could come to mean other packets than its author meant.
pub(super) fn rule(node: &Node, findings: &mut Findings) -> Option<Located<Rule>> {
    let mut rule = Rule::default();
    for (name, key, value) in entries(mapping(node, findings)?, findings) {
        match name {
            "from" => rule.from = Some(parsed::<Prefix>(value, findings)?.network()),
            "to" => rule.to = Some(parsed::<Prefix>(value, findings)?.network()),
            "table" => rule.table = Some(*number(value, 1, u32::MAX, findings)?),
            "priority" => rule.priority = Some(*number(value, 0, u32::MAX, findings)?),
            "mark" => rule.mark = Some(*number(value, 0, u32::MAX, findings)?),
            "type-of-service" => rule.tos = u8::try_from(*number(value, 0, 255, findings)?).ok(),
            _ => unknown(key, &[RULE], findings),
        }
    }
    let families = [rule.from, rule.to].into_iter().flatten().map(|prefix| prefix.address().is_ipv4());
    let problem = match Vec::from_iter(families).as_slice() {
        [] if rule.mark.is_none() && rule.tos.is_none() => "a rule that names no packets: it needs `from` or `to`",
        [from, to] if from != to => "`from` and `to` of a rule are of different families",
        _ => return Some(Located::new(rule, node.origin.clone())),
    };
    findings.push(Finding::error(&node.origin, format!("{problem}; it is left out")));
    None
}
