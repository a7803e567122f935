// SPDX-License-Identifier: Apache-2.0
//! Who an instance is to which nobody gave an id: the digest of what it is told, so that an edit makes it another one.
//!
//! The recipe, which `sha256sum` can follow on a seed written as a directory: a line `DIGEST  NAME` for each file, by name,
//! while the id in the documents is still empty; and of those lines the SHA-256.

use crate::digest::sha256;
use crate::host::medium::Tree;

/// For NoCloud: `iid-` and the first 20 digits.
pub fn word(files: &Tree) -> String {
    format!("iid-{}", digest(files).chars().take(20).collect::<String>())
}

/// For OpenStack, whose ids are UUIDs: the first 128 bits, with the marks of version 8 (RFC 9562, a UUID of one's own making).
pub fn uuid(files: &Tree) -> String {
    let mut uuid = String::new();
    for (at, digit) in digest(files).chars().take(32).enumerate() {
        if matches!(at, 8 | 12 | 16 | 20) {
            uuid.push('-');
        }
        uuid.push(match at {
            12 => '8',
            // Two bits say that it is a UUID of the RFC's kind; the other two stay.
            16 => char::from_digit(8 | (digit.to_digit(16).unwrap_or_default() & 3), 16).unwrap_or('8'),
            _ => digit,
        });
    }
    uuid
}

fn digest(files: &Tree) -> String {
    let lines: String = files.files().map(|(name, bytes)| format!("{}  {name}\n", sha256(bytes))).collect();
    sha256(lines.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[(&str, &'static str)]) -> Tree {
        let mut tree = Tree::new();
        names.iter().for_each(|(name, text)| tree.add(name, *text).unwrap());
        tree
    }

    #[test]
    fn the_recipe_is_that_of_sha256sum() {
        // printf a > meta-data; printf b > user-data; sha256sum meta-data user-data | sha256sum
        let two = files(&[("user-data", "b"), ("meta-data", "a")]);
        assert_eq!(word(&two), "iid-64b16289818e29c041ad");
        assert_eq!(uuid(&two), "64b16289-818e-89c0-81ad-6ee55f95986e");
    }

    #[test]
    fn nothing_moves_from_one_file_to_the_next_unseen() {
        let id = |names: &[(&str, &'static str)]| word(&files(names));
        let first = id(&[("a", "x"), ("b", "y")]);
        for other in [[("a", "y"), ("b", "x")], [("a", "xy"), ("b", "")], [("a", "x"), ("c", "y")]] {
            assert_ne!(id(&other), first);
        }
    }
}
