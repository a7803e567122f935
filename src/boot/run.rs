// SPDX-License-Identifier: Apache-2.0
//! A run: doing what is due, keeping what later stages need, telling how it went.

use std::path::Path;
use std::time::Instant;

use serde_json::Value;

use crate::apply::commands::{self, End};
use crate::apply::interrupt::Interrupt;
use crate::apply::journal::Journal;
use crate::apply::output::Output;
use crate::apply::run_lock;
use crate::apply::steps::{Ending, Worker};
use crate::apply::target::Target;
use crate::boot::includes::Remote;
use crate::boot::seek::{Found, seek};
use crate::boot::{Decision, Extent, Known, Options, decide_for};
use crate::datasource::Drive;
use crate::error::{Error, Result};
use crate::finding::{Finding, Findings, Origin, Severity};
use crate::media;
use crate::network;
use crate::plan::day::Day;
use crate::plan::order::Record as _;
use crate::plan::step::Stage;
use crate::report::status::{Outcome, Status};
use crate::report::{self, console};
use crate::root::{Root, Tree as _};
use crate::state;

mod later;

use later::{want_bootstrap, want_later, want_network};

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

/// What comes after the end of a run that asked for it: the machine goes down. Everything else is recorded by now; the
/// end of this last step is as soon as its program has run, so that the next boot does not ask for it again.
///
/// # Errors
/// Fatal: it did not work; that stands in the status file too.
pub fn change_power(options: &Options, status: &mut Status) -> Result<()> {
    let Some((command, step)) = status.power.take() else { return Ok(()) };
    let mut journal = Journal::read(&options.root, status.instance_id.as_deref().unwrap_or_default())?;
    let _lock = run_lock::take(&options.root)?;
    log::info!("{}", command.argv.join(" "));
    let mut output = Output::new(&options.root);
    let outcome = commands::run(&command, &mut |line| output.line(line));
    // Told to end: by what was just asked for.
    let works = outcome.as_ref().is_ok_and(|outcome| matches!(outcome.end, End::Code(0) | End::Interrupted));
    journal.end(&step, works)?;
    let problem = match outcome {
        Ok(_) if works => return Ok(()),
        Ok(outcome) => Error::fatal(format!("{}: {}", command.argv.join(" "), outcome.end))
            .help(format!("what it printed is in {}", state::OUTPUT)),
        Err(error) => error,
    };
    let error = problem.while_doing("the power state stays");
    log::error!("{error}");
    status.error = Some(error.to_string());
    report::finish(&options.root, status)?;
    Err(error)
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
    let live = options.root.is_live();
    let resumes = stages.first() == Some(&Stage::Network) && options.root.exists(state::SEARCH.as_ref());
    let looks = stages.contains(&Stage::Local) || resumes;
    let found = if looks { seek(options, stages)? } else { Found::of_this_boot(&options.root)? };
    if found.goes_on {
        // The units of the network stage bring the network online.
        options.root.write(state::SEARCH.as_ref(), b"", 0o644)?;
        if !stages.contains(&Stage::Network) {
            report::want(&options.root, Stage::Network.name())?;
        }
    } else if looks && (!resumes || found.seed.is_none()) {
        options.root.remove(state::SEARCH.as_ref())?;
    }
    let Some(seed) = found.seed else {
        if let ([Stage::Local, rest @ ..], true) = (stages, found.goes_on && stages.len() > 1) {
            return work_for_seed(options, rest, status, data);
        }
        status.status = Outcome::NoSeed;
        if looks {
            status.findings.clear();
            status.add(found.findings.iter().filter(|told| told.severity > Severity::Note), stages);
        }
        return Ok(());
    };
    let mut decision = decide_for(options, seed, remote(stages, live), found.findings)?;
    let mut journal = Journal::read(&options.root, &decision.known.instance.id)?;
    if stages == [Stage::Local] && live && journal.completed(Stage::Local) {
        decision.findings = without_late_cards(&decision);
    }
    let known = &decision.known;
    let mut now = stages_now(stages, known, resumes, journal.completed(Stage::Local));
    if found.goes_on {
        now.retain(|stage| *stage == Stage::Local);
    }
    let mut remembers = true;
    if looks {
        *data = Some(known.data.clone());
        if let Err(error) = keep(&options.root, known, found.place.is_none()) {
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
    status.found(&decision.findings, &now);
    if !remembers {
        journal.forget();
    }
    apply(options, &decision, &now, &mut journal, status)?;
    if (now.contains(&Stage::Local) || resumes) && remembers {
        let own: Vec<Stage> = Stage::ALL.into_iter().filter(|it| stages.contains(it) || now.contains(it)).collect();
        want_later(options, &decision, &own, &mut journal)?;
        want_network(options, &decision, &own)?;
    }
    if resumes {
        // Only now: a run that was cut off before is made up for by the next one.
        options.root.remove(state::SEARCH.as_ref())?;
    }
    match stages {
        // By hand, all at once: the network is as good as it gets.
        [Stage::Local, rest @ ..] if now.len() < stages.len() && live => work_for_seed(options, rest, status, data),
        _ => Ok(()),
    }
}

/// Once its network is configured, no boot waits for the cards: one whose driver is still to come has no fault. The
/// later stages tell of one that is really absent.
fn without_late_cards(decision: &Decision) -> Findings {
    let links = decision.known.network.iter().flat_map(|network| &network.links);
    let late: Vec<&Origin> = links.filter_map(|link| link.sought(decision.known.guest.nics.as_deref()?)).collect();
    let mut findings = Findings::default();
    findings.extend(decision.findings.iter().filter(|told| !late.contains(&&told.origin)).cloned());
    findings
}

/// What becomes of documents of the user-data that are on a server. An image gets nothing that only a boot can fetch.
fn remote(stages: &[Stage], live: bool) -> Remote {
    if stages.contains(&Stage::Local) || !live {
        Remote::Later
    } else if stages.contains(&Stage::Network) {
        Remote::Now
    } else {
        Remote::Never
    }
}

/// Which stages are worked through by a run of `stages`. Where documents are awaited, what the local stage would do for them
/// is done with them, by the network stage; and so it is where that one has found the configuration.
fn stages_now(stages: &[Stage], known: &Known, was_sought: bool, local_is_complete: bool) -> Vec<Stage> {
    let awaits = known.extent == Extent::Awaited;
    let late = was_sought || known.names_servers;
    let makes_up = stages.first() == Some(&Stage::Network) && late && !awaits && !local_is_complete;
    let local = makes_up.then_some(Stage::Local);
    local.into_iter().chain(stages.iter().copied().filter(|stage| !awaits || *stage == Stage::Local)).collect()
}

/// Keeps the seed for the later stages and boots; of one that `was_fetched` in this boot the machine that it is for as well.
fn keep(root: &Root, known: &Known, was_fetched: bool) -> Result<()> {
    known.seed.save(root, &known.instance.id)?;
    let uuid = &known.guest.dmi.product_uuid;
    if was_fetched && root.is_live() {
        root.write(&state::machine(&known.instance.id), format!("{uuid}\n").as_bytes(), 0o600)?;
    }
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
        console: &mut |text| console::tell(text),
        power: None,
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
        status.power = worker.power.take().or(status.power.take());
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
mod awaiting;
#[cfg(test)]
mod resuming;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::understand;
    use crate::guest::Guest;
    use crate::plan::action::Command;
    use crate::scratch::Scratch;
    use crate::seed::{Document, NetworkFormat, Seed};

    #[test]
    fn a_card_without_a_driver_is_no_fault_once_the_network_is_configured() {
        let scratch = Scratch::new();
        scratch.file(state::SETTINGS, "firstlight: {network: {renderer: networkd}}\n");
        scratch.file("/sys/class/net/ens3/address", "52:54:00:00:00:01\n");
        let options = Options { root: scratch.root(), source: None, config: None };
        let card = |number: u8| {
            let id = format!("{{\"id\": \"n{number}\", \"type\": \"phy\",");
            format!("{id} \"ethernet_mac_address\": \"52:54:00:00:00:0{number}\"}}")
        };
        let links = format!("{{\"links\": [{}, {}, {{\"id\": \"x\"}}]}}", card(1), card(2));
        let seed = Seed {
            network: Some((NetworkFormat::OpenStack, Document::new("network_data.json", links))),
            ..Seed::new("config-drive", "/config-drive", Document::new("meta_data.json", "{\"uuid\": \"i-1\"}"))
        };
        let decision = decide_for(&options, seed, Remote::Later, Findings::default()).unwrap();
        let told = |findings: &Findings| findings.iter().map(|told| told.message.clone()).collect::<Vec<_>>();
        let all = told(&decision.findings);
        assert!(all.iter().any(|text| text.contains("has the MAC address 52:54:00:00:00:02")), "{all:?}");
        let left = told(&without_late_cards(&decision));
        assert_eq!(left.len(), all.len() - 1, "{left:?}");
        assert!(!left.iter().any(|text| text.contains("has the MAC address")), "{left:?}");
    }

    #[test]
    fn a_machine_that_does_not_go_down_is_told() {
        let scratch = Scratch::new();
        let options = Options { root: scratch.root(), source: None, config: None };
        let after = |program: Option<&str>| {
            let origin = crate::finding::Origin::document("user_data");
            let (stage, frequency) = (Stage::Final, crate::plan::step::Frequency::PerInstance);
            let step =
                crate::plan::step::Step { name: "power_state".into(), stage, frequency, origin, actions: Vec::new() };
            let power = program.map(|program| (Command::tool([program]), step));
            let mut status = Status { power, ..Status::default() };
            let result = change_power(&options, &mut status);
            (result.is_ok(), status.error)
        };
        assert_eq!(after(None), (true, None));
        assert_eq!(after(Some("true")), (true, None));
        assert!(!scratch.root().exists(state::RESULT.as_ref()));
        let (fine, error) = after(Some("false"));
        assert!(!fine && error.unwrap().contains("the power state stays: false: exit code 1"));
        assert!(scratch.text(state::RESULT).contains("failed"));
    }

    #[test]
    fn a_drive_that_cannot_be_kept_mounted_is_a_warning() {
        let scratch = Scratch::new();
        scratch.file(state::SETTINGS, "firstlight: {config_drive: {keep_mounted: /nonexistent/firstlight}}\n");
        let options = Options { root: scratch.root(), source: None, config: None };
        let seed = Seed::new("config-drive", "/config-drive", Document::new("meta_data.json", "{\"uuid\": \"i-1\"}"));
        let guest = Guest::read(&options.root).unwrap();
        let known = understand(&options, guest, seed, Remote::Later, &mut Findings::default()).unwrap();
        let live = Root::open("/".as_ref()).unwrap();
        let told = keep_mounted(&live, &known, None).unwrap();
        assert_eq!(told.severity, Severity::Warning);
        assert!(told.message.ends_with("the configuration is from /config-drive"), "{}", told.message);
        assert_eq!(told.origin.document_name(), state::SETTINGS);
        assert!(keep_mounted(&options.root, &known, None).is_none(), "nothing is mounted into an image");
    }
}
