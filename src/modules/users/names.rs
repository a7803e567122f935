// SPDX-License-Identifier: Apache-2.0
//! Names of users and groups as a document gives them: which may stand, and how many.

use crate::config::types::Words;
use crate::finding::{Finding, Findings, Located, Origin};
use crate::plan::accounts::names;

/// The most users, groups, or members of one that a document may ask for.
pub const LIMIT: usize = 1000;

/// Whether it may be the name of a `user` or a `group`; one that may not is said.
pub fn valid_name(what: &str, name: &str, origin: &Origin, findings: &mut Findings) -> bool {
    let checked = names::check(what, name);
    if let Err(error) = &checked {
        let bad = Finding::error(origin, format!("{}; it is left out", error.without_advice()));
        findings.push(bad.help(error.advice().unwrap_or_default()));
    }
    checked.is_ok()
}

/// Those of some words that may be the name of a `user` or a `group`.
pub fn valid_names(what: &str, words: &Located<Words>, findings: &mut Findings) -> Vec<String> {
    if words.0.len() > LIMIT {
        let many = format!("more than {LIMIT} {what}s; the rest is left out");
        findings.push(Finding::error(&words.origin, many));
    }
    let words = words.0.iter().take(LIMIT).filter(|name| valid_name(what, name, &words.origin, findings));
    words.cloned().collect()
}
