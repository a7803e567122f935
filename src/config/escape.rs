// SPDX-License-Identifier: Apache-2.0
//! Text as YAML's double quotes escape it: what a template puts into a document stays a value, whatever it holds.

use std::fmt::Write as _;

/// `text` as it stands between YAML's double quotes, where it is read back exactly.
///
/// Outside of double quotes it stays one scalar too: only letters, digits and the punctuation of names, paths, addresses
/// and URLs stand as they are, and punctuation only inside, where it can't be an indicator (`- `, `: `, `---`, `@`). Not
/// escaped are characters that are `kept`.
pub(super) fn escaped(text: &str, kept: impl Fn(char) -> bool) -> String {
    let last = text.char_indices().next_back().map_or(0, |(index, _)| index);
    let mut escaped = String::with_capacity(text.len());
    for (index, c) in text.char_indices() {
        let inside = index != 0 && index != last;
        let plain = c.is_ascii_alphanumeric() || (inside && "._-/:@+".contains(c)) || kept(c);
        // To a string nothing fails.
        let _ = match u32::from(c) {
            _ if plain => escaped.write_char(c),
            code @ ..=0xff => write!(escaped, "\\x{code:02x}"),
            code @ ..=0xffff => write!(escaped, "\\u{code:04x}"),
            code => write!(escaped, "\\U{code:08x}"),
        };
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_addresses_and_names_are_made_of_stays_readable() {
        for text in ["172.24.4.1", "10.1.0.0/16", "fe80::1", "http://a.example:80/b-c_d+e", "k8s-node", "a@b", ""] {
            assert_eq!(escaped(text, |_| false), text);
        }
    }

    #[test]
    fn everything_else_is_escaped_and_so_is_punctuation_at_the_ends() {
        for (text, written) in [
            ("a\"\nb", "a\\x22\\x0ab"),
            ("a: b", "a:\\x20b"),
            ("a:", "a\\x3a"),
            ("---", "\\x2d-\\x2d"),
            ("é€😀", "\\xe9\\u20ac\\U0001f600"),
            ("\0", "\\x00"),
        ] {
            assert_eq!(escaped(text, |_| false), written);
        }
        assert_eq!(escaped("€!", |c| c == '€'), "€\\x21");
    }
}
