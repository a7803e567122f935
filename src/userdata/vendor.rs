// SPDX-License-Identifier: Apache-2.0
//! Vendor-data: the same forms as user-data, on OpenStack wrapped in JSON.

use serde_json::Value;

use crate::finding::{Finding, Findings, Origin};
use crate::json;
use crate::seed::Document;

/// The parts of one vendor-data document.
///
/// JSON as cloud-init's `convert_vendordata` takes it: null is nothing, a string is a part, a list is parts, and of an
/// object only its `cloud-init` key counts (once). Whatever is not JSON is a part itself, as NoCloud has it.
pub(super) fn parts(document: &Document, findings: &mut Findings) -> Vec<(Vec<u8>, Origin)> {
    let origin = document.origin();
    let text = document.bytes.trim_ascii();
    let is_json = text.starts_with(b"{") || text.starts_with(b"[") || text.starts_with(b"\"") || text == b"null";
    if !is_json {
        return vec![(document.bytes.clone(), origin)];
    }
    match json::parse(&document.bytes, &origin, findings) {
        Ok(Value::Object(mut object)) => match object.remove("cloud-init") {
            Some(value) => from_value(value, &origin.key("cloud-init"), findings),
            None => Vec::new(),
        },
        Ok(value) => from_value(value, &origin, findings),
        Err(finding) => {
            findings.push(finding);
            Vec::new()
        }
    }
}

fn from_value(value: Value, origin: &Origin, findings: &mut Findings) -> Vec<(Vec<u8>, Origin)> {
    match value {
        Value::Null => Vec::new(),
        // The part has lines of its own, so where it stands becomes its name.
        Value::String(text) => vec![(text.into_bytes(), Origin::document(origin.to_string()))],
        Value::Array(items) => items
            .into_iter()
            .enumerate()
            .flat_map(|(index, item)| match item {
                Value::Array(_) => unfit(&origin.index(index), findings),
                item => from_value(item, &origin.index(index), findings),
            })
            .collect(),
        _ => unfit(origin, findings),
    }
}

fn unfit(origin: &Origin, findings: &mut Findings) -> Vec<(Vec<u8>, Origin)> {
    findings.push(
        Finding::error(origin, "vendor-data is text or a list of texts; this is neither and is left out")
            .help("cloud-config stands there as one string that begins with `#cloud-config`"),
    );
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<(String, String)>, Vec<String>) {
        let mut findings = Findings::default();
        let parts = parts(&Document::new("v", text), &mut findings);
        let parts = parts.into_iter().map(|(bytes, origin)| (String::from_utf8(bytes).unwrap(), origin.to_string()));
        (parts.collect(), findings.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn json_becomes_parts() {
        for nothing in ["null", "{}", "{\"other\": 1}", "{\"cloud-init\": null}", "[]", "[null]"] {
            assert_eq!(read(nothing), (vec![], vec![]), "{nothing}");
        }
        let part = |text: &str, origin: &str| (text.to_owned(), origin.to_owned());
        assert_eq!(read("\"#!/bin/sh\"").0, [part("#!/bin/sh", "v")]);
        assert_eq!(
            read(r#"{"cloud-init": ["a", "b"]}"#).0,
            [part("a", "v: cloud-init[0]"), part("b", "v: cloud-init[1]")]
        );
        assert_eq!(read("#cloud-config\n").0, [part("#cloud-config\n", "v")]);
    }

    #[test]
    fn what_is_no_text_is_found_and_its_neighbours_kept() {
        let (parts, findings) = read(r#"["a", 1, ["b"], {"cloud-init": "c"}, "d"]"#);
        assert_eq!(parts.len(), 2);
        assert_eq!(findings.len(), 3);
        assert!(findings[0].starts_with("v: [1]: error: vendor-data is text"), "{}", findings[0]);
        assert!(read("{\"cloud-init\": {\"cloud-init\": \"x\"}}").1[0].starts_with("v: cloud-init: error"));
        assert!(read("{\"cloud-init\":\n \"#cl").1[0].starts_with("v:2:5: error: not JSON"));
    }
}
