// SPDX-License-Identifier: Apache-2.0
//! What the links of an OpenStack document are called in the configuration.

use std::collections::BTreeSet;

use super::{Entry, Links, Sort};
use crate::finding::{Finding, Findings};

/// The longest name of an interface.
const NAME_LENGTH: usize = 15;

impl Links<'_> {
    /// What each link is called in the configuration: for bonds and VLANs that is the interface's name, `bond0`, `bond1`
    /// … in their order, `bond0.101`. No two are called the same.
    pub(super) fn names(&mut self, findings: &mut Findings) -> Vec<String> {
        let mut taken = BTreeSet::new();
        for name in self.entries.iter_mut().map(|entry| &mut entry.name) {
            if let Some(second) = name.take_if(|name| !taken.insert(name.value.clone())) {
                let message = format!("a second interface that shall be called `{}`; this name is left out", *second);
                findings.push(Finding::error(&second.origin, message));
            }
        }
        let mut names: Vec<String> = self.entries.iter().map(|entry| own_name(entry).unwrap_or_default()).collect();
        let mut bonds = (0_usize..).map(|number| format!("bond{number}"));
        for (entry, name) in self.entries.iter().zip(&mut names) {
            if name.is_empty() && matches!(entry.sort, Sort::Bond) {
                *name = free(bonds.by_ref(), &mut taken);
            }
        }
        // No id that fits has a dot.
        let mut others = (0_usize..).map(|number| format!("link.{number}"));
        for (entry, name) in self.entries.iter().zip(&mut names) {
            if name.is_empty() && matches!(entry.sort, Sort::Physical { .. }) {
                *name = free(file_name(&entry.id).into_iter().chain(others.by_ref()), &mut taken);
            }
        }
        for index in 0..self.entries.len() {
            let Some(Entry { sort: Sort::Vlan { tag, parent }, .. }) = self.entries.get(index) else { continue };
            let below = self.position(parent).and_then(|below| {
                let entry = self.entries.get(below)?;
                // That of hardware is the guest's matter, where nobody has asked for one.
                if matches!(entry.sort, Sort::Bond) { names.get(below).cloned() } else { own_name(entry) }
            });
            let long = below.map(|below| format!("{below}.{tag}")).filter(|name| name.len() <= NAME_LENGTH);
            let short = (1_usize..).map(|n| if n == 1 { format!("vlan{tag}") } else { format!("vlan{tag}-{n}") });
            if let Some(name) = names.get_mut(index).filter(|name| name.is_empty()) {
                *name = free(long.into_iter().chain(short), &mut taken);
            }
        }
        names
    }
}

/// The platform's id where it is fit for the name of a file and of a netplan definition.
fn file_name(id: &str) -> Option<String> {
    let fits = (1..=64).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    fits.then(|| id.to_owned())
}

fn own_name(entry: &Entry) -> Option<String> {
    entry.name.as_ref().map(|name| name.value.clone())
}

/// The first of `names` that nothing is called yet.
fn free(mut names: impl Iterator<Item = String>, taken: &mut BTreeSet<String>) -> String {
    names.find(|name| taken.insert(name.clone())).unwrap_or_default()
}
