// SPDX-License-Identifier: Apache-2.0
//! `firstlight plan`: the same decision, printed, nothing touched.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::boot;
use crate::cli::{Common, print, print_json};
use crate::error::Result;
use crate::finding::{Finding, Severity};
use crate::plan::show::Preview;

/// Print every change that `run` would make, with the line that asked for it; change nothing
#[derive(Args)]
pub struct Arguments {
    /// For programs
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Printed<'a> {
    datasource: &'a str,
    place: &'a str,
    instance_id: &'a str,
    findings: Vec<&'a Finding>,
    #[serde(flatten)]
    preview: &'a Preview,
}

impl Arguments {
    pub(super) fn exec(&self, common: &Common) -> Result<ExitCode> {
        let options = common.options()?;
        common.log(&options.root, false);
        let decision = match boot::decide(&options)? {
            Ok(decision) => decision,
            Err(findings) => {
                let findings: Vec<&Finding> = findings.iter().filter(|told| told.severity > Severity::Note).collect();
                return if self.json {
                    let nothing = serde_json::json!({ "datasource": null, "steps": [], "findings": findings });
                    print_json(&nothing)
                } else {
                    let said: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
                    let nothing =
                        "no configuration was found: nothing would be changed (`firstlight detect` tells why)";
                    print(&format!("{said}{nothing}\n"))
                };
            }
        };
        let preview = boot::preview(&options, &decision);
        let known = &decision.known;
        let code = ExitCode::from(if decision.findings.has_errors() { 2 } else { 0 });
        if self.json {
            print_json(&Printed {
                datasource: &known.seed.datasource,
                place: &known.seed.place,
                instance_id: &known.instance.id,
                findings: decision.findings.iter().collect(),
                preview: &preview,
            })?;
            return Ok(code);
        }
        let mut text =
            format!("instance {} from {} ({})\n", *known.instance.id, known.seed.datasource, known.seed.place);
        decision.findings.iter().for_each(|finding| text.push_str(&format!("{finding}\n")));
        text.push_str(&preview.to_string());
        print(&text)?;
        Ok(code)
    }
}
