// SPDX-License-Identifier: Apache-2.0
//! What can be said of one user, and what may stand there.
//!
//! What does not fit into its field of passwd or shadow is refused where it is read: the user is made without it.

use std::path::PathBuf;

use crate::config::document::Node;
use crate::config::read::{Kind, Raw, Read, unfit};
use crate::config::types::{OneOrMany, OrFalse, Typed, Verbatim, Words};
use crate::finding::{Findings, Located};
use crate::modules::keys::Lines;
use crate::plan::day::Day;

crate::keys! {
    /// One user.
    pub struct Account {
        /// Login name.
        name: Located<String>,
        /// Full name.
        gecos: Gecos,
        /// Home directory.
        homedir: Home,
        /// Primary group, in place of one of the user's own name.
        primary_group: Located<String>,
        /// Numeric id.
        uid: Uid,
        /// More groups; missing ones are made.
        groups: Located<Words>,
        /// Password hash for a new user; one that is there keeps its own.
        passwd: Located<Hash>,
        /// Password hash, also for an existing user.
        hashed_passwd: Located<Hash>,
        /// Password as it is typed.
        plain_text_passwd: Located<Typed>,
        /// No login by password (the default).
        lock_passwd: Located<bool>,
        /// Login shell.
        shell: Shell,
        /// Day on which the account ends, `YYYY-MM-DD`.
        expiredate: Date,
        /// Days after the password's end until the account is disabled.
        inactive: i64,
        /// SELinux user.
        selinux_user: Located<String>,
        /// No group of the user's own.
        no_user_group: bool,
        /// A system account: no home, a low number.
        system: bool,
        /// Left out of lastlog and faillog; both are sparse files, so nothing is gained.
        no_log_init: bool,
        /// No home directory.
        no_create_home: bool,
        /// Make missing groups (the default).
        create_groups: bool,
        /// Rules for sudo: a string or a list.
        sudo: Located<OrFalse<OneOrMany<Located<String>>>>,
        /// Rules for doas.
        doas: OneOrMany<Located<String>>,
        /// Public keys.
        ssh_authorized_keys: Raw<Lines>,
        /// Answer logins with the platform's keys with the name of the default user: true or `default`.
        ssh_redirect_user: Located<Verbatim>,
        /// Keys to fetch from a key server.
        ssh_import_id: OneOrMany<Located<String>>,
        /// E-mail address of an account of the Ubuntu store: snapd makes this user, and all else here is left out.
        snapuser: Located<String>,
    }
}

impl Account {
    /// Whether it gets no home to keep keys in.
    pub fn is_homeless(&self) -> bool {
        self.system == Some(true) || self.no_create_home == Some(true) || self.snapuser.is_some()
    }

    /// What is said here, else what `base` says; the groups are those of both, sorted.
    pub fn joined(self, base: Self) -> Self {
        let groups = match (&self.groups, &base.groups) {
            (Some(own), Some(more)) => {
                let mut words: Vec<String> = own.0.iter().chain(&more.0).cloned().collect();
                words.sort();
                words.dedup();
                Some(Located::new(Words(words), own.origin.clone()))
            }
            (own, more) => own.as_ref().or(more.as_ref()).cloned(),
        };
        Self { groups, ..self.over(base) }
    }
}

/// A type of text that stands in one field of a line.
macro_rules! fields {
    ($($(#[doc = $doc:literal])+ $name:ident($kind:literal, $fits:expr);)*) => { $(
        $(#[doc = $doc])+
        #[derive(Debug, Clone)]
        pub struct $name(pub String);

        impl Read for $name {
            fn kind() -> Kind {
                Kind::Scalar($kind)
            }

            fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
                let text = String::read(node, findings)?;
                // A block (`|`) ends with a line's end that nobody means.
                let text = text.trim_end_matches('\n');
                let fits: fn(&str) -> bool = $fits;
                if one_field(text) && fits(text) { Some(Self(text.to_owned())) } else { unfit(node, &Self::kind(), findings) }
            }
        }
    )* };
}

fields! {
    /// A full name.
    Gecos("one line without `:`", |_| true);
    /// A login shell; nothing is `/bin/sh`.
    Shell("an absolute path without `:`", |text| text.is_empty() || text.starts_with('/'));
    /// A day; nothing is "never".
    Date("a day as YYYY-MM-DD, e.g. 2030-12-31", |text| text.is_empty() || Day::parse(text).is_some());
    /// What crypt(3) made of a password.
    Hash("a password hash: one line without `:`", |_| true);
}

fn one_field(text: &str) -> bool {
    !text.chars().any(|c| c == ':' || c.is_control())
}

/// A home directory.
#[derive(Debug, Clone)]
pub struct Home(pub PathBuf);

impl Read for Home {
    fn kind() -> Kind {
        Kind::Scalar("an absolute path without `:`")
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        if node.text().is_some_and(one_field) {
            PathBuf::read(node, findings).map(Self)
        } else {
            unfit(node, &Self::kind(), findings)
        }
    }
}

/// A user's number. The largest one means "no user" to chown(2) and its kin.
#[derive(Debug, Clone, Copy)]
pub struct Uid(pub u32);

impl Read for Uid {
    fn kind() -> Kind {
        Kind::Scalar("a number from 0 to 4294967294")
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        let uid = u32::read(node, findings)?;
        if uid == u32::MAX { unfit(node, &Self::kind(), findings) } else { Some(Self(uid)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document::parse;
    use crate::finding::Origin;

    fn read(text: &str) -> (Account, Vec<String>) {
        let mut findings = Findings::default();
        let node = parse(text, &Origin::document("d"), &mut findings).unwrap();
        let account = Account::read(&node, &mut findings).unwrap();
        (account, findings.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn numbers_dates_and_hyphens_need_no_care() {
        let (account, findings) = read(
            "{uid: '1000', inactive: 5, expiredate: 2030-12-31, gecos: 42, ssh-authorized-keys: [], lock-passwd: no}",
        );
        assert_eq!(findings, [""; 0]);
        assert_eq!((account.uid.unwrap().0, account.inactive), (1000, Some(5)));
        assert_eq!((account.expiredate.unwrap().0.as_str(), account.gecos.unwrap().0.as_str()), ("2030-12-31", "42"));
        assert!(account.ssh_authorized_keys.is_some() && !account.lock_passwd.unwrap().value);
    }

    #[test]
    fn what_would_break_a_line_is_refused_at_its_place_and_its_neighbours_stay() {
        for bad in [
            "gecos: 'x:0:0'",
            "gecos: \"a\\nb\"",
            "homedir: srv/x",
            "homedir: /srv/../etc",
            "homedir: '/srv:x'",
            "shell: bash",
            "shell: \"/bin/sh\\nroot\"",
            "expiredate: tomorrow",
            "expiredate: '2030-02-30'",
            "inactive: soon",
            "uid: 4294967295",
            "uid: -1",
            "passwd: 'a:b'",
            "hashed_passwd: \"sesame\\nroot::\"",
        ] {
            let (account, findings) = read(&format!("name: ops\n{bad}"));
            let mut errors = findings.iter().filter(|finding| finding.contains(": error: "));
            let (Some(finding), None) = (errors.next(), errors.next()) else { panic!("{bad}: {findings:?}") };
            assert!(finding.starts_with("d:2:") && !finding.contains("sesame"), "{finding}");
            assert_eq!(account.name.unwrap().value, "ops");
            assert!(account.gecos.is_none() && account.homedir.is_none() && account.shell.is_none(), "{bad}");
            assert!(account.expiredate.is_none() && account.inactive.is_none() && account.uid.is_none(), "{bad}");
            assert!(account.passwd.is_none() && account.hashed_passwd.is_none(), "{bad}");
        }
    }

    #[test]
    fn a_block_s_last_line_end_is_no_part_of_a_hash() {
        assert_eq!(read("passwd: |\n  $6$s$h\n").0.passwd.unwrap().0, "$6$s$h");
    }
}
