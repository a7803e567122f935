// SPDX-License-Identifier: Apache-2.0
//! Where the configuration is: the datasources in the order in which they are asked.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::config::base::{DatasourceName, MetadataService, Settings};
use crate::error::Result;
use crate::finding::{Findings, Located};
use crate::guest::Guest;
use crate::http::shown_text;
use crate::media::FileSystem;
use crate::root::Root;
use crate::seed::Seed;

mod asked;
pub mod config_drive;
mod credentials;
pub(crate) mod documents;
mod drives;
mod ec2;
mod guestinfo;
mod lxd;
pub mod nocloud;
pub mod none;
pub(crate) mod openstack;
mod ovf;
mod platform;
mod reach;
mod search;
mod service;
mod source;
mod vmware;

pub use asked::words;
pub use drives::Drives;
pub use platform::of_another_machine;
pub use reach::Reach;
pub use search::{ask_the_skipped, find};
pub use service::Service;
pub use source::from_source;

use asked::{asked_for, wanted};

/// The datasources in the order in which they are asked unless the image's settings name another: what is local before
/// what is on a server. [`none`] is asked only where the settings name it.
pub const DATASOURCES: &[Datasource] = &[
    config_drive::DATASOURCE,
    nocloud::DATASOURCE,
    credentials::DATASOURCE,
    ovf::DATASOURCE,
    vmware::DATASOURCE,
    lxd::DATASOURCE,
    openstack::DATASOURCE,
    ec2::DATASOURCE,
    none::DATASOURCE,
];

/// How long an expected medium is waited for, unless the image's settings say otherwise.
pub const DEFAULT_WAIT: Duration = Duration::from_secs(10);
/// How long a server is asked of which the platform is certain, unless the image's settings say otherwise.
pub const DEFAULT_MAX_WAIT: Duration = Duration::from_secs(120);

/// One place where a configuration may be.
pub struct Datasource {
    /// One of [`crate::config::base::DATASOURCES`].
    pub name: &'static str,
    /// Whether it is on a server, always.
    pub is_remote: bool,
    /// Looks once, without waiting and without the network.
    pub probe: fn(&Context) -> Probe,
    /// Fetches what is there by now; `Absent` where that is nothing. [`Error::transient`] without a `Service` says that it
    /// is on a server; with one, that the server could not be reached or has no answer yet.
    pub fetch: fn(&Context, Option<&Service>, &mut Findings) -> Result<Fetched>,
}

/// What a datasource may know.
pub struct Context<'a> {
    /// The tree that is configured. Devices are looked at only where it is the running system.
    pub root: &'a Root,
    /// What this machine is.
    pub guest: &'a Guest,
    /// The image's settings.
    pub settings: &'a Settings,
    /// What may be asked of the network.
    pub reach: Reach,
    /// The instance of which a seed was kept.
    pub kept: Option<Kept>,
    /// The drives of this machine, once they have been looked at.
    pub drives: Drives,
}

/// The instance that this disk was last configured as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its id.
    pub id: String,
    /// The datasource that it came from.
    pub datasource: String,
    /// The machine's DMI uuid at that time; `None` where that is not known.
    pub machine: Option<String>,
}

impl Context<'_> {
    /// The datasources that the settings name, in order.
    fn named(&self) -> Option<&[Located<DatasourceName>]> {
        self.settings.datasources.as_deref()
    }

    /// Whether the settings name one datasource alone, be the others built or not; besides none at all.
    fn is_certain(&self) -> bool {
        let mut platforms = self.named().into_iter().flatten().map(|name| name.0).filter(|name| *name != none::NAME);
        platforms.next().is_some_and(|first| platforms.all(|other| other == first))
    }

    /// Whether the settings name that datasource.
    fn is_named(&self, name: &str) -> bool {
        self.named().is_some_and(|names| names.iter().any(|named| named.0 == name))
    }

    /// How long an expected medium is waited for.
    fn wait(&self) -> Duration {
        self.settings.wait.unwrap_or(DEFAULT_WAIT)
    }

    /// Whether this is still the machine that was configured before, as far as the uuid of its firmware tells: one that
    /// never had any is not taken for another.
    fn is_same_machine(&self) -> bool {
        let uuid = self.guest.dmi.product_uuid.as_str();
        self.kept.as_ref().is_some_and(|kept| kept.machine.as_deref().unwrap_or_default() == uuid)
    }
}

/// Where a service is asked, without a `/` at the end: where the settings say, else at its usual addresses.
fn addresses<'a>(settings: Option<&MetadataService>, usual: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    match settings.and_then(|settings| settings.metadata_urls.as_ref()) {
        Some(urls) => urls.iter().map(|url| url.trim_end_matches('/').to_owned()).collect(),
        None => usual.into_iter().map(str::to_owned).collect(),
    }
}

/// What a look at a service that is on the network gives: `Expected` where `why` says that the platform has it,
/// `Possible` where the settings name it among others; else `Unlikely`, and it is not asked. It is `at` these addresses.
fn service_probe(context: &Context, name: &str, why: Option<String>, nothing: &str, at: &[String]) -> Probe {
    let at: Vec<String> = at.iter().map(|url| shown_text(url).trim_end_matches('/').to_owned()).collect();
    let at = at.join(" or ");
    match why {
        Some(why) => Probe { certainty: Certainty::Expected, reason: format!("{why}; it is at {at}") },
        None if context.is_named(name) && context.is_certain() => {
            let reason = format!("{nothing}; but the image's settings name it alone; it is at {at}");
            Probe { certainty: Certainty::Expected, reason }
        }
        None if context.is_named(name) => {
            let reason = format!("{nothing}; the image's settings name it among others; it is at {at}");
            Probe { certainty: Certainty::Possible, reason }
        }
        None => Probe { certainty: Certainty::Unlikely, reason: format!("{nothing}; it is not asked") },
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
    /// The settings name it among others and nothing else speaks for it: worth one question.
    Possible,
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
    /// It comes over the network, which is not up yet: a later stage asks for it.
    Awaited,
    /// It is the one of the instance that was kept, and the machine is still the same: nobody has to be asked.
    Known,
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

impl Detection {
    /// Puts these before what there is to say.
    pub fn say_first(&mut self, mut findings: Findings) {
        findings.extend(self.findings.iter().cloned());
        self.findings = findings;
    }

    /// Whether a later stage, which has the network, has to go on with the search.
    pub fn awaits_network(&self) -> bool {
        self.found.is_none() && self.tried.iter().any(|tried| tried.outcome == Outcome::Awaited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Origin;

    /// What a search in a root with these files comes to, where the settings name these datasources.
    fn search(files: &[(&str, &str)], names: Option<&[&'static str]>) -> Detection {
        let scratch = crate::scratch::Scratch::new();
        files.iter().for_each(|(path, text)| scratch.file(path, text));
        let origin = Origin::document("config.yaml");
        let datasources =
            names.map(|names| names.iter().map(|name| Located::new(DatasourceName(name), origin.clone())).collect());
        let (root, guest) = (scratch.root(), Guest::read(&scratch.root()).unwrap());
        let settings = Settings { datasources, wait: Some(Duration::from_secs(3600)), ..Settings::default() };
        let reach = Reach::Nowhere("an image asks no server");
        find(&Context { root: &root, guest: &guest, settings: &settings, reach, kept: None, drives: Drives::default() })
    }

    #[test]
    fn an_image_root_has_no_devices_and_asks_no_server_and_is_left_at_once() {
        for names in [None, Some(&["ec2", "config-drive"][..]), Some(&["config-drive"])] {
            let detection = search(&[], names);
            assert!(detection.found.is_none());
            assert_eq!(detection.tried.len(), names.map_or(DATASOURCES.len() - 1, <[_]>::len));
            assert!(detection.tried.iter().all(|tried| tried.outcome == Outcome::Absent));
            assert_eq!(detection.findings.iter().count(), 0);
        }
    }

    /// The outcomes of config drive and NoCloud alone, what is found, and what is said.
    fn tried(files: &[(&str, &str)], names: Option<&[&'static str]>) -> (Vec<Outcome>, Option<String>, Vec<String>) {
        let Detection { tried, found, findings } = search(files, names);
        let found = found.map(|fetched| fetched.seed.datasource);
        let shown = ["config-drive", "nocloud", "none"];
        let tried = tried.iter().filter(|it| shown.contains(&it.name.as_str())).map(|it| it.outcome).collect();
        (tried, found, findings.iter().map(ToString::to_string).collect())
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
    fn what_is_named_twice_is_looked_for_once() {
        let detection = search(&[CONFIG_DRIVE], Some(&["nocloud", "config-drive", "nocloud"]));
        let names: Vec<_> = detection.tried.iter().map(|tried| tried.name.as_str()).collect();
        assert_eq!(names, ["nocloud", "config-drive"]);
        let said: Vec<_> = detection.findings.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 1);
        assert!(said[0].starts_with("config.yaml: note: the datasource `nocloud` is named once more"), "{said:?}");
    }

    #[test]
    fn one_that_is_named_alone_is_told_so_and_nothing_else() {
        for names in [&["ec2"][..], &["ec2", "none"], &["ec2", "ec2"]] {
            let reason = search(&[], Some(names)).tried.swap_remove(0).reason;
            assert!(reason.contains("name it alone") && !reason.contains("among others"), "{reason}");
        }
        let reason = search(&[], Some(&["ec2", "nocloud"])).tried.swap_remove(0).reason;
        assert!(reason.contains("among others") && !reason.contains("alone"), "{reason}");
    }

    #[test]
    fn what_is_built_has_a_name_of_the_settings() {
        let built: Vec<&str> = DATASOURCES.iter().map(|datasource| datasource.name).collect();
        assert_eq!(built, crate::config::base::DATASOURCES);
    }

    #[test]
    fn what_asks_for_a_datasource_is_told_without_its_secrets() {
        let scratch = crate::scratch::Scratch::new();
        scratch.file("/proc/cmdline", "ro ds=ec2;url=http://ops:hunter2@192.0.2.1/?token=t0p");
        let guest = Guest::read(&scratch.root()).unwrap();
        let why = asked_for(&guest, &["ec2"]).unwrap();
        assert_eq!(why, "the kernel's command line says `ds=ec2;url=http://redacted@192.0.2.1/?...`");
    }
}
