// SPDX-License-Identifier: Apache-2.0
//! Host name: `/etc/hostname` and the running kernel's.
//!
//! Keys and rules as cloud-init's `cc_set_hostname` and `util.get_hostname_fqdn`: `fqdn` wins over `hostname`, a host
//! name with a dot is a qualified one, the platform's name serves where nothing is asked for. The short name is set
//! unless `prefer_fqdn_over_hostname` (the RHEL family's default) says otherwise.

use crate::config::base::HostnameFrom;
use crate::finding::{Finding, Findings, Located};
use crate::guest::Family;
use crate::instance::hostname;
use crate::modules::{Input, Module, Planner};
use crate::plan::action::{Action, Edit};
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "hostname", stage: Stage::Local, frequency: Frequency::PerInstance, keys: Keys::KEYS, plan };

crate::keys! {
    struct Keys {
        /// Host name, short or fully qualified.
        hostname: Located<String>,
        /// Fully qualified host name.
        fqdn: Located<String>,
        /// Set the fully qualified name as the host name. Default: true in the RHEL family, else false.
        prefer_fqdn_over_hostname: bool,
        /// Leave the host name as it is.
        preserve_hostname: bool,
        /// Write `/etc/hostname` (default true); else only the running name is set.
        create_hostname_file: bool,
    }
}

/// Whether the name that the machine has is to stay.
pub fn preserved(input: &Input) -> bool {
    // What is wrong with the keys is said where they are planned.
    Keys::take(input.config, &mut Findings::default()).preserve_hostname == Some(true)
}

/// The names that this machine answers to.
#[derive(Debug, PartialEq, Eq)]
pub struct Names {
    /// Without a domain.
    pub short: String,
    /// With it, where there is one.
    pub qualified: Option<String>,
}

/// What configuration and platform say of the name; `None` where neither does.
pub fn names(input: &Input, planner: &mut Planner) -> Option<Located<Names>> {
    let keys = Keys::take(input.config, &mut planner.findings);
    let platform = match input.settings.hostname_from.unwrap_or_default() {
        HostnameFrom::Name => input.instance.name.as_ref().or(input.instance.hostname.as_ref()),
        HostnameFrom::Hostname => input.instance.hostname.as_ref(),
    };
    let mut valid =
        |name: Option<Located<String>>| hostname::check(&name?).map_err(|finding| planner.finding(finding)).ok();
    let fqdn = valid(keys.fqdn);
    let hostname = valid(keys.hostname);
    let platform = valid(platform.cloned());
    for name in [&fqdn, &hostname].into_iter().flatten().filter(|name| name.contains('_')) {
        let underscore = "`_` in a host name is against RFC 1123; some programs and DNS servers refuse it";
        planner.finding(Finding::warning(&name.origin, underscore).help("write `-`"));
    }
    if let Some(fqdn) = fqdn {
        let short = hostname.map_or_else(|| first_label(&fqdn).to_owned(), |name| name.value);
        return Some(fqdn.map(|fqdn| Names { short, qualified: Some(fqdn) }));
    }
    if let Some(name) = hostname {
        let domain =
            platform.as_ref().and_then(|platform| platform.split_once('.').map(|(_, domain)| domain.to_owned()));
        return Some(name.map(|name| match domain {
            Some(domain) if !name.contains('.') => Names { qualified: Some(format!("{name}.{domain}")), short: name },
            _ => split(&name),
        }));
    }
    platform.map(|name| name.map(|name| split(&name)))
}

fn split(name: &str) -> Names {
    Names { short: first_label(name).to_owned(), qualified: name.contains('.').then(|| name.to_owned()) }
}

fn first_label(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

fn plan(input: &Input, planner: &mut Planner) {
    let keys = Keys::take(input.config, &mut planner.findings);
    if keys.preserve_hostname == Some(true) {
        return;
    }
    let Some(names) = names(input, planner) else { return };
    let family = input.guest.family();
    let qualified = keys.prefer_fqdn_over_hostname.unwrap_or(family == Family::RedHat);
    let name = match &names.qualified {
        Some(fqdn) if qualified => fqdn.clone(),
        _ => names.short.clone(),
    };
    if name.len() > 64 {
        let long = format!("`{name}` is longer than the kernel's 64 bytes; the name stays as it is");
        return planner.finding(Finding::error(&names.origin, long));
    }
    let line = format!("{name}\n");
    let step = planner.step("hostname", &names.origin);
    if keys.create_hostname_file != Some(false) {
        if family == Family::Suse {
            // Its older releases start from this file; the newer ones have a link here, or nothing.
            let line = line.clone();
            step.edit(Edit::new("/etc/HOSTNAME", move |_| line.clone()).only_existing());
        }
        step.edit(Edit::new("/etc/hostname", move |_| line.clone()));
    }
    step.action(Action::Hostname(name));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::Bench;

    fn set(config: &str) -> (Option<String>, usize) {
        let outcome = Bench::new(config).hostname("public-3.novalocal").plan(plan);
        (outcome.hostname(), outcome.findings.iter().count())
    }

    #[test]
    fn the_qualified_name_gives_the_short_one() {
        assert_eq!(set(""), (Some("public-3".into()), 0));
        assert_eq!(set("fqdn: vm1.example.org"), (Some("vm1".into()), 0));
        assert_eq!(set("fqdn: vm1.example.org\nhostname: web"), (Some("web".into()), 0));
        assert_eq!(
            set("hostname: vm2.example.org\nprefer_fqdn_over_hostname: yes"),
            (Some("vm2.example.org".into()), 0)
        );
        assert_eq!(set("preserve_hostname: on"), (None, 0));
    }

    #[test]
    fn a_number_is_a_name_and_a_newline_is_not() {
        assert_eq!(set("hostname: 12345"), (Some("12345".into()), 0));
        assert_eq!(set("hostname: \"web\\nroot::0\""), (Some("public-3".into()), 1));
        assert_eq!(set("hostname: -x"), (Some("public-3".into()), 1));
    }

    #[test]
    fn the_rhel_family_has_its_qualified_name_as_host_name() {
        for (release, name) in [
            ("ID=fedora\n", "vm.example"),
            ("ID=\"rhel\"\nID_LIKE=\"fedora\"\n", "vm.example"),
            ("ID=rocky\nID_LIKE=\"rhel centos fedora\"\n", "vm.example"),
            ("ID=amzn\n", "vm.example"),
            ("ID=debian\n", "vm"),
            ("ID=alpine\n", "vm"),
        ] {
            let outcome = Bench::new("fqdn: vm.example").file("/etc/os-release", release).plan(plan);
            assert_eq!(outcome.hostname().as_deref(), Some(name), "{release}");
        }
    }

    #[test]
    fn suse_s_older_file_follows_where_it_is() {
        let suse = |file: &str| {
            let bench = Bench::new("fqdn: vm.example").file("/etc/os-release", "ID=sles\nID_LIKE=suse\n");
            bench.file(file, "old\n").plan(plan).content("/etc/HOSTNAME")
        };
        assert_eq!(suse("/etc/HOSTNAME").as_deref(), Some("vm\n"));
        assert_eq!(suse("/etc/motd"), None);
    }
}
