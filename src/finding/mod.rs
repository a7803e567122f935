// SPDX-License-Identifier: Apache-2.0
//! What is wrong with the input: severity, origin, message, help.

use std::collections::BTreeMap;
use std::fmt;

mod origin;
mod spelling;

pub use origin::{Located, Origin};
pub use spelling::{closest, did_you_mean};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; what was asked for is done.
    Note,
    /// Done as asked, and probably not what was meant.
    Warning,
    /// Something that was asked for is not done. Makes the outcome "recoverable errors".
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        })
    }
}

/// One thing that a person should know about the input.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// Where it is.
    pub origin: Origin,
    /// What is wrong, and why. Never holds the value of a secret.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Finding {
    /// Something asked for that is not done.
    pub fn error(origin: &Origin, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, origin: origin.clone(), message: printable(&message.into()), help: None }
    }

    /// Something done that is probably not what was meant.
    pub fn warning(origin: &Origin, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(origin, message) }
    }

    /// Something worth knowing.
    pub fn note(origin: &Origin, message: impl Into<String>) -> Self {
        Self { severity: Severity::Note, ..Self::error(origin, message) }
    }

    /// With advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(printable(&help.into()));
        self
    }

    /// With the one of `candidates` that `word` was probably meant to be, in place of other advice; where none is close
    /// the advice stays.
    #[must_use]
    pub fn did_you_mean<'a>(self, word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Self {
        match did_you_mean(word, candidates) {
            Some(question) => self.help(question),
            None => self,
        }
    }
}

/// Text that may quote the input as one line for a terminal: no control characters, at most 500 characters.
fn printable(text: &str) -> String {
    const LENGTH: usize = 500;
    let mut chars = text.chars().map(|c| if is_command(c) { '\u{fffd}' } else { c });
    let mut line: String = chars.by_ref().take(LENGTH).collect();
    if chars.next().is_some() {
        line.push('…');
    }
    line
}

/// Whether a terminal obeys `c` in place of showing it: controls, separators of lines, turns of the writing direction
/// (Unicode's `Bidi_Control`), with which a name can pass for another.
pub fn is_command(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}')
}

/// `text` on one line, with what a terminal would obey as its escape: `\n`, `\u{1b}`.
pub fn escaped(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if is_command(c) { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.origin, self.severity, self.message)?;
        match &self.help {
            Some(help) => write!(f, "\n    help: {help}"),
            None => Ok(()),
        }
    }
}

/// The text of a document, or of the part of it that was read.
#[derive(Debug, Clone)]
pub struct Text {
    /// What stands there.
    pub text: String,
    /// Lines of the document above it.
    pub above: u32,
    /// Columns of the document before each of its lines.
    pub before: u32,
}

/// Everything found so far. Readers add to it and go on, so that one bad entry never drops its neighbours.
#[derive(Debug, Default, Clone)]
pub struct Findings {
    found: Vec<Finding>,
    /// The text of each document that was read, where somebody wants to see it.
    texts: Option<BTreeMap<String, Text>>,
}

impl Findings {
    /// How many are kept; a document of nothing but errors must not exhaust who reads it.
    const LIMIT: usize = 1000;

    /// None so far; the texts of the documents are kept, for [`Findings::texts`].
    pub fn keeping_texts() -> Self {
        Self { texts: Some(BTreeMap::new()), ..Self::default() }
    }

    /// Tells what stands in a document, as the places of its findings count it: unpacked, decoded, rendered.
    pub fn read(&mut self, document: &Origin, text: &str) {
        if let Some(texts) = &mut self.texts {
            let (above, before) = document.before;
            let known = texts.get(document.document_name()).is_some_and(|known| known.above < above);
            // What is around it shows it, too.
            if !known {
                let text = Text { text: text.to_owned(), above, before };
                texts.insert(document.document_name().to_owned(), text);
            }
        }
    }

    /// The text of each document that was read, by its name; empty unless they are kept.
    pub fn texts(&self) -> BTreeMap<String, Text> {
        self.texts.clone().unwrap_or_default()
    }

    /// Adds one finding; the same one is kept once, and of very many the first ones.
    pub fn push(&mut self, mut finding: Finding) {
        if self.found.len() > Self::LIMIT {
            if let Some(rest) = self.found.last_mut() {
                rest.severity = rest.severity.max(finding.severity);
            }
        } else if !self.found.contains(&finding) {
            if self.found.len() == Self::LIMIT {
                finding.message = format!("there is more to say from here on; these are the first {}", Self::LIMIT);
                finding.help = None;
            }
            self.found.push(finding);
        }
    }

    /// Adds all of `others`.
    pub fn extend(&mut self, others: impl IntoIterator<Item = Finding>) {
        others.into_iter().for_each(|finding| self.push(finding));
    }

    /// In the order in which they were found.
    pub fn iter(&self) -> std::slice::Iter<'_, Finding> {
        self.found.iter()
    }

    /// Whether something that was asked for is not done.
    pub fn has_errors(&self) -> bool {
        self.found.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }
}

impl IntoIterator for Findings {
    type Item = Finding;
    type IntoIter = std::vec::IntoIter<Finding>;
    fn into_iter(self) -> Self::IntoIter {
        self.found.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_from_the_input_cannot_reach_the_terminal() {
        let origin = Origin::document("user_data");
        let finding = Finding::error(&origin, "unknown key `\x1b[2J\n`").help("x".repeat(10_000));
        assert_eq!(finding.message, "unknown key `\u{fffd}[2J\u{fffd}`");
        assert!(finding.help.unwrap().chars().count() < 1000);
    }

    #[test]
    fn a_close_word_takes_the_place_of_other_advice() {
        let help = |word: &str| {
            let unknown = Finding::error(&Origin::document("user_data"), "unknown").help("one of: runcmd, users");
            unknown.did_you_mean(word, ["runcmd", "users"]).help.unwrap()
        };
        assert_eq!(help("usrs"), "did you mean `users`?");
        assert_eq!(help("packages"), "one of: runcmd, users");
    }
}
