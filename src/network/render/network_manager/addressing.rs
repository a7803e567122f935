// SPDX-License-Identifier: Apache-2.0
//! The sections `[ipv4]` and `[ipv6]` of a keyfile: addresses, routes, rules, name servers.

use std::fmt::Write as _;
use std::net::IpAddr;

use crate::network::model::{Dhcp6, Link, LinkLocal, NetworkConfig, Overrides, Route, RouteKind, Rule, push_new};
use crate::network::render::network_manager::has;
use crate::network::render::network_manager::keyfile::Keyfile;
use crate::network::render::unsaid::Unsaid;

/// Milliseconds that the boot waits for an address of one family when the other has its own; as long as
/// `NetworkManager` gives it in an initramfs.
const PATIENCE: u16 = 20_000;
/// `NM_SETTING_IP4_LL_ENABLED`.
const LINK_LOCAL: u8 = 3;

/// How the interface gets its IPv4 addresses.
pub(super) fn method4(link: &Link) -> &'static str {
    if link.dhcp4 {
        "auto"
    } else if link.addresses.iter().any(|address| address.address().is_ipv4()) {
        "manual"
    } else if link.link_local.is_some_and(|local| local.ipv4) {
        "link-local"
    } else {
        "disabled"
    }
}

/// How the interface gets its IPv6 addresses.
pub(super) fn method6(link: &Link) -> &'static str {
    let is_static = link.addresses.iter().any(|address| address.address().is_ipv6());
    match (link.dhcp6, link.accept_ra) {
        (Some(Dhcp6::Stateful), Some(false)) => "dhcp",
        (Some(_), _) | (None, Some(true)) => "auto",
        _ if is_static => "manual",
        _ if matches!(link.link_local, Some(LinkLocal { ipv6: false, .. })) => "disabled",
        (None, Some(false)) => "link-local",
        // What a connection has that says nothing of it; it need not succeed, as IPv4 does.
        (None, None) if link.dhcp4 || !link.addresses.is_empty() => "auto",
        // Nothing is asked for: IPv6 is as the kernel has it.
        (None, None) => "ignore",
    }
}

/// Both sections, and what of DHCP's answers is for the guest.
pub(super) fn sections(link: &Link, config: &NetworkConfig, file: &mut Keyfile, unsaid: &mut Unsaid) {
    for address in &link.addresses {
        unsaid.address(address, &address.origin, true);
    }
    family(link, config, true, file, unsaid);
    family(link, config, false, file, unsaid);
    let named = |overrides: &Overrides| overrides.use_hostname.as_ref().is_some_and(|used| !used.value);
    if (link.dhcp4 && named(&link.dhcp4_overrides)) || (link.dhcp6.is_some() && named(&link.dhcp6_overrides)) {
        file.section("hostname");
        file.set("from-dhcp", &0);
    }
}

fn family(link: &Link, config: &NetworkConfig, ipv4: bool, file: &mut Keyfile, unsaid: &mut Unsaid) {
    let method = if ipv4 { method4(link) } else { method6(link) };
    file.section(if ipv4 { "ipv4" } else { "ipv6" });
    file.set("method", &method);
    let both = has(link, config, true) && link.is_automatic(IpAddr::from([0; 16]));
    if both && !link.optional && (link.dhcp4 || !ipv4) {
        // Either may fail, so that a dead server of one family does not cost the other.
        file.set("required-timeout", &PATIENCE);
    }
    let addresses = link.addresses.iter().filter(|address| address.address().is_ipv4() == ipv4);
    file.numbered("address", &addresses.map(|address| address.prefix.to_string()).collect::<Vec<_>>());
    if ipv4 && method != "link-local" && link.link_local.is_some_and(|local| local.ipv4) {
        file.set("link-local", &LINK_LOCAL);
    }
    if matches!(method, "auto" | "dhcp") {
        let overrides = if ipv4 { &link.dhcp4_overrides } else { &link.dhcp6_overrides };
        answer(overrides, link.dhcp_by_mac == Some(true), ipv4, file, unsaid);
    }
    if !ipv4 && method != "ignore" && method != "disabled" {
        // The address that the platform works out from the MAC, and perhaps lets no other pass.
        file.set("addr-gen-mode", &"eui64");
        if let Some(privacy) = link.ipv6_privacy {
            file.set("ip6-privacy", &if privacy { 2 } else { 0 });
        }
        if let Some(mtu) = &link.ipv6_mtu {
            file.set("mtu", &mtu.value);
        }
    }
    let routes = link.routes.iter().filter(|route| route.to.address().is_ipv4() == ipv4);
    for (index, route) in routes.enumerate() {
        if matches!(method, "ignore" | "disabled") {
            unsaid.say(&route.origin, "a route on an interface without addresses of its family");
            continue;
        }
        let key = format!("route{}", index + 1);
        file.set(&key, &destination(route));
        let options = options(link, route);
        if !options.is_empty() {
            file.set(&(key + "_options"), &options.join(","));
        }
    }
    let rules = link.rules.iter().filter(|rule| is_ipv4(rule) == ipv4);
    file.numbered("routing-rule", &rules.map(|at| rule(at)).collect::<Vec<_>>());
    if has(link, config, ipv4) {
        file.list("dns", &servers(link, config, ipv4));
        if ipv4 || !has(link, config, true) {
            file.list("dns-search", &config.dns_of(link).search);
        }
    }
}

/// What of DHCP's answer, or a router's, is used.
fn answer(overrides: &Overrides, by_mac: bool, ipv4: bool, file: &mut Keyfile, unsaid: &mut Unsaid) {
    let says = |given: &Option<crate::finding::Located<bool>>, what: bool| {
        given.as_ref().is_some_and(|given| given.value == what)
    };
    if by_mac {
        let (key, value) = if ipv4 { ("dhcp-client-id", "mac") } else { ("dhcp-duid", "ll") };
        file.set(key, &value);
    }
    if says(&overrides.use_dns, false) {
        file.set("ignore-auto-dns", &true);
    }
    if says(&overrides.use_routes, false) {
        file.set("ignore-auto-routes", &true);
        file.set("never-default", &true);
    }
    if says(&overrides.send_hostname, false) {
        file.set("dhcp-send-hostname", &false);
    }
    if let Some(name) = &overrides.hostname {
        file.set("dhcp-hostname", &name.value);
    }
    if let Some(metric) = &overrides.route_metric {
        file.set("route-metric", &metric.value);
    }
    unsaid.unless(true, &overrides.use_mtu, "DHCP's MTU");
    unsaid.unless(false, &overrides.use_ntp, "DHCP's time servers, which it leaves to others");
    unsaid.domains(overrides);
}

/// The name servers of one family: its own, the guest's, and those of links that have no address of that family; these
/// go to the first that has.
fn servers(link: &Link, config: &NetworkConfig, ipv4: bool) -> Vec<String> {
    let mut servers = config.dns_of(link).servers;
    if config.links.iter().find(|link| has(link, config, ipv4)).is_some_and(|first| first.id == link.id) {
        let others = config.links.iter().filter(|other| !has(other, config, ipv4));
        others.flat_map(|other| &other.dns.servers).for_each(|server| push_new(&mut servers, *server));
    }
    servers.iter().filter(|server| server.is_ipv4() == ipv4).map(ToString::to_string).collect()
}

/// `DESTINATION,GATEWAY,METRIC`, as far as there are.
fn destination(route: &Route) -> String {
    let mut text = route.to.to_string();
    match (route.via, route.metric) {
        (Some(via), _) => text.extend([",", &via.to_string()]),
        (None, Some(_)) => text.push_str(if route.to.address().is_ipv4() { ",0.0.0.0" } else { ",::" }),
        (None, None) => {}
    }
    if let Some(metric) = route.metric {
        text.extend([",", &metric.to_string()]);
    }
    text
}

fn options(link: &Link, route: &Route) -> Vec<String> {
    let mut options = Vec::new();
    let mut option =
        |name: &str, value: Option<String>| options.extend(value.map(|value| [name, "=", &value].concat()));
    option("type", (route.kind != RouteKind::Unicast).then(|| route.kind.name().to_owned()));
    option("table", route.table.map(|table| table.to_string()));
    option("onlink", link.is_on_link(route).then(|| "true".to_owned()));
    option("mtu", route.mtu.map(|mtu| mtu.to_string()));
    option("src", route.from.map(|from| from.to_string()));
    let scope = route.scope.map(|scope| match scope {
        "host" => "254",
        "link" => "253",
        _ => "0",
    });
    option("scope", scope.map(str::to_owned));
    options
}

/// Whether a rule is about IPv4; one without addresses is, as for ip-rule(8).
fn is_ipv4(rule: &Rule) -> bool {
    rule.from.or(rule.to).is_none_or(|prefix| prefix.address().is_ipv4())
}

/// A rule in nm-settings(5)'s words. Without an address it would be of no family.
fn rule(rule: &Rule) -> String {
    let mut text = String::new();
    let mut word = |name: &str, value: Option<&dyn std::fmt::Display>| {
        if let Some(value) = value {
            let _ = write!(text, "{}{name} {value}", if text.is_empty() { "" } else { " " });
        }
    };
    word("priority", rule.priority.as_ref().map(|priority| priority as _));
    match (&rule.from, &rule.to) {
        (None, None) => word("from", Some(&"0.0.0.0/0")),
        (from, to) => {
            word("from", from.as_ref().map(|from| from as _));
            word("to", to.as_ref().map(|to| to as _));
        }
    }
    word("fwmark", rule.mark.as_ref().map(|mark| mark as _));
    word("tos", rule.tos.as_ref().map(|tos| tos as _));
    word("table", Some(&rule.table.unwrap_or(MAIN)));
    text
}

/// The main routing table.
const MAIN: u32 = 254;
