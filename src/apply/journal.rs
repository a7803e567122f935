// SPDX-License-Identifier: Apache-2.0
//! What was done, durably: intent before a step, its end after it.
//!
//! One JSON object a line, appended. A last line cut off by a crash is ignored: the step counts as interrupted. Three
//! files by frequency: the instance's, this boot's, and one for the disk. The boot's says first which boot and instance it
//! is about, as /run may outlive a boot and a boot may see two instances.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{At, Result};
use crate::plan::order::{Progress, Record};
use crate::plan::step::{Frequency, Stage, Step};
use crate::report;
use crate::root::{Root, Tree};
use crate::state;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Entry {
    About { boot: String, instance: String },
    Begin { step: String },
    Withdrawn { step: String },
    Done { step: String },
    Failed { step: String },
    Completed { stage: String },
}

/// The journals of one instance on one root.
pub struct Journal {
    instance: Book,
    boot: Book,
    once: Book,
}

impl Journal {
    /// Reads what is there; writes nothing.
    pub fn read(root: &Root, instance_id: &str) -> Result<Self> {
        Ok(Self {
            instance: Book::read(root, &state::journal(instance_id))?,
            boot: Book::of_boot(root, instance_id)?,
            once: Book::read(root, Path::new(state::ONCE_JOURNAL))?,
        })
    }

    /// From here on nothing of the instance or the disk is written: there is no place for it. Only steps that can be
    /// repeated may be done then.
    pub fn forget(&mut self) {
        self.instance.forgets = true;
        self.once.forgets = true;
    }

    /// Intent. On disk before this returns where the next run could not do without it.
    pub fn begin(&mut self, step: &Step) -> Result<()> {
        let entry = Entry::Begin { step: step.name.clone() };
        self.book_mut(step).add(&entry, step.must_be_remembered())
    }

    /// The intent came to nothing: the step is as fresh as before.
    pub fn withdraw(&mut self, step: &Step) -> Result<()> {
        let entry = Entry::Withdrawn { step: step.name.clone() };
        self.book_mut(step).add(&entry, true)
    }

    /// The end. On disk before this returns where the step must not happen twice. What can be repeated is written by
    /// `settle` alone: its end must not be on the disk before its changes are, and syncing each would cost the boot dear.
    pub fn end(&mut self, step: &Step, done: bool) -> Result<()> {
        let name = step.name.clone();
        let entry = if done { Entry::Done { step: name } } else { Entry::Failed { step: name } };
        match step.at_most_once() {
            true => self.book_mut(step).add(&entry, true),
            false => self.book_mut(step).hold(&entry),
        }
    }

    /// Writes the ends that were held back: what was changed is on the disk now.
    pub fn settle(&mut self) -> Result<()> {
        [&mut self.instance, &mut self.boot, &mut self.once].into_iter().try_for_each(Book::settle)
    }

    /// All steps of the stage had their turn, and have settled.
    pub fn complete(&mut self, stage: Stage) -> Result<()> {
        if self.instance.completed.contains(stage.name()) {
            return Ok(());
        }
        self.instance.add(&Entry::Completed { stage: stage.name().to_owned() }, true)
    }

    fn book(&self, step: &Step) -> &Book {
        match step.frequency {
            Frequency::PerInstance => &self.instance,
            Frequency::PerBoot => &self.boot,
            Frequency::Once => &self.once,
        }
    }

    fn book_mut(&mut self, step: &Step) -> &mut Book {
        match step.frequency {
            Frequency::PerInstance => &mut self.instance,
            Frequency::PerBoot => &mut self.boot,
            Frequency::Once => &mut self.once,
        }
    }
}

impl Record for Journal {
    fn progress(&self, step: &Step) -> Progress {
        self.book(step).progress.get(&step.name).copied().unwrap_or(Progress::Fresh)
    }

    fn completed(&self, stage: Stage) -> bool {
        self.instance.completed.contains(stage.name())
    }
}

/// One file.
struct Book {
    root: Root,
    path: PathBuf,
    progress: BTreeMap<String, Progress>,
    completed: BTreeSet<String>,
    file: Option<File>,
    held: Vec<u8>,
    /// The first line of a file that is begun anew: what is there is about something else.
    head: Option<Vec<u8>>,
    /// Nothing is written.
    forgets: bool,
}

impl Book {
    fn read(root: &Root, path: &Path) -> Result<Self> {
        let text = root.read_text(path)?.unwrap_or_default();
        let mut book = Self::new(root, path);
        book.take(&text);
        Ok(book)
    }

    /// The journal of this boot and instance.
    fn of_boot(root: &Root, instance_id: &str) -> Result<Self> {
        let path = Path::new(state::BOOT_JOURNAL);
        let text = root.read_text(path)?.unwrap_or_default();
        let mut book = Self::new(root, path);
        let head = book.line(&Entry::About { boot: report::boot_id(root), instance: instance_id.to_owned() })?;
        if text.as_bytes().starts_with(&head) {
            book.take(&text);
        } else {
            book.head = Some(head);
        }
        Ok(book)
    }

    fn new(root: &Root, path: &Path) -> Self {
        Self {
            root: root.clone(),
            path: path.to_owned(),
            progress: BTreeMap::new(),
            completed: BTreeSet::new(),
            file: None,
            held: Vec::new(),
            head: None,
            forgets: false,
        }
    }

    fn take(&mut self, text: &str) {
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).for_each(|entry| self.note(&entry));
    }

    fn note(&mut self, entry: &Entry) {
        let (step, progress) = match entry {
            Entry::About { .. } => return,
            Entry::Begin { step } => (step, Progress::Interrupted),
            Entry::Withdrawn { step } => (step, Progress::Fresh),
            Entry::Done { step } => (step, Progress::Done),
            Entry::Failed { step } => (step, Progress::Failed),
            Entry::Completed { stage } => {
                self.completed.insert(stage.clone());
                return;
            }
        };
        self.progress.insert(step.clone(), progress);
    }

    fn add(&mut self, entry: &Entry, durable: bool) -> Result<()> {
        let line = self.line(entry)?;
        boundary();
        self.write(&line, durable)?;
        boundary();
        self.note(entry);
        Ok(())
    }

    fn hold(&mut self, entry: &Entry) -> Result<()> {
        let line = self.line(entry)?;
        boundary();
        self.held.extend(line);
        self.note(entry);
        Ok(())
    }

    fn settle(&mut self) -> Result<()> {
        let held = std::mem::take(&mut self.held);
        if held.is_empty() {
            return Ok(());
        }
        boundary();
        self.write(&held, false)
    }

    fn line(&self, entry: &Entry) -> Result<Vec<u8>> {
        let mut line = serde_json::to_vec(entry).at("encode an entry of", &self.path)?;
        line.push(b'\n');
        Ok(line)
    }

    fn write(&mut self, lines: &[u8], durable: bool) -> Result<()> {
        if self.forgets {
            return Ok(());
        }
        if let Some(head) = self.head.take() {
            self.root.write(&self.path, &head, 0o600)?;
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(open_for_append(&self.root, &self.path)?),
        };
        file.write_all(lines).at("write", &self.path)?;
        if durable {
            file.sync_data().at("sync", &self.path)?;
        }
        Ok(())
    }
}

/// Before or after a record. A test has the program killed at the one that `FIRSTLIGHT_KILL_AT` counts, from zero.
#[cfg(debug_assertions)]
fn boundary() {
    static PASSED: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let at = std::env::var("FIRSTLIGHT_KILL_AT").ok().and_then(|at| at.parse().ok());
    if at == Some(PASSED.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
        let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL);
    }
}

#[cfg(not(debug_assertions))]
const fn boundary() {}

/// Opens a journal at its end; a line that a crash cut off is ended first, so that the next one is read.
fn open_for_append(root: &Root, path: &Path) -> Result<File> {
    let mut file = root.append(path, 0o600)?;
    if file.metadata().at("look at", path)?.len() > 0 {
        file.write_all(b"\n").at("write", path)?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Origin;
    use crate::scratch::Scratch;

    fn step(name: &str, frequency: Frequency) -> Step {
        let origin = Origin::document("user_data");
        Step { name: name.into(), stage: Stage::Local, frequency, origin, actions: Vec::new() }
    }

    #[test]
    fn what_was_begun_and_not_ended_is_interrupted() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        let (a, b) = (step("a", Frequency::PerInstance), step("b", Frequency::PerBoot));
        let mut journal = Journal::read(&root, "i-1").unwrap();
        journal.begin(&a).unwrap();
        journal.end(&a, true).unwrap();
        journal.begin(&b).unwrap();
        let unsettled = Journal::read(&root, "i-1").unwrap();
        assert_eq!(unsettled.progress(&a), Progress::Interrupted, "its changes may not be on the disk yet");
        journal.settle().unwrap();
        journal.complete(Stage::Local).unwrap();

        let again = Journal::read(&root, "i-1").unwrap();
        assert_eq!(again.progress(&a), Progress::Done);
        assert_eq!(again.progress(&b), Progress::Interrupted);
        assert!(again.completed(Stage::Local) && !again.completed(Stage::Final));
        journal.withdraw(&b).unwrap();
        assert_eq!(Journal::read(&root, "i-1").unwrap().progress(&b), Progress::Fresh);
        let other = Journal::read(&root, "i-2").unwrap();
        assert_eq!(other.progress(&a), Progress::Fresh);
    }

    #[test]
    fn another_boot_and_another_instance_begin_the_boot_s_journal_anew() {
        let scratch = Scratch::new();
        let root = scratch.root();
        let a = step("a", Frequency::PerBoot);
        let progress = |id: &str| Journal::read(&root, id).unwrap().progress(&a);
        let do_it = |id: &str| {
            let mut journal = Journal::read(&root, id).unwrap();
            journal.begin(&a).unwrap();
            journal.end(&a, true).unwrap();
            journal.settle().unwrap();
        };
        let boot = "/proc/sys/kernel/random/boot_id";
        scratch.file(boot, "one\n");
        do_it("i-1");
        assert_eq!((progress("i-1"), progress("i-2")), (Progress::Done, Progress::Fresh));
        scratch.file(boot, "two\n");
        assert_eq!(progress("i-1"), Progress::Fresh);
        do_it("i-2");
        assert_eq!((progress("i-1"), progress("i-2")), (Progress::Fresh, Progress::Done));
        assert!(!scratch.text(state::BOOT_JOURNAL).contains("i-1"));
    }

    #[test]
    fn what_is_forgotten_is_known_to_its_run_alone() {
        let scratch = Scratch::new();
        let a = step("a", Frequency::PerInstance);
        let mut journal = Journal::read(&scratch.root(), "i-1").unwrap();
        journal.forget();
        journal.begin(&a).unwrap();
        journal.end(&a, true).unwrap();
        journal.settle().unwrap();
        journal.complete(Stage::Local).unwrap();
        assert_eq!(journal.progress(&a), Progress::Done);
        assert!(!scratch.root().exists(state::VAR.as_ref()));
    }

    #[test]
    fn a_line_cut_off_by_a_crash_loses_only_itself() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        root.write(&state::journal("i-1"), b"{\"event\":\"begin\",\"step\":\"a\"}\n{\"event\":\"do", 0o600).unwrap();
        let a = step("a", Frequency::PerInstance);
        let mut journal = Journal::read(&root, "i-1").unwrap();
        assert_eq!(journal.progress(&a), Progress::Interrupted);
        journal.end(&a, true).unwrap();
        journal.settle().unwrap();
        assert_eq!(Journal::read(&root, "i-1").unwrap().progress(&a), Progress::Done);
    }
}
