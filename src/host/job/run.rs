// SPDX-License-Identifier: Apache-2.0
//! One job from its script to its published results: overlay, seed, guest, disk, directory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::base::Base;
use super::carried::Carried;
use super::lock::{Lock, Locks};
use super::log::JobLog;
use super::machine::{Media, machine};
use super::publish::{self, Draft, Manifest, Named, Published};
use super::results;
use super::said::Archive;
use super::settings::Settings;
use super::units::{Size, Time};
use super::watch::{Failure, Seen, Watch};
use crate::digest::sha256;
use crate::error::{At as _, Error, Result};
use crate::host::image;
use crate::host::interrupt;
use crate::host::qemu::{Guest, Machine};
use crate::host::scratch::Scratch;
use crate::host::tell::{Teller, Work};
use crate::report::clock;

/// Without `--results-size`.
const RESULTS_SIZE: Size = Size(20 << 30);
/// Without `--deadline`.
const DEADLINE: Time = Time(Duration::from_secs(7200));
/// Without `--boot-deadline`.
const BOOT_DEADLINE: Time = Time(Duration::from_secs(600));
/// How often a place is looked for that another program may have freed.
const PATIENCE: Duration = Duration::from_millis(250);

/// What is to be done.
pub struct Job {
    /// What it is published as.
    pub name: String,
    /// The script's file name.
    pub file: String,
    /// What the guest gets.
    pub carried: Carried,
    /// Where its output goes besides the terminal.
    pub log: Option<PathBuf>,
    /// Where the serial console's log is kept.
    pub serial_log: Option<PathBuf>,
}

/// What all jobs of a call share.
pub struct Shared<'a> {
    /// What they are run in.
    pub base: &'a Base,
    /// How.
    pub settings: &'a Settings,
    /// Where results go.
    pub base_dir: &'a Path,
    /// With whom that is shared.
    pub locks: &'a Locks,
}

impl Job {
    /// Does it, and publishes.
    pub fn run(&self, shared: &Shared<'_>, teller: &Teller) -> std::result::Result<Vec<Published>, Failure> {
        let _name = shared.locks.name(&self.name)?;
        publish::free(shared.base_dir, &self.name)?;
        let _place = shared.place(teller)?;
        let scratch = Scratch::new(None)?;
        let serial_log = scratch.path().join("serial.log");
        let outcome = self.run_in(&scratch, &serial_log, shared, teller);
        // Kept whatever became of the job, where it is wanted; else beside where the results would be, if there are none.
        // Its name is one that --log hardly has: that is often NAME.log, and here.
        let beside = shared.base_dir.join(format!("{}.console.log", self.name));
        let kept = outcome.is_err().then_some(&beside);
        if let Some(place) = self.serial_log.as_ref().or(kept).filter(|_| has_content(&serial_log)) {
            if let Err(error) = keep(&serial_log, place) {
                teller.event("warning", &format!("the serial log is lost: {error}"));
            }
        }
        outcome
    }

    fn run_in(
        &self,
        scratch: &Scratch,
        serial_log: &Path,
        shared: &Shared<'_>,
        teller: &Teller,
    ) -> std::result::Result<Vec<Published>, Failure> {
        let settings = shared.settings;
        let media = self.media(scratch, shared)?;
        let kernel = match &settings.kernel {
            None if shared.base.is_bare()? => image::boot_files(shared.base.path(), scratch)?,
            _ => None,
        };
        let machine = machine(&self.name, settings, kernel, &media, serial_log);
        let started = clock::now();
        // Worked out while the guest is at work, which has a processor of its own.
        let (archive, base) = std::thread::scope(|scope| {
            let base = scope.spawn(|| shared.base.named());
            let archive = self.guest(&machine, scratch, settings, teller);
            (archive, base.join().unwrap_or_else(|_| Err(Error::fatal("the base image's digest was not worked out"))))
        });
        let archive = archive?;
        let work = teller.work("taking the results", None);
        let draft = Draft::new(shared.base_dir, &self.name)?;
        let limit = settings.results_size.unwrap_or(RESULTS_SIZE).0;
        let files = results::unpack(&media.results, &archive, &self.carried.outputs, limit, draft.path())?;
        drop(work);
        let manifest = Manifest {
            name: self.name.clone(),
            job: Named { file: self.file.clone(), sha256: sha256(&self.carried.script) },
            base: base?,
            exit_code: 0,
            started,
            ended: clock::now(),
            serial_log: self
                .serial_log
                .as_ref()
                .and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned())),
            files: Vec::new(),
        };
        Ok(draft.publish(&files, manifest, teller)?)
    }

    fn media(&self, scratch: &Scratch, shared: &Shared<'_>) -> Result<Media> {
        let at = |name: &str| scratch.path().join(name);
        let media =
            Media { root: at("root.qcow2"), seed: at("seed.iso"), input: at("input.tar"), results: at("results") };
        shared.base.overlay(&media.root, shared.settings.disk_size.map(|size| size.0))?;
        super::seed::write(&self.name, &media.seed)?;
        self.carried.write(&media.input)?;
        // No file system, and no space until something is written.
        let size = shared.settings.results_size.unwrap_or(RESULTS_SIZE).0.next_multiple_of(4096);
        File::create_new(&media.results).and_then(|file| file.set_len(size)).at("make", &media.results)?;
        Ok(media)
    }

    /// From the guest's start to its end.
    fn guest(
        &self,
        machine: &Machine,
        scratch: &Scratch,
        settings: &Settings,
        teller: &Teller,
    ) -> std::result::Result<Archive, Failure> {
        let mut log = JobLog::new(self.log.as_deref())?;
        let deadline = settings.deadline.unwrap_or(DEADLINE);
        let boot_deadline = settings.boot_deadline.unwrap_or(BOOT_DEADLINE).min(deadline);
        let begin = Instant::now();
        let mut guest = machine.start(scratch, teller)?;
        let work = teller.work("the guest boots", None);
        let mut print = |line: &str| {
            work.passing("output", line);
            log.line(line)
        };
        let mut watch = Watch::new(&self.carried.outputs, settings.results_size.unwrap_or(RESULTS_SIZE));
        loop {
            let limit = if watch.started() { deadline } else { boot_deadline };
            let until = begin + limit.0;
            let Some(event) = guest.next(until)? else {
                if Instant::now() < until {
                    continue;
                }
                return Err(watch.late(limit));
            };
            match watch.see(event) {
                Seen::Nothing => {}
                Seen::Started => tell_start(&work, teller, begin),
                Seen::Output(line) => print(&line)?,
                Seen::Results(archive) => {
                    last_words(guest, &mut watch, print)?;
                    return Ok(archive);
                }
                // The job came to its end, and its guest is sound.
                Seen::Failed(failure) if failure.exit.is_some() => {
                    last_words(guest, &mut watch, print)?;
                    return Err(Failure { last: watch.last(), ..failure });
                }
                Seen::Failed(failure) => return Err(failure),
            }
        }
    }
}

/// Ends the guest. What a job printed comes by another way than its end, and the last of it may come later.
fn last_words(guest: Guest, watch: &mut Watch<'_>, mut print: impl FnMut(&str) -> Result<()>) -> Result<()> {
    let mut printed = Ok(());
    let ended = guest.quit_hearing(|event| {
        if let (Some(line), Ok(())) = (watch.late_output(event), &printed) {
            printed = print(&line);
        }
    });
    ended.and(printed)
}

fn tell_start(work: &Work, teller: &Teller, begin: Instant) {
    let seconds = begin.elapsed().as_secs_f64();
    teller.event_with(
        "started",
        &format!("the job began after {seconds:.1} s"),
        serde_json::json!({ "seconds": seconds }),
    );
    work.now("the job is at work");
}

impl Shared<'_> {
    /// One of the places of `--parallel`, waited for.
    fn place(&self, teller: &Teller) -> Result<Lock> {
        let count = self.settings.parallel.unwrap_or(1);
        let mut work = None;
        loop {
            interrupt::check()?;
            if let Some(place) = self.locks.place(count)? {
                return Ok(place);
            }
            work.get_or_insert_with(|| teller.work("waits for a place (--parallel)", None));
            std::thread::sleep(PATIENCE);
        }
    }
}

fn has_content(file: &Path) -> bool {
    file.metadata().is_ok_and(|data| data.len() > 0)
}

/// Copies a log to where it stays, whole or not at all.
fn keep(log: &Path, place: &Path) -> Result<()> {
    let directory = place.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut beside = tempfile::NamedTempFile::new_in(directory).at("write beside", place)?;
    let mut from = File::open(log).at("read", log)?;
    std::io::copy(&mut from, &mut beside).at("write", place)?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(beside.path(), mode).at("set the mode of", place)?;
    beside.persist(place).map_err(|error| error.error).at("write", place)?;
    Ok(())
}
