// SPDX-License-Identifier: Apache-2.0
//! Where the configuration is: the datasources in the order in which they are asked.

use std::cmp::Reverse;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use log::info;
use serde::{Serialize, Serializer};

use crate::config::base::DatasourceName;
use crate::error::{At, Error, Result};
use crate::finding::{Finding, Findings, Located, Origin};
use crate::guest::Guest;
use crate::media::{self, Directory, FileSystem};
use crate::root::Root;
use crate::seed::Seed;

pub mod config_drive;

/// The datasources that are built, in the order in which they are asked unless the image's settings name another.
pub const DATASOURCES: &[Datasource] = &[config_drive::DATASOURCE];

/// How long an expected medium is waited for, unless the image's settings say otherwise.
pub const DEFAULT_WAIT: Duration = Duration::from_secs(10);

/// One place where a configuration may be.
pub struct Datasource {
    /// One of [`crate::config::base::DATASOURCES`].
    pub name: &'static str,
    /// Looks once, without waiting.
    pub probe: fn(&Context) -> Probe,
    /// Fetches. Waits no longer than the deadline for what is not there yet; `Absent` when that has passed.
    pub fetch: fn(&Context, Instant, &mut Findings) -> Result<Fetched>,
}

/// What a datasource may know.
pub struct Context<'a> {
    /// The tree that is configured. Devices are looked at only where it is the running system.
    pub root: &'a Root,
    /// What this machine is.
    pub guest: &'a Guest,
    /// The datasources that the image's settings name, in order. Just one is certain: it is waited for.
    pub datasources: Option<&'a [Located<DatasourceName>]>,
    /// How long an expected medium is waited for.
    pub wait: Duration,
}

impl Context<'_> {
    /// Whether the settings name one datasource alone, be the others built or not.
    fn is_certain(&self) -> bool {
        self.datasources.is_some_and(|names| names.len() == 1)
    }
}

/// What a look at a datasource gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// How certain it is.
    pub certainty: Certainty,
    /// What was seen, or why there is nothing.
    pub reason: String,
}

/// How certain it is that a datasource is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// Nothing speaks for it.
    Unlikely,
    /// Something says that it should come: worth a wait.
    Expected,
    /// It is here.
    Here,
}

/// What a datasource gave.
#[derive(Debug)]
pub struct Fetched {
    /// The documents.
    pub seed: Seed,
    /// The drive that they came from, for `media::mount::keep`.
    pub drive: Option<Drive>,
}

/// A drive with a seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drive {
    /// Its node.
    pub device: PathBuf,
    /// What is on it.
    pub file_system: FileSystem,
}

/// What became of one datasource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It gave the seed.
    Found,
    /// It is not there.
    Absent,
    /// It is there and unusable.
    Failed,
    /// Another one was found before.
    Skipped,
}

/// One datasource that was thought of.
#[derive(Debug, Clone, Serialize)]
pub struct Tried {
    /// Its name.
    pub name: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, for a person.
    pub reason: String,
    /// How long it took.
    #[serde(rename = "seconds", serialize_with = "as_seconds")]
    pub took: Duration,
}

fn as_seconds<S: Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(took.as_secs_f64())
}

/// What the search came to.
#[derive(Debug, Default)]
pub struct Detection {
    /// Every datasource in the order of the search.
    pub tried: Vec<Tried>,
    /// The first that could be fetched.
    pub found: Option<Fetched>,
    /// What there is to say of what was seen on the way.
    pub findings: Findings,
}

/// Looks for a datasource: those that are here first, then those that are expected and may be late.
///
/// None here and none expected: returns at once.
pub fn find(context: &Context) -> Detection {
    let mut findings = Findings::default();
    let wanted = wanted(context, &mut findings);
    let mut candidates: Vec<_> = wanted.into_iter().map(|datasource| look(datasource, context)).collect();

    let deadline = Instant::now() + context.wait;
    let mut promising: Vec<_> = candidates.iter_mut().filter(|candidate| candidate.1 > Certainty::Unlikely).collect();
    // Stable: datasources of the same certainty stay in the order of the search.
    promising.sort_by_key(|candidate| Reverse(candidate.1));
    let mut found = None;
    for (datasource, _, tried) in promising {
        if found.is_some() {
            tried.outcome = Outcome::Skipped;
            continue;
        }
        let start = Instant::now();
        (tried.outcome, tried.reason) = match (datasource.fetch)(context, deadline, &mut findings) {
            Ok(fetched) => {
                let place = fetched.seed.place.clone();
                info!("{} found at {place}", datasource.name);
                found = Some(fetched);
                (Outcome::Found, place)
            }
            Err(error) if error.is_absent() => (Outcome::Absent, error.to_string()),
            Err(error) => {
                findings.push(error.finding(&Origin::document(datasource.name)));
                (Outcome::Failed, error.without_advice())
            }
        };
        tried.took += start.elapsed();
    }
    Detection { tried: candidates.into_iter().map(|(_, _, tried)| tried).collect(), found, findings }
}

/// One look. A datasource that the settings name alone is expected in any case.
fn look(datasource: &'static Datasource, context: &Context) -> (&'static Datasource, Certainty, Tried) {
    let start = Instant::now();
    let mut probe = (datasource.probe)(context);
    if context.is_certain() && probe.certainty == Certainty::Unlikely {
        probe.certainty = Certainty::Expected;
        probe.reason += "; but the image's settings name it alone";
    }
    let (name, reason) = (datasource.name.to_owned(), probe.reason);
    (datasource, probe.certainty, Tried { name, outcome: Outcome::Absent, reason, took: start.elapsed() })
}

/// The datasources to ask, in order.
fn wanted(context: &Context, findings: &mut Findings) -> Vec<&'static Datasource> {
    let Some(names) = context.datasources else { return DATASOURCES.iter().collect() };
    let mut wanted = Vec::new();
    for Located { value: DatasourceName(name), origin } in names {
        match DATASOURCES.iter().find(|datasource| datasource.name == *name) {
            Some(datasource) => wanted.push(datasource),
            None => findings.push(Finding::warning(
                origin,
                format!("the datasource `{name}` is known and not built yet; it is not looked for"),
            )),
        }
    }
    wanted
}

/// The seed that a person names: a directory, an image file or a block device.
///
/// Nothing is mounted. Errors: absent, or malformed where there is no seed on it.
pub fn from_source(spec: &str, findings: &mut Findings) -> Result<Seed> {
    if spec.contains("://") {
        return Err(Error::fatal(format!("cannot fetch a seed from the URL {spec}"))
            .help("name a directory, an ISO or FAT image, or a block device"));
    }
    let path = Path::new(spec);
    if std::fs::metadata(path).at("open", path)?.is_dir() {
        return config_drive::read(&Directory::open(path)?, spec, findings);
    }
    let Some(image) = media::open(path)? else {
        return Err(Error::malformed(format!("{spec} holds neither ISO 9660 nor FAT"))
            .help("make it with `genisoimage -J -r -V config-2 -o FILE DIRECTORY`, or name the directory"));
    };
    let place = format!("{spec} ({})", image.file_system().name());
    config_drive::read(&image, &place, findings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::fixtures::{FAT12, NOVA_ISO, Scratch};

    #[test]
    fn an_image_root_has_no_devices_and_is_left_at_once() {
        let scratch = Scratch::new("detect");
        let root = Root::open(&scratch).unwrap();
        let guest = Guest::read(&root).unwrap();
        let origin = Origin::document("config.yaml").at(2, 17);
        let names = ["nocloud", "config-drive"].map(|name| Located::new(DatasourceName(name), origin.clone()));
        let wait = Duration::from_secs(3600);
        for (datasources, unbuilt, certain) in
            [(None, 0, false), (Some(&names[..]), 1, false), (Some(&names[1..]), 0, true)]
        {
            let context = Context { root: &root, guest: &guest, datasources, wait };
            let detection = find(&context);
            assert!(detection.found.is_none());
            assert_eq!(detection.tried.len(), 1);
            assert_eq!(detection.tried[0].outcome, Outcome::Absent);
            assert_eq!(detection.findings.iter().count(), unbuilt);
            assert_eq!(context.is_certain(), certain);
        }
    }

    #[test]
    fn what_is_built_has_a_name_of_the_settings() {
        for datasource in DATASOURCES {
            assert!(crate::config::base::DATASOURCES.contains(&datasource.name), "{}", datasource.name);
        }
    }

    #[test]
    fn a_source_is_an_image_or_a_directory() {
        let scratch = Scratch::new("source");
        let mut findings = Findings::default();
        let mut seed = |name: &str| from_source(&scratch.join(name).to_string_lossy(), &mut findings);
        std::fs::write(scratch.join("drive.iso"), NOVA_ISO.image()).unwrap();
        std::fs::write(scratch.join("drive.img"), FAT12.image()).unwrap();
        std::fs::write(scratch.join("junk"), "junk").unwrap();
        std::fs::create_dir(scratch.join("empty")).unwrap();
        let disc = seed("drive.iso").unwrap();
        assert!(disc.place.ends_with("drive.iso (iso9660)"));
        assert_eq!(Seed { place: disc.place.clone(), ..seed("drive.img").unwrap() }, disc);
        assert!(seed("junk").unwrap_err().to_string().contains("holds neither ISO 9660 nor FAT"));
        assert!(seed("empty").unwrap_err().to_string().contains("has no directory `openstack`"));
        assert!(seed("missing").unwrap_err().is_absent());
        let error = from_source("http://192.0.2.1/seed", &mut findings).unwrap_err().to_string();
        assert!(error.starts_with("cannot fetch a seed from the URL"), "{error}");
    }
}
