// SPDX-License-Identifier: Apache-2.0
//! The stanzas of one interface: who brings it up, and how it gets its addresses.

use std::net::IpAddr;

use crate::network::model::{Activation, Address, Dhcp6, Kind, Link, Overrides};
use crate::network::prefix::Prefix;
use crate::network::render::ifupdown::Writer;

/// A stanza: `NAME FAMILY METHOD`, and its options.
type Stanza = (String, String);

impl Writer<'_> {
    /// All stanzas of a link. What is said once for the interface stands in the first, routes and rules in the last of
    /// their family, when its addresses stand. The first stanza that fails is the last that is tried: so IPv4's come
    /// first, with all that is theirs, and a guest without IPv6, or a DHCPv6 server that is dead, does not cost them.
    pub(super) fn stanzas(&mut self, link: &Link, name: &str) -> String {
        if link.optional {
            self.lacks(&link.origin, "a boot that does not wait for an interface (`optional`)");
        }
        let mut stanzas = Vec::new();
        self.automatic(link, name, &mut stanzas);
        let own = |label: &String| label.split_once(':').is_some_and(|(head, _)| head == name);
        let mut labelled = String::new();
        for address in &link.addresses {
            // As a stanza it would be an interface of its own, to which `$IFACE` is another one.
            if let Some(label) = address.label.as_ref().filter(|label| own(label)) {
                let prefix = address.prefix.to_string();
                labelled.extend(["    up ip address replace ", &prefix, " brd + dev $IFACE label ", label]);
                labelled.push_str(if address.deprecated { " preferred_lft 0\n" } else { "\n" });
            } else {
                if address.label.is_some() {
                    self.lacks(&address.origin, "a label that does not begin with the interface's name");
                }
                stanzas.push(self.fixed(link, name, address));
            }
        }
        let loopback = link.kind == Kind::Loopback;
        if stanzas.is_empty() {
            stanzas.push((format!("{name} inet {}", if loopback { "loopback" } else { "manual" }), String::new()));
        }
        stanzas.sort_by_key(|(head, _)| head.contains(" inet6 "));
        let (first, last) = self.device(link, name, stanzas.first().is_some_and(|(head, _)| head.ends_with("auto")));
        if let Some((_, options)) = stanzas.first_mut() {
            options.push_str(&first);
            self.dns(link, options);
        }
        for (ipv4, family, labelled) in [(true, " inet ", labelled), (false, " inet6 ", String::new())] {
            let place = stanzas.iter().rposition(|(head, _)| head.contains(family));
            let place = place.unwrap_or(stanzas.len().saturating_sub(1));
            if let Some((_, options)) = stanzas.get_mut(place) {
                options.push_str(&labelled);
                self.routes(link, ipv4, options);
            }
        }
        if let Some((_, options)) = stanzas.last_mut() {
            options.push_str(&last);
        }
        let mut text = String::new();
        for (head, options) in &stanzas {
            text.extend(["iface ", head, "\n", options]);
        }
        text
    }

    /// The lines that bring a link up. What is to be hot-plugged is there already, and udev's event for it may be over
    /// before the file is written: so it comes up at boot as well.
    pub(super) fn activation(&mut self, link: &Link, name: &str) -> String {
        match link.activation {
            Activation::Manual | Activation::Off => return String::new(),
            _ if link.kind == Kind::Loopback => return String::new(),
            Activation::Hotplug if self.alpine() => {
                self.lacks(&link.origin, "an interface that comes up when it is plugged");
            }
            Activation::Hotplug => return ["auto ", name, "\nallow-hotplug ", name, "\n"].concat(),
            Activation::Auto => {}
        }
        ["auto ", name, "\n"].concat()
    }

    /// Addresses from the network.
    fn automatic(&mut self, link: &Link, name: &str, stanzas: &mut Vec<Stanza>) {
        if link.dhcp4 {
            let mut options = String::new();
            if let Some(metric) = &link.dhcp4_overrides.route_metric {
                options.push_str(&option("metric", &metric.value.to_string()));
            }
            if let Some(hostname) = &link.dhcp4_overrides.hostname {
                options.push_str(&option("hostname", &hostname.value));
            }
            stanzas.push((format!("{name} inet dhcp"), options));
            self.overrides(&link.dhcp4_overrides, "DHCP");
        }
        if link.dhcp6.is_some() {
            let given = &link.dhcp6_overrides;
            for (origin, what) in [
                (given.route_metric.as_ref().map(|metric| &metric.origin), "the metric of DHCPv6's routes"),
                (given.hostname.as_ref().map(|hostname| &hostname.origin), "the host name that DHCPv6 sends"),
            ] {
                origin.into_iter().for_each(|origin| self.lacks(origin, what));
            }
            self.overrides(given, "DHCPv6");
        }
        let accept = if link.accept_ra == Some(false) { "0" } else { "1" };
        match (link.dhcp6, link.accept_ra) {
            (Some(_), _) if self.alpine() => self.lacks(&link.origin, "DHCPv6"),
            (Some(Dhcp6::Stateful), _) => {
                stanzas.push((format!("{name} inet6 dhcp"), option("accept_ra", accept)));
            }
            (Some(Dhcp6::Stateless), _) => stanzas.push((format!("{name} inet6 auto"), option("dhcp", "1"))),
            (None, Some(true)) if !self.alpine() => stanzas.push((format!("{name} inet6 auto"), String::new())),
            (None, _) => {}
        }
    }

    /// What of a DHCP server's answer is not to be used: the clients use all of it.
    fn overrides(&mut self, given: &Overrides, protocol: &str) {
        let switches = [
            (&given.use_dns, "ignoring the name servers of"),
            (&given.use_ntp, "ignoring the time servers of"),
            (&given.use_hostname, "ignoring the host name of"),
            (&given.use_mtu, "ignoring the MTU of"),
            (&given.use_routes, "ignoring the routes of"),
            (&given.send_hostname, "not sending the host name by"),
        ];
        for (switch, what) in switches {
            if let Some(off) = switch.as_ref().filter(|switch| !switch.value) {
                self.lacks(&off.origin, &format!("{what} {protocol}"));
            }
        }
        if let Some(domains) = given.use_domains.as_ref().filter(|domains| *domains.value != *"true") {
            self.lacks(&domains.origin, &format!("another use of the domains of {protocol}"));
        }
    }

    /// A static address.
    fn fixed(&mut self, link: &Link, name: &str, address: &Address) -> Stanza {
        let (family, ipv6) = match address.address() {
            IpAddr::V4(_) => ("inet", false),
            IpAddr::V6(_) => ("inet6", true),
        };
        let mut options = String::new();
        if self.alpine() {
            // busybox's ifup knows no `/LENGTH`.
            options.push_str(&option("address", &address.address().to_string()));
            options.push_str(&option("netmask", &netmask(address)));
        } else {
            options.push_str(&option("address", &address.prefix.to_string()));
        }
        // Who asks DHCPv6 listens to routers; a static stanza would switch off what they give.
        match link.accept_ra.or(link.dhcp6.map(|_| true)) {
            Some(accept) if ipv6 && !self.alpine() => {
                options.push_str(&option("accept_ra", if accept { "1" } else { "0" }));
                if accept {
                    // A static stanza switches it off.
                    options.push_str(&option("autoconf", "1"));
                }
            }
            _ => {}
        }
        if address.deprecated && ipv6 && !self.alpine() {
            options.push_str(&option("preferred-lifetime", "0"));
        } else if address.deprecated {
            let prefix = address.prefix.to_string();
            options.extend(["    up ip address change ", &prefix, " dev $IFACE preferred_lft 0\n"]);
        }
        (format!("{name} {family} static"), options)
    }

    /// For resolvconf. On Alpine nobody reads it: `/etc/resolv.conf` is written.
    fn dns(&self, link: &Link, options: &mut String) {
        let dns = self.config.dns_of(link);
        if self.alpine() {
            return;
        }
        if !dns.servers.is_empty() {
            let servers: Vec<String> = dns.servers.iter().map(ToString::to_string).collect();
            options.push_str(&option("dns-nameservers", &servers.join(" ")));
        }
        if !dns.search.is_empty() {
            options.push_str(&option("dns-search", &dns.search.join(" ")));
        }
    }
}

/// One line of a stanza.
pub(super) fn option(key: &str, value: &str) -> String {
    ["    ", key, " ", value, "\n"].concat()
}

/// A prefix's length as ifupdown's elders want it.
fn netmask(prefix: &Prefix) -> String {
    match prefix.address() {
        IpAddr::V4(_) => Prefix::new(IpAddr::from([255, 255, 255, 255]), prefix.length())
            .map(|mask| mask.network().address().to_string())
            .unwrap_or_default(),
        IpAddr::V6(_) => prefix.length().to_string(),
    }
}
