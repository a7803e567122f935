// SPDX-License-Identifier: Apache-2.0
//! A plan as a person reads it: steps with their origin, files as diffs; and the same as JSON.
//!
//! What not everybody may read in the guest is nobody's to read here: such a file is shown by its size and digest.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::digest::sha256;
use crate::error::Error;
use crate::finding::{Origin, escaped};
use crate::network::render::kernel;
use crate::plan::change::{Change, Old};
use crate::plan::day::Day;
use crate::plan::diff::unified;
use crate::plan::expand::changes;
use crate::plan::order::Plan;
use crate::plan::overlay::Overlay;
use crate::plan::step::{Frequency, Stage, Step};
use crate::root::Tree;

/// A longer file is shown by its digest.
const SHOWN_LIMIT: usize = 64 << 10;

/// What a plan would change on one tree.
#[derive(Debug, Serialize)]
pub struct Preview {
    /// Steps in the order in which they run.
    pub steps: Vec<Shown>,
    /// Steps that only a running system can do, on an image root; with what they would do there.
    pub waiting: Vec<Shown>,
    /// Steps that were stopped in the middle and are not repeated.
    pub interrupted: Vec<Stopped>,
}

/// One step. What its actions do to the same file one after the other is one change here.
#[derive(Debug, Serialize)]
#[allow(missing_docs)]
pub struct Shown {
    pub name: String,
    pub stage: Stage,
    pub frequency: Frequency,
    pub origin: Origin,
    pub changes: Vec<Line>,
    /// Why it would fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A step that is not repeated.
#[derive(Debug, Serialize)]
#[allow(missing_docs)]
pub struct Stopped {
    pub name: String,
    pub stage: Stage,
    pub origin: Origin,
}

/// One change.
#[derive(Debug, Serialize)]
#[serde(tag = "change", rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Line {
    File {
        path: PathBuf,
        new: bool,
        mode: String,
        owner: String,
        bytes: usize,
        /// First half of the content's SHA-256, where the content is not shown.
        #[serde(skip_serializing_if = "Option::is_none")]
        sha256: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        diff: Option<String>,
    },
    Directory {
        path: PathBuf,
        mode: String,
        owner: String,
    },
    Link {
        path: PathBuf,
        target: PathBuf,
    },
    Remove {
        path: PathBuf,
    },
    Hostname {
        name: String,
    },
    Interfaces {
        /// Those of ip(8) and sysctl(8) that would do the same.
        commands: Vec<String>,
    },
    Entropy {
        bytes: usize,
    },
    HostKey {
        path: PathBuf,
        algorithm: &'static str,
    },
    RandomPassword {
        user: String,
    },
    Run {
        argv: Vec<String>,
    },
    Request {
        method: &'static str,
        url: String,
        /// What becomes of it.
        purpose: String,
    },
    Message {
        text: String,
    },
    Report {
        about: &'static str,
    },
    PowerState {
        argv: Vec<String>,
        /// Empty where there is none.
        condition: String,
    },
}

/// What `plan` comes to on `tree`; later steps see what earlier ones would have made.
pub fn preview(plan: &Plan, tree: &dyn Tree, today: Day) -> Preview {
    let live = tree.is_live();
    let mut overlay = Overlay::new(tree);
    // A step without actions has its turn and nothing to show.
    let steps = plan.steps.iter().filter(|step| !step.actions.is_empty());
    let (now, later): (Vec<&Step>, Vec<&Step>) = steps.partition(|step| live || !step.waits_for_boot());
    let steps = now.into_iter().map(|step| shown(step, &mut overlay, today)).collect();
    overlay.boot();
    Preview {
        steps,
        waiting: later.into_iter().map(|step| shown(step, &mut overlay, today)).collect(),
        interrupted: plan.interrupted.iter().map(stopped).collect(),
    }
}

fn stopped(step: &Step) -> Stopped {
    Stopped { name: step.name.clone(), stage: step.stage, origin: step.origin.clone() }
}

fn shown(step: &Step, overlay: &mut Overlay, today: Day) -> Shown {
    let mut shown = Shown {
        name: step.name.clone(),
        stage: step.stage,
        frequency: step.frequency,
        origin: step.origin.clone(),
        changes: Vec::new(),
        error: None,
    };
    let mut all = Vec::new();
    let stacked = step.actions.iter().try_for_each(|action| {
        changes(action, overlay, today)?.into_iter().try_for_each(|change| {
            overlay.apply(&change)?;
            add(change, &mut all);
            Ok(())
        })
    });
    shown.changes = all.iter().map(line).collect();
    shown.error = stacked.err().map(|error: Error| error.to_string());
    shown
}

/// One more change of a step. One of a file that an earlier change has written already is shown in that one's place, from
/// what was there first to what is there last; but not past a program, which may have seen the first.
fn add(change: Change, all: &mut Vec<Change>) {
    let mut since = all.iter_mut().rev().take_while(|earlier| !matches!(earlier, Change::Run(_)));
    let earlier = since.find(|earlier| path(earlier).is_some() && path(earlier) == path(&change));
    match (earlier, change) {
        (
            Some(Change::File { content, old: _, mode, uid, gid, secret, .. }),
            Change::File {
                content: new_content, mode: new_mode, uid: new_uid, gid: new_gid, secret: new_secret, ..
            },
        ) => {
            // What was kept from everybody on the way may be part of what comes out.
            *secret |= new_secret || !is_for_everybody(*mode);
            (*content, *mode, *uid, *gid) = (new_content, new_mode, new_uid, new_gid);
        }
        (_, change) => all.push(change),
    }
}

/// The file, directory or link that it changes.
fn path(change: &Change) -> Option<&Path> {
    match change {
        Change::File { path, .. }
        | Change::Directory { path, .. }
        | Change::Link { path, .. }
        | Change::Remove { path } => Some(path),
        _ => None,
    }
}

fn is_for_everybody(mode: u32) -> bool {
    mode & 0o004 != 0
}

fn line(change: &Change) -> Line {
    let octal = |mode: u32| format!("{mode:04o}");
    let owner = |uid: u32, gid: u32| if (uid, gid) == (0, 0) { "root".to_owned() } else { format!("{uid}:{gid}") };
    match change {
        Change::File { path, content, old, mode, uid, gid, secret } => {
            // What is replaced may have been kept from everybody, whatever comes in its place.
            let open = !*secret && is_for_everybody(*mode) && old.as_ref().is_none_or(|old| is_for_everybody(old.mode));
            let diff = if open { diff(old.as_ref(), content) } else { None };
            Line::File {
                path: path.clone(),
                new: old.is_none(),
                mode: octal(*mode),
                owner: owner(*uid, *gid),
                bytes: content.len(),
                sha256: diff.is_none().then(|| sha256(content).chars().take(32).collect()),
                diff,
            }
        }
        Change::Directory { path, mode, uid, gid } => {
            Line::Directory { path: path.clone(), mode: octal(*mode), owner: owner(*uid, *gid) }
        }
        Change::Link { path, target } => Line::Link { path: path.clone(), target: target.clone() },
        Change::Remove { path } => Line::Remove { path: path.clone() },
        Change::Hostname(name) => Line::Hostname { name: name.clone() },
        Change::Interfaces { missing, .. } => {
            Line::Interfaces { commands: missing.iter().map(kernel::Change::command).collect() }
        }
        Change::Entropy(bytes) => Line::Entropy { bytes: bytes.len() },
        Change::HostKey { kind, path, .. } => Line::HostKey { path: path.clone(), algorithm: kind.name() },
        Change::Run(command) => Line::Run { argv: command.argv.clone() },
        Change::RandomPassword { user, .. } => Line::RandomPassword { user: user.clone() },
        Change::Request(request) => {
            Line::Request { method: request.method(), url: request.shown_url(), purpose: request.use_made() }
        }
        Change::Message(text) => Line::Message { text: text.clone() },
        Change::Report(report) => Line::Report { about: report.about },
        Change::PowerState(power) => {
            Line::PowerState { argv: power.command.argv.clone(), condition: power.condition.to_string() }
        }
    }
}

/// A unified diff; `None` where the content is no text or too long to read.
fn diff(old: Option<&Old>, new: &[u8]) -> Option<String> {
    let old = old.map_or(&[][..], |old| &old.content);
    if old.len() > SHOWN_LIMIT || new.len() > SHOWN_LIMIT || old.contains(&0) || new.contains(&0) {
        return None;
    }
    let (old, new) = (std::str::from_utf8(old).ok()?, std::str::from_utf8(new).ok()?);
    Some(unified(old, new))
}

impl Preview {
    /// Whether nothing would change now.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

impl fmt::Display for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut stage = None;
        for step in &self.steps {
            if stage != Some(step.stage) {
                writeln!(f, "stage {}", step.stage.name())?;
                stage = Some(step.stage);
            }
            write!(f, "{step}")?;
        }
        for step in &self.interrupted {
            writeln!(f, "stopped in the middle, not repeated: {}    # {}", escaped(&step.name), step.origin)?;
        }
        if !self.waiting.is_empty() {
            writeln!(f, "waits for the boot")?;
        }
        self.waiting.iter().try_for_each(|step| write!(f, "{step}"))?;
        if self.is_empty() { writeln!(f, "nothing to do") } else { Ok(()) }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {}{}    # {}", escaped(&self.name), often(self.frequency), self.origin)?;
        self.changes.iter().try_for_each(|line| write!(f, "{line}"))?;
        match &self.error {
            Some(error) => writeln!(f, "    would fail: {}", error.replace('\n', "\n    ")),
            None if self.changes.is_empty() => writeln!(f, "    as it should be"),
            None => Ok(()),
        }
    }
}

fn often(frequency: Frequency) -> &'static str {
    match frequency {
        Frequency::PerInstance => "",
        Frequency::PerBoot => " (each boot)",
        Frequency::Once => " (once)",
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Line::File { path, new, mode, owner, bytes, sha256, diff } => {
                let what = if *new { "new file" } else { "file" };
                write!(f, "    {what} {} {mode} {owner}", show_path(path))?;
                match (diff.as_deref(), sha256) {
                    (Some(""), _) => writeln!(f, " (content as it is)"),
                    (Some(diff), _) => {
                        writeln!(f)?;
                        diff.lines().try_for_each(|line| writeln!(f, "      {line}"))
                    }
                    (None, digest) => {
                        writeln!(f, " ({bytes} bytes, sha256 {}…)", digest.as_deref().unwrap_or_default())
                    }
                }
            }
            Line::Directory { path, mode, owner } => writeln!(f, "    directory {} {mode} {owner}", show_path(path)),
            Line::Link { path, target } => writeln!(f, "    link {} -> {}", show_path(path), show_path(target)),
            Line::Remove { path } => writeln!(f, "    remove {}", show_path(path)),
            Line::Hostname { name } => writeln!(f, "    host name {name}"),
            Line::Interfaces { commands } => {
                commands.iter().try_for_each(|command| writeln!(f, "    {}", escaped(command)))
            }
            Line::Entropy { bytes } => writeln!(f, "    {bytes} random bytes into the kernel's pool"),
            Line::HostKey { path, algorithm } => writeln!(f, "    new host key {algorithm} {}", show_path(path)),
            Line::Run { argv } => writeln!(f, "    run {}", escaped(&argv.join(" "))),
            Line::RandomPassword { user } => {
                writeln!(f, "    random password of {}, told on the console", escaped(user))
            }
            Line::Request { method, url, purpose } => {
                writeln!(f, "    {method} {} {}", escaped(url), escaped(purpose))
            }
            Line::Message { text } => writeln!(f, "    say {}", escaped(text.trim_end())),
            Line::Report { about } => writeln!(f, "    say {about}"),
            Line::PowerState { argv, condition } => {
                let comma = if condition.is_empty() { "" } else { ", " };
                let argv = escaped(&argv.join(" "));
                writeln!(f, "    run {argv} at the very end{comma}{}", escaped(condition))
            }
        }
    }
}

/// Without what would move a terminal's cursor.
fn show_path(path: &Path) -> String {
    escaped(&path.to_string_lossy())
}

#[cfg(test)]
mod tests;
