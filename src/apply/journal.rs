// SPDX-License-Identifier: Apache-2.0
//! What was done, durably: intent before a step, its end after it.
//!
//! One JSON object a line, appended. A last line cut off by a crash is ignored: the step counts as interrupted. Three
//! files by frequency: the instance's, this boot's (on a tmpfs), and one for the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{At, Result};
use crate::plan::order::{Progress, Record};
use crate::plan::step::{Frequency, Stage, Step};
use crate::root::{Root, Tree};
use crate::state;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Entry {
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
            boot: Book::read(root, Path::new(state::BOOT_JOURNAL))?,
            once: Book::read(root, Path::new(state::ONCE_JOURNAL))?,
        })
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
}

impl Book {
    fn read(root: &Root, path: &Path) -> Result<Self> {
        let text = root.read_text(path)?.unwrap_or_default();
        let (root, path) = (root.clone(), path.to_owned());
        let mut book =
            Self { root, path, progress: BTreeMap::new(), completed: BTreeSet::new(), file: None, held: Vec::new() };
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).for_each(|entry| book.note(&entry));
        Ok(book)
    }

    fn note(&mut self, entry: &Entry) {
        let (step, progress) = match entry {
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
        self.write(&line, durable)?;
        self.note(entry);
        Ok(())
    }

    fn hold(&mut self, entry: &Entry) -> Result<()> {
        let line = self.line(entry)?;
        self.held.extend(line);
        self.note(entry);
        Ok(())
    }

    fn settle(&mut self) -> Result<()> {
        let held = std::mem::take(&mut self.held);
        if held.is_empty() { Ok(()) } else { self.write(&held, false) }
    }

    fn line(&self, entry: &Entry) -> Result<Vec<u8>> {
        let mut line = serde_json::to_vec(entry).at("encode an entry of", &self.path)?;
        line.push(b'\n');
        Ok(line)
    }

    fn write(&mut self, lines: &[u8], durable: bool) -> Result<()> {
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
