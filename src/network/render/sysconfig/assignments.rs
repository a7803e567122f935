// SPDX-License-Identifier: Apache-2.0
//! A file of shell assignments. Root's shell sources it, so that every value is one word to it, whatever it holds.

use std::fmt::Display;

use crate::network::render::HEADER;

/// A file that is being written.
pub(in crate::network::render) struct Assignments {
    text: String,
}

impl Assignments {
    /// Empty but for the words about its maker.
    pub fn new() -> Self {
        Self { text: HEADER.to_owned() }
    }

    /// `KEY=value`.
    pub fn set(&mut self, key: &str, value: &dyn Display) {
        self.text.extend([key, "=", &quoted(&value.to_string()), "\n"]);
    }

    /// `KEY=yes` or `KEY=no`.
    pub fn flag(&mut self, key: &str, value: bool) {
        self.set(key, &if value { "yes" } else { "no" });
    }

    /// `KEY='one two'`; nothing where there is none.
    pub fn words(&mut self, key: &str, words: &[String]) {
        if !words.is_empty() {
            self.set(key, &words.join(" "));
        }
    }

    /// All of it.
    pub fn finish(self) -> String {
        self.text
    }
}

/// `value` as one word of the shell. Control characters go: not every reader of these files is a shell, and some end a
/// value with its line.
pub(in crate::network::render) fn quoted(value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_.:/,+@%-".contains(c);
    if !value.is_empty() && value.chars().all(is_plain) {
        return value.to_owned();
    }
    let value: String = value.chars().filter(|c| !c.is_control()).collect();
    ["'", &value.replace('\'', "'\\''"), "'"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;

    #[test]
    fn plain_values_stand_as_they_are() {
        assert_eq!(quoted("fa:16:3e:00:00:01"), "fa:16:3e:00:00:01");
        assert_eq!(quoted("mode=802.3ad miimon=100"), "'mode=802.3ad miimon=100'");
        assert_eq!(quoted(""), "''");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_shell_reads_back_what_was_written(value in "[a-c'\"$`\\\\;&|()<>#*~ {}!é]{0,12}") {
            let mut file = Assignments::new();
            file.set("VALUE", &value);
            let script = file.finish() + "printf %s \"$VALUE\"";
            let output = Command::new("sh").args(["-c", &script]).output().unwrap();
            prop_assert_eq!(String::from_utf8(output.stdout).unwrap(), value);
        }

        #[test]
        fn no_value_ends_its_line(value in any::<String>()) {
            prop_assert!(!quoted(&value).contains(['\n', '\r', '\0']));
        }
    }
}
