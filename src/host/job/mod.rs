// SPDX-License-Identifier: Apache-2.0
//! A job in a guest: a script is carried in by a seed and a disk, its end comes back over virtio-serial, its results on a
//! disk. No network, no ssh, no waiting by the clock.
//!
//! `carried`, `seed` and `machine` make what the guest gets; `guest.sh` is what runs in it; `said` and `watch` are what comes
//! back; `results` and `publish` what becomes of it; `lock` keeps several jobs apart; `run` is one job, `several` all of them.

mod base;
mod carried;
mod lock;
mod log;
mod machine;
mod outputs;
mod publish;
mod results;
mod run;
mod said;
mod seed;
mod settings;
mod several;
mod units;
mod watch;
#[cfg(test)]
mod wrapper_tests;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use self::carried::Carried;
use self::outputs::Outputs;
use self::run::Job;
use self::settings::Settings;
use crate::error::{At as _, Error, Result};
use crate::host::Common;
use crate::host::tell::Teller;

/// The most jobs of one call.
const JOBS: usize = 1000;

/// What `bake --job` takes.
#[derive(Args)]
#[command(next_help_heading = "A job in a guest (--job)")]
#[group(id = "job")]
pub struct Arguments {
    /// Run this script in a guest and publish what it makes; several times, or a directory of scripts, for several jobs
    #[arg(long = "job", value_name = "SCRIPT")]
    jobs: Vec<PathBuf>,
    /// Publish it as NAME; default: the script's name without its ending
    #[arg(long, value_name = "NAME", requires = "jobs")]
    name: Option<String>,
    /// A file or directory for the directory that the job runs in
    #[arg(long = "input", value_name = "PATH", requires = "jobs")]
    inputs: Vec<PathBuf>,
    /// A variable of the job's environment; KEY alone takes its value from this program's, out of sight of other users
    #[arg(long = "env", value_name = "KEY[=VALUE]", requires = "jobs", value_parser = carried::variable)]
    environment: Vec<(String, String)>,
    /// Write what the job prints to FILE; of several jobs to NAME-FILE
    #[arg(long, value_name = "FILE", requires = "jobs")]
    log: Option<PathBuf>,
    /// Keep the log of the guest's serial console in FILE; of several jobs in NAME-FILE
    #[arg(long, value_name = "FILE", requires = "jobs")]
    serial_log: Option<PathBuf>,
    /// Take what the options below do not say from FILE (YAML, with their names)
    #[arg(long, value_name = "FILE", requires = "jobs")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

impl Arguments {
    /// Whether jobs are wanted.
    pub fn is_wanted(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// Does them all; the exit code is 1 where one failed. `outputs` are paths of the guest to publish beside what a job puts
    /// into $JOB_OUTPUT, `kernel` is started in place of the image's boot loader: options that `bake` has anyway.
    pub fn exec(&self, common: &Common, outputs: &[PathBuf], kernel: Option<&Path>) -> Result<ExitCode> {
        let file = self.config.as_deref().map(Settings::read).transpose()?.unwrap_or_default();
        let kernel = kernel.map(Path::to_owned);
        let settings = Settings { kernel, ..self.settings.clone() }.or(file);
        let jobs = self.jobs(outputs)?;
        several::run(&jobs, &settings, &Teller::new(common.json), common.json)
    }

    fn jobs(&self, outputs: &[PathBuf]) -> Result<Vec<Job>> {
        let scripts = scripts(&self.jobs)?;
        if self.name.is_some() && scripts.len() > 1 {
            return Err(Error::malformed("--name is for one job, and there are several"));
        }
        let outputs = Outputs::new(outputs)?;
        let (mut jobs, mut names) = (Vec::new(), BTreeSet::new());
        for script in &scripts {
            let file = script.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let stem = script.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let name = self.name.clone().unwrap_or(stem);
            check_name(&name)?;
            if !names.insert(name.clone()) {
                return Err(Error::malformed(format!("two jobs are called {name}")));
            }
            let several = (scripts.len() > 1).then_some(name.as_str());
            let mut environment = self.environment.clone();
            environment.push(("JOB_NAME".to_owned(), name.clone()));
            jobs.push(Job {
                file,
                carried: Carried {
                    script: carried::script(script)?,
                    environment,
                    outputs: outputs.clone(),
                    inputs: self.inputs.clone(),
                },
                log: self.log.as_ref().map(|path| log::of_one(path, several)),
                serial_log: self.serial_log.as_ref().map(|path| log::of_one(path, several)),
                name,
            });
        }
        Ok(jobs)
    }
}

/// The files, and those of directories in the order of their names.
fn scripts(asked: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut scripts = Vec::new();
    for path in asked {
        if !path.is_dir() {
            scripts.push(path.clone());
            continue;
        }
        let mut inside = Vec::new();
        for entry in fs::read_dir(path).at("read", path)?.take(JOBS + 1) {
            let entry = entry.at("read", path)?.path();
            let hidden = entry.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if entry.is_file() && !hidden {
                inside.push(entry);
            }
        }
        if inside.is_empty() {
            return Err(Error::absent(format!("no job is in the directory {}", path.display())));
        }
        inside.sort();
        scripts.append(&mut inside);
    }
    match scripts.len() {
        0..=JOBS => Ok(scripts),
        count => Err(Error::malformed(format!("{count} jobs are too many; at most {JOBS} at a time"))),
    }
}

/// It becomes a directory's name and a part of a URL.
fn check_name(name: &str) -> Result<()> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
    if name.is_empty() || name.len() > 128 || name.starts_with(['.', '-']) || !name.chars().all(fine) {
        let error = format!("`{name}` can't be a job's name");
        return Err(Error::malformed(error).help("letters, digits and . _ - + (not first); --name gives another"));
    }
    Ok(())
}

/// The base image and the directory of results, as the settings have them.
fn places(settings: &Settings) -> Result<(&Path, &Path)> {
    let base = settings.base.as_deref().ok_or_else(|| {
        Error::malformed("a job needs a base image").help("--base IMG, or `base:` in the file of --config")
    })?;
    Ok((base, settings.base_dir.as_deref().unwrap_or(Path::new("."))))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn arguments(words: &[&str]) -> Arguments {
        Line::try_parse_from([&["bake"], words].concat()).unwrap().arguments
    }

    #[test]
    fn a_directory_of_jobs_is_all_of_them_by_name() {
        let scratch = tempfile::tempdir().unwrap();
        for name in ["web.sh", "db.sh", ".hidden"] {
            fs::write(scratch.path().join(name), "#!/bin/sh\n").unwrap();
        }
        let directory = scratch.path().to_str().unwrap();
        let jobs = arguments(&["--job", directory, "--log", "x.log", "--env", "A=b"]).jobs(&[]).unwrap();
        let names: Vec<_> = jobs.iter().map(|job| (job.name.as_str(), job.log.clone().unwrap())).collect();
        assert_eq!(names, [("db", "db-x.log".into()), ("web", "web-x.log".into())]);
        let environment = &jobs.first().unwrap().carried.environment;
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(*environment, [pair("A", "b"), pair("JOB_NAME", "db")]);
        assert!(arguments(&["--job", directory, "--name", "x"]).jobs(&[]).is_err());
        let web = scratch.path().join("web.sh");
        assert!(arguments(&["--job", directory, "--job", web.to_str().unwrap()]).jobs(&[]).is_err());
    }

    #[test]
    fn names_are_fit_for_a_directory_and_a_url() {
        for name in ["a", "image-2.1_x+y"] {
            check_name(name).unwrap();
        }
        for name in ["", ".", "..", ".jobs", "-x", "a/b", "a b", "ä", &"x".repeat(129)] {
            check_name(name).unwrap_err();
        }
    }

    #[test]
    fn sizes_and_times_are_read_with_their_units() {
        let arguments = arguments(&["--job", "x", "--results-size", "1G", "--deadline", "30m", "--uefi"]);
        assert!(arguments.is_wanted());
        assert_eq!(arguments.settings.results_size.unwrap().0, 1 << 30);
        assert_eq!(arguments.settings.deadline.unwrap().to_string(), "30 min");
        assert_eq!(arguments.settings.uefi, Some(true));
    }
}
