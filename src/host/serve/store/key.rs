// SPDX-License-Identifier: Apache-2.0
//! A place in the store.

use std::fmt;

/// Longer ones are no names of guests.
const LONGEST: usize = 512;

/// Directories and all.
const DEEPEST: usize = 16;

/// What editors leave beside a file that somebody is writing.
const LEFTOVERS: [&str; 4] = ["~", ".swp", ".swo", ".swx"];

/// A place in the store, as a relative path that leads nowhere else: no `..`, no empty part, nothing hidden, nothing that
/// an editor left.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

impl Key {
    /// None where `path` is no such place.
    pub fn new(path: &str) -> Option<Self> {
        let depth = path.split('/').count();
        let fits = path.len() <= LONGEST && depth <= DEEPEST;
        (fits && path.split('/').all(is_served)).then(|| Self(path.to_owned()))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a file or directory of that name is anybody's but its owner's.
fn is_served(part: &str) -> bool {
    let hidden = part.is_empty() || part.starts_with('.');
    let left = LEFTOVERS.iter().any(|end| part.ends_with(end)) || part.starts_with('#') && part.ends_with('#');
    !hidden && !left && !part.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_hidden_left_over_or_elsewhere_is_no_key() {
        for path in ["foo.internal.json", "default.data", "autoinstall/web-1/user-data", "a b/c#", "über.json"] {
            assert_eq!(Key::new(path).unwrap().as_str(), path);
        }
        let long = "x".repeat(LONGEST + 1);
        let deep = ["x"; DEEPEST + 1].join("/");
        for path in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "a/../b",
            "a//b",
            "a/",
            ".git/config",
            "a/.htpasswd",
            "foo.json~",
            "foo.json.swp",
            "#foo.json#",
            "foo\n.json",
            "foo\0",
            &long,
            &deep,
        ] {
            assert_eq!(Key::new(path), None, "{path:?}");
        }
    }

    proptest! {
        #[test]
        fn a_key_stays_beneath_the_directory_that_it_is_put_in(path in "[./a~#%\\\\-]{0,12}") {
            if let Some(key) = Key::new(&path) {
                let normal = |part| matches!(part, std::path::Component::Normal(_));
                prop_assert!(std::path::Path::new(key.as_str()).components().all(normal), "{}", key);
            }
        }
    }
}
