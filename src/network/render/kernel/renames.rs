// SPDX-License-Identifier: Apache-2.0
//! The names that hardware gets, in an order in which no two interfaces ever want the same one.

use crate::finding::{Finding, Findings, Located};
use crate::guest::Nic;
use crate::network::model::{Kind, Link, NetworkConfig};
use crate::network::render::kernel::{Change, Task};
use crate::network::render::names::{is_interface_name, nic_of};

/// An interface that gets another name.
struct Wish<'a> {
    from: &'a str,
    to: &'a Located<String>,
}

/// The renames that make the hardware's names those of `set-name`, in the order in which they can be made: interfaces
/// that change names with each other go by a temporary one. For every manager: a running system is renamed by
/// [`Action::Interfaces`](crate::plan::action::Action::Interfaces), whatever else the manager is told.
///
/// Only hardware among `nics` is renamed; what already has its name is not. A name that the kernel would not take, that
/// two want, or that belongs to an interface which keeps it is a finding, and costs only that rename.
pub fn renames(config: &NetworkConfig, nics: &[Nic], findings: &mut Findings) -> Vec<Change> {
    let mut wishes: Vec<Wish> = Vec::new();
    for link in &config.links {
        let Some((nic, to)) = wish(link, nics).filter(|(nic, to)| nic.name != to.value) else { continue };
        let rival = wishes.iter().any(|other| other.to.value == to.value)
            || config.links.iter().any(|other| !matches!(other.kind, Kind::Physical(_)) && other.id == to.value);
        if let Some(why) = refusal(to, rival) {
            findings.push(Finding::error(&to.origin, format!("{} is not renamed to `{}`: {why}", nic.name, to.value)));
        } else {
            wishes.push(Wish { from: &nic.name, to });
        }
    }
    drop_taken(&mut wishes, nics, findings);
    ordered(wishes, nics)
}

fn wish<'a>(link: &'a Link, nics: &'a [Nic]) -> Option<(&'a Nic, &'a Located<String>)> {
    Some((nic_of(link, nics)?, link.physical()?.set_name.as_ref()?))
}

fn refusal(to: &str, rival: bool) -> Option<&'static str> {
    if !is_interface_name(to) {
        Some("an interface's name has at most 15 letters, digits, hyphens, dots and underscores")
    } else if rival {
        Some("another interface of this network gets that name")
    } else {
        None
    }
}

/// Leaves out what wants the name of an interface that keeps it. Whoever stays for that keeps its own name as well, so
/// that another may have to stay too.
fn drop_taken(wishes: &mut Vec<Wish>, nics: &[Nic], findings: &mut Findings) {
    loop {
        let leaves = |name: &str| wishes.iter().any(|wish| wish.from == name);
        let kept = |name: &str| nics.iter().any(|nic| nic.name == name) && !leaves(name);
        let Some(taken) = wishes.iter().position(|wish| kept(&wish.to.value)) else { return };
        let Wish { from, to } = wishes.remove(taken);
        let message = format!("{from} is not renamed to `{}`: another interface has that name and keeps it", to.value);
        findings.push(Finding::error(&to.origin, message).help("give the other one a name too, or choose another"));
    }
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
    use crate::network::model::{Match, Physical};
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
        let changes = renames(&config, &nics, &mut findings);
        let mut now: Vec<String> = nics.into_iter().map(|nic| nic.name).collect();
        for change in &changes {
            let Task::Rename { from, to } = &change.task else { panic!("{change}") };
            assert!(!now.contains(to), "{change} while that is there");
            *now.iter_mut().find(|name| *name == from).unwrap() = to.clone();
        }
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
        assert_eq!(renamed(&[Some("lan"), Some("lan")]), (vec!["lan".into(), "eth1".into()], 1));
        for bad in ["", ".", "..", "a/b", "a b", "sixteen-letters-", "a\nlink", "%d", "a:1"] {
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
