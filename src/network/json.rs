// SPDX-License-Identifier: Apache-2.0
//! A JSON document walked with the path at hand, so that every complaint names its key and costs only its entry.

use std::cell::Cell;
use std::fmt::Display;
use std::rc::Rc;
use std::str::FromStr;

use serde_json::Value;

use crate::finding::{Finding, Findings, Located, Origin};
use crate::json::{self, described};
use crate::seed::Document;

/// The largest document that is read, in bytes; one with a hundred interfaces has a tenth of it.
const SIZE_LIMIT: usize = 1 << 20;
/// The most entries of lists, of all the document, that are read.
const ENTRY_LIMIT: usize = 4096;
/// The most words of one string that are read.
const WORD_LIMIT: usize = 64;

/// A value and the path that leads to it.
#[derive(Clone)]
pub struct Json<'a> {
    value: &'a Value,
    /// Where it is.
    pub origin: Origin,
    /// How many entries may still be read, all of the document together.
    entries_left: Rc<Cell<usize>>,
}

/// Parses the document; what is wrong is reported with its line and column.
pub fn parse(document: &Document, findings: &mut Findings) -> Option<Value> {
    let origin = document.origin();
    if document.bytes.len() > SIZE_LIMIT {
        let message =
            format!("{} bytes; at most {SIZE_LIMIT} are read, so all of it is left out", document.bytes.len());
        findings.push(Finding::error(&origin, message));
        return None;
    }
    json::parse(&document.bytes, &origin, findings).map_err(|finding| findings.push(finding)).ok()
}

impl<'a> Json<'a> {
    /// The document's top; anything but an object is reported.
    pub fn top(value: &'a Value, origin: Origin, findings: &mut Findings) -> Option<Self> {
        Self { value, origin, entries_left: Rc::new(Cell::new(ENTRY_LIMIT)) }.object(findings)
    }

    /// Itself, where it is an object; anything else is reported.
    pub fn object(self, findings: &mut Findings) -> Option<Self> {
        if self.value.is_object() {
            return Some(self);
        }
        self.complain("an object", findings);
        None
    }

    fn complain(&self, expected: &str, findings: &mut Findings) {
        let found = described(self.value);
        findings.push(Finding::error(&self.origin, format!("expected {expected}, found {found}; it is left out")));
    }

    /// The value of `key`; null and an empty string are the same as not being there.
    pub fn get(&self, key: &str) -> Option<Json<'a>> {
        let value = self.value.get(key).filter(|value| !value.is_null() && *value != "")?;
        Some(Json { value, origin: self.origin.key(key), entries_left: self.entries_left.clone() })
    }

    /// The values whose keys begin so, with the rest of their keys; an object of more keys than a document may have
    /// entries is cut off.
    pub fn below(&self, prefix: &str) -> Vec<(String, Json<'a>)> {
        let keys = self.value.as_object().into_iter().flat_map(|object| object.keys()).take(ENTRY_LIMIT);
        keys.filter_map(|key| Some((key.strip_prefix(prefix)?.to_owned(), self.get(key)?))).collect()
    }

    /// The objects in the list at `key`; none where it is absent or null.
    pub fn objects(&self, key: &str, findings: &mut Findings) -> Vec<Json<'a>> {
        self.entries(key, findings).into_iter().filter_map(|entry| entry.object(findings)).collect()
    }

    /// The words at `key`: a list of strings, or one string parted by blanks.
    pub fn words(&self, key: &str, findings: &mut Findings) -> Vec<Located<String>> {
        if let Some(Json { value: Value::String(text), origin, .. }) = self.get(key) {
            let mut words = text.split_whitespace();
            let read =
                words.by_ref().take(WORD_LIMIT).map(|word| Located::new(word.to_owned(), origin.clone())).collect();
            if words.next().is_some() {
                findings.push(Finding::error(&origin, format!("words after the first {WORD_LIMIT} are left out")));
            }
            return read;
        }
        self.entries(key, findings).into_iter().filter_map(|entry| entry.into_text(findings)).collect()
    }

    fn entries(&self, key: &str, findings: &mut Findings) -> Vec<Json<'a>> {
        let Some(list) = self.get(key) else { return Vec::new() };
        let Value::Array(entries) = list.value else {
            list.complain("a list", findings);
            return Vec::new();
        };
        let left = self.entries_left.get();
        if left > 0 && entries.len() > left {
            let message = format!("the document has more than {ENTRY_LIMIT} entries; from here on they are left out");
            findings.push(Finding::error(&list.origin.index(left), message));
        }
        self.entries_left.set(left.saturating_sub(entries.len()));
        let entry =
            |(index, value)| Json { value, origin: list.origin.index(index), entries_left: self.entries_left.clone() };
        entries.iter().take(left).enumerate().map(entry).collect()
    }

    /// The text at `key`; a number is its digits.
    pub fn text(&self, key: &str, findings: &mut Findings) -> Option<Located<String>> {
        self.get(key)?.into_text(findings)
    }

    /// Its text: as [`Json::text`], of `true` and `false`, and of a list of these parted by commas, too.
    pub fn scalar(&self, findings: &mut Findings) -> Option<Located<String>> {
        let text = match self.value {
            Value::Bool(flag) => flag.to_string(),
            Value::Array(list) => {
                let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                list.iter().take(WORD_LIMIT).map(plain).collect::<Vec<_>>().join(",")
            }
            _ => return self.clone().into_text(findings),
        };
        Some(Located::new(text, self.origin.clone()))
    }

    fn into_text(self, findings: &mut Findings) -> Option<Located<String>> {
        match self.value {
            Value::String(text) => Some(Located::new(text.trim().to_owned(), self.origin)),
            Value::Number(number) => Some(Located::new(number.to_string(), self.origin)),
            _ => {
                self.complain("a string", findings);
                None
            }
        }
    }

    /// What the text at `key` says; text that can't be read so is reported.
    pub fn parsed<T: FromStr<Err: Display>>(&self, key: &str, findings: &mut Findings) -> Option<Located<T>> {
        parsed(&self.text(key, findings)?, findings)
    }
}

/// What a text says; one that can't be read so is reported.
pub fn parsed<T: FromStr<Err: Display>>(text: &Located<String>, findings: &mut Findings) -> Option<Located<T>> {
    match text.parse() {
        Ok(value) => Some(Located::new(value, text.origin.clone())),
        Err(error) => {
            findings.push(Finding::error(&text.origin, format!("`{}` is left out: {error}", **text)));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_json_is_reported_with_line_and_column() {
        let mut findings = Findings::default();
        let document = Document::new("network_data.json", "{\"links\": [\n  {\"id\": \"a\",\n");
        assert_eq!(parse(&document, &mut findings), None);
        let shown: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "network_data.json:3:1: error: not JSON: EOF while parsing a value\n    help: the document ends too early: \
              was it cut off?"
            ]
        );
    }

    #[test]
    fn an_entry_of_the_wrong_type_costs_only_itself() {
        let mut findings = Findings::default();
        let value = serde_json::json!({"links": [7, {"id": 3}], "search": "a  b", "routes": null, "mtu": "x"});
        let top = Json::top(&value, Origin::document("d"), &mut findings).unwrap();
        let links = top.objects("links", &mut findings);
        assert_eq!(links[0].text("id", &mut findings).unwrap().value, "3");
        assert_eq!(top.words("search", &mut findings).len(), 2);
        assert!(top.objects("routes", &mut findings).is_empty());
        assert_eq!(top.parsed::<u32>("mtu", &mut findings), None);
        let shown: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "d: links[0]: error: expected an object, found a number; it is left out",
                "d: mtu: error: `x` is left out: invalid digit found in string"
            ]
        );
    }

    #[test]
    fn nested_lists_share_one_bound() {
        let inner = serde_json::json!({"routes": vec![serde_json::json!({}); 1000]});
        let value = serde_json::json!({"networks": vec![inner; 1000]});
        let mut findings = Findings::default();
        let top = Json::top(&value, Origin::document("d"), &mut findings).unwrap();
        let networks = top.objects("networks", &mut findings);
        let routes: usize = networks.iter().map(|network| network.objects("routes", &mut findings).len()).sum();
        assert_eq!(networks.len() + routes, ENTRY_LIMIT);
        assert_eq!(findings.iter().count(), 1);
    }
}
