// SPDX-License-Identifier: Apache-2.0
//! Addresses, DHCP and name servers in an `ifcfg` file of RHEL.

use std::fmt::Display;

use crate::finding::Located;
use crate::network::model::{Address, Dhcp6, Link, NetworkConfig};
use crate::network::render::sysconfig::assignments::Assignments;
use crate::network::render::unsaid::Unsaid;

/// Writes them; given back are the `ifcfg` files of further names of the interface, each behind its suffix: of labels,
/// and of what is static beside DHCP, which the scripts would not look at.
pub(super) fn addressing(
    link: &Link,
    name: Option<&str>,
    config: &NetworkConfig,
    file: &mut Assignments,
    unsaid: &mut Unsaid,
) -> Vec<(String, String)> {
    let mut aliases: Vec<(String, String)> = Vec::new();
    let mut own: Vec<&Located<Address>> = Vec::new();
    for address in link.addresses.iter().filter(|address| address.address().is_ipv4()) {
        let label = address.label.as_deref().and_then(|label| label.strip_prefix(name?)?.strip_prefix(':'));
        let label = label.filter(|label| label.chars().all(|c| c.is_ascii_alphanumeric()));
        unsaid.address(address, &address.origin, label.is_none());
        match label {
            None if !link.dhcp4 => own.push(address),
            label => {
                let suffix = label.map_or_else(|| aliases.len().to_string(), str::to_owned);
                let mut alias = Assignments::new();
                alias.set("DEVICE", &[name.unwrap_or(&link.id), ":", &suffix].concat());
                alias.flag("ONPARENT", true);
                static4("", address, &mut alias);
                aliases.push((suffix, alias.finish()));
            }
        }
    }
    file.set("BOOTPROTO", &if link.dhcp4 { "dhcp" } else { "none" });
    for (index, address) in own.iter().enumerate() {
        let number = if index == 0 { String::new() } else { index.to_string() };
        static4(&number, address, file);
    }
    ipv6(link, file, unsaid);
    answers(link, file, unsaid);
    servers(link, config, file);
    if link.link_local.is_some_and(|local| local.ipv4) {
        unsaid.say(&link.origin, "IPv4 link-local addresses");
    }
    if link.optional && link.is_configured() {
        unsaid.say(&link.origin, "an interface that the boot does not wait for");
    }
    aliases
}

fn static4(number: &str, address: &Address, file: &mut Assignments) {
    let text = address.prefix.to_string();
    let (host, length) = text.split_once('/').unwrap_or((&text, "32"));
    file.set(&["IPADDR", number].concat(), &host);
    file.set(&["PREFIX", number].concat(), &length);
}

fn ipv6(link: &Link, file: &mut Assignments, unsaid: &mut Unsaid) {
    let addresses: Vec<_> = link.addresses.iter().filter(|address| address.address().is_ipv6()).collect();
    addresses.iter().for_each(|address| unsaid.address(address, &address.origin, true));
    let disabled = link.link_local.is_some_and(|local| !local.ipv6);
    if addresses.is_empty() && link.dhcp6.is_none() && link.accept_ra != Some(true) {
        if disabled {
            file.flag("IPV6INIT", false);
            file.flag("IPV6_AUTOCONF", false);
            unsaid.given(&link.ipv6_mtu, "an MTU of IPv6 where that is off");
            return;
        }
        // The image's own choice, where nothing is said of IPv6.
        if link.accept_ra.is_none() && link.ipv6_mtu.is_none() && link.ipv6_privacy != Some(true) {
            return;
        }
    } else if disabled {
        unsaid.say(&link.origin, "IPv6 without a link-local address");
    }
    file.flag("IPV6INIT", true);
    if let Some(accept) = link.accept_ra.or(link.dhcp6.map(|_| true)) {
        file.flag("IPV6_AUTOCONF", accept);
    }
    let mut addresses: Vec<String> = addresses.iter().map(|address| address.prefix.to_string()).collect();
    if !addresses.is_empty() {
        file.set("IPV6ADDR", &addresses.remove(0));
    }
    file.words("IPV6ADDR_SECONDARIES", &addresses);
    if let Some(dhcp6) = link.dhcp6 {
        file.flag("DHCPV6C", true);
        if dhcp6 == Dhcp6::Stateless {
            file.set("DHCPV6C_OPTIONS", &"-S");
        }
    }
    if let Some(mtu) = &link.ipv6_mtu {
        file.set("IPV6_MTU", &mtu.value);
    }
    if link.ipv6_privacy == Some(true) {
        file.set("IPV6_PRIVACY", &"rfc3041");
    }
}

/// What of DHCP's answers is used.
fn answers(link: &Link, file: &mut Assignments, unsaid: &mut Unsaid) {
    if link.dhcp4 {
        // It asks until there is an answer, as in the images of the distribution; else one lost packet is the end.
        file.flag("PERSISTENT_DHCLIENT", true);
        let over = &link.dhcp4_overrides;
        if let Some(use_routes) = &over.use_routes {
            file.flag("DEFROUTE", use_routes.value);
            file.flag("PEERROUTES", use_routes.value);
        }
        let mut given =
            |key: &str, value: Option<&dyn Display>| value.into_iter().for_each(|value| file.set(key, value));
        given("METRIC", over.route_metric.as_ref().map(|metric| &metric.value as _));
        given("DHCP_HOSTNAME", over.hostname.as_ref().map(|name| &name.value as _));
        let yes = |used: &Located<bool>| if used.value { "yes" } else { "no" };
        given("DHCP_SEND_HOSTNAME", over.send_hostname.as_ref().map(yes).as_ref().map(|word| word as _));
        given("PEERNTP", over.use_ntp.as_ref().map(yes).as_ref().map(|word| word as _));
        if link.dhcp_by_mac == Some(false) {
            unsaid.say(&link.origin, "DHCP by a DUID");
        }
        unsaid.unless(true, &over.use_hostname, "DHCP's host name");
        unsaid.unless(true, &over.use_mtu, "DHCP's MTU");
        unsaid.domains(over);
    }
    if link.dhcp6.is_some() {
        let over = &link.dhcp6_overrides;
        unsaid.unless(true, &over.use_routes, "a router's routes");
        unsaid.unless(true, &over.use_hostname, "DHCPv6's host name");
        unsaid.given(&over.route_metric, "a metric of DHCPv6's routes");
        unsaid.given(&over.hostname, "a host name for DHCPv6");
        unsaid.domains(over);
    }
}

fn servers(link: &Link, config: &NetworkConfig, file: &mut Assignments) {
    let dns = config.dns_of(link);
    for (index, server) in dns.servers.iter().enumerate() {
        file.set(&["DNS", &(index + 1).to_string()].concat(), server);
    }
    file.words("DOMAIN", &dns.search);
    let ignored =
        |overrides: &crate::network::model::Overrides| overrides.use_dns.as_ref().is_some_and(|used| !used.value);
    if (link.dhcp4 && ignored(&link.dhcp4_overrides)) || (link.dhcp6.is_some() && ignored(&link.dhcp6_overrides)) {
        file.flag("PEERDNS", false);
        if !dns.servers.is_empty() {
            // Without it the scripts do not write DNS1 into resolv.conf either.
            file.flag("RESOLV_MODS", true);
        }
    }
}
