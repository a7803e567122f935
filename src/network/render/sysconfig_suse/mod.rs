// SPDX-License-Identifier: Apache-2.0
//! For SUSE's wicked: `ifcfg-*`, `ifroute-*`, `ifrule-*`, `ifsysctl-*` in `/etc/sysconfig/network` (ifcfg(5)).

mod device;

use std::net::IpAddr;

use crate::finding::{Findings, Located};
use crate::guest::Nic;
use crate::network::model::{Activation, Dhcp6, Kind, Link, NetworkConfig, Overrides, Route, RouteKind};
use crate::network::render::sysconfig::assignments::{Assignments, quoted};
use crate::network::render::sysconfig::words::{controller, is_ipv4, route_options, rule};
use crate::network::render::unsaid::Unsaid;
use crate::network::render::{HEADER, RenderedFile, Renderer, interface_name, interface_named};
use crate::network::words::is_interface_name;

/// Where wicked looks.
pub const DIRECTORY: &str = "/etc/sysconfig/network";
/// The administrator's file, which has name servers for the whole guest: wicked knows none of an interface.
pub const CONFIG: &str = "/etc/sysconfig/network/config";

/// The files of each link.
pub fn render(config: &NetworkConfig, nics: Option<&[Nic]>, findings: &mut Findings) -> Vec<RenderedFile> {
    let mut unsaid = Unsaid::new(Renderer::SysconfigSuse, findings);
    let (mut files, mut written) = (Vec::new(), Vec::new());
    for link in &config.links {
        let name = interface_name(link, nics).filter(|name| is_interface_name(name));
        let name = match (&link.kind, name) {
            (Kind::Loopback, _) if !link.is_configured() => continue,
            // Those of `lo` stand in a file of the distribution's.
            (Kind::Loopback, _) => Err("addresses of the loopback interface"),
            (Kind::Vrf { .. }, _) => Err("a VRF"),
            // An absent one is reported for every manager alike.
            (Kind::Physical(_), None) if nics.is_some() => continue,
            (_, None) => Err("an interface whose name is not known"),
            (Kind::Vlan { parent, .. }, _) if interface_named(parent, config, nics).is_none() => {
                Err("a VLAN of an interface that is not known")
            }
            (_, Some(name)) => Ok(name),
        };
        match name {
            Ok(name) if unsaid.is_again(link, Some(&name), &mut written) => {}
            Ok(name) => link_files(link, &name, config, nics, &mut files, &mut unsaid),
            Err(what) => unsaid.say(&link.origin, what),
        }
    }
    files
}

/// The assignments of [`CONFIG`] that name the guest's servers and search domains, each value as the shell wants it. For a
/// network without any they are empty.
pub fn servers(config: &NetworkConfig) -> [(&'static str, String); 2] {
    let dns = config.all_dns();
    let servers: Vec<String> = dns.servers.iter().map(ToString::to_string).collect();
    [
        ("NETCONFIG_DNS_STATIC_SERVERS", quoted(&servers.join(" "))),
        ("NETCONFIG_DNS_STATIC_SEARCHLIST", quoted(&dns.search.join(" "))),
    ]
}

fn link_files(
    link: &Link,
    name: &str,
    config: &NetworkConfig,
    nics: Option<&[Nic]>,
    files: &mut Vec<RenderedFile>,
    unsaid: &mut Unsaid,
) {
    let mut file = |kind: &str, content: String| {
        let path = [DIRECTORY, "/", kind, name].concat();
        files.push(RenderedFile { path: path.into(), content, mode: 0o644 });
    };
    let is_part = controller(link, config).is_some();
    let mut ifcfg = Assignments::new();
    let start = match link.activation {
        // Their controller brings them up; and what is plugged later need not be waited for.
        Activation::Auto if is_part || link.optional => "hotplug",
        Activation::Auto => "auto",
        Activation::Hotplug => "hotplug",
        Activation::Manual => "manual",
        Activation::Off => "off",
    };
    ifcfg.set("STARTMODE", &start);
    device::device(link, config, nics, &mut ifcfg, unsaid);
    if is_part {
        ifcfg.set("BOOTPROTO", &"none");
        return file("ifcfg-", ifcfg.finish());
    }
    ifcfg.set("BOOTPROTO", &protocol(link));
    addresses(link, name, &mut ifcfg, unsaid);
    answers(link, &mut ifcfg, unsaid);
    file("ifcfg-", ifcfg.finish());
    let rules = link.rules.iter().map(|at| [if is_ipv4(at) { "ipv4 " } else { "ipv6 " }, &rule(at)].concat());
    let routes = link.routes.iter().map(|at| route(link, at, name));
    for (kind, lines) in [
        ("ifroute-", routes.collect::<Vec<_>>()),
        ("ifrule-", rules.collect::<Vec<_>>()),
        ("ifsysctl-", kernel_settings(link, name)),
    ] {
        if !lines.is_empty() {
            file(kind, [HEADER, &lines.join("\n"), "\n"].concat());
        }
    }
}

/// What asks for addresses. Static ones stand beside each of them.
fn protocol(link: &Link) -> &'static str {
    match (link.dhcp4, link.dhcp6, link.accept_ra) {
        // Either is enough, so that a dead server of one family does not cost the other.
        (true, Some(_), _) => "dhcp",
        (true, None, Some(true)) => "dhcp4+auto6",
        (true, None, _) => "dhcp4",
        (false, Some(_), _) => "dhcp6",
        (false, None, Some(true)) => "auto6",
        (false, None, _) => "static",
    }
}

fn addresses(link: &Link, name: &str, file: &mut Assignments, unsaid: &mut Unsaid) {
    for (index, address) in link.addresses.iter().enumerate() {
        let number = ["_", &index.to_string()].concat();
        file.set(&["IPADDR", &number].concat(), &address.prefix);
        let label = address.label.as_deref().and_then(|label| label.strip_prefix(name)?.strip_prefix(':'));
        if let Some(label) = label {
            file.set(&["LABEL", &number].concat(), &label);
        }
        unsaid.address(address, &address.origin, label.is_none());
    }
    if link.link_local.is_some_and(|local| local.ipv4) {
        unsaid.say(&link.origin, "IPv4 link-local addresses");
    }
    unsaid.given(&link.ipv6_mtu, "an MTU of IPv6 alone");
}

/// What of DHCP's answers is used.
fn answers(link: &Link, file: &mut Assignments, unsaid: &mut Unsaid) {
    if let Some(dhcp6) = link.dhcp6 {
        file.set("DHCLIENT6_MODE", &if dhcp6 == Dhcp6::Stateful { "managed" } else { "info" });
    }
    let flag = |key: &str, given: &Option<Located<bool>>, file: &mut Assignments| {
        given.iter().for_each(|given| file.flag(key, given.value));
    };
    let asked =
        [(link.dhcp4, &link.dhcp4_overrides, "DHCLIENT_"), (link.dhcp6.is_some(), &link.dhcp6_overrides, "DHCLIENT6_")];
    for (_, over, prefix) in asked.into_iter().filter(|(asked, ..)| *asked) {
        let Overrides { hostname, send_hostname, use_hostname, .. } = over;
        flag(&[prefix, "SET_HOSTNAME"].concat(), use_hostname, file);
        if let Some(name) = hostname {
            file.set(&[prefix, "HOSTNAME_OPTION"].concat(), &name.value);
        } else if send_hostname.as_ref().is_some_and(|sent| !sent.value) {
            file.set(&[prefix, "HOSTNAME_OPTION"].concat(), &"");
        }
        if prefix == "DHCLIENT_" {
            flag("DHCLIENT_SET_DEFAULT_ROUTE", &over.use_routes, file);
            if let Some(metric) = &over.route_metric {
                file.set("DHCLIENT_ROUTE_PRIORITY", &metric.value);
            }
        } else {
            unsaid.unless(true, &over.use_routes, "a router's routes");
            unsaid.given(&over.route_metric, "a metric of DHCPv6's routes");
        }
        unsaid.unless(true, &over.use_dns, "one interface's name servers of DHCP");
        unsaid.unless(true, &over.use_ntp, "one interface's time servers of DHCP");
        unsaid.unless(true, &over.use_mtu, "DHCP's MTU");
        unsaid.domains(over);
    }
}

/// `DESTINATION GATEWAY - INTERFACE`, and the rest in ip-route(8)'s words (ifroute(5)).
fn route(link: &Link, route: &Route, name: &str) -> String {
    // Without a gateway the word would be of no family.
    let to = if route.to.is_default() && route.via.is_some() { "default".to_owned() } else { route.to.to_string() };
    let via = route.via.map_or_else(|| "-".to_owned(), |via| via.to_string());
    let is_plain = route.kind == RouteKind::Unicast;
    let kind = if is_plain { "" } else { route.kind.name() };
    let interface = if is_plain || route.kind == RouteKind::Local { name } else { "-" };
    let space = if is_plain { "" } else { " " };
    [&to, " ", &via, " - ", interface, space, kind, &route_options(link, route)].concat()
}

/// What the kernel is told (ifsysctl(5)).
fn kernel_settings(link: &Link, name: &str) -> Vec<String> {
    // Slashes, as a name may have dots.
    let setting = |key: &str, value: u8| ["net/ipv6/conf/", name, "/", key, " = ", &value.to_string()].concat();
    let mut settings = Vec::new();
    if let Some(accept) = link.accept_ra {
        settings.push(setting("accept_ra", u8::from(accept)));
    }
    if let Some(privacy) = link.ipv6_privacy {
        settings.push(setting("use_tempaddr", if privacy { 2 } else { 0 }));
    }
    let is_static = link.addresses.iter().any(|address| address.address().is_ipv6());
    if link.link_local.is_some_and(|local| !local.ipv6) {
        let is_used = is_static || link.is_automatic(IpAddr::from([0; 16]));
        settings.push(setting(if is_used { "addr_gen_mode" } else { "disable_ipv6" }, 1));
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Origin;

    #[test]
    fn the_guest_s_servers_are_one_word_each_for_the_shell() {
        let mut config = NetworkConfig::new(Origin::document("d"));
        config.dns.servers = vec!["192.0.2.53".parse().unwrap(), "2001:db8::53".parse().unwrap()];
        config.dns.search = vec!["example.com".to_owned()];
        let [servers, search] = servers(&config);
        assert_eq!(servers, ("NETCONFIG_DNS_STATIC_SERVERS", "'192.0.2.53 2001:db8::53'".to_owned()));
        assert_eq!(search, ("NETCONFIG_DNS_STATIC_SEARCHLIST", "example.com".to_owned()));
    }

    #[test]
    fn one_family_is_enough_where_both_are_asked_for() {
        let mut link = Link::new("a".to_owned(), Kind::Dummy, Origin::document("d"));
        assert_eq!(protocol(&link), "static");
        link.accept_ra = Some(true);
        assert_eq!(protocol(&link), "auto6");
        link.dhcp4 = true;
        assert_eq!(protocol(&link), "dhcp4+auto6");
        link.dhcp6 = Some(Dhcp6::Stateful);
        assert_eq!(protocol(&link), "dhcp");
    }
}
