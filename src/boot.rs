// SPDX-License-Identifier: Apache-2.0
//! The road itself: detect, fetch, decode, merge, plan, apply, report.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::Value;

use crate::apply::interrupt::Interrupt;
use crate::apply::journal::Journal;
use crate::apply::output::Output;
use crate::apply::run_lock;
use crate::apply::steps::{Ending, Worker};
use crate::apply::target::Target;
use crate::bootstrap::{self, Bootstrap};
use crate::config::base::{self, Settings};
use crate::config::document::Node;
use crate::datasource::{self, Context, Detection, Drive, Fetched};
use crate::error::{Error, Kind, Result};
use crate::finding::{Finding, Findings, Origin, Severity};
use crate::guest::Guest;
use crate::input;
use crate::instance::Instance;
use crate::instance::redacted;
use crate::media;
use crate::modules::{self, Input};
use crate::network::{self, model::NetworkConfig};
use crate::plan::day::Day;
use crate::plan::order::{self, Plan, Record as _};
use crate::plan::show::{self, Preview};
use crate::plan::step::{Stage, Step};
use crate::report::status::{Outcome, Status};
use crate::report::{self, console};
use crate::root::{READ_LIMIT, Root, Tree as _};
use crate::seed::{Document, Seed};
use crate::state;
use crate::userdata::{self, Script, UserData};

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
    /// Image, vendor and user merged.
    pub config: Node,
    /// The user's and vendor's scripts.
    pub scripts: Vec<Script>,
    /// The platform's network.
    pub network: Option<NetworkConfig>,
}

impl Known {
    /// The network where it is ours to make and nothing of it has to be asked for.
    fn static_network(&self) -> Option<&NetworkConfig> {
        let ours = self.settings.network.as_ref().is_none_or(|settings| settings.enabled != Some(false));
        self.network.as_ref().filter(|network| ours && network::online::is_static(network))
    }
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

/// Looks for the configuration. The image's settings say where; `--source` overrules them.
pub fn detect(options: &Options) -> Result<Detection> {
    if let Some(spec) = &options.source {
        let mut findings = Findings::default();
        let seed = datasource::from_source(spec, &mut findings)?;
        return Ok(Detection { tried: Vec::new(), found: Some(Fetched { seed, drive: None }), findings });
    }
    let settings = settings(options)?;
    let guest = Guest::read(&options.root)?;
    Ok(datasource::find(&Context {
        root: &options.root,
        guest: &guest,
        datasources: settings.datasources.as_deref(),
        wait: settings.wait.unwrap_or(datasource::DEFAULT_WAIT),
    }))
}

/// From raw bytes to everything that modules may know.
pub fn understand(options: &Options, guest: Guest, seed: Seed, findings: &mut Findings) -> Result<Known> {
    let instance = Instance::from_seed(&seed, findings)?;
    let data = data(&instance, &seed, &guest);
    let (settings, image) = base::settle(&options.documents(findings)?, Some(&data), findings);
    let user_data = seed.user_data.as_ref();
    let UserData { config, scripts } = userdata::combine(image, &seed.vendor_data, user_data, &data, findings);
    let network = seed.network.as_ref().and_then(|(format, document)| network::read(*format, document, findings));
    Ok(Known { seed, instance, data, guest, settings, config, scripts, network })
}

/// What templates may ask for.
fn data(instance: &Instance, seed: &Seed, guest: &Guest) -> Value {
    instance.data(seed, guest.distribution.first().map_or("", String::as_str))
}

/// What is due for an instance, by what the journal tells of earlier runs.
fn decide_for(options: &Options, seed: Seed, mut findings: Findings) -> Result<Decision> {
    let mut known = understand(options, Guest::read(&options.root)?, seed, &mut findings)?;
    let journal = Journal::read(&options.root, &known.instance.id)?;
    if let (Some(network), false) = (&known.network, journal.completed(Stage::Local)) {
        known.guest.wait_for_nics(&network.macs().map(|mac| mac.to_string()).collect::<Vec<_>>())?;
    }
    let steps = steps(&known, &mut findings);
    let plan = order::due(steps, &journal, &mut findings);
    Ok(Decision { known, plan, findings })
}

/// What the modules want, done or not.
pub fn steps(known: &Known, findings: &mut Findings) -> Vec<Step> {
    let (steps, said) = modules::plan(&Input {
        config: &known.config,
        scripts: &known.scripts,
        datasource: &known.seed.datasource,
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
    let found = seek(options)?;
    found.seed.map(|seed| decide_for(options, seed, found.findings)).transpose()
}

/// Reads a configuration as far as the plan, for what there is to say of it. On the running system its own facts are
/// left out, as far as they are its alone: the configuration is for another machine.
pub fn check(options: &Options, seed: Seed, findings: &mut Findings) -> Result<()> {
    let mut guest = Guest::read(&options.root)?;
    if options.root.is_live() {
        guest.nics = None;
    }
    let known = understand(options, guest, seed, findings)?;
    steps(&known, findings);
    Ok(())
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
    let _lock = run_lock::take(&options.root)?;
    let mut status = report::begin(&options.root)?;
    let result = work(options, stages, &mut status);
    if let Err(error) = &result {
        log::error!("{error}");
        status.error = Some(error.to_string());
    }
    report::finish(&options.root, &mut status)?;
    result.map(|()| status)
}

fn work(options: &Options, stages: &[Stage], status: &mut Status) -> Result<()> {
    stages.iter().try_for_each(|stage| report::unwanted(&options.root, stage.name()))?;
    let mut data = None;
    let worked = work_for_seed(options, stages, status, &mut data);
    if !stages.contains(&Stage::Local) {
        return worked;
    }
    // The image asks for the bootstrap loop, not the seed: no seed, a broken one or a failed step keeps it from nothing.
    let said = want_bootstrap(options, data.as_ref());
    if let Ok(said) = &said {
        status.add(said.iter().filter(|told| told.severity > Severity::Note), stages);
    }
    worked.and(said.map(drop))
}

/// Does what the seed asks for. `data` is the instance's, as soon as it is known.
fn work_for_seed(options: &Options, stages: &[Stage], status: &mut Status, data: &mut Option<Value>) -> Result<()> {
    let looks = stages.contains(&Stage::Local);
    let found = if looks { seek(options)? } else { Found::of_this_boot(&options.root)? };
    let Some(seed) = found.seed else {
        status.status = Outcome::NoSeed;
        if looks {
            status.findings.clear();
            status.add(found.findings.iter().filter(|told| told.severity > Severity::Note), stages);
        }
        return Ok(());
    };
    let mut decision = decide_for(options, seed, found.findings)?;
    let known = &decision.known;
    let mut remembers = true;
    if looks {
        *data = Some(known.data.clone());
        if let Err(error) = keep(&options.root, known) {
            remembers = false;
            decision.findings.push(not_kept(&error));
            decision.plan.interrupted.clear();
            decision.plan.steps.retain(|step| !step.at_most_once());
        }
        report::instance(&options.root, &known.instance, &known.data, &mut decision.findings)?;
        decision.findings.extend(keep_mounted(&options.root, known, found.drive.as_ref()));
    }
    status.about(&known.instance.id, &known.seed.datasource);
    if looks || status.place.is_none() {
        status.place = Some(found.place.unwrap_or_else(|| known.seed.place.clone()));
    }
    status.found(&decision.findings, stages);
    let mut journal = Journal::read(&options.root, &known.instance.id)?;
    if !remembers {
        journal.forget();
    }
    apply(options, &decision, stages, &mut journal, status)?;
    if looks && remembers {
        want_later(options, &decision.plan, stages, &mut journal)?;
        want_network(options, &decision, stages)?;
    }
    Ok(())
}

/// Keeps the seed for the later stages and boots.
fn keep(root: &Root, known: &Known) -> Result<()> {
    known.seed.save(root, &known.instance.id)?;
    root.link(state::INSTANCE.as_ref(), &state::instance(&known.instance.id))
}

/// What to say where the instance can't be remembered: its network and keys are needed all the more.
fn not_kept(error: &Error) -> Finding {
    let left = "what can be repeated is done; commands, scripts and the later stages are left out";
    let text = format!("this instance can't be remembered, so {left}: {}", error.without_advice());
    let finding = Finding::error(&Origin::document(state::VAR), text);
    match error.advice() {
        Some(advice) => finding.help(advice),
        None => finding,
    }
}

/// Wants the later stages that have work, and marks those that have none as completed: what is added to the user-data of
/// a configured instance is left out, whichever its stage.
fn want_later(options: &Options, plan: &Plan, stages: &[Stage], journal: &mut Journal) -> Result<()> {
    for stage in Stage::ALL.into_iter().filter(|stage| !stages.contains(stage)) {
        if plan.has_work(stage) {
            report::want(&options.root, stage.name())?;
        } else if journal.completed(Stage::Local) {
            journal.complete(stage)?;
        }
    }
    Ok(())
}

/// Wants the network where somebody's scripts in a later stage expect it. A static one that stage waits for itself.
fn want_network(options: &Options, decision: &Decision, stages: &[Stage]) -> Result<()> {
    let expected =
        decision.plan.steps.iter().any(Step::is_for_the_network) && decision.known.static_network().is_none();
    if expected && !stages.contains(&Stage::Final) { report::want(&options.root, report::ONLINE) } else { Ok(()) }
}

/// What the search for a configuration came to.
#[derive(Default)]
struct Found {
    seed: Option<Seed>,
    findings: Findings,
    drive: Option<Drive>,
    /// What to say of its place, where that is not the seed's own word.
    place: Option<String>,
}

impl Found {
    /// What the local stage of this boot worked for.
    fn of_this_boot(root: &Root) -> Result<Self> {
        let id = root.read_text(state::BOOT_INSTANCE.as_ref())?;
        let seed = id.map(|id| Seed::load(root, id.trim())).transpose()?.flatten();
        Ok(Self { seed, ..Self::default() })
    }

    /// What an earlier boot worked for.
    fn of_earlier(root: &Root) -> Result<Self> {
        let link = root.read_link(state::INSTANCE.as_ref())?;
        let Some(id) = link.as_deref().and_then(Path::file_name) else { return Ok(Self::default()) };
        let seed = Seed::load(root, &id.to_string_lossy())?;
        let place = seed.as_ref().map(|seed| format!("kept; was {}", seed.place));
        Ok(Self { seed, place, ..Self::default() })
    }
}

/// The seed that is there, or the one that was kept when its medium has gone: a known instance keeps what it has.
///
/// # Errors
/// Malformed: there is a medium, it can't be used, and nothing was kept.
fn seek(options: &Options) -> Result<Found> {
    let detection = detect(options)?;
    detection.tried.iter().for_each(|tried| log::info!("{}: {}", tried.name, tried.reason));
    if let Some(Fetched { seed, drive }) = detection.found {
        return Ok(Found { seed: Some(seed), drive, findings: detection.findings, place: None });
    }
    let kept = Found::of_earlier(&options.root)?;
    match detection.tried.iter().find(|tried| tried.outcome == datasource::Outcome::Failed) {
        Some(failed) if kept.seed.is_none() => Err(Error::malformed(format!("{}: {}", failed.name, failed.reason))
            .help("`firstlight detect` tells what was seen")),
        _ => {
            if let Some(place) = &kept.place {
                log::warn!("the seed of this instance is gone ({place}); what it configured stays");
            }
            Ok(Found { findings: detection.findings, ..kept })
        }
    }
}

/// Leaves the drive mounted where the image's settings ask for it; what kept it from that, as nothing else depends on it.
fn keep_mounted(root: &Root, known: &Known, drive: Option<&Drive>) -> Option<Finding> {
    let asked = known.settings.config_drive.as_ref()?.keep_mounted.as_ref()?;
    // Into an image nothing is mounted.
    if !root.is_live() {
        return None;
    }
    let Some(drive) = drive else {
        let text = format!("there is no drive to keep mounted: the configuration is from {}", known.seed.place);
        return Some(Finding::warning(&asked.origin, text));
    };
    let error = media::mount::keep(&drive.device, drive.file_system, Path::new(&asked.value)).err()?;
    Some(Finding { severity: Severity::Warning, ..error.finding(&asked.origin) })
}

/// The settings as far as they are known without an instance.
fn settings(options: &Options) -> Result<Settings> {
    // What is wrong with them is said once, when they are read with the instance's data.
    let mut unsaid = Findings::default();
    Ok(base::settle(&options.documents(&mut unsaid)?, None, &mut unsaid).0)
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
    settled(options, &data(&instance, &seed, &Guest::read(&options.root)?))
}

/// Wants the bootstrap loop where it is due and the settings are sound; what there is to say of them and of its record.
/// Without `data` of this run's instance those of the one that was known last count.
fn want_bootstrap(options: &Options, data: Option<&Value>) -> Result<Findings> {
    let (settings, mut findings) = match data {
        Some(data) => settled(options, data)?,
        None => settings_of_instance(options)?,
    };
    match Bootstrap::from_settings(&settings).is_due(&options.root) {
        Ok(true) => match Bootstrap::from_sound(&settings, &findings) {
            Ok(_) => {
                report::want(&options.root, report::ONLINE)?;
                report::want(&options.root, bootstrap::UNIT)?;
            }
            Err(error) => log::error!("{error}"),
        },
        Ok(false) => {}
        Err(error) => findings.push(error.finding(&Origin::document("bootstrap"))),
    }
    Ok(findings)
}

/// Instance data of this boot, or of the configuration that `--source` names; without secrets.
pub fn instance_data(options: &Options) -> Result<Value> {
    if options.source.is_none()
        && let Some(data) = report::instance_data(&options.root)?
    {
        return Ok(data);
    }
    let absent =
        || Error::absent("there is no instance data: no configuration was found").help("`firstlight detect` tells why");
    let seed = seek(options)?.seed.ok_or_else(absent)?;
    let known = understand(options, Guest::read(&options.root)?, seed, &mut Findings::default())?;
    Ok(redacted(known.data))
}

/// Works through the stages. From here to its end SIGTERM and SIGINT are heard between steps, and end programs in order.
fn apply(
    options: &Options,
    decision: &Decision,
    stages: &[Stage],
    journal: &mut Journal,
    status: &mut Status,
) -> Result<()> {
    let interrupt = Interrupt::watch()?;
    let target = Target::new(options.root.clone());
    let mut output = Output::new(&options.root);
    let mut worker = Worker {
        target: &target,
        journal,
        today: Day::today(),
        strict: decision.known.settings.strict == Some(true),
        told_to_end: &|| interrupt.came(),
        output: &mut |line| output.line(line),
        console: &mut |line| console::say(line),
    };
    for stage in stages {
        let expected = decision.plan.steps.iter().any(|step| step.stage == *stage && step.is_for_the_network());
        if let (Some(network), true) = (decision.known.static_network(), expected && options.root.is_live()) {
            network::online::wait(network, decision.known.guest.nics.as_deref().unwrap_or_default());
        }
        status.start(*stage);
        report::publish(&options.root, status)?;
        let started = Instant::now();
        let (steps, ending) = worker.stage(&decision.plan, *stage)?;
        report::output::keep(&options.root, &steps)?;
        status.end(*stage, steps, started.elapsed());
        match ending {
            Ending::Complete | Ending::Unfinished => {}
            Ending::Strict => {
                let strict = "a step failed and the settings are `strict`: the steps and stages after it are not done";
                return Err(Error::fatal(strict));
            }
            Ending::Interrupted => {
                return Err(Error::transient(format!("told to end in the stage {}", stage.name()))
                    .help("the next run does what is left"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::plan::step::Frequency;
    use crate::scratch::Scratch;

    #[test]
    fn a_later_stage_without_work_is_completed_with_the_local_one() {
        let scratch = Scratch::new();
        let options = Options { root: scratch.root(), source: None, config: None };
        let step = Step {
            name: "runcmd".into(),
            stage: Stage::Final,
            frequency: Frequency::PerInstance,
            origin: Origin::document("user_data"),
            actions: Vec::new(),
        };
        let plan = Plan { steps: vec![step], interrupted: Vec::new() };
        let mut journal = Journal::read(&options.root, "i-1").unwrap();
        let completed = |journal: &Journal| -> BTreeSet<&str> {
            Stage::ALL.iter().filter(|stage| journal.completed(**stage)).map(|stage| stage.name()).collect()
        };
        // The next run may find more to do where the local stage is to be gone on with.
        want_later(&options, &plan, &[Stage::Local], &mut journal).unwrap();
        assert!(completed(&journal).is_empty());
        journal.complete(Stage::Local).unwrap();
        want_later(&options, &plan, &[Stage::Local], &mut journal).unwrap();
        assert_eq!(completed(&journal), BTreeSet::from(["local", "network"]));
        assert_eq!(options.root.list(state::WANTED.as_ref()).unwrap(), ["final"]);
    }

    #[test]
    fn a_drive_that_cannot_be_kept_mounted_is_a_warning() {
        let scratch = Scratch::new();
        scratch.file(state::SETTINGS, "firstlight: {config_drive: {keep_mounted: /nonexistent/firstlight}}\n");
        let options = Options { root: scratch.root(), source: None, config: None };
        let seed = Seed::new("config-drive", "/config-drive", Document::new("meta_data.json", "{\"uuid\": \"i-1\"}"));
        let guest = Guest::read(&options.root).unwrap();
        let known = understand(&options, guest, seed, &mut Findings::default()).unwrap();
        let live = Root::open("/".as_ref()).unwrap();
        let told = keep_mounted(&live, &known, None).unwrap();
        assert_eq!(told.severity, Severity::Warning);
        assert!(told.message.ends_with("the configuration is from /config-drive"), "{}", told.message);
        assert_eq!(told.origin.document_name(), state::SETTINGS);
        assert!(keep_mounted(&options.root, &known, None).is_none(), "nothing is mounted into an image");
    }
}
