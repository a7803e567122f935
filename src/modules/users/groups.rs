// SPDX-License-Identifier: Apache-2.0
//! Which groups are wanted: `groups` in all its forms.

use crate::config::document::{Data, Node};
use crate::config::read::{self, Kind, Read};
use crate::config::types::Words;
use crate::finding::{Finding, Findings, Located, Origin};
use crate::modules::users::names::{LIMIT, valid_name, valid_names};

/// A group to make, with where it was asked for.
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// Users to add to it.
    pub members: Vec<String>,
    /// The entry.
    pub origin: Origin,
}

/// The form of `groups`.
#[derive(Debug, Clone)]
pub struct Form;

impl read::Form for Form {
    fn form() -> Kind {
        let members = Kind::Named(Box::new(Words::kind()));
        let entry = Kind::OneOf(vec![Kind::Scalar("names between commas"), members.clone()]);
        Kind::OneOf(vec![entry.clone(), Kind::List(Box::new(entry))])
    }
}

/// `"a,b"`, a mapping `name: members`, or a list of either; each group once.
pub fn wanted(node: Option<&Node>, findings: &mut Findings) -> Vec<Wanted> {
    let mut groups = Groups::default();
    for item in node.map(|node| node.items().unwrap_or(std::slice::from_ref(node))).unwrap_or_default() {
        groups.collect(item, findings);
    }
    groups.groups
}

/// The groups, at most [`LIMIT`].
#[derive(Default)]
struct Groups {
    groups: Vec<Wanted>,
    full: bool,
}

impl Groups {
    fn collect(&mut self, item: &Node, findings: &mut Findings) {
        match &item.data {
            _ if item.is_null() => {}
            Data::Mapping(entries) => {
                for (name, members) in entries {
                    let members = if members.is_null() { None } else { Located::<Words>::read(members, findings) };
                    let members = members.map(|members| valid_names("user", &members, findings)).unwrap_or_default();
                    self.add(name.text().unwrap_or_default(), members, &name.origin, findings);
                }
            }
            Data::Scalar(_) => {
                for name in Words::read(item, findings).unwrap_or_default().0 {
                    self.add(&name, Vec::new(), &item.origin, findings);
                }
            }
            Data::Sequence(_) => {
                findings.push(Finding::error(&item.origin, "expected a group's name, found a list; it is left out"));
            }
        }
    }

    fn add(&mut self, name: &str, members: Vec<String>, origin: &Origin, findings: &mut Findings) {
        if let Some(group) = self.groups.iter_mut().find(|group| group.name == name) {
            group.members.extend(members);
            group.members.sort();
            group.members.dedup();
        } else if self.groups.len() == LIMIT {
            if !self.full {
                self.full = true;
                findings.push(Finding::error(origin, format!("more than {LIMIT} groups; the rest is left out")));
            }
        } else if valid_name("group", name, origin, findings) {
            self.groups.push(Wanted { name: name.to_owned(), members, origin: origin.clone() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document::parse;

    /// `name(members)` of each group, and how many findings there are.
    fn read(text: &str) -> (String, usize) {
        let mut findings = Findings::default();
        let node = parse(text, &Origin::document("d"), &mut findings).unwrap();
        let groups = wanted(Some(&node), &mut findings);
        let shown: Vec<_> = groups.iter().map(|group| format!("{}({})", group.name, group.members.join(","))).collect();
        (shown.join(" "), findings.iter().count())
    }

    #[test]
    fn every_form_gives_the_groups_and_their_members() {
        for (form, expected) in [
            ("'a,b'", "a() b()"),
            ("[a, b]", "a() b()"),
            ("[a, {b: [u1, u2]}]", "a() b(u1,u2)"),
            ("{a: u, b: [u1, u2], c: 'u1, u2', d: }", "a(u) b(u1,u2) c(u1,u2) d()"),
            ("[a, {a: [u2]}, {a: [u1, u2]}]", "a(u1,u2)"),
            ("[]", ""),
            ("~", ""),
        ] {
            assert_eq!(read(form), (expected.to_owned(), 0), "{form}");
        }
    }

    #[test]
    fn a_bad_group_or_member_costs_only_itself() {
        assert_eq!(read("[[a], 'b:x', {c: [u, 'v:x']}, d]"), ("c(u) d()".to_owned(), 3));
    }
}
