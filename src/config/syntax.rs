// SPDX-License-Identifier: Apache-2.0
//! A syntax error in the words of the person who wrote the document, not of the parser that gave up on it.

use crate::config::events::{Mark, Problem};
use crate::finding::{Finding, Origin};

/// What is wrong, where, and what to do.
pub(super) fn explain(problem: &Problem, text: &str, document: &Origin) -> Finding {
    let mark = problem.mark.unwrap_or_else(|| at_offset(text, problem.offset));
    let origin = document.at(mark.line, mark.column);
    let found =
        text.lines().nth(mark.line.saturating_sub(1)).and_then(|line| line.chars().nth(mark.column.saturating_sub(1)));
    let begun = problem.context.as_ref().map_or(mark.line, |(_, context)| context.line);
    let (message, help) = match problem.what.as_str() {
        what if found == Some('\t') || what.contains("tab character") => {
            ("a tab stands where the indentation is".to_owned(), "indent with spaces")
        }
        "found character that cannot start any token" => (
            match found {
                Some(c) => format!("a value cannot begin with `{c}`"),
                None => "a value cannot begin here".to_owned(),
            },
            "put the value in quotes",
        ),
        "mapping values are not allowed in this context" if continues_text(text, mark) => (
            format!("line {} should be `key: value`, and has no `:`", mark.line - 1),
            "add the `:`, or indent the line if it continues the value above",
        ),
        "mapping values are not allowed in this context" => (
            "a second `key:` on one line, or a key that is indented further than its neighbours".to_owned(),
            "put a value that contains `: ` in quotes; give all keys of a mapping the same indentation",
        ),
        "could not find expected ':'" => (
            format!("line {begun} should be `key: value`, and has no `:`"),
            "add the `:`, or indent the line if it continues the value above",
        ),
        "did not find expected key" => (
            format!("this does not continue the mapping that begins on line {begun}"),
            "give all keys of a mapping the same indentation; put a value that contains quotes or brackets in quotes",
        ),
        "did not find expected '-' indicator" => (
            format!("this does not continue the list that begins on line {begun}"),
            "begin each entry with `- `, all with the same indentation",
        ),
        what if what.starts_with("did not find expected ',' or") => (
            format!("the bracket that is opened on line {begun} is not closed"),
            "close it, and put a `,` between its entries",
        ),
        "found unexpected end of stream" => {
            (format!("the quote that is opened on line {begun} is not closed"), "close it")
        }
        "did not find expected alphabetic or numeric character" => (
            "`*` and `&` begin the name of an anchor, and there is none".to_owned(),
            "put text that begins with `*` or `&` in quotes",
        ),
        "found unknown escape character" | "did not find expected hexdecimal number" => (
            "a `\\` in double quotes begins an escape, and this is none".to_owned(),
            "write `\\\\`, or use single quotes",
        ),
        "block sequence entries are not allowed in this context" => {
            ("a list cannot begin on this line".to_owned(), "put the `- ` on a line of its own")
        }
        "control characters are not allowed" => {
            ("a control character".to_owned(), "remove it; bytes that are not text belong in base64")
        }
        "found undefined tag handle" => {
            ("a tag that is not known".to_owned(), "put text that begins with `!` in quotes")
        }
        what => (what.to_owned(), "check the indentation and the quotes of this line and the one above"),
    };
    Finding::error(&origin, format!("not YAML: {message}")).help(help)
}

/// Whether the first `:` of a line is refused as the line above, as far indented, has none: both are one text.
fn continues_text(text: &str, mark: Mark) -> bool {
    let mut lines = text.lines().skip(mark.line.saturating_sub(2));
    let (Some(above), Some(line)) = (lines.next(), lines.next()) else { return false };
    let indent = |line: &str| line.len() - line.trim_start().len();
    let first =
        line.find(':').is_some_and(|at| line.get(..at).is_some_and(|key| key.chars().count() + 1 == mark.column));
    first && indent(above) == indent(line) && !above.contains(':') && !above.trim_start().starts_with(['#', '-'])
}

/// Where a byte is.
fn at_offset(text: &str, offset: usize) -> Mark {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    Mark { line: before.matches('\n').count() + 1, column: line.chars().count() + 1 }
}
