// SPDX-License-Identifier: Apache-2.0
//! The road itself: detect, fetch, decode, merge, plan, apply, report.

use std::path::PathBuf;
use std::time::Instant;

use serde_json::Value;

use crate::apply::journal::Journal;
use crate::apply::lock::Lock;
use crate::apply::output::Output;
use crate::apply::steps::Worker;
use crate::apply::target::Target;
use crate::bootstrap;
use crate::config::base::{self, Settings};
use crate::config::document::Node;
use crate::config::merge;
use crate::datasource::{self, Detection};
use crate::error::{Error, Result};
use crate::finding::Findings;
use crate::guest::Guest;
use crate::instance::Instance;
use crate::modules::{self, Input};
use crate::network::{self, model::NetworkConfig};
use crate::plan::accounts::day::Day;
use crate::plan::order::{self, Plan};
use crate::plan::show::{self, Preview};
use crate::plan::step::{Stage, Step};
use crate::report::status::{Outcome, Status};
use crate::report::{self, console};
use crate::root::Root;
use crate::seed::Seed;
use crate::userdata::{self, Script};

/// What a person or a unit says about a run.
pub struct Options {
    /// What is looked at and changed.
    pub root: Root,
    /// Where the configuration is; nothing else is looked for.
    pub source: Option<String>,
    /// Settings in place of the image's.
    pub config: Option<PathBuf>,
}

/// Everything that is known once the input has been read.
pub struct Known {
    /// As fetched.
    pub seed: Seed,
    /// Who this is.
    pub instance: Instance,
    /// For templates and `query`.
    pub data: Value,
    /// What this is.
    pub guest: Guest,
    /// The image's settings, rendered with this instance's data.
    pub settings: Settings,
    /// Image, vendor and user merged.
    pub config: Node,
    /// The user's and vendor's scripts.
    pub scripts: Vec<Script>,
    /// The platform's network.
    pub network: Option<NetworkConfig>,
}

/// What is to be done, and what is to be said.
pub struct Decision {
    /// The input.
    pub known: Known,
    /// The steps that are due.
    pub plan: Plan,
    /// What was found wrong with the input.
    pub findings: Findings,
}

/// Looks for the configuration. The image's settings say where, `--source` overrules them.
pub fn detect(options: &Options) -> Result<Detection> {
    let guest = Guest::read(&options.root)?;
    let settings = settings(options);
    datasource::find(&datasource::Context {
        root: &options.root,
        guest: &guest,
        source: options.source.as_deref(),
        settings: &settings,
    })
}

/// From raw bytes to everything that modules may know.
pub fn understand(options: &Options, guest: Guest, seed: Seed, findings: &mut Findings) -> Result<Known> {
    let instance = Instance::from_seed(&seed, findings)?;
    let data = instance.data(&seed, &guest);
    let (settings, image) = base::load(&options.root, options.config.as_deref(), Some(&data), findings);
    let vendor = userdata::decode_vendor(&seed.vendor_data, &data, findings);
    let user = seed.user_data.as_ref().map(|document| userdata::decode(document, &data, findings));
    let mut config = image;
    let mut scripts = Vec::new();
    for layer in vendor.into_iter().chain(user) {
        config = merge::overlay(config, layer.config);
        scripts.extend(layer.scripts);
    }
    let network = seed.network.as_ref().and_then(|(format, document)| network::read(*format, document, findings));
    Ok(Known { seed, instance, data, guest, settings, config, scripts, network })
}

/// What is due for an instance, by what the journal tells of earlier runs.
fn decide_for(options: &Options, seed: Seed) -> Result<Decision> {
    let mut findings = Findings::default();
    let known = understand(options, Guest::read(&options.root)?, seed, &mut findings)?;
    let steps = steps(&known, &mut findings);
    let journal = Journal::read(&options.root, &known.instance.id)?;
    let plan = order::due(steps, &journal, &mut findings);
    Ok(Decision { known, plan, findings })
}

/// What the modules want, done or not.
pub fn steps(known: &Known, findings: &mut Findings) -> Vec<Step> {
    let (steps, said) = modules::plan(&Input {
        config: &known.config,
        scripts: &known.scripts,
        instance: &known.instance,
        guest: &known.guest,
        settings: &known.settings,
        network: known.network.as_ref(),
    });
    findings.extend(said);
    steps
}

/// The whole decision, nothing touched. `None` where there is no configuration and never was.
pub fn decide(options: &Options) -> Result<Option<Decision>> {
    match detect(options)?.found {
        Some(seed) => decide_for(options, seed).map(Some),
        None => Seed::load_current(&options.root)?.map(|seed| decide_for(options, seed)).transpose(),
    }
}

/// What a decision comes to on the root.
pub fn preview(options: &Options, decision: &Decision) -> Preview {
    show::preview(&decision.plan, &options.root, Day::today())
}

/// Does what is due in `stages`, and tells it in the status file as it goes.
///
/// The local stage looks for the configuration and keeps it; the others take what it kept.
///
/// # Errors
/// What keeps the run from going on; it stands in the status file too.
pub fn run(options: &Options, stages: &[Stage]) -> Result<Status> {
    let _lock = Lock::take(&options.root)?;
    let mut status = report::begin(&options.root)?;
    let result = work(options, stages, &mut status);
    if let Err(error) = &result {
        log::error!("{error}");
        status.error = Some(error.to_string());
    }
    report::finish(&options.root, &mut status)?;
    if options.root.is_live() {
        status.summary().iter().for_each(|line| console::say(line));
    }
    result.map(|()| status)
}

fn work(options: &Options, stages: &[Stage], status: &mut Status) -> Result<()> {
    let looks = stages.contains(&Stage::Local);
    let seed = if looks { seek(options, status)? } else { Seed::load_of_this_boot(&options.root)? };
    stages.iter().try_for_each(|stage| report::unwanted(&options.root, stage.name()))?;
    let Some(seed) = seed else {
        status.status = Outcome::NoSeed;
        return if looks { want_bootstrap(options, &settings(options)) } else { Ok(()) };
    };
    let mut decision = decide_for(options, seed)?;
    let known = &decision.known;
    if looks {
        known.seed.save(&options.root, &known.instance.id)?;
        report::instance(&options.root, &known.instance, &known.data, &mut decision.findings)?;
    }
    status.about(&known.seed.datasource, &known.seed.place, &known.instance.id, &decision.findings);
    apply(options, &decision, stages, status)?;
    if looks {
        let later = |stage: &&Stage| !stages.contains(stage) && decision.plan.has_work(**stage);
        Stage::ALL.iter().filter(later).try_for_each(|stage| report::want(&options.root, stage.name()))?;
        want_bootstrap(options, &known.settings)?;
    }
    Ok(())
}

/// The settings as far as they are known without an instance.
pub fn settings(options: &Options) -> Settings {
    base::load(&options.root, options.config.as_deref(), None, &mut Findings::default()).0
}

fn want_bootstrap(options: &Options, settings: &Settings) -> Result<()> {
    if bootstrap::is_due(&options.root, settings)? { report::want(&options.root, bootstrap::UNIT) } else { Ok(()) }
}

/// The seed that is there, or the one that was kept when its medium has gone: a known instance keeps what it has.
fn seek(options: &Options, status: &mut Status) -> Result<Option<Seed>> {
    let detection = detect(options)?;
    detection.tried.iter().for_each(|tried| log::info!("{tried}"));
    if let Some(seed) = detection.found {
        return Ok(Some(seed));
    }
    let kept = Seed::load_current(&options.root)?;
    if let Some(seed) = &kept {
        log::warn!("the seed of this instance ({}) is gone; nothing of it changes", seed.place);
        status.place = Some(format!("kept; was {}", seed.place));
    } else if let Some(error) = detection.error {
        return Err(error);
    }
    Ok(kept)
}

/// Instance data of this boot, or of the configuration that `--source` names; without secrets.
pub fn instance_data(options: &Options) -> Result<Value> {
    if options.source.is_none() && let Some(data) = report::instance_data(&options.root)? {
        return Ok(data);
    }
    let seed = match detect(options)?.found {
        Some(seed) => seed,
        None => Seed::load_current(&options.root)?.ok_or_else(|| {
            Error::absent("there is no instance data: no configuration was found").help("`firstlight detect` tells why")
        })?,
    };
    let instance = Instance::from_seed(&seed, &mut Findings::default())?;
    Ok(instance.data(&seed, &Guest::read(&options.root)?))
}

fn apply(options: &Options, decision: &Decision, stages: &[Stage], status: &mut Status) -> Result<()> {
    let target = Target::new(options.root.clone());
    let mut journal = Journal::read(&options.root, &decision.known.instance.id)?;
    let mut output = Output::new(&options.root);
    let mut worker = Worker {
        target: &target,
        journal: &mut journal,
        today: Day::today(),
        strict: decision.known.settings.strict == Some(true),
        output: &mut |line| output.line(line),
        console: &mut |line| console::say(line),
    };
    for stage in stages {
        status.start(*stage);
        report::publish(&options.root, status)?;
        let started = Instant::now();
        let steps = worker.stage(&decision.plan, *stage)?;
        let stopped = status.end(*stage, steps, started.elapsed());
        if worker.strict && stopped {
            return Err(Error::fatal("a step failed and the settings are `strict`: the steps after it are not done"));
        }
    }
    Ok(())
}
