// SPDX-License-Identifier: Apache-2.0
//! One line of a document as a person may see it: cut around the place, safe for a terminal, without secrets.

use crate::finding::is_command;
use crate::instance::is_secret;

/// How much of a line is shown, in characters.
const WIDTH: usize = 100;
/// How many lines above are asked what a line belongs to.
const ABOVE: usize = 1000;

/// The line of a place, and what to underline in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    /// Safe to print.
    pub text: String,
    /// Characters of `text` before the place.
    pub before: usize,
    /// Characters of `text` that the place has; at least one.
    pub length: usize,
    /// Behind the place in the document's own line, counted from one.
    pub end_column: usize,
}

/// The place at `line` and `column` (from one); `None` where the document has no such line.
pub(super) fn excerpt(lines: &[&str], line: usize, column: usize, end: Option<usize>) -> Option<Excerpt> {
    let text: Vec<char> = lines.get(line.checked_sub(1)?)?.chars().collect();
    let start = column.checked_sub(1)?.min(text.len());
    let end = end.map_or_else(|| extent(&text, start), |end| end.saturating_sub(1)).clamp(start, text.len());
    let hidden = hidden(&text, || belongs_to_secret(lines, line - 1));

    let from = if end < WIDTH { 0 } else { start.saturating_sub(WIDTH / 3) };
    let to = (from + WIDTH).min(text.len());
    let mut shown = String::new();
    let (mut count, mut before, mut after) = (0usize, None, None);
    if from > 0 {
        shown.push('…');
        count += 1;
    }
    for (at, c) in text.iter().enumerate().take(to).skip(from) {
        if at >= start {
            before.get_or_insert(count);
        }
        if at >= end {
            after.get_or_insert(count);
        }
        let inside = hidden.iter().find(|(first, last)| (*first..*last).contains(&at));
        let c = match (inside, c) {
            // One sign for all of it: its length is nobody's business either.
            (Some((first, _)), _) if at == *first || at == from => '…',
            (Some(_), _) => continue,
            (None, '\t') => ' ',
            (None, c) if is_command(*c) => '\u{fffd}',
            (None, c) => *c,
        };
        shown.push(c);
        count += 1;
    }
    let before = before.unwrap_or(count);
    let length = after.unwrap_or(count).saturating_sub(before).max(1);
    if to < text.len() {
        shown.push('…');
    }
    Some(Excerpt { text: shown, before, length, end_column: end + 1 })
}

/// Where the word, the key or the quoted text that begins at `start` ends.
fn extent(text: &[char], start: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    let in_brackets = text.iter().take(start).any(|c| "[{".contains(*c));
    let follows = |at: usize, c: &str| rest.get(at + 1).is_none_or(|next| next.is_whitespace() || c.contains(*next));
    let length = match rest.first() {
        Some('[' | '{') => 1,
        Some('-' | '|' | '>') if follows(0, "") => 1,
        Some(quote @ ('"' | '\'')) => rest.iter().skip(1).position(|c| c == quote).map_or(rest.len(), |at| at + 2),
        _ => {
            let ends = |(at, c): (usize, &char)| match c {
                ':' => follows(at, if in_brackets { ",[]{}" } else { "" }),
                '#' => at > 0 && rest.get(at - 1).is_some_and(|before| before.is_whitespace()),
                ',' | ']' | '}' => in_brackets,
                _ => false,
            };
            let end = rest.iter().enumerate().position(ends).unwrap_or(rest.len());
            let word = rest.get(..end).unwrap_or_default();
            word.iter().rposition(|c| !c.is_whitespace()).map_or(end, |last| last + 1)
        }
    };
    start + length.max(1)
}

/// The parts of a line that hold secrets, by the keys before them; all but its own key where `all` says so.
fn hidden(text: &[char], all: impl FnOnce() -> bool) -> Vec<(usize, usize)> {
    let mut hidden = Vec::new();
    let mut first = None;
    let mut at = 0;
    while let Some(colon) = text.iter().skip(at).position(|c| *c == ':').map(|offset| at + offset) {
        at = colon + 1;
        let key = key_before(text, colon);
        let value = text.iter().skip(at).position(|c| !c.is_whitespace()).map_or(text.len(), |offset| at + offset);
        let is_key = value > at || value == text.len() || text.iter().take(colon).next_back() == Some(&'"');
        if is_key {
            first.get_or_insert(value);
        }
        if names_secret(&key) {
            let end = match text.get(value) {
                Some('|' | '>') => continue,
                // Of what is between brackets nothing is told apart.
                Some('[' | '{') => text.len(),
                _ => extent(text, value).min(text.len()),
            };
            hidden.push((value, end));
            at = end.max(at);
        }
    }
    if all() {
        let is_block = first.and_then(|first| text.get(first)).is_some_and(|c| "|>".contains(*c));
        let start = || text.iter().position(|c| !c.is_whitespace() && *c != '-').unwrap_or(text.len());
        hidden = if is_block { Vec::new() } else { vec![(first.unwrap_or_else(start), text.len())] };
    }
    hidden
}

/// Whether a key is one of a secret, may be one that is misspelt, or that of a file's content.
fn names_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let is_switch = key.starts_with("lock") || matches!(key.as_str(), "expire" | "ssh_pwauth");
    !is_switch && (is_secret(&key) || key == "content" || key.contains("pas") || key.contains("pw"))
}

fn key_before(text: &[char], colon: usize) -> String {
    let word = |c: &&char| c.is_alphanumeric() || "_-".contains(**c);
    let before = text.get(..colon).unwrap_or_default().iter().rev().skip_while(|c| "\"' ".contains(**c));
    let mut key: Vec<char> = before.take_while(word).copied().collect();
    key.reverse();
    key.into_iter().collect()
}

/// Whether one of the keys that a line stands below has the name of a secret.
fn belongs_to_secret(lines: &[&str], line: usize) -> bool {
    let indent = |text: &str| text.len() - text.trim_start_matches([' ', '-']).len();
    let Some((own, above)) = lines.get(..=line).and_then(<[&str]>::split_last) else { return false };
    // A list may stand as far to the left as the key that it belongs to.
    let dash = own.find('-').filter(|dash| own.get(..*dash).is_some_and(|blank| blank.trim().is_empty()));
    let mut inner = dash.map_or_else(|| indent(own), |dash| dash + 1);
    for text in above.iter().rev().take(ABOVE).filter(|text| !text.trim().is_empty()) {
        let outer = indent(text);
        if outer >= inner {
            continue;
        }
        inner = outer;
        if let Some((key, _)) = text.split_once(':')
            && names_secret(key.trim_matches([' ', '-', '"', '\'']))
        {
            return true;
        }
    }
    above.len() > ABOVE && inner > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The line, and below it the underline.
    fn shown(document: &str, line: usize, column: usize) -> (String, String) {
        let lines: Vec<&str> = document.lines().collect();
        let excerpt = excerpt(&lines, line, column, None).unwrap();
        (excerpt.text, " ".repeat(excerpt.before) + &"^".repeat(excerpt.length))
    }

    #[test]
    fn the_word_at_the_place_is_underlined() {
        for (text, column, underline) in [
            ("runcmdd: [a]", 1, "^^^^^^^"),
            ("a: some words # why", 4, "   ^^^^^^^^^^"),
            ("a: \"b: c\" d", 4, "   ^^^^^^"),
            ("a: [x, yy]", 4, "   ^"),
            ("a: [x, yy]", 8, "       ^^"),
            ("a: {b: http://c, d: e}", 8, "       ^^^^^^^^"),
            ("- 52:54:00:12:34:00", 3, "  ^^^^^^^^^^^^^^^^^"),
            ("- -1", 3, "  ^^"),
            ("a: |", 4, "   ^"),
            ("a:", 9, "  ^"),
            ("é: ü", 4, "   ^"),
        ] {
            assert_eq!(shown(text, 1, column), (text.to_owned(), underline.to_owned()));
        }
    }

    #[test]
    fn a_long_line_is_cut_and_a_terminal_obeys_nothing() {
        let long = format!("{}: x\t\u{1b}[2J {}", "k".repeat(300), "v".repeat(300));
        let (text, underline) = shown(&long, 1, 303);
        assert!(text.starts_with("…kkk") && text.ends_with("vvv…") && text.contains("k: x \u{fffd}[2J v"), "{text}");
        assert_eq!(text.chars().count(), WIDTH + 2);
        assert_eq!(text.chars().nth(underline.find('^').unwrap()), Some('x'));
    }

    #[test]
    fn secrets_are_not_shown_and_the_place_stays_right() {
        for (document, line, column, text, underline) in [
            ("password: hunter2", 1, 11, "password: …", "          ^"),
            ("password: hunter2", 1, 1, "password: …", "^^^^^^^^"),
            ("- {name: a, plain_text_passwd: hunter2, gid: 1}", 1, 41, "- {name: a, plain_text_passwd: …, gid: 1}", ""),
            ("{\"admin_pass\": \"hunter2\", \"uuid\": 1}", 1, 36, "{\"admin_pass\": …, \"uuid\": 1}", ""),
            ("{\"admin_pass\":\"hunter2\"}", 1, 2, "{\"admin_pass\":…}", ""),
            ("chpasswd:\n  list:\n  - ops:hunter2", 3, 5, "  - …", "    ^"),
            ("chpasswd:\n  expire: mabye", 2, 11, "  expire: …", "          ^"),
            ("chpasswd:\n  list: [hunter2]", 2, 10, "  list: …", ""),
            ("chpasswd: {list: [hunter2]}", 1, 18, "chpasswd: …", ""),
            ("pasword: hunter2", 1, 1, "pasword: …", "^^^^^^^"),
            ("lock_passwd: maybe", 1, 14, "lock_passwd: maybe", "             ^^^^^"),
            ("chpasswd:\n  list: |\n    ops:hunter2", 3, 5, "    …", "    ^"),
            ("passwords:\n- hunter2", 2, 3, "- …", "  ^"),
            ("chpasswd:\n  list: |\n    a:b", 2, 9, "  list: |", "        ^"),
            ("password: x\nb:\n- hunter3: 1", 3, 3, "- hunter3: 1", "  ^^^^^^^"),
            ("a:\n  password: x\nb:\n  - hunter3", 4, 5, "  - hunter3", "    ^^^^^^^"),
            ("content: hunter2", 1, 10, "content: …", ""),
            ("content: |\n  hunter2", 2, 3, "  …", ""),
            ("token: [hunter2, hunter2]", 1, 9, "token: …", ""),
        ] {
            let (seen, under) = shown(document, line, column);
            assert_eq!(seen, text);
            assert!(underline.is_empty() || under == underline, "{document}: {under:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_place_breaks_it(text in "[a-z:#,\\[{\"'\t é\n-]{0,200}", line in 0usize..9, column in 0usize..200) {
            let lines: Vec<&str> = text.lines().collect();
            if let Some(excerpt) = excerpt(&lines, line, column, None) {
                proptest::prop_assert!(excerpt.text.chars().count() <= WIDTH + 2 && excerpt.length > 0);
            }
        }
    }
}
