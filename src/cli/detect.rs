// SPDX-License-Identifier: Apache-2.0
//! `firstlight detect`: which datasources were looked for, what was found, why not.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::boot;
use crate::cli::{Common, print, print_json};
use crate::datasource::{Outcome, Tried};
use crate::error::Result;
use crate::finding::Finding;

/// Tell which datasources were looked for, what was found, and why not
#[derive(Args)]
pub struct Arguments {
    /// For programs
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Printed<'a> {
    tried: &'a [Tried],
    found: Option<&'a str>,
    place: Option<&'a str>,
    findings: Vec<&'a Finding>,
}

impl Arguments {
    pub(super) fn exec(&self, common: &Common) -> Result<ExitCode> {
        let options = common.options()?;
        common.log(&options.root, false);
        let detection = boot::detect(&options)?;
        let seed = detection.found.as_ref().map(|fetched| &fetched.seed);
        if self.json {
            return print_json(&Printed {
                tried: &detection.tried,
                found: seed.map(|seed| seed.datasource.as_str()),
                place: seed.map(|seed| seed.place.as_str()),
                findings: detection.findings.iter().collect(),
            });
        }
        let mut text = String::new();
        for tried in &detection.tried {
            let outcome = match tried.outcome {
                Outcome::Found => "found",
                Outcome::Absent => "not there",
                Outcome::Failed => "unusable",
                Outcome::Skipped => "not needed",
                Outcome::Awaited => "to be asked",
                Outcome::Known => "known",
            };
            let milliseconds = tried.took.as_millis();
            text.push_str(&format!("{}: {outcome}: {} ({milliseconds} ms)\n", tried.name, tried.reason));
        }
        detection.findings.iter().for_each(|finding| text.push_str(&format!("{finding}\n")));
        text.push_str(&match seed {
            Some(seed) => format!("configuration: {} at {}\n", seed.datasource, seed.place),
            None => "no configuration: `firstlight run` would leave this machine as it is\n".to_owned(),
        });
        print(&text)
    }
}
