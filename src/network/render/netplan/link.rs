// SPDX-License-Identifier: Apache-2.0
//! The keys of one link.

use std::collections::BTreeMap;

use serde_yaml::Value;

use crate::finding::{Finding, Findings, Located};
use crate::guest::Nic;
use crate::network::model::{
    Activation, Address, Extra, Given, Kind, Link, Match, NetworkConfig, Overrides, Physical, Route, RouteKind, Rule,
};
use crate::network::prefix::Mac;
use crate::network::render::netplan::parameters::parameters;
use crate::network::render::netplan::the_nic;
use crate::network::render::netplan::yaml::{Keys, quoted, text, texts};
use crate::network::render::{Renderer, inexpressible};

/// All that is said of `link`; other links are called by `ids`.
pub(super) fn keys(
    config: &NetworkConfig,
    link: &Link,
    nics: Option<&[Nic]>,
    ids: &BTreeMap<&str, String>,
    findings: &mut Findings,
) -> Keys {
    let mut keys = Keys::default();
    let nic = the_nic(link, nics);
    kind(&mut keys, link, nic, ids, findings);
    if let Kind::Vrf { table, .. } = link.kind {
        vrf(&mut keys, link, table, findings);
        return keys;
    }
    keys.some("macaddress", link.mac.as_ref().map(mac_address));
    // SLAAC too: with `dhcp6: false` netplan turns IPv6 off where NetworkManager is its back end, and networkd asks
    // a DHCP server only where the router says so.
    let dhcp6 = link.dhcp6.is_some() || link.accept_ra == Some(true);
    keys.set("dhcp4", link.dhcp4);
    keys.set("dhcp6", dhcp6);
    dhcp(&mut keys, config, link, dhcp6, findings);
    keys.some("accept-ra", link.accept_ra);
    keys.some("ipv6-privacy", link.ipv6_privacy);
    if let Some(which) = link.link_local {
        keys.set(
            "link-local",
            texts([which.ipv4.then_some("ipv4"), which.ipv6.then_some("ipv6")].into_iter().flatten()),
        );
    }
    keys.some("mtu", number(&link.mtu));
    keys.some("ipv6-mtu", number(&link.ipv6_mtu));
    keys.filled("addresses", link.addresses.iter().map(|at| address(at)).collect::<Vec<Value>>());
    routing(&mut keys, link, None, findings);
    let dns = config.dns_of(link);
    let mut nameservers = Keys::default();
    let servers: Vec<String> = dns.servers.iter().map(ToString::to_string).collect();
    nameservers.filled("addresses", texts(servers.iter().map(String::as_str)));
    nameservers.filled("search", texts(dns.search.iter().map(String::as_str)));
    keys.filled("nameservers", nameservers);
    let is_absent = link.physical().is_some() && nics.is_some_and(|nics| link.sought(nics).is_some());
    let is_idle = !link.is_configured() && link.link_local.is_none() && link.kind != Kind::Loopback;
    if link.optional || is_absent || is_idle || link.activation == Activation::Hotplug {
        keys.set("optional", true);
    }
    match link.activation {
        Activation::Auto | Activation::Hotplug => {}
        Activation::Manual => keys.text("activation-mode", "manual"),
        Activation::Off => keys.text("activation-mode", "off"),
    }
    extras(&mut keys, &link.extra);
    keys
}

/// For a VRF many netplans know routes and rules alone, and refuse a document that says more of it.
fn vrf(keys: &mut Keys, link: &Link, table: u32, findings: &mut Findings) {
    routing(keys, link, Some(table), findings);
    extras(keys, &link.extra);
    let bare = Link {
        routes: link.routes.clone(),
        rules: link.rules.clone(),
        extra: link.extra.clone(),
        ..Link::new(link.id.clone(), link.kind.clone(), link.origin.clone())
    };
    if bare != *link {
        let what = format!("anything but members, routes and rules of the VRF `{}`", link.id);
        findings.push(inexpressible(Renderer::Netplan, &link.origin, &what));
    }
}

fn extras(keys: &mut Keys, extras: &[Located<Extra>]) {
    extras.iter().for_each(|extra| keys.merge(&extra.key, &extra.value.value));
}

fn routing(keys: &mut Keys, link: &Link, vrf: Option<u32>, findings: &mut Findings) {
    let routes = link.routes.iter().filter_map(|at| route(link, at, vrf, findings));
    keys.filled("routes", routes.map(Value::from).collect::<Vec<Value>>());
    let rules = link.rules.iter().filter_map(|at| rule(at, vrf, findings));
    keys.filled("routing-policy", rules.map(Value::from).collect::<Vec<Value>>());
}

fn kind(keys: &mut Keys, link: &Link, nic: Option<&Nic>, ids: &BTreeMap<&str, String>, findings: &mut Findings) {
    let called = |id: &Located<String>| ids.get(id.as_str()).map_or(id.value.clone(), String::clone);
    let named = |members: &[Located<String>]| {
        let names: Vec<String> = members.iter().map(called).collect();
        texts(names.iter().map(String::as_str))
    };
    match &link.kind {
        Kind::Physical(physical) => hardware(keys, link, physical, nic),
        Kind::Bond { members, settings } | Kind::Bridge { members, settings } => {
            keys.set("interfaces", named(members));
            keys.filled("parameters", parameters(settings, ids, findings));
        }
        Kind::Vlan { id, parent } => {
            keys.set("id", u32::from(*id));
            keys.text("link", &called(parent));
        }
        Kind::Vrf { table, members } => {
            keys.set("table", *table);
            keys.set("interfaces", named(members));
        }
        Kind::Dummy | Kind::Loopback => {}
    }
}

fn hardware(keys: &mut Keys, link: &Link, physical: &Physical, nic: Option<&Nic>) {
    let Match { mac, drivers, name } = &physical.by;
    let mut matched = Keys::default();
    matched.some("macaddress", mac.as_ref().map(mac_address));
    match drivers.as_slice() {
        [] => {}
        // Before 0.104 there was but one.
        [driver] => matched.text("driver", driver),
        drivers => matched.set("driver", texts(drivers.iter().map(|driver| driver.as_str()))),
    }
    matched.some("name", name.as_ref().map(|name| text(name)));
    keys.filled("match", matched);
    // For these netplan writes a `.link` file that leaves no room for udev's own name: from the second boot on the
    // interface would be `eth0` again. So it keeps the name that it has.
    let has_file = link.mtu.is_some()
        || physical.wake_on_lan.is_some()
        || link.extra.iter().any(|extra| extra.key.ends_with("-offload"));
    let kept = nic.filter(|_| has_file && (mac.is_some() || name.is_some())).map(|nic| nic.name.as_str());
    keys.some("set-name", physical.set_name.as_ref().map(|name| name.as_str()).or(kept).map(text));
    keys.some("wakeonlan", physical.wake_on_lan);
}

/// In quotes: many a one is a number to base 60 in YAML 1.1, and they shall look alike.
fn mac_address(mac: &Located<Mac>) -> Value {
    quoted(&mac.to_string())
}

fn number(number: &Given<u32>) -> Option<u32> {
    number.as_ref().map(|number| number.value)
}

fn address(address: &Address) -> Value {
    let mut settings = Keys::default();
    settings.some("label", address.label.as_deref().map(text));
    settings.some("lifetime", address.deprecated.then_some(0));
    let prefix = address.prefix.to_string();
    if settings.0.is_empty() {
        return text(&prefix);
    }
    let mut keys = Keys::default();
    keys.set(&prefix, settings);
    keys.into()
}

fn route(link: &Link, route: &Located<Route>, vrf: Option<u32>, findings: &mut Findings) -> Option<Keys> {
    if vrf.is_some() && route.table.is_some() && route.table != vrf {
        findings.push(inexpressible(Renderer::Netplan, &route.origin, "a route of a VRF in another table"));
        return None;
    }
    let mut keys = Keys::default();
    // Older netplans do not know the word `default`.
    keys.text("to", &route.to.to_string());
    keys.some("via", route.via.map(|via| text(&via.to_string())));
    keys.some("from", route.from.map(|from| text(&from.to_string())));
    keys.some("metric", route.metric);
    keys.some("table", route.table.filter(|_| vrf.is_none()));
    keys.some("mtu", route.mtu);
    match (link.is_on_link(route), route.on_link) {
        (true, _) => keys.set("on-link", true),
        (false, Some(false)) => keys.set("on-link", false),
        _ => {}
    }
    if route.kind != RouteKind::Unicast {
        keys.text("type", route.kind.name());
    }
    let is_refused = route.scope == Some("global") && route.via.is_none() && route.kind == RouteKind::Unicast;
    if is_refused {
        findings.push(inexpressible(Renderer::Netplan, &route.origin, "the global scope of a route without a gateway"));
    }
    keys.some("scope", route.scope.filter(|_| !is_refused).map(text));
    extras(&mut keys, &route.extra);
    Some(keys)
}

fn rule(rule: &Located<Rule>, vrf: Option<u32>, findings: &mut Findings) -> Option<Keys> {
    if rule.from.is_none() && rule.to.is_none() {
        findings.push(inexpressible(Renderer::Netplan, &rule.origin, "a rule without `from` and `to`"));
        return None;
    }
    if vrf.is_some() && rule.table.is_some() && rule.table != vrf {
        findings.push(inexpressible(Renderer::Netplan, &rule.origin, "a rule of a VRF for another table"));
        return None;
    }
    let mut keys = Keys::default();
    keys.some("from", rule.from.map(|from| text(&from.to_string())));
    keys.some("to", rule.to.map(|to| text(&to.to_string())));
    keys.some("table", rule.table.filter(|_| vrf.is_none()));
    keys.some("priority", rule.priority);
    keys.some("mark", rule.mark);
    keys.some("type-of-service", rule.tos.map(u32::from));
    Some(keys)
}

/// How DHCP is asked, and what of its answers is used.
fn dhcp(keys: &mut Keys, config: &NetworkConfig, link: &Link, dhcp6: bool, findings: &mut Findings) {
    keys.some("dhcp-identifier", link.dhcp_by_mac.map(|by_mac| text(if by_mac { "mac" } else { "duid" })));
    let is_network_manager = |extra: &Extra| extra.key == "renderer" && extra.value == "NetworkManager";
    let (mut four, mut six) = (&link.dhcp4_overrides, &link.dhcp6_overrides);
    let is_strict = !config.extra.iter().chain(&link.extra).any(|extra| is_network_manager(extra));
    if link.dhcp4 && dhcp6 && is_strict && overrides(four).0 != overrides(six).0 {
        let (counts, family) = if *four == Overrides::default() { (six, "DHCPv6") } else { (four, "DHCPv4") };
        if link.dhcp6.is_some() {
            let message =
                format!("netplan takes no other overrides for DHCPv4 than for DHCPv6; those of {family} count");
            findings.push(Finding::warning(&link.origin, message));
        }
        (four, six) = (counts, counts);
    }
    keys.filled("dhcp4-overrides", overrides(four));
    keys.filled("dhcp6-overrides", overrides(six));
}

fn overrides(overrides: &Overrides) -> Keys {
    let mut keys = Keys::default();
    for (key, flag) in [
        ("use-dns", &overrides.use_dns),
        ("use-ntp", &overrides.use_ntp),
        ("use-hostname", &overrides.use_hostname),
        ("use-mtu", &overrides.use_mtu),
        ("use-routes", &overrides.use_routes),
        ("send-hostname", &overrides.send_hostname),
    ] {
        keys.some(key, flag.as_ref().map(|flag| flag.value));
    }
    keys.some(
        "use-domains",
        overrides.use_domains.as_ref().map(|word| match word.as_str() {
            "route" => text("route"),
            word => Value::Bool(word == "true"),
        }),
    );
    keys.some("hostname", overrides.hostname.as_ref().map(|name| text(name)));
    keys.some("route-metric", number(&overrides.route_metric));
    keys
}
