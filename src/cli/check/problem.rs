// SPDX-License-Identifier: Apache-2.0
//! A finding as a person or an editor wants it: with line and column also where its document is JSON, and its line.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use serde::Serialize;

use crate::cli::check::excerpt::{Excerpt, excerpt};
use crate::cli::visible;
use crate::finding::{Finding, Findings, Severity, Text};
use crate::json::places::{self, Place};

/// One thing to mend.
#[derive(Serialize)]
pub(crate) struct Problem {
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    /// In characters, counted from one.
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    /// Behind the last character, on the same line.
    #[serde(skip_serializing_if = "Option::is_none")]
    end_column: Option<usize>,
    pub severity: Severity,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
    #[serde(skip)]
    excerpt: Option<Excerpt>,
}

/// The findings in the order of their places: who mends a document goes through it from the top.
pub(crate) fn problems(findings: Findings) -> Vec<Problem> {
    let texts = findings.texts();
    let sources: BTreeMap<&str, Source> =
        texts.iter().map(|(name, text)| (name.as_str(), Source { text, lines: text.text.lines().collect() })).collect();
    let mut paths: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for finding in findings.iter() {
        if let Some(path) = finding.origin.key_path() {
            paths.entry(finding.origin.document_name()).or_default().push(path);
        }
    }
    let places: HashMap<&str, HashMap<String, (Place, Place)>> = paths
        .into_iter()
        .filter_map(|(document, paths)| Some((document, places::find(&texts.get(document)?.text, &paths))))
        .collect();
    let mut problems: Vec<Problem> = findings
        .iter()
        .map(|finding| {
            let document = finding.origin.document_name();
            let path = finding.origin.key_path();
            let found = path.and_then(|path| places.get(document)?.get(path).copied());
            problem(finding, found, sources.get(document))
        })
        .collect();
    problems.sort_by(|one, other| (&one.file, one.line, one.column).cmp(&(&other.file, other.line, other.column)));
    problems
}

/// A document, or the part of it that was read.
struct Source<'a> {
    text: &'a Text,
    lines: Vec<&'a str>,
}

impl Source<'_> {
    fn excerpt(&self, line: usize, column: usize, end: Option<usize>) -> Option<Excerpt> {
        let before = self.text.before as usize;
        let line = line.checked_sub(self.text.above as usize)?;
        let excerpt = excerpt(&self.lines, line, column.checked_sub(before)?, end)?;
        Some(Excerpt { end_column: excerpt.end_column + before, ..excerpt })
    }
}

fn problem(finding: &Finding, found: Option<(Place, Place)>, source: Option<&Source>) -> Problem {
    let Finding { severity, origin, message, help } = finding;
    let place = match (origin.line(), found) {
        (Some((line, column)), _) => Some((line as usize, column as usize, None)),
        (None, Some((start, end))) => Some((start.line, start.column, (start.line == end.line).then_some(end.column))),
        (None, None) => None,
    };
    let excerpt = place.and_then(|(line, column, end)| source?.excerpt(line, column, end));
    Problem {
        file: origin.document_name().to_owned(),
        line: place.map(|(line, ..)| line),
        column: place.map(|(_, column, _)| column),
        end_column: excerpt.as_ref().map(|excerpt| excerpt.end_column),
        severity: *severity,
        message: match origin.key_path() {
            Some(path) => format!("{path}: {message}"),
            None => message.clone(),
        },
        help: help.clone(),
        excerpt,
    }
}

impl Problem {
    /// For a person: `FILE:LINE:COLUMN: severity: message`, the line with the place underlined, the remedy.
    pub(crate) fn shown(&self, colour: bool) -> String {
        let tint = match self.severity {
            _ if !colour => "",
            Severity::Note => "\x1b[36m",
            Severity::Warning => "\x1b[33m",
            Severity::Error => "\x1b[31m",
        };
        let plain = if colour { "\x1b[0m" } else { "" };
        let mut text = visible(&crate::finding::escaped(&self.file));
        for number in [self.line, self.column].into_iter().flatten() {
            let _ = write!(text, ":{number}");
        }
        let _ = writeln!(text, ": {tint}{}{plain}: {}", self.severity, visible(&self.message));
        if let (Some(excerpt), Some(line)) = (&self.excerpt, self.line) {
            let Excerpt { text: source, before, length, .. } = excerpt;
            let _ = writeln!(text, "{line:>6} | {source}");
            let _ = writeln!(text, "       | {}{tint}{}{plain}", " ".repeat(*before), "^".repeat(*length));
        }
        if let Some(help) = &self.help {
            let _ = writeln!(text, "    help: {}", visible(help));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Origin;

    fn shown(text: &str, origin: impl Fn(Origin) -> Origin) -> (String, String) {
        let mut findings = Findings::keeping_texts();
        let document = Origin::document("d");
        findings.read(&document, text);
        findings.push(Finding::error(&origin(document), "wrong").help("mend it"));
        let problems = problems(findings);
        (problems[0].shown(false), serde_json::to_string(&problems[0]).unwrap())
    }

    #[test]
    fn a_person_sees_the_line_and_an_editor_the_place() {
        let (text, json) = shown("a: 1\nb: [x, yy]\n", |document| document.at(2, 8));
        assert_eq!(text, "d:2:8: error: wrong\n     2 | b: [x, yy]\n       |        ^^\n    help: mend it\n");
        assert_eq!(
            json,
            r#"{"file":"d","line":2,"column":8,"end_column":10,"severity":"error","message":"wrong","help":"mend it"}"#
        );
    }

    #[test]
    fn a_key_of_json_has_a_line() {
        let (text, _) = shown("{\"a\":\n [1, \"x\"]}", |document| document.key("a").index(1));
        assert_eq!(text, "d:2:6: error: a[1]: wrong\n     2 |  [1, \"x\"]}\n       |      ^^^\n    help: mend it\n");
    }

    #[test]
    fn the_place_of_a_part_is_one_of_the_document_and_its_line_its_own() {
        let mut findings = Findings::keeping_texts();
        let part = Origin::document("d").within(10, 4);
        findings.read(&part, "a: 1\nb: x\n");
        findings.push(Finding::error(&part.at(2, 4), "wrong"));
        let problem = &problems(findings)[0];
        assert_eq!(problem.shown(false), "d:12:8: error: wrong\n    12 | b: x\n       |    ^\n");
        assert_eq!(problem.end_column, Some(9));
    }

    #[test]
    fn without_a_place_there_is_no_line() {
        assert_eq!(shown("a: 1", |document| document).0, "d: error: wrong\n    help: mend it\n");
        assert_eq!(shown("", |document| document.at(7, 1)).0, "d:7:1: error: wrong\n    help: mend it\n");
    }
}
