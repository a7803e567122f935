// SPDX-License-Identifier: Apache-2.0
//! The text of a keyfile, as `GKeyFile` reads it: sections, keys, escapes.

use std::fmt::{Display, Write as _};

use crate::network::render::HEADER;

/// A keyfile that is being written.
pub(super) struct Keyfile {
    text: String,
    /// The section whose first key is still to come.
    pending: &'static str,
}

impl Keyfile {
    /// Empty but for the words about its maker.
    pub fn new() -> Self {
        Self { text: HEADER.to_owned(), pending: "" }
    }

    /// What follows is of this section; it is written with its first key.
    pub fn section(&mut self, name: &'static str) {
        self.pending = name;
    }

    /// A key and its value.
    pub fn set(&mut self, key: &str, value: &dyn Display) {
        if !self.pending.is_empty() {
            self.text.extend(["\n[", self.pending, "]\n"]);
            self.pending = "";
        }
        self.text.push_str(key);
        self.text.push('=');
        let begin = self.text.len();
        let _ = write!(Escaping(&mut self.text), "{value}");
        // Blanks at the beginning would not be part of it.
        if self.text.get(begin..).is_some_and(|value| value.starts_with(' ')) {
            self.text.replace_range(begin..=begin, "\\s");
        }
        self.text.push('\n');
    }

    /// A key of several values; none where there are none.
    pub fn list(&mut self, key: &str, values: &[String]) {
        if !values.is_empty() {
            let values: String = values.iter().flat_map(|value| [value.as_str(), ";"]).collect();
            self.set(key, &values);
        }
    }

    /// A key for each value: `address1`, `address2`, …
    pub fn numbered(&mut self, key: &str, values: &[String]) {
        for (index, value) in values.iter().enumerate() {
            self.set(&format!("{key}{}", index + 1), value);
        }
    }

    /// All of it.
    pub fn finish(self) -> String {
        self.text
    }
}

/// Whatever is written stays within its value.
struct Escaping<'a>(&'a mut String);

impl std::fmt::Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for c in text.chars() {
            match c {
                '\\' => self.0.push_str("\\\\"),
                '\n' => self.0.push_str("\\n"),
                '\r' => self.0.push_str("\\r"),
                _ => self.0.push(c),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_ends_its_line_and_no_section_is_empty() {
        let mut file = Keyfile::new();
        file.section("nothing");
        file.section("connection");
        file.set("id", &" a\n[ipv4]\r\\");
        file.list("dns", &[]);
        file.list("dns", &["192.0.2.1".to_owned(), "192.0.2.2".to_owned()]);
        file.numbered("address", &["192.0.2.3/24".to_owned()]);
        assert_eq!(
            file.finish().strip_prefix(HEADER).unwrap(),
            "\n[connection]\nid=\\sa\\n[ipv4]\\r\\\\\ndns=192.0.2.1;192.0.2.2;\naddress1=192.0.2.3/24\n"
        );
    }
}
