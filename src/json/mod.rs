// SPDX-License-Identifier: Apache-2.0
//! JSON documents: read with what is silently lost said, and values named in the words of messages.

use serde_json::Value;

use crate::finding::{Finding, Findings, Origin};

pub mod places;

/// Reads a document of JSON. A key that stands there twice is a warning: only the last one counts. A byte order mark,
/// as editors of Windows leave it, is passed over.
///
/// # Errors
/// A finding with line and column where it is no JSON.
pub fn parse(bytes: &[u8], document: &Origin, findings: &mut Findings) -> Result<Value, Finding> {
    let bytes = without_mark(bytes);
    let value = serde_json::from_slice(bytes).map_err(|error| {
        let text = error.to_string();
        // The place is said already.
        let reason = text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason);
        let help = if error.is_eof() { "the document ends too early: was it cut off?" } else { "it must be JSON" };
        Finding::error(&document.at(error.line(), error.column()), format!("not JSON: {reason}")).help(help)
    })?;
    if let Ok(text) = std::str::from_utf8(bytes) {
        findings.read(document, text);
        places::duplicates(text, |key, first, again| {
            let message = format!(
                "`{key}` stands here again (first at {}:{}); only the last one counts",
                first.line, first.column
            );
            findings.push(Finding::warning(&document.at(again.line, again.column), message));
        });
    }
    Ok(value)
}

/// A document of which somebody else says what is wrong with it; null where it is no JSON.
pub fn quietly(bytes: &[u8]) -> Value {
    serde_json::from_slice(without_mark(bytes)).unwrap_or_default()
}

fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes)
}

/// "a string", "a list" …
pub fn described(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Result<Value, String>, Vec<String>) {
        let mut findings = Findings::default();
        let value = parse(text.as_bytes(), &Origin::document("d"), &mut findings);
        (value.map_err(|finding| finding.to_string()), findings.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_byte_order_mark_costs_nothing() {
        assert_eq!(read("\u{feff}{\"a\": 1}"), (Ok(serde_json::json!({"a": 1})), Vec::new()));
    }

    #[test]
    fn a_key_that_stands_there_twice_is_said_with_both_places() {
        let (value, findings) = read("{\"a\": 1,\n  \"\\u0061\": {\"b\": 2, \"c\": 3, \"b\": 4}}");
        assert_eq!(value.unwrap(), serde_json::json!({"a": {"b": 4, "c": 3}}));
        assert_eq!(
            findings,
            [
                "d:2:3: warning: `a` stands here again (first at 1:2); only the last one counts",
                "d:2:30: warning: `b` stands here again (first at 2:14); only the last one counts",
            ]
        );
        assert_eq!(read("[{\"a\": 1}, {\"a\": 1}]").1, [""; 0]);
    }

    #[test]
    fn what_is_no_json_is_said_with_its_place() {
        assert_eq!(
            read("{\"a\": 1,\n").0.unwrap_err(),
            "d:2:1: error: not JSON: EOF while parsing a value\n    help: the document ends too early: was it cut off?"
        );
        assert_eq!(
            read("{'a': 1}").0.unwrap_err(),
            "d:1:2: error: not JSON: key must be a string\n    help: it must be JSON"
        );
    }
}
