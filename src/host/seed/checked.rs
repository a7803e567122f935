// SPDX-License-Identifier: Apache-2.0
//! What `firstlight check` says of a seed before it is written: the same reading, in this process.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::path::Path;

use serde_json::json;

use crate::boot::{self, Options};
use crate::cli::check::problem::{self, Problem};
use crate::error::Result;
use crate::finding::{Findings, Origin, Severity};
use crate::host::tell::Teller;
use crate::root::Root;
use crate::seed::Seed;

/// All that there is to say, by place.
///
/// # Errors
/// Fatal where this machine, which stands for the guest (its time zones), can't be looked at.
pub fn check(seed: Seed) -> Result<Vec<Problem>> {
    let options = Options { root: Root::open(Path::new("/"))?, source: None, config: None };
    let mut findings = Findings::keeping_texts();
    let place = Origin::document(seed.place.as_str());
    let network = seed.network.iter().map(|(_, document)| document);
    for document in seed.all_meta_data().chain(&seed.vendor_data).chain(network).chain(&seed.user_data) {
        if let Ok(text) = std::str::from_utf8(&document.bytes) {
            findings.read(&document.origin(), text);
        }
    }
    if let Err(error) = boot::check(&options, seed, &mut findings) {
        findings.push(error.finding(&place));
    }
    Ok(problem::problems(findings))
}

/// Shows them on standard error; how many of them are errors.
pub fn show(problems: &[Problem], common_json: bool) -> usize {
    let teller = Teller::new(common_json);
    let colour = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
    for problem in problems {
        let text = problem.shown(colour && !common_json);
        if common_json {
            teller.event_with("problem", text.trim_end(), json!({ "problem": problem }));
        } else {
            // What is quoted in it is safe to show; its colours are ours. Nobody is left to tell where it is closed.
            let _ = stderr().write_all(text.as_bytes());
        }
    }
    problems.iter().filter(|problem| problem.severity == Severity::Error).count()
}
