// SPDX-License-Identifier: Apache-2.0
//! The part of `bake` that is done within the image's root: a process of its own, for every way the same.
//!
//! It reads its task on standard input, tells on standard output what it did, and ends with 0, with 2 where the settings
//! have errors, or with 1 and the reason on standard error. What it mounts is in a namespace of its own and goes with it.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use clap::Parser as _;
use serde::{Deserialize, Serialize};

use super::clean::{self, GROUPS};
use super::contents::Contents;
use super::elf::Program;
use super::mount::{Mounted, Source};
use crate::cli;
use crate::error::{At as _, Error, Result};
use crate::host::image::roots::OS_RELEASE;
use crate::host::tether::tether;
use crate::root::Root;

/// What this program is called as the worker.
pub const NAME: &str = "firstlight-bake";
/// Where a root may be on its file system: btrfs' usual subvolumes after the top itself.
const BELOW: [&str; 4] = ["", "root", "@", "@rootfs"];
/// Programs that an image has; the first one tells for which processor it is.
const PROGRAMS: [&str; 5] =
    ["/usr/lib/systemd/systemd", "/lib/systemd/systemd", "/usr/bin/env", "/bin/busybox", "/bin/sh"];

/// Where the root is and what is to be done with it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Task {
    /// Where it is.
    pub place: Place,
    /// What it gets.
    pub contents: Contents,
}

/// Where a root is.
#[derive(Debug, Serialize, Deserialize)]
pub enum Place {
    /// A directory.
    Directory(PathBuf),
    /// The first of these file systems that holds one, mounted at a directory that is there.
    Mount(Vec<Source>, PathBuf),
}

/// How the worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// All is in.
    Done,
    /// All is in, and the settings have errors.
    WithFindings,
}

/// Starts the worker, tells each of its lines, and waits for it.
///
/// # Errors
/// Fatal with the worker's own words.
pub fn run(task: &Task, mut tell: impl FnMut(&str)) -> Result<Outcome> {
    let cannot = |error: io::Error| Error::fatal("cannot run the part that works in the image").because(error);
    let text = serde_json::to_vec(task).map_err(|error| cannot(error.into()))?;
    let mut command = Command::new("/proc/self/exe");
    tether(&mut command, Vec::new());
    let mut worker = command
        .arg0(NAME)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(cannot)?;
    let mut complaint = worker.stderr.take();
    let complaint = std::thread::spawn(move || {
        let mut text = String::new();
        complaint.as_mut().map(|stderr| stderr.read_to_string(&mut text));
        text
    });
    // Where it has ended already, its own words say why.
    let _ = worker.stdin.take().map(|mut stdin| stdin.write_all(&text));
    if let Some(stdout) = worker.stdout.take() {
        BufReader::new(stdout).lines().map_while(Result::ok).for_each(|line| tell(&line));
    }
    let status = worker.wait().map_err(cannot)?;
    let complaint = complaint.join().unwrap_or_default();
    match status.code() {
        Some(0) => Ok(Outcome::Done),
        Some(2) => {
            complaint.lines().for_each(tell);
            Ok(Outcome::WithFindings)
        }
        Some(_) => Err(Error::fatal(complaint.trim().to_owned())),
        None => {
            Err(Error::fatal(format!("the part that works in the image ended with {status}: {}", complaint.trim())))
        }
    }
}

/// This program as the worker.
pub fn main() -> ExitCode {
    match read().and_then(|task| task.work()) {
        Ok(code) => code,
        Err(error) => {
            cli::tell(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn read() -> Result<Task> {
    let mut text = Vec::new();
    io::stdin().read_to_end(&mut text).at("read", Path::new("the task"))?;
    serde_json::from_slice(&text).map_err(|error| Error::malformed("the task can't be read").because(error))
}

impl Task {
    fn work(self) -> Result<ExitCode> {
        let Place::Mount(sources, at) = &self.place else {
            let Place::Directory(root) = &self.place else { return Err(Error::fatal("no place")) };
            return put(&self.contents, root);
        };
        for source in sources {
            let mounted = Mounted::new(source, at)?;
            let root = BELOW.iter().map(|below| at.join(below)).find(|root| is_root(root));
            let done = root.map(|root| put(&self.contents, &root));
            // What could not be written shows here; an error of the work itself says more.
            let ended = mounted.end();
            if let Some(done) = done {
                return done.and_then(|code| ended.map(|()| code));
            }
            ended?;
        }
        let names: Vec<String> = sources.iter().map(|source| source.device.display().to_string()).collect();
        Err(Error::malformed(format!("no root file system found: none of {} has etc/os-release", names.join(", "))))
    }
}

fn is_root(directory: &Path) -> bool {
    OS_RELEASE.iter().any(|path| fs::symlink_metadata(directory.join(path.trim_start_matches('/'))).is_ok())
}

/// All of it into the root at `directory`: first what goes, then what comes.
fn put(contents: &Contents, directory: &Path) -> Result<ExitCode> {
    let root = Root::open(directory)?;
    matches(&root, &contents.agent)?;
    if let Some(names) = &contents.clean {
        agent(&root, ["clean", "--logs", "--machine-id", "--bootstrap"].map(String::from).into())?;
        for group in GROUPS.iter().filter(|group| names.iter().any(|name| name == group.name)) {
            let count = clean::clean(&root, group)?;
            if count > 0 {
                cli::print(&format!("cleaned {} ({count}): {}\n", group.name, group.why))?;
            }
        }
    }
    let mut install = vec!["install".to_owned(), "--binary".to_owned(), contents.agent.to_string_lossy().into_owned()];
    install.extend(contents.profiles.iter().flat_map(|profile| ["--profile".to_owned(), profile.clone()]));
    if contents.keep_cloud_init {
        install.push("--keep-cloud-init".to_owned());
    }
    let code = agent(&root, install)?;
    for copy in &contents.copies {
        copy.put(&root)?;
    }
    if !contents.copies.is_empty() {
        cli::print(&format!("copied {}\n", contents.copies.len()))?;
    }
    Ok(code)
}

/// A command of the guest's own, on that root.
fn agent(root: &Root, arguments: Vec<String>) -> Result<ExitCode> {
    let line = ["firstlight".into(), "--root".into(), root.path().into()].into_iter();
    let line = line.chain(arguments.into_iter().map(std::ffi::OsString::from));
    cli::Cli::try_parse_from(line).map_err(|error| Error::malformed(error.to_string()))?.exec()
}

/// Refuses an agent for another processor than the image's programs are for.
fn matches(root: &Root, agent: &Path) -> Result<()> {
    let agent = Program::of(agent)?.machine();
    // One of these may be a script, or lead to what is not there: then another one tells.
    let machine = |path: &&str| Some(Program::of(&root.outside(path.as_ref()).ok()?).ok()?.machine());
    let Some(image) = PROGRAMS.iter().find_map(machine) else { return Ok(()) };
    if agent == image {
        return Ok(());
    }
    Err(Error::malformed(format!("the agent is for {agent}, and the image is for {image}"))
        .help(format!("give the agent for {image} with --agent FILE")))
}
