// SPDX-License-Identifier: Apache-2.0
//! The names that hardware gets, in an order in which no two interfaces ever want the same one.

use crate::finding::{Findings, Located};
use crate::guest::Nic;
use crate::network::model::NetworkConfig;
use crate::network::render::kernel::{Change, Task};
use crate::network::render::names::{nic_of, settled};

/// An interface that gets another name.
struct Wish<'a> {
    from: &'a str,
    to: &'a Located<String>,
}

/// The renames that make the hardware's names those of `set-name`, in the order in which they can be made: interfaces
/// that change names with each other go by a temporary one. For every manager: a running system is renamed, whatever
/// else the manager is told.
///
/// Only hardware among `nics` is renamed; what already has its name is not. What cannot be had is said by
/// [`render`](crate::network::render::render), which leaves it out in the same way.
pub fn renames(config: &NetworkConfig, nics: &[Nic]) -> Vec<Change> {
    let config = settled(config.clone(), Some(nics), false, &mut Findings::default());
    let wish = |link| Some((nic_of(link, nics)?, link.physical()?.set_name.as_ref()?));
    let wishes = config.links.iter().filter_map(wish).filter(|(nic, to)| nic.name != to.value);
    ordered(wishes.map(|(nic, to)| Wish { from: &nic.name, to }).collect(), nics)
}

fn ordered(mut wishes: Vec<Wish>, nics: &[Nic]) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut rename = |from: &str, to: &str, by: &Located<String>| {
        let task = Task::Rename { from: from.to_owned(), to: to.to_owned() };
        changes.push(Change { task, origin: by.origin.clone() });
    };
    let mut parked: Vec<(String, &Located<String>)> = Vec::new();
    while !wishes.is_empty() {
        match wishes.iter().position(|wish| !wishes.iter().any(|other| other.from == wish.to.value)) {
            Some(free) => {
                let wish = wishes.remove(free);
                rename(wish.from, &wish.to.value, wish.to);
            }
            // All that are left want each other's names.
            None => {
                let wish = wishes.remove(0);
                let name = temporary(parked.len(), nics);
                rename(wish.from, &name, wish.to);
                parked.push((name, wish.to));
            }
        }
    }
    parked.iter().for_each(|(name, to)| rename(name, &to.value, to));
    changes
}

/// A name that nobody has.
fn temporary(count: usize, nics: &[Nic]) -> String {
    let names = (count..).map(|number| format!("firstlight{number}"));
    { names }.find(|name| nics.iter().all(|nic| nic.name != *name)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Origin;
    use crate::network::model::{Kind, Link, Match, Physical};
    use crate::network::render::interface_name;
    use proptest::prelude::*;

    /// What becomes of interfaces `eth0`, `eth1`, … that are to be called so, and how many findings there are.
    fn renamed(names: &[Option<&str>]) -> (Vec<String>, usize) {
        let origin = Origin::document("d");
        let mut config = NetworkConfig::new(origin.clone());
        let mut nics = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let mac = format!("fa:16:3e:00:00:{index:02x}");
            nics.push(Nic { name: format!("eth{index}"), mac: mac.clone(), ..Nic::default() });
            let by = Match::mac(Located::new(mac.parse().unwrap(), origin.clone()));
            let set_name = name.map(|name| Located::new(name.to_owned(), origin.clone()));
            let kind = Kind::Physical(Physical { set_name, ..by.into() });
            config.links.push(Link::new(format!("link{index}"), kind, origin.clone()));
        }
        let mut findings = Findings::default();
        let changes = renames(&config, &nics);
        let left = settled(config, Some(&nics), true, &mut findings);
        let told: Vec<_> = left.links.iter().map(|link| interface_name(link, Some(&nics)).unwrap()).collect();
        let mut now: Vec<String> = nics.into_iter().map(|nic| nic.name).collect();
        for change in &changes {
            let Task::Rename { from, to } = &change.task else { panic!("{change}") };
            assert!(!now.contains(to), "{change} while that is there");
            *now.iter_mut().find(|name| *name == from).unwrap() = to.clone();
        }
        assert_eq!(told, now, "what the managers are told");
        (now, findings.iter().count())
    }

    #[test]
    fn names_are_changed_with_each_other_and_in_rings() {
        assert_eq!(renamed(&[Some("eth1"), Some("eth0")]), (vec!["eth1".into(), "eth0".into()], 0));
        let (now, findings) = renamed(&[Some("eth1"), Some("eth2"), Some("eth0"), Some("lan")]);
        assert_eq!((now, findings), (["eth1", "eth2", "eth0", "lan"].map(str::to_owned).into(), 0));
        assert_eq!(renamed(&[Some("eth0"), None]).1, 0, "it has that name already");
    }

    #[test]
    fn a_name_that_another_keeps_is_not_given_and_said() {
        assert_eq!(renamed(&[Some("eth1"), None]), (vec!["eth0".into(), "eth1".into()], 1));
        assert_eq!(renamed(&[Some("eth1"), Some("eth2"), None]).0, ["eth0", "eth1", "eth2"], "one after the other");
        let chain = [Some("eth1"), Some("eth2"), Some("eth3"), Some("-x")];
        assert_eq!(renamed(&chain), (["eth0", "eth1", "eth2", "eth3"].map(str::to_owned).into(), 4));
        assert_eq!(renamed(&[Some("lan"), Some("lan")]), (vec!["lan".into(), "eth1".into()], 1));
        for bad in ["", ".", "..", "a/b", "a b", "sixteen-letters-", "a\nlink", "%d", "a:1", "lo"] {
            assert_eq!(renamed(&[Some(bad)]), (vec!["eth0".into()], 1), "{bad:?}");
        }
    }

    proptest! {
        /// However the names are dealt: `renamed` checks each step, everybody who can gets the name, nobody loses one.
        #[test]
        fn no_step_meets_a_name_that_is_taken(dealt in proptest::collection::vec(proptest::option::of(0usize..8), 0..8)) {
            let names: Vec<Option<String>> = dealt.iter().map(|name| name.map(|name| format!("eth{name}"))).collect();
            let names: Vec<Option<&str>> = names.iter().map(Option::as_deref).collect();
            let (now, findings) = renamed(&names);
            let unmet = names.iter().zip(&now).filter(|(wish, now)| wish.is_some_and(|wish| wish != *now)).count();
            prop_assert_eq!(unmet, findings);
            let different: std::collections::BTreeSet<_> = now.iter().collect();
            prop_assert_eq!(different.len(), now.len());
        }
    }
}
