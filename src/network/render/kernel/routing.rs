// SPDX-License-Identifier: Apache-2.0
//! Routes and rules, with all that their document leaves to the kernel decided.

use std::net::IpAddr;

use crate::finding::Finding;
use crate::network::model::{Kind, Link, RouteKind, Rule};
use crate::network::prefix::Prefix;
use crate::network::render::kernel::{Drawing, Task};

/// `RT_TABLE_MAIN`.
const MAIN: u32 = 254;
/// The rules that have no priority of their own come here, before those of the kernel (32766), one behind the other: the
/// kernel would ask the last one first.
const FIRST_PRIORITY: u32 = 30_000;

impl Drawing<'_> {
    pub(super) fn routes(&mut self, link: &Link, name: &str) {
        for route in &link.routes {
            let mut asked = route.value.clone();
            asked.table = asked.table.or(self.vrf_table(link));
            asked.on_link = Some(link.is_on_link(&asked));
            // What goes nowhere goes by no interface; a VRF's gateways are found in its table.
            let through = match (&link.kind, asked.kind) {
                (_, RouteKind::Unicast | RouteKind::Local) => !matches!(link.kind, Kind::Vrf { .. }),
                _ => false,
            };
            if !through {
                asked.on_link = None;
            }
            let task = Task::Route { name: through.then(|| name.to_owned()), route: asked };
            match self.rival(&task) {
                None => self.add(&route.origin, task),
                Some(other) if *other == task => {}
                Some(other) => {
                    let message =
                        format!("of two routes with one destination, table and metric the kernel keeps one: `{other}`");
                    let finding = Finding::error(&route.origin, format!("{message}; this one is left out"));
                    self.findings.push(finding.help("give them different metrics, or different tables"));
                }
            }
        }
    }

    /// A route in whose place the kernel would put `asked`.
    fn rival(&self, asked: &Task) -> Option<&Task> {
        let key = |task: &Task| match task {
            Task::Route { route, .. } => Some((route.to, route.table.unwrap_or(MAIN), route.metric)),
            _ => None,
        };
        self.changes.iter().map(|change| &change.task).find(|other| key(other).is_some() && key(other) == key(asked))
    }

    /// The table of the VRF that `link` is or is a part of.
    fn vrf_table(&self, link: &Link) -> Option<u32> {
        self.config.links.iter().find_map(|whole| match &whole.kind {
            Kind::Vrf { table, members } if whole.id == link.id || members.iter().any(|m| m.value == link.id) => {
                Some(*table)
            }
            _ => None,
        })
    }

    pub(super) fn rules(&mut self, link: &Link) {
        for rule in &link.rules {
            for family in families(&rule.value, link) {
                let mut asked = rule.value.clone();
                asked.table = asked.table.or(self.vrf_table(link)).or(Some(MAIN));
                if asked.from.is_none() && asked.to.is_none() {
                    asked.from = Some(Prefix::default_of(family));
                }
                asked.priority = asked.priority.or_else(|| Some(self.next_priority()));
                self.add(&rule.origin, Task::Rule(asked));
            }
        }
    }

    fn next_priority(&self) -> u32 {
        let given = self.changes.iter().filter(|change| matches!(change.task, Task::Rule(_))).count();
        FIRST_PRIORITY.saturating_add(given.try_into().unwrap_or(0))
    }
}

/// An address of each family that a rule is about: that of its addresses, else each that the link has, else IPv4.
fn families(rule: &Rule, link: &Link) -> Vec<IpAddr> {
    if let Some(prefix) = rule.from.or(rule.to) {
        return vec![prefix.address()];
    }
    let has = |ipv6: bool| link.addresses.iter().any(|address| address.address().is_ipv6() == ipv6);
    let (v4, v6) = (IpAddr::from([0; 4]), IpAddr::from([0; 16]));
    match (has(false), has(true)) {
        (_, false) => vec![v4],
        (false, true) => vec![v6],
        (true, true) => vec![v4, v6],
    }
}
