// SPDX-License-Identifier: Apache-2.0
//! What is wrong with the input: severity, origin, message, help.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Where a value came from: a document, and the place in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    document: Arc<str>,
    place: Place,
    /// Lines and columns that stand before the text in which places are counted.
    before: (u32, u32),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Whole,
    /// One-based line and column.
    Line(u32, u32),
    /// A dotted path of keys, for JSON that a platform writes on one line.
    Key(Arc<str>),
}

impl Origin {
    /// The whole of `document`, e.g. `user_data` or `/etc/firstlight/config.yaml`.
    pub fn document(document: impl Into<Arc<str>>) -> Self {
        Self { document: document.into(), place: Place::Whole, before: (0, 0) }
    }

    /// A part of the same document which begins below so many of its lines, indented by so many columns: places in the
    /// part's own text come out as places in the document.
    pub fn within(&self, lines: usize, columns: usize) -> Self {
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let before = (self.before.0.saturating_add(narrow(lines)), self.before.1.saturating_add(narrow(columns)));
        Self { document: self.document.clone(), place: Place::Whole, before }
    }

    /// The same text under another name.
    pub fn named(&self, document: impl Into<Arc<str>>) -> Self {
        Self { document: document.into(), ..self.clone() }
    }

    /// A place in the same document; line and column count from one, and the none that a parser may tell is one.
    pub fn at(&self, line: usize, column: usize) -> Self {
        let narrow = |n: usize| u32::try_from(n.max(1)).unwrap_or(u32::MAX);
        let place =
            Place::Line(narrow(line).saturating_add(self.before.0), narrow(column).saturating_add(self.before.1));
        Self { place, ..self.clone() }
    }

    /// A key of the same document, below the key that this origin already names.
    pub fn key(&self, key: &str) -> Self {
        let path = match &self.place {
            Place::Key(above) if key.starts_with('[') => format!("{above}{key}").into(),
            Place::Key(above) => format!("{above}.{key}").into(),
            _ => key.into(),
        };
        Self { place: Place::Key(path), ..self.clone() }
    }

    /// An entry of a list of the same document.
    pub fn index(&self, index: usize) -> Self {
        self.key(&format!("[{index}]"))
    }

    /// The document's name.
    pub fn document_name(&self) -> &str {
        &self.document
    }

    /// The dotted path of a key, where that is all that is known.
    pub fn key_path(&self) -> Option<&str> {
        match &self.place {
            Place::Key(path) => Some(path),
            _ => None,
        }
    }

    /// One-based line and column, where the place is known so closely.
    pub fn line(&self) -> Option<(u32, u32)> {
        match self.place {
            Place::Line(line, column) => Some((line, column)),
            _ => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Whole => write!(f, "{}", escaped(&self.document)),
            Place::Line(line, column) => write!(f, "{}:{line}:{column}", escaped(&self.document)),
            Place::Key(key) => write!(f, "{}: {}", escaped(&self.document), printable(key)),
        }
    }
}

impl serde::Serialize for Origin {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A value that remembers where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub origin: Origin,
}

impl<T> Located<T> {
    /// `value` as it was written at `origin`.
    pub fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }

    /// The same place with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Located<U> {
        Located { value: change(self.value), origin: self.origin }
    }
}

impl<T> std::ops::Deref for Located<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

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

/// "did you mean" the one of `candidates` that is close to `word`, as advice.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    closest(word, candidates).map(|close| format!("did you mean `{close}`?"))
}

/// The candidate that `word` was probably meant to be.
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    let limit = (length / 3).clamp(1, 3);
    candidates
        .into_iter()
        // A word of another length is far away; this also keeps long ones cheap.
        .filter(|candidate| candidate.chars().count().abs_diff(length) <= limit)
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's edit distance.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().enumerate() {
        let mut diagonal = i;
        let mut last = i + 1;
        for (cell, r) in row.iter_mut().skip(1).zip(&right) {
            let above = *cell;
            let cost = diagonal + usize::from(l != *r);
            *cell = cost.min(above + 1).min(last + 1);
            diagonal = above;
            last = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_never_before_the_first_line_or_column() {
        // As serde_json tells the end of an empty line.
        assert_eq!(Origin::document("d").at(2, 0).to_string(), "d:2:1");
    }

    #[test]
    fn places_in_a_part_are_places_in_the_document() {
        let part = Origin::document("user_data").within(10, 0).named("user_data part 2").within(5, 4);
        assert_eq!(part.at(1, 3).to_string(), "user_data part 2:16:7");
        assert_eq!(part.at(1, 3).at(2, 1).to_string(), "user_data part 2:17:5");
        assert_eq!(part.to_string(), "user_data part 2");
        assert_eq!(part.within(usize::MAX, 0).at(9, 1).line(), Some((u32::MAX, 5)));
    }

    #[test]
    fn origins_read_like_a_compiler_s() {
        let document = Origin::document("user_data");
        assert_eq!(document.at(3, 7).to_string(), "user_data:3:7");
        assert_eq!(
            document.key("networks").index(1).key("ip_address").to_string(),
            "user_data: networks[1].ip_address"
        );
    }

    #[test]
    fn what_is_quoted_from_the_input_cannot_reach_the_terminal() {
        let origin = Origin::document("user_data");
        let finding = Finding::error(&origin, "unknown key `\x1b[2J\n`").help("x".repeat(10_000));
        assert_eq!(finding.message, "unknown key `\u{fffd}[2J\u{fffd}`");
        assert!(finding.help.unwrap().chars().count() < 1000);
    }

    #[test]
    fn a_key_or_a_file_s_name_cannot_reach_the_terminal_either() {
        let origin = Origin::document("a\u{1b}[2J\nb").key("k\u{9b}31m\u{202e}");
        assert_eq!(origin.to_string(), "a\\u{1b}[2J\\nb: k\u{fffd}31m\u{fffd}");
    }

    #[test]
    fn closest_finds_typing_errors_only() {
        let keys = ["write_files", "runcmd", "users"];
        assert_eq!(closest("wirte_files", keys), Some("write_files"));
        assert_eq!(closest("runcmds", keys), Some("runcmd"));
        assert_eq!(closest("packages", keys), None);
        assert_eq!(distance("kitten", "sitting"), 3);
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
