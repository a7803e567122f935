// SPDX-License-Identifier: Apache-2.0
//! What `packages` asks for, in each of its forms.

use super::manager::Manager;
use crate::config::document::{Data, Node};
use crate::finding::{Finding, Findings, Located, Origin};

/// The packages of each kind, in the author's order.
#[derive(Debug, Default)]
pub struct Wanted {
    packages: Vec<Package>,
    /// Words after `snap install`: a name, and what else is said of it.
    pub snaps: Vec<(Vec<String>, Origin)>,
}

#[derive(Debug)]
struct Package {
    name: String,
    version: Option<String>,
    /// Only where the guest's manager is apt.
    only_apt: bool,
    origin: Origin,
}

/// Whose packages a list names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Guest,
    Apt,
    Snap,
}

impl Wanted {
    /// Reads the value of `packages`; an entry that does not fit costs only itself.
    pub fn read(list: &Node, findings: &mut Findings) -> Self {
        let mut wanted = Self::default();
        wanted.list(list, Whose::Guest, findings);
        wanted
    }

    /// One more, which another topic needs.
    pub fn add(&mut self, name: Located<String>, findings: &mut Findings) {
        if is_name(&name) {
            self.packages.push(Package { name: name.value, version: None, only_apt: false, origin: name.origin });
        } else {
            let wrong = format!("`{}` is no name of a package; it is not installed", name.value);
            findings.push(Finding::error(&name.origin, wrong));
        }
    }

    fn list(&mut self, list: &Node, whose: Whose, findings: &mut Findings) {
        match list.items() {
            Some(items) => items.iter().for_each(|item| self.entry(item, whose, findings)),
            None => self.entry(list, whose, findings),
        }
    }

    fn entry(&mut self, entry: &Node, whose: Whose, findings: &mut Findings) {
        let words = match &entry.data {
            _ if entry.is_null() => return,
            Data::Scalar(scalar) => Some(vec![scalar.text.trim().to_owned()]),
            Data::Sequence(items) => items.iter().map(|item| item.text().map(str::to_owned)).collect(),
            Data::Mapping(entries) if whose == Whose::Guest => {
                return entries.iter().for_each(|(manager, list)| match manager.text() {
                    Some("apt") => self.list(list, Whose::Apt, findings),
                    Some("snap") => self.list(list, Whose::Snap, findings),
                    other => findings.push(
                        Finding::error(
                            &manager.origin,
                            format!("`{}` is no package manager here; its packages are left out", other.unwrap_or("")),
                        )
                        .help("apt or snap; without one the packages are for the guest's own"),
                    ),
                });
            }
            Data::Mapping(_) => None,
        };
        let problem = match words.as_deref() {
            Some([name, ..]) if !is_name(name) => format!("`{name}` is no name of a package"),
            Some([_, rest @ ..]) if rest.iter().any(|word| !is_word(word)) => "no such version".to_owned(),
            Some([name, rest @ ..]) if whose == Whose::Snap => {
                let words = [std::slice::from_ref(name), rest].concat();
                return self.snaps.push((words, entry.origin.clone()));
            }
            Some([name, rest @ ..]) if rest.len() < 2 && rest.iter().all(|version| is_name(version)) => {
                let (name, version) = (name.clone(), rest.first().cloned());
                let origin = entry.origin.clone();
                return self.packages.push(Package { name, version, only_apt: whose == Whose::Apt, origin });
            }
            _ => "expected a package's name, or `[name, version]`".to_owned(),
        };
        findings.push(
            Finding::error(&entry.origin, format!("{problem}; this entry is left out, the others are installed"))
                .help("an entry for each package: `- nginx`, or `- [nginx, 1.22.1]`"),
        );
    }

    /// The packages as the guest's manager takes them.
    pub fn names(&self, manager: Option<&Manager>, findings: &mut Findings) -> Vec<String> {
        let name = |package: &Package| match (manager, &package.version) {
            (Some(manager), _) if package.only_apt && manager.tool != "apt-get" => {
                Err(format!("`{}` is for apt, and this guest has {}", package.name, manager.tool))
            }
            (Some(Manager { version: Some(between), .. }), Some(version)) => {
                Ok(format!("{}{between}{version}", package.name))
            }
            (Some(manager), Some(_)) => {
                Err(format!("{} installs only the newest version of `{}`", manager.tool, package.name))
            }
            (_, _) => Ok(package.name.clone()),
        };
        let mut names: Vec<String> = Vec::new();
        for package in &self.packages {
            match name(package) {
                Ok(name) if names.contains(&name) => {}
                Ok(name) => names.push(name),
                Err(why) => {
                    findings.push(Finding::error(&package.origin, format!("{why}; this entry is left out")));
                }
            }
        }
        names
    }
}

/// What can be a name or a version for some manager (`@development`, `libstdc++6:i386`, `a>=1`, `/root/x.rpm`), and neither
/// an option nor something that a shell would read.
fn is_name(word: &str) -> bool {
    is_word(word) && !word.starts_with('-')
}

fn is_word(word: &str) -> bool {
    !word.is_empty() && !word.contains(|c: char| c.is_whitespace() || c.is_control() || "\"'\\`$&|;<>!#".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document::parse;

    fn read(yaml: &str) -> (Wanted, Vec<String>) {
        let mut findings = Findings::default();
        let list = parse(yaml, &Origin::document("d"), &mut findings).unwrap();
        let wanted = Wanted::read(&list, &mut findings);
        (wanted, findings.iter().map(|finding| finding.message.clone()).collect())
    }

    fn names(yaml: &str) -> Vec<String> {
        read(yaml).0.names(None, &mut Findings::default())
    }

    #[test]
    fn every_form_names_its_packages() {
        for yaml in ["git", "[git]", "[[git]]", "[git, git]", "{apt: [git]}", "[{apt: git}]"] {
            assert_eq!((names(yaml), read(yaml).1.len()), (vec!["git".to_owned()], 0), "{yaml}");
        }
        let (wanted, findings) = read("[{snap: [certbot, [juju, --edge], [lxd, --channel=5.15/stable]]}, 3to2]");
        assert_eq!(wanted.snaps[1].0, ["juju", "--edge"]);
        assert_eq!((wanted.snaps.len(), wanted.packages.len(), findings.len()), (3, 1, 0));
        assert_eq!(names("['@development', 'g++', 'libc6:i386', https://h/x.rpm, 'perl(Foo)']").len(), 5);
    }

    #[test]
    fn what_is_no_name_costs_only_itself() {
        for bad in ["--purge", "'a b'", "'a;b'", "''", "{dnf: [a]}", "[a, 1, 2]", "[a, [b]]", "[a, '-b']", "'$(x)'"] {
            let (wanted, findings) = read(&format!("[{bad}, git]"));
            assert_eq!((wanted.packages.len(), findings.len()), (1, 1), "{bad}: {findings:?}");
        }
    }
}
