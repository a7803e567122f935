// SPDX-License-Identifier: Apache-2.0
//! Subnets of a device, and routes.

use std::net::IpAddr;

use crate::config::document::Node;
use crate::finding::{Finding, Located};
use crate::network::interfaces::stanza::{Entry, Stanza, prefix};
use crate::network::model::Route;
use crate::network::prefix::Prefix;
use crate::network::v1::{Reader, activation};
use crate::network::words;

/// A subnet's type; whether it is IPv6; its method in interfaces(5); whether DHCPv6 gives name servers alone.
const TYPES: &[(&str, bool, &str, bool)] = &[
    ("dhcp", false, "dhcp", false),
    ("dhcp4", false, "dhcp", false),
    ("dhcp6", true, "dhcp", false),
    ("static", false, "static", false),
    ("static4", false, "static", false),
    ("static6", true, "static", false),
    ("manual", false, "manual", false),
    ("none", false, "manual", false),
    ("loopback", false, "loopback", false),
    ("ipv6_slaac", true, "auto", false),
    ("ipv6_dhcpv6-stateless", true, "auto", true),
    ("ipv6_dhcpv6-stateful", true, "dhcp", false),
];
/// Keys that are not options of a stanza. `ipv4` and `ipv6` say what the type says already.
const OWN: &[&str] = &["type", "routes", "control", "ipv4", "ipv6", "id"];

impl Reader<'_> {
    /// Each subnet is a stanza of the device `id`.
    pub(super) fn subnets(&mut self, device: &Node, id: &str) {
        let Some(list) = device.get("subnets") else { return };
        for (index, subnet) in self.items(list).into_iter().enumerate() {
            let Some(kind) = self.text(subnet, "type") else {
                self.findings.push(Finding::error(&subnet.origin, "a subnet without a `type`; it is left out"));
                continue;
            };
            let Some((_, inet6, method, stateless)) = TYPES.iter().find(|(name, ..)| *name == kind.as_str()) else {
                let unknown = Finding::error(&kind.origin, format!("unknown type `{}`; the subnet is left out", *kind));
                let names = TYPES.iter().map(|(name, ..)| *name);
                let unknown = unknown.help(format!("known: {}", names.clone().collect::<Vec<_>>().join(", ")));
                self.findings.push(unknown.did_you_mean(&kind, names));
                continue;
            };
            let mut options = self.options(subnet, OWN);
            // An address says itself of which family it is; the type may be the older `static`.
            let colon = options.iter().any(|option| option.key.ends_with("address") && option.value.contains(':'));
            let mut stanza = Stanza::new(id, *inet6 || (*method == "static" && colon), method, subnet.origin.clone());
            stanza.entries.append(&mut options);
            if *stateless {
                stanza.entries.push(Entry::new("dhcp", "1", kind.origin.clone()));
            }
            stanza.apply(&mut self.draft, self.findings);
            self.control(subnet, id, index == 0);
            let routes = subnet.get("routes").map(|list| self.items(list)).unwrap_or_default();
            for route in routes.into_iter().filter_map(|entry| self.route(entry)).collect::<Vec<_>>() {
                self.draft.known(id).into_iter().for_each(|link| link.add_route(route.clone()));
            }
        }
    }

    /// Who brings the device up; the first subnet says it, and its neighbours can but agree.
    fn control(&mut self, subnet: &Node, id: &str, first: bool) {
        let Some(word) = self.text(subnet, "control") else { return };
        let Some(wanted) = activation(&word) else {
            let unknown = Finding::error(&word.origin, format!("unknown `control` `{}`; it is left out", *word));
            self.findings.push(unknown.help("one of: auto, hotplug, manual, off"));
            return;
        };
        let Some(link) = self.draft.known(id) else { return };
        if first {
            link.activation = wanted;
        } else if link.activation != wanted {
            let message = "a device comes up as a whole, as its first subnet says; this `control` is left out";
            self.findings.push(Finding::warning(&word.origin, message));
        }
    }

    /// A route; one that goes nowhere, or by a gateway of another family, is reported.
    pub(super) fn route(&mut self, entry: &Node) -> Option<Located<Route>> {
        let to = self.text(entry, "destination").or_else(|| self.text(entry, "network"));
        let gateway = self.text(entry, "gateway");
        let (Some(to), Some(gateway)) = (to, gateway) else {
            let message = "a route needs a `destination` and a `gateway`; it is left out";
            self.findings.push(Finding::error(&entry.origin, message));
            return None;
        };
        let via: IpAddr = match gateway.trim().parse() {
            Ok(via) => via,
            Err(_) => {
                let message = format!("`{}` is not an IP address; the route is left out", *gateway);
                self.findings.push(Finding::error(&gateway.origin, message));
                return None;
            }
        };
        let to = match to.as_str() {
            "default" | "any" => Prefix::default_of(via),
            _ => {
                let mask = self.text(entry, "netmask").or_else(|| self.text(entry, "prefix"));
                prefix(&to, mask.as_ref(), true, self.findings)?.value.network()
            }
        };
        if !words::goes_by(to, via, &gateway.origin, self.findings) {
            return None;
        }
        let metric = match self.text(entry, "metric").map(|metric| (metric.trim().parse(), metric)) {
            Some((Ok(metric), _)) => Some(metric),
            Some((Err(_), metric)) => {
                let message = format!("`{}` is not a metric (a number from 0); the route has none", *metric);
                self.findings.push(Finding::error(&metric.origin, message));
                None
            }
            None => None,
        };
        Some(Located::new(Route { metric, ..Route::new(to, via) }, entry.origin.clone()))
    }
}
