// SPDX-License-Identifier: Apache-2.0
//! Names of eight characters and three more, as ISO 9660 and FAT want them beside the real ones.

use std::collections::{HashMap, HashSet};

/// The short names of one directory.
pub struct ShortNames {
    /// What may stand in one besides letters and digits.
    punctuation: &'static str,
    /// Stands before the number of a name whose place was taken.
    mark: char,
    taken: HashSet<ShortName>,
    /// The number that was given last, by what stands before it; without it, a thousand like names take a million looks.
    last: HashMap<ShortName, u32>,
}

/// A short name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ShortName {
    /// At most eight characters, at least one; ASCII.
    pub base: String,
    /// At most three.
    pub extension: String,
}

impl ShortNames {
    /// As ISO 9660 level 1 has them.
    pub fn iso9660() -> Self {
        Self { punctuation: "_", mark: '_', taken: HashSet::new(), last: HashMap::new() }
    }

    /// As FAT has them.
    pub fn fat() -> Self {
        Self { punctuation: "$%'-_@~`!(){}^#&", mark: '~', taken: HashSet::new(), last: HashMap::new() }
    }

    /// One for `name` that no other has.
    pub fn take(&mut self, name: &str, has_extension: bool) -> ShortName {
        let (base, extension) = match name.trim_start_matches('.').rsplit_once('.') {
            Some((base, extension)) if has_extension => (base, extension),
            _ => (name.trim_start_matches('.'), ""),
        };
        let mut wanted = ShortName { base: self.part(base, 8), extension: self.part(extension, 3) };
        if wanted.base.is_empty() {
            wanted.base.push('_');
        }
        let found = if self.taken.contains(&wanted) { self.numbered(wanted) } else { wanted };
        self.taken.insert(found.clone());
        found
    }

    fn part(&self, text: &str, length: usize) -> String {
        let fit = |c: char| match c.to_ascii_uppercase() {
            c if c.is_ascii_alphanumeric() || self.punctuation.contains(c) => c,
            _ => '_',
        };
        text.chars().map(fit).take(length).collect()
    }

    fn numbered(&mut self, wanted: ShortName) -> ShortName {
        let last = self.last.entry(wanted.clone()).or_default();
        loop {
            *last += 1;
            let tail = format!("{}{last}", self.mark);
            let base: String =
                wanted.base.chars().take(8usize.saturating_sub(tail.len())).chain(tail.chars()).collect();
            let found = ShortName { base, extension: wanted.extension.clone() };
            if !self.taken.contains(&found) {
                return found;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_none_is_given_twice() {
        let mut names = ShortNames::fat();
        let mut take = |name: &str, has_extension| {
            let ShortName { base, extension } = names.take(name, has_extension);
            format!("{base}.{extension}")
        };
        assert_eq!(take("README.TXT", true), "README.TXT");
        assert_eq!(take("user-data", true), "USER-DAT.");
        assert_eq!(take("user-data2", true), "USER-D~1.");
        assert_eq!(take("USER-D~2", true), "USER-D~2.");
        assert_eq!(take("user-dating", true), "USER-D~3.");
        assert_eq!(take("meta_data.json", true), "META_DAT.JSO");
        assert_eq!(take("2018-08-27.d", false), "2018-08-.");
        assert_eq!(take(".hidden", true), "HIDDEN.");
        assert_eq!(take("...", true), "_.");
        assert_eq!(take("über.ä", true), "_BER._");
        assert_eq!(ShortNames::iso9660().take("user-data", true).base, "USER_DAT");
    }

    #[test]
    fn thousands_of_names_that_are_cut_alike_stay_apart() {
        let mut names = ShortNames::iso9660();
        let taken: HashSet<ShortName> =
            (0..20_000).map(|n| names.take(&format!("certificate-{n}.pem"), true)).collect();
        assert_eq!(taken.len(), 20_000);
        assert!(taken.iter().all(|name| name.base.len() <= 8 && name.extension == "PEM"));
    }
}
