// SPDX-License-Identifier: Apache-2.0
//! `/etc/hosts`: the machine finds its own name without a name server.
//!
//! Key as cloud-init's `cc_update_etc_hosts`. Unlike there the machine's own entry is kept right also where nothing is
//! asked for: a name that does not resolve makes `sudo` and many daemons wait. `false` leaves the file alone.

use crate::config::document::Node;
use crate::finding::{Finding, Findings};
use crate::guest::Family;
use crate::modules::hostname::{self, Names};
use crate::modules::{Input, Module, Planner};
use crate::plan::action::Edit;
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "hosts", stage: Stage::Local, frequency: Frequency::PerBoot, keys: Keys::KEYS, plan };

crate::keys! {
    struct Keys {
        /// `true` writes the whole file at each boot, `localhost` (the default) keeps only the machine's own line
        /// right, `false` leaves the file alone.
        manage_etc_hosts: Node,
    }
}

enum Manage {
    All,
    Own,
    Nothing,
}

fn manage(node: Option<&Node>, findings: &mut Findings) -> Manage {
    let Some(node) = node else { return Manage::Own };
    if node.text() == Some("template") {
        let old = Finding::warning(&node.origin, "`manage_etc_hosts: template` is deprecated");
        findings.push(old.help("manage_etc_hosts: true"));
    }
    match node.text().map(|text| text.trim().to_ascii_lowercase()).as_deref() {
        Some("localhost") => Manage::Own,
        Some("true" | "yes" | "on" | "1" | "template") => Manage::All,
        Some("false" | "no" | "off" | "0") => Manage::Nothing,
        _ => {
            let message = format!("expected true, false or localhost, found {}", node.described());
            findings.push(Finding::error(&node.origin, message));
            Manage::Nothing
        }
    }
}

fn plan(input: &Input, planner: &mut Planner) {
    let keys = Keys::take(input.config, &mut planner.findings);
    let manage = manage(keys.manage_etc_hosts.as_ref(), &mut planner.findings);
    let asked = keys.manage_etc_hosts.map(|node| node.origin);
    if asked.is_none() && hostname::preserved(input) {
        return;
    }
    let Some(names) = hostname::names(input, planner) else { return };
    let address = match input.guest.family() {
        Family::RedHat => "127.0.0.1",
        _ => "127.0.1.1",
    };
    let own = own_line(address, &names);
    let edit = match manage {
        Manage::Nothing => return,
        Manage::Own => Edit::new("/etc/hosts", move |old| with_own_line(old, address, &own)),
        Manage::All => Edit::new("/etc/hosts", move |_| whole(&own)),
    };
    planner.step("hosts", &asked.unwrap_or(names.origin)).edit(edit);
}

/// The machine's line at an address of its own, so that its name also resolves without a network. The RHEL family has no
/// such address and puts the name at that of localhost, in a line of its own.
fn own_line(address: &str, names: &Names) -> String {
    match &names.qualified {
        Some(fqdn) if *fqdn != names.short => format!("{address} {fqdn} {}\n", names.short),
        _ => format!("{address} {}\n", names.short),
    }
}

/// In place of the first such line and of all others; at the end where there is none.
fn with_own_line(old: &str, address: &str, own: &str) -> String {
    let is_own = |line: &str| {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        words.next() == Some(address) && words.all(|name| !name.starts_with("localhost"))
    };
    let mut new = String::new();
    let mut written = false;
    for line in old.lines() {
        if !is_own(line) {
            new.push_str(line);
            new.push('\n');
        } else if !written {
            new.push_str(own);
            written = true;
        }
    }
    if old.is_empty() {
        return whole(own);
    }
    if !written {
        new.push_str(own);
    }
    new
}

fn whole(own: &str) -> String {
    format!(
        "# Written by firstlight at each boot (manage_etc_hosts).\n\
         127.0.0.1 localhost\n{own}\n\
         ::1 localhost ip6-localhost ip6-loopback\nff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::Bench;

    const OLD: &str = "127.0.0.1 localhost\n127.0.1.1\told.example old\n# mine\n10.0.0.1 db\n";

    fn hosts(config: &str) -> Option<String> {
        let bench = Bench::new(config).hostname("vm1.example.org").file("/etc/hosts", OLD);
        bench.plan(plan).content("/etc/hosts")
    }

    #[test]
    fn only_the_machine_s_own_line_changes_by_default() {
        let expected = "127.0.0.1 localhost\n127.0.1.1 vm1.example.org vm1\n# mine\n10.0.0.1 db\n";
        assert_eq!(hosts("").as_deref(), Some(expected));
        assert_eq!(hosts("manage_etc_hosts: localhost").as_deref(), Some(expected));
    }

    #[test]
    fn the_whole_file_or_none_of_it_on_demand() {
        assert!(!hosts("manage_etc_hosts: true").unwrap().contains("db"));
        assert_eq!(hosts("manage_etc_hosts: no"), None);
    }

    #[test]
    fn a_name_that_is_not_set_is_not_written_unasked() {
        assert_eq!(hosts("preserve_hostname: true"), None);
        assert!(hosts("preserve_hostname: true\nmanage_etc_hosts: localhost").is_some());
    }

    #[test]
    fn a_name_without_a_domain_stands_once() {
        let line = hosts("fqdn: vm1").unwrap();
        assert!(line.contains("\n127.0.1.1 vm1\n"), "{line}");
    }

    #[test]
    fn the_rhel_family_names_the_machine_at_localhost_s_address() {
        let rocky = |old: &str| {
            let bench = Bench::new("fqdn: vm1.example.org").file("/etc/os-release", "ID=rocky\nID_LIKE=\"rhel\"\n");
            bench.file("/etc/hosts", old).plan(plan).content("/etc/hosts").unwrap()
        };
        let localhost = "127.0.0.1   localhost localhost.localdomain\n::1 localhost\n";
        let expected = format!("{localhost}127.0.0.1 vm1.example.org vm1\n");
        assert_eq!(rocky(localhost), expected);
        assert_eq!(rocky(&format!("{localhost}127.0.0.1 old.example old\n")), expected);
    }
}
