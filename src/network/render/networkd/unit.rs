// SPDX-License-Identifier: Apache-2.0
//! The text of a unit file (systemd.syntax(7)), from which no value can break out.

use std::fmt::Display;

use crate::finding::{Finding, Findings, Origin};
use crate::network::render::HEADER;

/// A unit file that grows.
pub struct Unit {
    text: String,
    /// The section that begins with its first key.
    section: Option<&'static str>,
    /// Keys whose values fit in no line.
    refused: Vec<&'static str>,
}

impl Unit {
    pub fn new() -> Self {
        Self { text: HEADER.to_owned(), section: None, refused: Vec::new() }
    }

    /// What follows is in a new section; one without keys is not written.
    pub fn section(&mut self, name: &'static str) {
        self.section = Some(name);
    }

    pub fn set(&mut self, key: &'static str, value: &dyn Display) {
        let value = value.to_string();
        // systemd joins a line that ends in a backslash with the next.
        if value.is_empty() || value.chars().any(char::is_control) || value.ends_with('\\') {
            return self.refused.push(key);
        }
        if let Some(name) = self.section.take() {
            let blank = if self.text.len() == HEADER.len() { "" } else { "\n" };
            self.text.extend([blank, "[", name, "]\n"]);
        }
        self.text.extend([key, "=", &value, "\n"]);
    }

    pub fn flag(&mut self, key: &'static str, value: bool) {
        self.set(key, if value { &"yes" } else { &"no" });
    }

    /// Each thing once in a line of blanks between them; nothing for none.
    pub fn list(&mut self, key: &'static str, values: &[&str]) {
        if !values.is_empty() {
            self.set(key, &values.join(" "));
        }
    }

    /// What is given.
    pub fn given(&mut self, key: &'static str, value: Option<&dyn Display>) {
        if let Some(value) = value {
            self.set(key, value);
        }
    }

    /// The whole; `origin` is where the refused values may have come from.
    pub fn text(self, origin: &Origin, findings: &mut Findings) -> String {
        for key in self.refused {
            let message = format!("the value for systemd's `{key}` is empty or fits in no line; it is left out");
            findings.push(Finding::error(origin, message));
        }
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_breaks_out_of_its_line_and_no_section_is_empty() {
        let mut unit = Unit::new();
        unit.section("Match");
        unit.set("Name", &"a\n[Network]");
        unit.section("Link");
        unit.set("MTUBytes", &1400);
        unit.set("Alias", &"joined \\");
        unit.section("Network");
        unit.flag("DHCP", false);
        let mut findings = Findings::default();
        let text = unit.text(&Origin::document("d"), &mut findings);
        assert_eq!(text, format!("{HEADER}[Link]\nMTUBytes=1400\n\n[Network]\nDHCP=no\n"));
        assert_eq!(findings.iter().count(), 2);
    }
}
