// SPDX-License-Identifier: Apache-2.0
//! Text as one line that can be shown: messages quote input, and input may hold newlines and terminal controls.

use crate::finding::is_command;

/// `text` on one line: the lines of a message joined by `; `, and every other control character escaped.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for part in text.lines().map(str::trim).filter(|part| !part.is_empty()) {
        if !line.is_empty() {
            line.push_str("; ");
        }
        for c in part.chars() {
            match c {
                '\t' => line.push(' '),
                c if is_command(c) => line.extend(c.escape_default()),
                c => line.push(c),
            }
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_forges_a_line_or_moves_a_cursor() {
        assert_eq!(
            one_line("no user `x\nroot logged in`\n    help: try\tthis\u{1b}[2J"),
            "no user `x; root logged in`; help: try this\\u{1b}[2J"
        );
        assert_eq!(one_line("a\rb"), "a\\rb");
    }
}
