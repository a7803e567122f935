// SPDX-License-Identifier: Apache-2.0
//! The VLANs among the links of an OpenStack document.

use super::{Entry, Links, Sort};
use crate::finding::{Finding, Findings, Located};
use crate::network::model::{Kind, Link};

/// How many VLANs may stand on top of each other; the kernel's own bound is eight interfaces.
const DEPTH: usize = 8;

impl Links<'_> {
    /// Those whose parent is there, then those on top of these.
    pub(super) fn make_vlans(&mut self, names: &[String], findings: &mut Findings) {
        let mut waiting: Vec<(usize, &String)> = names.iter().enumerate().collect();
        for _ in 0..DEPTH {
            waiting.retain(|(index, name)| self.make_vlan(*index, name, findings).is_none());
        }
        for (index, name) in waiting {
            if let Some(Entry { sort: Sort::Vlan { parent, .. }, .. }) = self.entries.get(index) {
                let message = match self.ids.contains_key(&parent.value) {
                    true => format!("the VLAN {name} is left out, because its link `{}` is", **parent),
                    false => format!("no link `{}`; the VLAN {name} is left out", **parent),
                };
                findings.push(Finding::error(&parent.origin, message));
            }
        }
    }

    fn make_vlan(&mut self, index: usize, name: &str, findings: &mut Findings) -> Option<()> {
        let Entry { sort: Sort::Vlan { tag, parent }, json, .. } = self.entries.get(index)? else { return None };
        let below = self.made(parent)?.id.clone();
        let kind = Kind::Vlan { id: *tag, parent: Located::new(below, parent.origin.clone()) };
        let mut link = Link::new(name.to_owned(), kind, json.origin.clone());
        link.mac = json.parsed("vlan_mac_address", findings);
        self.entries.get_mut(index)?.link = Some(link);
        Some(())
    }
}
