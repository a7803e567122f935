// SPDX-License-Identifier: Apache-2.0
//! Routes and rules, which interfaces(5) has no options for: commands of ip(8).

use crate::network::model::{Kind, Link, RouteKind, Rule};
use crate::network::render::ifupdown::Writer;
use crate::network::render::sysconfig::words::is_ipv4;

impl Writer<'_> {
    /// Those of one family. `replace`, as a failing `up` leaves the interface half configured. A route by an interface goes with it; one that
    /// goes nowhere, and a rule, is taken back.
    pub(super) fn routes(&mut self, link: &Link, ipv4: bool, text: &mut String) {
        let own_table = match (&link.kind, self.vrf_of(link).map(|vrf| &vrf.kind)) {
            (Kind::Vrf { table, .. }, _) | (_, Some(Kind::Vrf { table, .. })) => Some(*table),
            _ => None,
        };
        for route in link.routes.iter().filter(|route| route.to.address().is_ipv4() == ipv4) {
            let family = if route.to.address().is_ipv4() { "-4" } else { "-6" };
            let by_link = matches!(route.kind, RouteKind::Unicast | RouteKind::Local);
            let mut words = String::new();
            if route.kind != RouteKind::Unicast {
                words.extend([route.kind.name(), " "]);
            }
            match route.to.is_default() {
                true => words.push_str("default"),
                false => words.push_str(&route.to.to_string()),
            }
            let number = |value: Option<u32>| value.map(|value| value.to_string());
            if let Some(via) = route.via.filter(|_| by_link) {
                words.extend([" via ", &via.to_string()]);
            }
            if by_link {
                words.push_str(" dev $IFACE");
            }
            if link.is_on_link(route) {
                words.push_str(" onlink");
            }
            for (word, value) in [
                (" metric ", number(route.metric)),
                (" table ", number(route.table.or(own_table))),
                (" mtu ", number(route.mtu)),
                (" src ", route.from.map(|from| from.to_string())),
                (" scope ", route.scope.map(str::to_owned)),
            ] {
                value.into_iter().for_each(|value| words.extend([word, &value]));
            }
            text.extend(["    up ip ", family, " route replace ", &words, "\n"]);
            if !by_link {
                text.extend(["    down ip ", family, " route del ", &words, "\n"]);
            }
        }
        for rule in link.rules.iter().filter(|rule| is_ipv4(rule) == ipv4) {
            let (family, words) = (if ipv4 { "-4" } else { "-6" }, rule_words(rule, own_table));
            text.extend(["    up ip ", family, " rule add", &words, "\n"]);
            text.extend(["    down ip ", family, " rule del", &words, "\n"]);
        }
    }
}

fn rule_words(rule: &Rule, own_table: Option<u32>) -> String {
    let number = |value: Option<u32>| value.map(|value| value.to_string());
    let mut words = String::new();
    for (word, value) in [
        (" from ", rule.from.map(|from| from.to_string())),
        (" to ", rule.to.map(|to| to.to_string())),
        (" fwmark ", number(rule.mark)),
        // ip(8) takes it for hexadecimal in any case.
        (" tos ", rule.tos.map(|tos| format!("0x{tos:02x}"))),
        (" table ", number(rule.table.or(own_table))),
        (" priority ", number(rule.priority)),
    ] {
        value.into_iter().for_each(|value| words.extend([word, &value]));
    }
    words
}
