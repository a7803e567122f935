// SPDX-License-Identifier: Apache-2.0
//! The road itself: detect, understand, decide; `run.rs` does what was decided.

use std::path::PathBuf;

use serde_json::Value;

use crate::apply::journal::Journal;
use crate::config::base::{self, Settings};
use crate::config::document::Node;
use crate::datasource::{self, Context, Detection, Drives, Fetched, nocloud};
use crate::error::{Error, Kind, Result};
use crate::finding::{Finding, Findings, Severity};
use crate::guest::Guest;
use crate::input;
use crate::instance::{self, Instance};
use crate::modules::{self, Input};
use crate::network::model::NetworkConfig;
use crate::network::network_config;
use crate::plan::day::Day;
use crate::plan::order::{self, Plan, Progress, Record as _};
use crate::plan::show::{self, Preview};
use crate::plan::step::{Stage, Step};
use crate::report::{self};
use crate::root::{READ_LIMIT, Root};
use crate::seed::{Document, MetaFormat, Seed};
use crate::userdata::{self, Script, UserData};

mod detect;
mod includes;
mod network;
mod reach;
mod run;
mod seek;

pub use detect::{Seen, detect};
pub use run::{change_power, run};

use includes::{Fetcher, Remote};
use network::Word;
use seek::{Found, seek};

/// What a person or a unit says about a run.
pub struct Options {
    /// What is looked at and changed.
    pub root: Root,
    /// Where the configuration is; nothing else is looked for.
    pub source: Option<String>,
    /// Settings in place of the image's.
    pub config: Option<PathBuf>,
}

impl Options {
    /// The image's settings as documents, or the one file in their place.
    fn documents(&self, findings: &mut Findings) -> Result<Vec<Document>> {
        match &self.config {
            None => Ok(base::documents(&self.root, findings)),
            Some(file) => {
                let bytes = input::read(file, READ_LIMIT).map_err(|error| error.while_doing("the settings"))?;
                Ok(vec![Document::new(file.to_string_lossy(), bytes)])
            }
        }
    }
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
    /// The image's cloud-config alone.
    pub image: Node,
    /// Image, vendor and user merged, as far as they are known.
    pub config: Node,
    /// The user's and vendor's scripts.
    pub scripts: Vec<Script>,
    /// The network that it shall have.
    pub network: Option<NetworkConfig>,
    /// Who asked for that network, where it is not the platform.
    said: Option<Finding>,
    /// How much of the user-data is known.
    pub extent: Extent,
    /// Whether the user-data names documents that need the network, fetched or not.
    pub names_servers: bool,
}

/// How much of the user-data is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// Some of it has to be fetched by a later stage; what is known may be replaced by it, so it is not applied yet.
    Awaited,
    /// Some of it could not be had in this boot. The rest counts.
    Lacking,
}

impl Known {
    /// As the modules get it.
    fn input(&self) -> Input<'_> {
        Input {
            config: &self.config,
            scripts: &self.scripts,
            datasource: &self.seed.datasource,
            instance: &self.instance,
            guest: &self.guest,
            settings: &self.settings,
            network: self.network.as_ref(),
        }
    }

    /// The network where it is ours to make and nothing of it has to be asked for.
    fn static_network(&self) -> Option<&NetworkConfig> {
        static_network(&self.settings, self.network.as_ref())
    }
}

fn static_network<'a>(settings: &Settings, network: Option<&'a NetworkConfig>) -> Option<&'a NetworkConfig> {
    let ours = settings.network.as_ref().is_none_or(|settings| settings.enabled != Some(false));
    network.filter(|network| ours && crate::network::online::is_static(network))
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

/// Looks for the configuration for a run of these stages; for a look where there are none. The image's settings say where;
/// `--source` overrules them.
fn search(options: &Options, stages: &[Stage]) -> Result<Detection> {
    let (settings, of_settings) = settings(options)?;
    if let Some(named) = named(options, &settings)? {
        return Ok(named);
    }
    let guest = Guest::read(&options.root)?;
    let reach = reach::reach(options, &guest, &settings, stages, true);
    let kept = seek::kept(&options.root);
    let (root, drives) = (&options.root, Drives::default());
    let mut detection = datasource::find(&Context { root, guest: &guest, settings: &settings, reach, kept, drives });
    // With a configuration they are read once more, with the instance's data, and then it is said.
    if detection.found.is_none() {
        detection.say_first(of_settings);
    }
    Ok(detection)
}

/// What `--source` names.
fn named(options: &Options, settings: &Settings) -> Result<Option<Detection>> {
    let Some(spec) = &options.source else { return Ok(None) };
    let mut findings = Findings::default();
    let seed = datasource::from_source(spec, &options.root, settings, &mut findings)?;
    Ok(Some(Detection { tried: Vec::new(), found: Some(Fetched { seed, drive: None }), findings }))
}

/// From raw bytes to everything that modules may know.
fn understand(options: &Options, guest: Guest, seed: Seed, remote: Remote, findings: &mut Findings) -> Result<Known> {
    let instance = Instance::from_seed(&seed, findings)?;
    let mut data = instance.data(&seed, &guest);
    let (mut settings, image) = base::settle(&options.documents(findings)?, Some(&data), findings);
    instance::set_image(&mut data, &image);
    let mut of_network = Findings::default();
    let Word { network, left_alone, said } = network::asked(&seed, &guest, &settings, &mut of_network);
    if left_alone {
        settings.network.get_or_insert_default().enabled = Some(false);
    }
    let waited_for = static_network(&settings, network.as_ref()).filter(|_| options.root.is_live());
    let fetcher = Fetcher::new(&options.root, &instance.id, remote, waited_for.map(|network| (network, &guest)));
    let user_data = seed.user_data.as_ref();
    let UserData { config, scripts, incomplete } =
        userdata::combine(image.clone(), &seed.vendor_data, user_data, &data, &fetcher, findings);
    let extent = match incomplete {
        true => Extent::Awaited,
        false if fetcher.lacks_something() => Extent::Lacking,
        false => Extent::Whole,
    };
    let names_servers = fetcher.names_servers();
    instance::set_merged(&mut data, &config);
    findings.extend(of_network);
    Ok(Known { seed, instance, data, guest, settings, image, config, scripts, network, said, extent, names_servers })
}

/// What is due for an instance, by what the journal tells of earlier runs.
fn decide_for(options: &Options, mut seed: Seed, remote: Remote, mut findings: Findings) -> Result<Decision> {
    network::as_applied(options, &mut seed, &mut findings)?;
    let mut known = understand(options, Guest::read(&options.root)?, seed, remote, &mut findings)?;
    let journal = Journal::read(&options.root, &known.instance.id)?;
    let first = !journal.completed(Stage::Local);
    if first && let Some(network) = &known.network {
        known.guest.wait_for_nics(|named, _| network.links.iter().all(|link| link.sought(named).is_none()))?;
    } else if network::may_fall_back(&known) {
        if first {
            known.guest.wait_for_cards()?;
        }
        known.network = network::fall_back(&known);
        let nics = known.guest.nics.as_deref().unwrap_or_default();
        known.said = known.network.as_ref().and_then(|network| network::fell_back(network, nics)).or(known.said);
    }
    findings.extend(known.said.take().filter(|_| first));
    let mut steps = match known.extent {
        Extent::Awaited => {
            let fresh = |step: &Step| journal.progress(step) == Progress::Fresh;
            let (steps, said) =
                modules::plan_for_now(&Input { config: &known.image, scripts: &[], ..known.input() }, fresh);
            findings.extend(said);
            findings.push(awaited(&known, &options.root));
            steps
        }
        Extent::Whole | Extent::Lacking => steps(&known, &mut findings),
    };
    network::keep_own(&known, &mut steps, &journal);
    let mut plan = order::due(steps, &journal, &mut findings);
    findings.extend(network::forgets(&known, &plan));
    plan.incomplete = known.extent != Extent::Whole;
    Ok(Decision { known, plan, findings })
}

/// What to say where the user-data is not applied yet. Whoever works on an image has to know that it is not in there.
fn awaited(known: &Known, root: &Root) -> Finding {
    let documents = known.seed.user_data.iter().chain(&known.seed.vendor_data);
    let origin = documents.map(Document::origin).next().unwrap_or_else(|| known.config.origin.clone());
    let (severity, until) = match root.is_live() {
        true => (Severity::Note, "the network is up"),
        false => (Severity::Warning, "the boot"),
    };
    let text = format!("what it asks for waits for {until}: not all of it is known yet");
    Finding { severity, ..Finding::note(&origin, text) }
}

/// What the modules want, done or not.
fn steps(known: &Known, findings: &mut Findings) -> Vec<Step> {
    let (steps, said) = modules::plan(&known.input());
    findings.extend(said);
    steps
}

/// The whole decision, nothing touched; what there is to say where there is no configuration and never was.
pub fn decide(options: &Options) -> Result<Result<Decision, Findings>> {
    let Found { seed, findings, .. } = seek(options, &[])?;
    match seed {
        Some(seed) => decide_for(options, seed, Remote::Later, findings).map(Ok),
        None => Ok(Err(findings)),
    }
}

/// Reads a configuration as far as the plan, for what there is to say of it. On the running system its own facts are
/// left out, as far as they are its alone: the configuration is for another machine.
pub fn check(options: &Options, seed: Seed, findings: &mut Findings) -> Result<()> {
    let mut guest = Guest::read(&options.root)?;
    if options.root.is_live() {
        guest.stands_for_another();
    }
    let known = understand(options, guest, seed, Remote::Later, findings)?;
    if known.seed.meta_format == MetaFormat::NoCloud
        && let Ok(meta) = instance::nocloud::merged(known.seed.all_meta_data(), &mut Findings::default())
        && let Some(from) = instance::nocloud::text(&meta, "seedfrom", &mut Findings::default())
    {
        nocloud::check_seedfrom(&from, findings);
    }
    steps(&known, findings);
    Ok(())
}

/// The same of the image's settings alone. What they ask of an instance by a template is not known, and not said.
pub fn check_settings(options: &Options, document: Document, findings: &mut Findings) -> Result<()> {
    let origin = document.origin();
    let (settings, config) = base::settle(&[document], None, findings);
    if let Some(from) = settings.nocloud.as_ref().and_then(|settings| settings.seedfrom.as_ref()) {
        nocloud::check_seedfrom(from, findings);
    }
    if let Some(network) = settings.network.as_ref().and_then(|network| network.config.as_ref()) {
        network_config::from_node(network, findings);
    }
    let instance = Instance::unknown(&origin);
    let mut guest = Guest::read(&options.root)?;
    if options.root.is_live() {
        guest.stands_for_another();
    }
    let (_, said) = modules::plan(&Input {
        config: &config,
        scripts: &[],
        datasource: "check",
        instance: &instance,
        guest: &guest,
        settings: &settings,
        network: None,
    });
    findings.extend(said);
    Ok(())
}

/// What a decision comes to on the root.
pub fn preview(options: &Options, decision: &Decision) -> Preview {
    show::preview(&decision.plan, &options.root, Day::today())
}

/// The settings as far as they are known without an instance, and what is wrong with them: to be said where no instance
/// is found, as with its data they are read again.
fn settings(options: &Options) -> Result<(Settings, Findings)> {
    let mut findings = Findings::default();
    let (settings, _) = base::settle(&options.documents(&mut findings)?, None, &mut findings);
    Ok((settings, findings))
}

/// The settings with that data, and what there is to say of them.
fn settled(options: &Options, data: &Value) -> Result<(Settings, Findings)> {
    let mut findings = Findings::default();
    let (settings, _) = base::settle(&options.documents(&mut findings)?, Some(data), &mut findings);
    Ok((settings, findings))
}

/// The settings with the data of the instance that the local stage of this boot worked for, else of the last one that
/// was known, else of none; and what there is to say of them.
pub fn settings_of_instance(options: &Options) -> Result<(Settings, Findings)> {
    let kept = match Found::of_this_boot(&options.root) {
        Ok(Found { seed: None, .. }) => Found::of_earlier(&options.root),
        found => found,
    };
    let seed = match kept {
        Ok(found) => found.seed,
        // What asks for nothing of the instance still counts.
        Err(error) if error.kind() == Kind::Malformed => {
            log::warn!("{error}");
            None
        }
        Err(error) => return Err(error),
    };
    let Some(seed) = seed else { return settled(options, &Value::Null) };
    // Of the meta-data that was said when it came.
    let instance = Instance::from_seed(&seed, &mut Findings::default())?;
    settled(options, &instance.data(&seed, &Guest::read(&options.root)?))
}

/// The raw documents of this boot, else of the last one that was known, or of what `--source` names. What was kept is
/// root's alone.
pub fn raw(options: &Options) -> Result<Option<Seed>> {
    if options.source.is_some() {
        return Ok(seek(options, &[])?.seed);
    }
    match Found::of_this_boot(&options.root)? {
        Found { seed: None, .. } => Ok(Found::of_earlier(&options.root)?.seed),
        found => Ok(found.seed),
    }
}

/// Instance data of this boot, without secrets for who may not read them, or of the configuration that is there.
pub fn instance_data(options: &Options) -> Result<Value> {
    if options.source.is_none()
        && let Some(data) = report::instance_data(&options.root)?
    {
        return Ok(data);
    }
    let absent =
        || Error::absent("there is no instance data: no configuration was found").help("`firstlight detect` tells why");
    let seed = seek(options, &[])?.seed.ok_or_else(absent)?;
    let known = understand(options, Guest::read(&options.root)?, seed, Remote::Later, &mut Findings::default())?;
    Ok(known.data)
}
