// SPDX-License-Identifier: Apache-2.0
//! `firstlight detect`: which datasources were looked for, what was found, why not; and what of the machine counted.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::boot::{self, Options, Seen};
use crate::cli::{Common, print, print_json};
use crate::datasource::{Detection, Fetched, Outcome, Tried};
use crate::error::{Error, Result};
use crate::finding::Finding;
use crate::guest::Dmi;
use crate::instance::without_secrets;

/// Tell which datasources were looked for, what was found, and why not
///
/// Where the network is up, a server is asked as a boot would ask it, if the platform has one. Nothing is changed.
#[derive(Args)]
pub struct Arguments {
    /// For programs
    #[arg(long)]
    json: bool,
    /// Ask no server: tell which one would be asked, and when
    #[arg(long)]
    offline: bool,
    /// Take --root for the copy of a machine, with its sys, proc and dev (where a device may be an image file), not for
    /// an image; no server is asked
    #[arg(long)]
    as_machine: bool,
}

impl Arguments {
    pub(super) fn exec(&self, common: &Common) -> Result<ExitCode> {
        let mut options = common.options()?;
        // Not said to the parser: it does not see a --root that stands before the command.
        if self.as_machine && options.root.is_live() {
            return Err(Error::malformed("--as-machine is for a copy of a machine")
                .help("name its directory: `firstlight detect --root DIR --as-machine`"));
        }
        if self.as_machine {
            options = Options { root: options.root.as_machine(), ..options };
        }
        common.log(&options.root, false);
        let seen = boot::detect(&options, !self.offline)?;
        if self.json { print_json(&printed(&seen)) } else { print(&shown(&seen)) }
    }
}

#[derive(Serialize)]
struct Printed<'a> {
    machine: BTreeMap<String, String>,
    command_line: &'a [String],
    devices: Vec<Device<'a>>,
    order: Option<String>,
    known_instance: Option<&'a str>,
    tried: &'a [Tried],
    found: Option<&'a str>,
    place: Option<&'a str>,
    findings: Vec<&'a Finding>,
}

#[derive(Serialize)]
struct Device<'a> {
    path: &'a Path,
    seen: &'a str,
    seconds: f64,
}

fn printed(seen: &Seen) -> Printed<'_> {
    let seed = seen.detection.found.as_ref().map(|fetched| &fetched.seed);
    let devices = seen.devices.iter();
    Printed {
        machine: machine(&seen.dmi).into_iter().map(|(name, value)| (name.replace(' ', "_"), value)).collect(),
        command_line: &seen.words,
        devices: devices
            .map(|look| Device { path: &look.path, seen: &look.told, seconds: look.took.as_secs_f64() })
            .collect(),
        order: seen.order.as_ref().map(ToString::to_string),
        known_instance: seen.kept.as_ref().map(|kept| kept.id.as_str()),
        tried: &seen.detection.tried,
        found: seed.map(|seed| seed.datasource.as_str()),
        place: seed.map(|seed| seed.place.as_str()),
        findings: seen.detection.findings.iter().collect(),
    }
}

/// What the firmware says, as far as datasources heed it.
fn machine(dmi: &Dmi) -> Vec<(&'static str, String)> {
    let facts = [
        ("vendor", &dmi.sys_vendor),
        ("product", &dmi.product_name),
        ("version", &dmi.product_version),
        ("board", &dmi.board_name),
        ("chassis tag", &dmi.chassis_asset_tag),
        ("serial", &dmi.product_serial),
        ("uuid", &dmi.product_uuid),
    ];
    let known = facts.into_iter().filter(|(_, value)| !value.is_empty());
    known.map(|(name, value)| (name, without_secrets(value))).collect()
}

fn shown(seen: &Seen) -> String {
    let Detection { tried, found, findings } = &seen.detection;
    let mut lines = Vec::new();
    if !tried.is_empty() {
        lines.extend(facts(seen));
    }
    lines.extend(tried.iter().map(|tried| {
        let outcome = match tried.outcome {
            Outcome::Found => "found",
            Outcome::Absent => "not there",
            Outcome::Failed => "unusable",
            Outcome::Skipped => "not needed",
            Outcome::Awaited => "to be asked",
            Outcome::Known => "known",
        };
        format!("{}: {outcome}: {} ({} ms)", tried.name, tried.reason, tried.took.as_millis())
    }));
    lines.extend(findings.iter().map(ToString::to_string));
    let awaited = || tried.iter().find(|tried| tried.outcome == Outcome::Awaited);
    lines.push(match (found, awaited()) {
        (Some(Fetched { seed, .. }), _) => format!("configuration: {} at {}", seed.datasource, seed.place),
        (None, Some(awaited)) => format!("no configuration yet: {} is still to be asked", awaited.name),
        (None, None) => "no configuration: `firstlight run` would leave this machine as it is".to_owned(),
    });
    lines.join("\n") + "\n"
}

/// What counted: the machine, and whose order it is.
fn facts(seen: &Seen) -> Vec<String> {
    let mut lines = Vec::new();
    let machine: Vec<String> = machine(&seen.dmi).iter().map(|(name, value)| format!("{name} `{value}`")).collect();
    match machine.is_empty() {
        true if seen.is_container => lines.push("machine: a container; the firmware is its host's".to_owned()),
        true => {}
        false => lines.push(format!("machine: {}", machine.join(", "))),
    }
    if !seen.words.is_empty() {
        lines.push(format!("kernel's command line: {}", seen.words.join(" ")));
    }
    if let Some(kept) = &seen.kept {
        lines.push(format!("known instance: {} from {}", kept.id, kept.datasource));
    }
    let devices = seen.devices.iter();
    lines.extend(devices.map(|it| format!("{}: {} ({} ms)", it.path.display(), it.told, it.took.as_millis())));
    let promising = seen.detection.tried.iter().filter(|tried| tried.outcome != Outcome::Absent).count();
    lines.push(match &seen.order {
        Some(origin) => format!("order: as {origin} has it"),
        None if promising > 1 => {
            "order: what is here goes before what may come late or is on a server; else as listed".to_owned()
        }
        None => return lines,
    });
    lines
}
