// SPDX-License-Identifier: Apache-2.0
//! Package managers: which one a guest has, and how each is asked without asking back.

use crate::guest::{Family, Guest};

/// How one package manager is called.
#[derive(Debug)]
pub struct Manager {
    /// The program.
    pub tool: &'static str,
    family: Family,
    /// Options before the word for what is to be done: no questions, and a bounded wait for its lock where it has one.
    options: &'static [&'static str],
    /// Fetch the lists of packages.
    pub update: &'static [&'static str],
    /// Install what is newer than what is there.
    pub upgrade: &'static [&'static str],
    /// Install packages.
    pub install: &'static [&'static str],
    /// Between a package's name and its version; none where no version can be asked for.
    pub version: Option<char>,
}

/// Of those of one family the first that is there is the guest's.
const MANAGERS: &[Manager] = &[
    Manager {
        tool: "apt-get",
        family: Family::Debian,
        options: &[
            "-q",
            "-y",
            "-o",
            "Dpkg::Options::=--force-confold",
            "-o",
            "DPkg::Lock::Timeout=120",
            "-o",
            "Acquire::Retries=3",
        ],
        update: &["update"],
        upgrade: &["dist-upgrade"],
        install: &["install"],
        version: Some('='),
    },
    dnf("dnf"),
    dnf("yum"),
    dnf("microdnf"),
    Manager {
        tool: "zypper",
        family: Family::Suse,
        options: &["--non-interactive"],
        update: &["refresh"],
        upgrade: &["update", "--auto-agree-with-licenses"],
        install: &["install", "--auto-agree-with-licenses"],
        version: Some('='),
    },
    Manager {
        tool: "apk",
        family: Family::Alpine,
        options: &["--wait", "120"],
        update: &["update"],
        upgrade: &["upgrade"],
        install: &["add"],
        version: Some('='),
    },
    Manager {
        tool: "pacman",
        family: Family::Arch,
        options: &["--noconfirm", "--noprogressbar"],
        update: &["-Sy"],
        upgrade: &["-Su"],
        install: &["-S", "--needed"],
        version: None,
    },
];

/// dnf and those that are called like it; they wait for each other by themselves.
const fn dnf(tool: &'static str) -> Manager {
    Manager {
        tool,
        family: Family::RedHat,
        options: &["-y"],
        update: &["makecache"],
        upgrade: &["upgrade"],
        install: &["install"],
        version: Some('-'),
    }
}

impl Manager {
    /// That of the guest's family, else any that is there.
    pub fn of(guest: &Guest) -> Option<&'static Self> {
        let family = guest.family();
        let there = || MANAGERS.iter().filter(|manager| guest.has_tool(manager.tool));
        there().find(|manager| manager.family == family).or_else(|| there().next())
    }

    /// The words that do `what`.
    pub fn command(&self, what: &[&'static str]) -> impl Iterator<Item = &'static str> {
        [self.tool].into_iter().chain(self.options.iter().copied()).chain(what.to_vec())
    }
}
