// SPDX-License-Identifier: Apache-2.0
//! `.network` files (systemd.network(5)): what is configured on an interface, and what it is a part of.

use crate::guest::Nic;
use crate::network::model::{
    Activation, Address, Dhcp6, Given, Kind, Link, NetworkConfig, Overrides, Route, RouteKind, Rule,
};
use crate::network::render::networkd::netdev::is_for_a_member;
use crate::network::render::networkd::unit::Unit;
use crate::network::render::networkd::{masters, matching};

/// The file of a link.
pub fn of(link: &Link, config: &NetworkConfig, nics: Option<&[Nic]>) -> Unit {
    let mut unit = Unit::new();
    matching(&mut unit, link, config, nics);
    device(&mut unit, link, config);
    addressing(&mut unit, link, config);
    link.addresses.iter().filter(|address| !is_plain(address)).for_each(|one| address(&mut unit, one));
    link.routes.iter().for_each(|one| route(&mut unit, link, one));
    link.rules.iter().for_each(|one| rule(&mut unit, one));
    dhcp(&mut unit, link);
    ports(&mut unit, link, config);
    unit
}

/// Whether it is a part of a bond or a bridge, which has the addresses in its place.
fn is_port(link: &Link, config: &NetworkConfig) -> bool {
    masters(link, config).any(|master| matches!(master.kind, Kind::Bond { .. } | Kind::Bridge { .. }))
}

/// Whether the boot waits for it.
pub fn is_required(link: &Link, config: &NetworkConfig) -> bool {
    let at_boot = matches!(link.activation, Activation::Auto | Activation::Hotplug) && !link.optional;
    at_boot && link.is_configured() && !is_port(link, config) && link.kind != Kind::Loopback
}

fn device(unit: &mut Unit, link: &Link, config: &NetworkConfig) {
    unit.section("Link");
    if link.physical().is_some() {
        unit.given("MACAddress", link.mac.as_ref().map(|mac| &mac.value as _));
    }
    unit.given("MTUBytes", link.mtu.as_ref().map(|mtu| &mtu.value as _));
    let policy = match link.activation {
        Activation::Auto | Activation::Hotplug => None,
        Activation::Manual => Some("manual"),
        Activation::Off => Some("always-down"),
    };
    unit.given("ActivationPolicy", policy.as_ref().map(|policy| policy as _));
    if !is_required(link, config) && link.kind != Kind::Loopback {
        unit.flag("RequiredForOnline", false);
    }
}

fn addressing(unit: &mut Unit, link: &Link, config: &NetworkConfig) {
    unit.section("Network");
    // Stateless DHCPv6 starts by itself when a router's announcement says so.
    let dhcp = match (link.dhcp4, link.dhcp6 == Some(Dhcp6::Stateful)) {
        (true, true) => "yes",
        (true, false) => "ipv4",
        (false, true) => "ipv6",
        (false, false) => "no",
    };
    unit.set("DHCP", &dhcp);
    if let Some(local) = link.link_local {
        let families = match (local.ipv4, local.ipv6) {
            (true, true) => "yes",
            (true, false) => "ipv4",
            (false, true) => "ipv6",
            (false, false) => "no",
        };
        unit.set("LinkLocalAddressing", &families);
    } else if is_port(link, config) && !link.is_configured() {
        unit.flag("LinkLocalAddressing", false);
    }
    if let Some(accept) = link.accept_ra {
        unit.flag("IPv6AcceptRA", accept);
    }
    if let Some(privacy) = link.ipv6_privacy {
        unit.flag("IPv6PrivacyExtensions", privacy);
    }
    unit.given("IPv6MTUBytes", link.ipv6_mtu.as_ref().map(|mtu| &mtu.value as _));
    // A bridge without ports, a VLAN on a dead cable: what is static stands all the same. DHCP waits: what is asked
    // without a carrier is lost, and the next time is later and later.
    let made = link.physical().is_none() && link.kind != Kind::Loopback;
    if made && !link.dhcp4 && link.dhcp6.is_none() {
        unit.flag("ConfigureWithoutCarrier", true);
    }
    for address in link.addresses.iter().filter(|address| is_plain(address)) {
        unit.set("Address", &address.prefix);
    }
    let dns = config.dns_of(link);
    dns.servers.iter().for_each(|server| unit.set("DNS", server));
    unit.list("Domains", &dns.search.iter().map(String::as_str).collect::<Vec<_>>());
    for master in masters(link, config) {
        let key = match &master.kind {
            Kind::Bond { .. } => "Bond",
            Kind::Bridge { .. } => "Bridge",
            Kind::Vlan { .. } => "VLAN",
            Kind::Vrf { .. } => "VRF",
            Kind::Physical(_) | Kind::Dummy | Kind::Loopback => continue,
        };
        unit.set(key, &master.id);
        if let Kind::Bond { settings, .. } = &master.kind {
            let primary = |option: &str, value: &str| option == "primary" && value == link.id;
            if settings.iter().any(|setting| primary(setting.option.kernel, &setting.value.value)) {
                unit.flag("PrimarySlave", true);
            }
        }
    }
}

/// Whether a line of `[Network]` is enough for it.
fn is_plain(address: &Address) -> bool {
    address.label.is_none() && !address.deprecated
}

fn address(unit: &mut Unit, address: &Address) {
    unit.section("Address");
    unit.set("Address", &address.prefix);
    unit.given("Label", address.label.as_ref().map(|label| label as _));
    if address.deprecated {
        unit.set("PreferredLifetime", &0);
    }
}

fn route(unit: &mut Unit, link: &Link, route: &Route) {
    unit.section("Route");
    if !route.to.is_default() || route.via.is_none() {
        unit.set("Destination", &route.to);
    }
    unit.given("Gateway", route.via.as_ref().map(|via| via as _));
    if link.is_on_link(route) {
        unit.flag("GatewayOnLink", true);
        // Its name before 242, which later ones take as well.
        unit.flag("GatewayOnlink", true);
    }
    unit.given("Metric", route.metric.as_ref().map(|metric| metric as _));
    unit.given("Table", route.table.as_ref().map(|table| table as _));
    unit.given("PreferredSource", route.from.as_ref().map(|from| from as _));
    unit.given("MTUBytes", route.mtu.as_ref().map(|mtu| mtu as _));
    unit.given("Scope", route.scope.as_ref().map(|scope| scope as _));
    if route.kind != RouteKind::Unicast {
        unit.set("Type", &route.kind.name());
    }
}

fn rule(unit: &mut Unit, rule: &Rule) {
    unit.section("RoutingPolicyRule");
    unit.given("From", rule.from.as_ref().map(|from| from as _));
    unit.given("To", rule.to.as_ref().map(|to| to as _));
    if rule.from.is_none() && rule.to.is_none() {
        // IPv4 alone, else.
        unit.set("Family", &"both");
    }
    unit.given("Table", rule.table.as_ref().map(|table| table as _));
    unit.given("Priority", rule.priority.as_ref().map(|priority| priority as _));
    unit.given("FirewallMark", rule.mark.as_ref().map(|mark| mark as _));
    unit.given("TypeOfService", rule.tos.as_ref().map(|tos| tos as _));
}

/// What of the servers' answers is used. Of DHCPv6 networkd takes no MTU, no routes and no metric: with IPv6 they are the
/// router's announcement's.
fn dhcp(unit: &mut Unit, link: &Link) {
    let (v4, v6) = (&link.dhcp4_overrides, &link.dhcp6_overrides);
    if link.dhcp4 {
        unit.section("DHCPv4");
        if let Some(by_mac) = link.dhcp_by_mac {
            unit.set("ClientIdentifier", if by_mac { &"mac" } else { &"duid" });
        }
        exchange(unit, v4);
        // What networkd, alone among the managers, leaves out unless it is told: in an overlay network large packets would
        // vanish.
        if v4.use_mtu.is_some() || link.mtu.is_none() {
            unit.flag("UseMTU", v4.use_mtu.as_ref().is_none_or(|used| used.value));
        }
        flags(unit, &[("UseRoutes", &v4.use_routes)]);
        unit.given("RouteMetric", v4.route_metric.as_ref().map(|metric| &metric.value as _));
    }
    if let Some(dhcp6) = link.dhcp6 {
        unit.section("DHCPv6");
        if link.accept_ra == Some(false) {
            unit.set("WithoutRA", if dhcp6 == Dhcp6::Stateful { &"solicit" } else { &"information-request" });
        }
        exchange(unit, v6);
    }
    unit.section("IPv6AcceptRA");
    flags(unit, &[("UseMTU", &v6.use_mtu), ("UseGateway", &v6.use_routes), ("UseRoutePrefix", &v6.use_routes)]);
    unit.given("RouteMetric", v6.route_metric.as_ref().map(|metric| &metric.value as _));
}

/// What both families' sections know; DHCPv6 sends a name since 255.
fn exchange(unit: &mut Unit, overrides: &Overrides) {
    let Overrides { use_dns, use_ntp, use_hostname, use_domains, send_hostname, hostname, .. } = overrides;
    let known =
        [("UseDNS", use_dns), ("UseNTP", use_ntp), ("UseHostname", use_hostname), ("SendHostname", send_hostname)];
    flags(unit, &known);
    unit.given("UseDomains", use_domains.as_ref().map(|word| &word.value as _));
    unit.given("Hostname", hostname.as_ref().map(|name| &name.value as _));
}

fn flags(unit: &mut Unit, given: &[(&'static str, &Given<bool>)]) {
    for (key, value) in given {
        if let Some(value) = value {
            unit.flag(key, value.value);
        }
    }
}

/// What a bridge knows of this port.
fn ports(unit: &mut Unit, link: &Link, config: &NetworkConfig) {
    unit.section("Bridge");
    for master in masters(link, config) {
        let Kind::Bridge { settings, .. } = &master.kind else { continue };
        for setting in settings.iter().filter(|setting| setting.member.as_ref() == Some(&link.id)) {
            if is_for_a_member(setting) {
                unit.set(setting.option.networkd, &setting.value.value);
            }
        }
    }
}
