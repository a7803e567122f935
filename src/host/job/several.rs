// SPDX-License-Identifier: Apache-2.0
//! All jobs of a call: so many at a time, each to its own end, and what became of them.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use serde::Serialize;

use super::base::Base;
use super::lock::Locks;
use super::publish::{Published, url};
use super::run::{Job, Shared};
use super::settings::Settings;
use super::watch::Failure;
use crate::cli::{print, print_json};
use crate::error::{At as _, Error, Result};
use crate::host::interrupt;
use crate::host::tell::Teller;

/// What became of a job, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Outcome {
    name: String,
    outcome: &'static str,
    /// The job's own; none where it did not come to an end.
    exit_code: Option<u8>,
    seconds: f64,
    /// Where the results are; none where there are none.
    directory: Option<String>,
    /// Where they are served, where that is known.
    urls: Vec<String>,
    files: Vec<Published>,
    error: Option<String>,
    last_lines: Vec<String>,
}

/// Runs them all and prints where the results are. One that fails does not end the others.
pub fn run(jobs: &[Job], settings: &Settings, teller: &Teller, json: bool) -> Result<ExitCode> {
    let (base, base_dir) = super::places(settings)?;
    if let Some(kernel) = &settings.kernel {
        kernel.metadata().at("read the kernel", kernel)?;
    } else if settings.initrd.is_some() || settings.append.is_some() {
        return Err(Error::malformed("--initrd and --append are of no use without --kernel"));
    }
    // Else a log's missing directory is told when the job is done.
    for log in jobs.iter().flat_map(|job| job.log.iter().chain(&job.serial_log)) {
        let directory = log.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        directory.read_dir().at("keep a log in", directory)?;
    }
    let base_dir = base_dir.canonicalize().at("publish into", base_dir)?;
    let shared = Shared { base: &Base::open(base)?, settings, base_dir: &base_dir, locks: &Locks::of(&base_dir) };

    let outcomes: Mutex<Vec<(usize, Outcome)>> = Mutex::default();
    let next = AtomicUsize::new(0);
    let at_a_time = usize::try_from(settings.parallel.unwrap_or(1)).unwrap_or(1).min(jobs.len());
    thread::scope(|scope| {
        for _ in 0..at_a_time {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(index) else { break };
                    let teller = if jobs.len() > 1 { teller.of(&job.name) } else { teller.clone() };
                    let outcome = outcome(job, &shared, &teller);
                    if let Ok(mut outcomes) = outcomes.lock() {
                        outcomes.push((index, outcome));
                    }
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().unwrap_or_default();
    outcomes.sort_by_key(|(index, _)| *index);
    let outcomes: Vec<Outcome> = outcomes.into_iter().map(|(_, outcome)| outcome).collect();
    report(&outcomes, teller, json)?;
    let fine = outcomes.len() == jobs.len() && outcomes.iter().all(|outcome| outcome.error.is_none());
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn outcome(job: &Job, shared: &Shared<'_>, teller: &Teller) -> Outcome {
    let begin = Instant::now();
    let result = match interrupt::check() {
        Ok(()) => job.run(shared, teller),
        Err(error) => Err(Failure::from(error)),
    };
    let mut outcome = Outcome {
        name: job.name.clone(),
        outcome: "done",
        exit_code: Some(0),
        seconds: begin.elapsed().as_secs_f64(),
        directory: None,
        urls: Vec::new(),
        files: Vec::new(),
        error: None,
        last_lines: Vec::new(),
    };
    match result {
        Ok(files) => {
            outcome.directory = Some(shared.base_dir.join(&job.name).to_string_lossy().into_owned());
            if let Some(base_url) = &shared.settings.base_url {
                outcome.urls = files.iter().map(|file| url(base_url, &job.name, &file.path)).collect();
            }
            outcome.files = files;
            teller.event("done", &format!("done after {:.1} s", outcome.seconds));
        }
        Err(failure) => {
            outcome.outcome = "failed";
            outcome.exit_code = failure.exit;
            outcome.last_lines = failure.last;
            let lines: String = outcome.last_lines.iter().map(|line| format!("\n  | {line}")).collect();
            teller.event("failed", &format!("{}{lines}", failure.error));
            outcome.error = Some(failure.error.to_string());
        }
    }
    outcome
}

/// On standard output: where the results are, a line for each file.
fn report(outcomes: &[Outcome], teller: &Teller, json: bool) -> Result<()> {
    if json {
        return print_json(&serde_json::json!({ "jobs": outcomes })).map(drop);
    }
    for outcome in outcomes {
        let served = outcome.urls.iter().cloned();
        let directory = outcome.directory.iter().filter(|_| outcome.urls.is_empty()).cloned();
        served.chain(directory).try_for_each(|place| print(&format!("{place}\n")).map(drop))?;
    }
    if outcomes.len() > 1 {
        let failed: Vec<_> = outcomes.iter().filter(|outcome| outcome.error.is_some()).collect();
        let names: String = failed.iter().map(|outcome| format!(" {}", outcome.name)).collect();
        let done = outcomes.len() - failed.len();
        let failed = if failed.is_empty() { String::new() } else { format!(", {} failed:{names}", failed.len()) };
        teller.event("summary", &format!("{} jobs: {done} done{failed}", outcomes.len()));
    }
    Ok(())
}
