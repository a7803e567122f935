// SPDX-License-Identifier: Apache-2.0
//! Where a value was written.

use std::fmt;
use std::sync::Arc;

use crate::finding::{escaped, printable};

/// Where a value came from: a document, and the place in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    document: Arc<str>,
    place: Place,
    /// Lines and columns that stand before the text in which places are counted.
    pub(super) before: (u32, u32),
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
    fn a_key_or_a_file_s_name_cannot_reach_the_terminal_either() {
        let origin = Origin::document("a\u{1b}[2J\nb").key("k\u{9b}31m\u{202e}");
        assert_eq!(origin.to_string(), "a\\u{1b}[2J\\nb: k\u{fffd}31m\u{fffd}");
    }
}
