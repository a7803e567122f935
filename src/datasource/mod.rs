// SPDX-License-Identifier: Apache-2.0
//! Where the configuration is: the datasources in the order in which they are asked.

use std::cmp::Reverse;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use log::info;
use serde::{Serialize, Serializer};

use crate::config::base::{DatasourceName, NoCloud};
use crate::error::{At, Error, Result};
use crate::finding::{Finding, Findings, Located, Origin};
use crate::guest::Guest;
use crate::instance::nocloud::line;
use crate::media::uevent::Uevents;
use crate::media::{self, Directory, FileSystem, Medium};
use crate::root::Root;
use crate::seed::Seed;

pub mod config_drive;
mod documents;
mod drives;
pub mod nocloud;
pub mod none;

pub use drives::Drives;

/// The datasources that are built, in the order in which they are asked unless the image's settings name another.
/// [`none`] is asked only where they do.
pub const DATASOURCES: &[Datasource] = &[config_drive::DATASOURCE, nocloud::DATASOURCE, none::DATASOURCE];

/// How long an expected medium is waited for, unless the image's settings say otherwise.
pub const DEFAULT_WAIT: Duration = Duration::from_secs(10);

/// One place where a configuration may be.
pub struct Datasource {
    /// One of [`crate::config::base::DATASOURCES`].
    pub name: &'static str,
    /// Looks once, without waiting.
    pub probe: fn(&Context) -> Probe,
    /// Fetches what is there by now; `Absent` where that is nothing.
    pub fetch: fn(&Context, &mut Findings) -> Result<Fetched>,
}

/// What a datasource may know.
pub struct Context<'a> {
    /// The tree that is configured. Devices are looked at only where it is the running system.
    pub root: &'a Root,
    /// What this machine is.
    pub guest: &'a Guest,
    /// The datasources that the image's settings name, in order. Just one is certain: it is waited for.
    pub datasources: Option<&'a [Located<DatasourceName>]>,
    /// What they say of NoCloud.
    pub nocloud: Option<&'a NoCloud>,
    /// How long an expected medium is waited for.
    pub wait: Duration,
    /// The drives of this machine, once they have been looked at.
    pub drives: Drives,
}

impl Context<'_> {
    /// Whether the settings name one datasource alone, be the others built or not; besides none at all.
    fn is_certain(&self) -> bool {
        let platforms = |names: &[Located<DatasourceName>]| names.iter().filter(|name| name.0 != none::NAME).count();
        self.datasources.is_some_and(|names| platforms(names) == 1)
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
    /// It will do where there is no other.
    Fallback,
    /// Something says that it should come: worth a wait.
    Expected,
    /// It is here.
    Here,
    /// It is here, and the machine asks for it by name.
    Asked,
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
    let mut candidates: Vec<_> = wanted.into_iter().map(|datasource| Candidate::look(datasource, context)).collect();
    let mut found = first(&mut candidates, Certainty::Here, context, &mut findings)
        .or_else(|| wait(&mut candidates, context, &mut findings))
        .or_else(|| first(&mut candidates, Certainty::Fallback, context, &mut findings));
    if let Some(fetched) = &mut found {
        info!("{} found at {}", fetched.seed.datasource, fetched.seed.place);
        skip_the_others(&mut candidates, &fetched.seed.datasource, &mut findings);
    }
    Detection { tried: candidates.into_iter().map(|candidate| candidate.tried).collect(), found, findings }
}

/// A datasource on the way to its outcome.
struct Candidate {
    datasource: &'static Datasource,
    certainty: Certainty,
    was_fetched: bool,
    tried: Tried,
}

impl Candidate {
    /// One look. A datasource that the settings name alone is expected in any case.
    fn look(datasource: &'static Datasource, context: &Context) -> Self {
        let start = Instant::now();
        let mut probe = (datasource.probe)(context);
        if context.is_certain() && probe.certainty == Certainty::Unlikely {
            probe.certainty = Certainty::Expected;
            probe.reason += "; but the image's settings name it alone";
        }
        let (name, reason) = (datasource.name.to_owned(), probe.reason);
        let tried = Tried { name, outcome: Outcome::Absent, reason, took: start.elapsed() };
        Self { datasource, certainty: probe.certainty, was_fetched: false, tried }
    }

    fn fetch(&mut self, context: &Context, findings: &mut Findings) -> Option<Fetched> {
        let start = Instant::now();
        self.was_fetched = true;
        let fetched = (self.datasource.fetch)(context, findings);
        self.tried.took += start.elapsed();
        let (outcome, reason, fetched) = match fetched {
            Ok(fetched) => (Outcome::Found, fetched.seed.place.clone(), Some(fetched)),
            Err(error) if error.is_absent() => (Outcome::Absent, error.to_string(), None),
            Err(error) => {
                findings.push(error.finding(&Origin::document(self.datasource.name)));
                (Outcome::Failed, error.without_advice(), None)
            }
        };
        (self.tried.outcome, self.tried.reason) = (outcome, reason);
        fetched
    }
}

/// The first that can be fetched of those that are at least so certain; the most certain first, then by the order of the search.
fn first(
    candidates: &mut [Candidate],
    least: Certainty,
    context: &Context,
    findings: &mut Findings,
) -> Option<Fetched> {
    let mut promising: Vec<_> =
        candidates.iter_mut().filter(|candidate| candidate.certainty >= least && !candidate.was_fetched).collect();
    // Stable: datasources of the same certainty stay in the order of the search.
    promising.sort_by_key(|candidate| Reverse(candidate.certainty));
    promising.into_iter().find_map(|candidate| candidate.fetch(context, findings))
}

/// Waits for what is expected: for all of it at once, and until the first is here. What comes for an image never comes.
fn wait(candidates: &mut [Candidate], context: &Context, findings: &mut Findings) -> Option<Fetched> {
    let is_expected = |candidate: &Candidate| candidate.certainty == Certainty::Expected && !candidate.was_fetched;
    if !context.root.is_live() || !candidates.iter().any(is_expected) {
        return None;
    }
    let deadline = Instant::now() + context.wait;
    // Before the next look, so that a drive which comes meanwhile is not missed.
    let uevents = Uevents::open();
    let mut is_said = false;
    loop {
        context.drives.forget();
        for candidate in candidates.iter_mut().filter(|candidate| is_expected(candidate)) {
            let took = candidate.tried.took;
            *candidate = Candidate::look(candidate.datasource, context);
            candidate.tried.took += took;
        }
        let found = first(candidates, Certainty::Here, context, findings);
        if found.is_some() || !candidates.iter().any(is_expected) {
            return found;
        }
        if !std::mem::replace(&mut is_said, true) {
            let names = candidates.iter().filter(|it| is_expected(it)).map(|it| it.datasource.name);
            info!("waiting up to {:?} for {}", context.wait, names.collect::<Vec<_>>().join(", "));
        }
        if !uevents.wait(deadline) {
            return None;
        }
    }
}

/// Says what became of those that were not asked any more; of one that is here too, which goes first.
fn skip_the_others(candidates: &mut [Candidate], taken: &str, findings: &mut Findings) {
    let promising = |it: &&mut Candidate| !it.was_fetched && it.certainty > Certainty::Unlikely;
    for candidate in candidates.iter_mut().filter(promising) {
        candidate.tried.outcome = Outcome::Skipped;
        if candidate.certainty >= Certainty::Here {
            let Tried { name, reason, .. } = &candidate.tried;
            let text = format!("{reason} is here too, and {taken} goes before it: one configuration is enough");
            let order = "`firstlight: datasources:` in the image's settings gives another order; or `ds=NAME` on the kernel's command line";
            findings.push(Finding::note(&Origin::document(name.as_str()), text).help(order));
        }
    }
}

/// The word of the kernel's command line that asks for a datasource by one of these names: `ds=configdrive`.
fn asked_for(guest: &Guest, names: &[&str]) -> Option<String> {
    let asks = |word: &String| {
        let Some((key, value)) = word.split_once('=') else { return false };
        let source =
            value.split([';', ',', '\\']).next().unwrap_or_default().to_ascii_lowercase().replace(['-', '_'], "");
        ["ds", "ci.ds", "ci.datasource", "firstlight.datasource"].contains(&key) && names.contains(&source.as_str())
    };
    line::words(&guest.command_line).into_iter().rfind(asks)
}

/// The datasources to ask, in order.
fn wanted(context: &Context, findings: &mut Findings) -> Vec<&'static Datasource> {
    let Some(names) = context.datasources else {
        return DATASOURCES.iter().filter(|datasource| datasource.name != none::NAME).collect();
    };
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

/// The seed that a person names: a directory, an image file or a block device, with a config drive's tree or NoCloud's files.
///
/// Nothing is mounted. Errors: absent, or malformed where there is no seed on it.
pub fn from_source(spec: &str, root: &Root, findings: &mut Findings) -> Result<Seed> {
    if spec.contains("://") {
        return Err(Error::fatal(format!("cannot fetch a seed from the URL {spec}"))
            .help("name a directory, an ISO or FAT image, or a block device"));
    }
    let path = Path::new(spec);
    if std::fs::metadata(path).at("open", path)?.is_dir() {
        return read(&Directory::open(path)?, spec, root, findings);
    }
    let Some(image) = media::open(path)? else {
        return Err(Error::malformed(format!("{spec} holds neither ISO 9660 nor FAT"))
            .help("make it with `genisoimage -J -r -V config-2 -o FILE DIRECTORY`, or name the directory"));
    };
    read(&image, &format!("{spec} ({})", image.file_system().name()), root, findings)
}

/// Which of the two it is, is told by what is on it.
fn read(medium: &dyn Medium, place: &str, root: &Root, findings: &mut Findings) -> Result<Seed> {
    // One that can't be read says so as well as the other.
    let is_config_drive = medium.list("openstack").map_or(true, |names| !names.is_empty());
    match is_config_drive {
        true => config_drive::read(medium, place, findings),
        false if nocloud::is_on(medium) => nocloud::read(medium, place, root, findings),
        false => Err(Error::malformed(format!("{place} has no seed"))
            .help("a config drive has openstack/latest/meta_data.json; a NoCloud seed `meta-data` and `user-data`")),
    }
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
        let names = ["ec2", "config-drive"].map(|name| Located::new(DatasourceName(name), origin.clone()));
        let wait = Duration::from_secs(3600);
        for (datasources, tried, unbuilt, certain) in
            [(None, 2, 0, false), (Some(&names[..]), 1, 1, false), (Some(&names[1..]), 1, 0, true)]
        {
            let context =
                Context { root: &root, guest: &guest, datasources, nocloud: None, wait, drives: Drives::default() };
            let detection = find(&context);
            assert!(detection.found.is_none());
            assert_eq!(detection.tried.len(), tried);
            assert_eq!(detection.tried[0].outcome, Outcome::Absent);
            assert_eq!(detection.findings.iter().count(), unbuilt);
            assert_eq!(context.is_certain(), certain);
        }
    }

    /// What is tried in a root with these files, and what is found.
    fn tried(files: &[(&str, &str)], names: Option<&[&'static str]>) -> (Vec<Outcome>, Option<String>, Vec<String>) {
        let scratch = crate::scratch::Scratch::new();
        files.iter().for_each(|(path, text)| scratch.file(path, text));
        let origin = Origin::document("config.yaml");
        let names: Option<Vec<_>> =
            names.map(|names| names.iter().map(|name| Located::new(DatasourceName(name), origin.clone())).collect());
        let (root, guest) = (scratch.root(), Guest::read(&scratch.root()).unwrap());
        let wait = Duration::from_secs(3600);
        let datasources = names.as_deref();
        let context =
            Context { root: &root, guest: &guest, datasources, nocloud: None, wait, drives: Drives::default() };
        let Detection { tried, found, findings } = find(&context);
        let found = found.map(|fetched| fetched.seed.datasource);
        (tried.iter().map(|it| it.outcome).collect(), found, findings.iter().map(ToString::to_string).collect())
    }

    const CONFIG_DRIVE: (&str, &str) = ("/config-drive/openstack/latest/meta_data.json", r#"{"uuid": "i-1"}"#);
    const NOCLOUD: [(&str, &str); 2] =
        [("/etc/firstlight/seed/meta-data", "instance-id: i-2"), ("/etc/firstlight/seed/user-data", "")];
    const BROKEN: (&str, &str) = ("/config-drive/openstack/latest/meta_data.json", "{");

    #[test]
    fn of_two_that_are_here_the_order_counts_unless_the_machine_asks_for_one() {
        use Outcome::{Absent, Failed, Found, Skipped};
        let both = [CONFIG_DRIVE, NOCLOUD[0], NOCLOUD[1]];
        let (outcomes, found, said) = tried(&both, None);
        assert_eq!((outcomes, found.as_deref()), (vec![Found, Skipped], Some("config-drive")));
        assert!(
            said[0].starts_with("nocloud: note: the directory /etc/firstlight/seed is here too, and config-drive goes"),
            "{said:?}"
        );
        let (outcomes, found, _) = tried(&both, Some(&["nocloud", "config-drive", "none"]));
        assert_eq!((outcomes, found.as_deref()), (vec![Found, Skipped, Skipped], Some("nocloud")));
        let asks = [both[0], both[1], both[2], ("/proc/cmdline", "ro \"ds=NoCloud-net\"")];
        assert_eq!(tried(&asks, None).1.as_deref(), Some("nocloud"));
        let (outcomes, found, said) = tried(&[BROKEN, NOCLOUD[0], NOCLOUD[1]], None);
        assert_eq!((outcomes, found.as_deref(), said.len()), (vec![Failed, Found], Some("nocloud"), 1));
        assert_eq!(tried(&[], None).0, [Absent, Absent]);
    }

    #[test]
    fn none_is_for_whoever_names_it_and_has_nothing_else() {
        use Outcome::{Absent, Found, Skipped};
        let named: &[&'static str] = &["none", "config-drive"];
        let (outcomes, found, _) = tried(&[], Some(named));
        assert_eq!((outcomes, found.as_deref()), (vec![Found, Absent], Some("none")));
        let (outcomes, found, said) = tried(&[CONFIG_DRIVE], Some(named));
        assert_eq!((outcomes, found.as_deref(), said.len()), (vec![Skipped, Found], Some("config-drive"), 0));
        assert_eq!(tried(&[], Some(&["none"])).1.as_deref(), Some("none"));
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
        let root = Root::open(&scratch).unwrap();
        let mut seed = |name: &str| from_source(&scratch.join(name).to_string_lossy(), &root, &mut findings);
        std::fs::write(scratch.join("drive.iso"), NOVA_ISO.image()).unwrap();
        std::fs::write(scratch.join("drive.img"), FAT12.image()).unwrap();
        std::fs::write(scratch.join("junk"), "junk").unwrap();
        std::fs::create_dir(scratch.join("empty")).unwrap();
        let disc = seed("drive.iso").unwrap();
        assert!(disc.place.ends_with("drive.iso (iso9660)"));
        assert_eq!(Seed { place: disc.place.clone(), ..seed("drive.img").unwrap() }, disc);
        assert!(seed("junk").unwrap_err().to_string().contains("holds neither ISO 9660 nor FAT"));
        assert!(seed("empty").unwrap_err().to_string().contains("/empty has no seed"));
        assert!(seed("missing").unwrap_err().is_absent());
        let error = from_source("http://192.0.2.1/seed", &root, &mut findings).unwrap_err().to_string();
        assert!(error.starts_with("cannot fetch a seed from the URL"), "{error}");
    }
}
