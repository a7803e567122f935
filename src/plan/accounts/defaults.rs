// SPDX-License-Identifier: Apache-2.0
//! What the distribution says of new accounts: `/etc/login.defs` and `/etc/default/useradd`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::plan::accounts::numbers::Range;
use crate::root::Tree;

const LOGIN_DEFS: &str = "/etc/login.defs";
const USERADD: &str = "/etc/default/useradd";

/// The two files; what they leave out is as shadow compiles it in (login.defs(5)).
#[derive(Debug)]
pub(super) struct Defaults {
    login: BTreeMap<String, String>,
    useradd: BTreeMap<String, String>,
}

impl Defaults {
    /// Reads what there is of them.
    pub fn read(tree: &dyn Tree) -> Result<Self> {
        let login = tree.read_text(Path::new(LOGIN_DEFS))?.unwrap_or_default();
        let useradd = tree.read_text(Path::new(USERADD))?.unwrap_or_default();
        Ok(Self { login: pairs(&login, char::is_whitespace), useradd: pairs(&useradd, |c| c == '=') })
    }

    /// Numbers of users.
    pub fn uids(&self, system: bool) -> Range {
        self.range("UID", system)
    }

    /// Numbers of groups.
    pub fn gids(&self, system: bool) -> Range {
        self.range("GID", system)
    }

    fn range(&self, what: &str, system: bool) -> Range {
        let ordinary = Range {
            min: self.number(&format!("{what}_MIN"), 1000),
            max: self.number(&format!("{what}_MAX"), 60000),
            system,
        };
        if !system {
            return ordinary;
        }
        let below = ordinary.min.saturating_sub(1);
        Range {
            min: self.number(&format!("SYS_{what}_MIN"), 101.min(below)),
            max: self.number(&format!("SYS_{what}_MAX"), below),
            system,
        }
    }

    /// Numbers that a user may hand to its containers (`what` is `UID` or `GID`), and how many each user gets.
    pub fn subordinates(&self, what: &str) -> (Range, u32) {
        let min = self.number(&format!("SUB_{what}_MIN"), 100_000);
        let max = self.number(&format!("SUB_{what}_MAX"), 600_100_000);
        (Range { min, max, system: false }, self.number(&format!("SUB_{what}_COUNT"), 65536))
    }

    /// Whether a user gets a group of its own.
    pub fn user_groups(&self) -> bool {
        self.login.get("USERGROUPS_ENAB").is_none_or(|value| value.eq_ignore_ascii_case("yes"))
    }

    /// The group of a user that gets none of its own: a name or a number.
    pub fn group(&self) -> &str {
        self.useradd.get("GROUP").map_or("100", String::as_str)
    }

    /// Where `name` lives.
    pub fn home(&self, name: &str) -> PathBuf {
        Path::new(self.useradd.get("HOME").map_or("/home", String::as_str)).join(name)
    }

    /// Mode of a new home.
    pub fn home_mode(&self) -> u32 {
        let octal = |key| self.login.get(key).and_then(|text| u32::from_str_radix(text, 8).ok());
        octal("HOME_MODE").unwrap_or_else(|| 0o777 & !octal("UMASK").unwrap_or(0o022)) & 0o7777
    }

    /// What a new home is filled from.
    pub fn skeleton(&self) -> &Path {
        Path::new(self.useradd.get("SKEL").map_or("/etc/skel", String::as_str))
    }

    /// The login shell.
    pub fn shell(&self) -> &str {
        self.useradd.get("SHELL").filter(|shell| !shell.is_empty()).map_or("/bin/sh", String::as_str)
    }

    /// Least age, greatest age and warning of a password in days, as fields of shadow.
    pub fn ages(&self) -> String {
        let age = |key, default| self.login.get(key).and_then(|text| text.parse::<u32>().ok()).unwrap_or(default);
        format!("{}:{}:{}", age("PASS_MIN_DAYS", 0), age("PASS_MAX_DAYS", 99999), age("PASS_WARN_AGE", 7))
    }

    fn number(&self, key: &str, default: u32) -> u32 {
        self.login.get(key).and_then(|text| text.parse().ok()).unwrap_or(default)
    }
}

/// `KEY VALUE` lines; the last of a key counts.
fn pairs(text: &str, separator: impl Fn(char) -> bool) -> BTreeMap<String, String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(&separator))
        .map(|(key, value)| (key.trim().to_owned(), value.trim().trim_matches('"').to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn the_files_are_read_as_the_distributions_write_them() {
        let scratch = Scratch::new();
        scratch.file(
            "/etc/login.defs",
            "# UID_MIN 5\nUID_MIN\t\t\t 500\nHOME_MODE\t0700\nUMASK 022\nUSERGROUPS_ENAB no\n",
        );
        scratch.file("/etc/default/useradd", "GROUP=users\nHOME=/srv/home\nSHELL=/bin/bash\n");
        let defaults = Defaults::read(&scratch.root()).unwrap();
        assert_eq!(defaults.uids(false), Range { min: 500, max: 60000, system: false });
        assert_eq!(defaults.uids(true), Range { min: 101, max: 499, system: true });
        assert_eq!(defaults.home("x"), Path::new("/srv/home/x"));
        assert_eq!((defaults.home_mode(), defaults.shell(), defaults.group()), (0o700, "/bin/bash", "users"));
        assert!(!defaults.user_groups());
    }

    #[test]
    fn without_the_files_shadow_s_own_defaults_hold() {
        let defaults = Defaults::read(&Scratch::new().root()).unwrap();
        assert_eq!(defaults.uids(false), Range { min: 1000, max: 60000, system: false });
        assert_eq!(defaults.ages(), "0:99999:7");
        assert_eq!((defaults.home_mode(), defaults.shell(), defaults.group()), (0o755, "/bin/sh", "100"));
        assert!(defaults.user_groups());
    }
}
