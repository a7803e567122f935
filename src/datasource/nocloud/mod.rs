// SPDX-License-Identifier: Apache-2.0
//! NoCloud: a seed of a few files, on a medium labelled `cidata`, in a directory of the image, or in its settings; and a
//! few words on the kernel's command line or in the firmware's serial number.
//!
//! As cloud-init's `DataSourceNoCloud` with its order: of meta-data the first place that has a key counts, of the other
//! documents the last place that has one. What `seedfrom` leaves out stays, which there is lost.

use std::path::Path;

use crate::config::base::NoCloud;
use crate::config::types::OrFalse;
use crate::datasource::documents::says_something;
use crate::datasource::drives::{self, NOT_LIVE};
use crate::datasource::{Certainty, Context, Datasource, Fetched, Probe, Service, asked_for};
use crate::error::{Error, Result};
use crate::finding::{Finding, Findings, Located, Origin, Severity};
use crate::guest::Guest;
use crate::instance::nocloud::{self, NAME, line};
use crate::instance::without_secrets;
use crate::media::device::Labelled;
use crate::media::{Directory, Medium};
use crate::root::{Root, Tree as _};
use crate::seed::{Document, NetworkFormat, Seed};
use crate::state;

mod gathered;
mod seedfrom;
mod tree;

pub use seedfrom::{Reader, check as check_seedfrom};

use gathered::Gathered;

/// See the file's head.
pub const DATASOURCE: Datasource = Datasource { name: NAME, is_remote: false, probe, fetch };

/// Where an image's builder may leave a seed: our place, then cloud-init's. The first that has one counts.
pub const DIRECTORIES: [&str; 3] =
    [state::IMAGE_SEED, "/var/lib/cloud/seed/nocloud", "/var/lib/cloud/seed/nocloud-net"];

const LABEL: &str = "cidata";
const SERIAL: &str = "/sys/class/dmi/id/product_serial";
const COMMAND_LINE: &str = "/proc/cmdline";

/// The label of a medium; `None` where the settings want none looked at.
fn label<'a>(context: &'a Context) -> Option<&'a str> {
    match context.settings.nocloud.as_ref().and_then(|settings| settings.fs_label.as_ref()) {
        None => Some(LABEL),
        Some(OrFalse(label)) => label.as_deref(),
    }
}

fn drives(context: &Context) -> Vec<Labelled> {
    let label = label(context);
    context.drives(|there| label.is_some_and(|label| there.eq_ignore_ascii_case(label)))
}

fn directory(root: &Root) -> Option<&'static str> {
    let holds = |directory: &str, name: &str| root.exists(&Path::new(directory).join(name));
    DIRECTORIES.into_iter().find(|directory| ["meta-data", "user-data"].iter().any(|name| holds(directory, name)))
}

/// What the firmware and the kernel's command line say, the more important first.
fn lines(guest: &Guest) -> Vec<Document> {
    let places = [(SERIAL, &guest.dmi.product_serial), (COMMAND_LINE, &guest.command_line)];
    places.into_iter().filter_map(|(name, text)| Some(Document::new(name, line::find(text)?))).collect()
}

fn probe(context: &Context) -> Probe {
    let lines = lines(context.guest);
    let is_asked_for = !lines.is_empty() || asked_for(context.guest, &["nocloud", "nocloudnet"]).is_some();
    let named = || Some(format!("a seed at {}", named(context.settings.nocloud.as_ref(), &lines)?));
    let here = directory(context.root)
        .map(|directory| format!("the directory {directory}"))
        .or_else(|| context.settings.nocloud.as_ref().is_some_and(is_inline).then(|| "the image's settings".to_owned()))
        .or_else(|| drives(context).first().map(drives::place))
        .or_else(named);
    if let Some(reason) = here {
        return Probe { certainty: if is_asked_for { Certainty::Asked } else { Certainty::Here }, reason };
    }
    let device = match label(context) {
        _ if !context.root.is_machine() => NOT_LIVE.to_owned(),
        Some(label) => format!("no device is labelled {label}"),
        None => "the image's settings want no device looked at".to_owned(),
    };
    let nothing = format!("no seed in {}; {device}", DIRECTORIES.join(", "));
    let says =
        |line: &Document| format!("{} says `{}`", line.name, without_secrets(&String::from_utf8_lossy(&line.bytes)));
    match lines.first().map(says).or_else(|| asked_for(context.guest, &["nocloud", "nocloudnet"])) {
        Some(who) => Probe { certainty: Certainty::Expected, reason: format!("{nothing}; but {who}") },
        None => Probe {
            certainty: Certainty::Unlikely,
            reason: format!(
                "{nothing}; and neither the kernel's command line nor the firmware's serial number asks for it"
            ),
        },
    }
}

/// Whether a whole seed stands in the settings: what cloud-init asks for.
fn is_inline(settings: &NoCloud) -> bool {
    settings.meta_data.is_some() && settings.user_data.is_some()
}

/// Where the rest of the seed is, as far as that is known without reading it.
fn named(settings: Option<&NoCloud>, lines: &[Document]) -> Option<String> {
    let by_settings = settings.and_then(|settings| settings.seedfrom.as_ref()).map(|from| from.value.clone());
    let by_line = || {
        let meta = nocloud::merged(lines, &mut Findings::default()).ok()?;
        Some(nocloud::text(&meta, "seedfrom", &mut Findings::default())?.value)
    };
    by_settings.or_else(by_line).map(|from| seedfrom::shown(&from))
}

fn fetch(context: &Context, service: Option<&Service>, findings: &mut Findings) -> Result<Fetched> {
    let mut gathered = Gathered::default();
    for line in lines(context.guest) {
        gathered.line(line);
    }
    // What can't be read gives way to the other places, as there.
    let mut unusable = Vec::new();
    if let Some(directory) = directory(context.root) {
        let outside = context.root.outside(Path::new(directory))?;
        match Directory::open(&outside).and_then(|medium| tree::usable(&medium, directory, findings)) {
            Ok(documents) => gathered.add(documents, directory.to_owned()),
            Err(error) => unusable.push(error),
        }
    }
    if let Some(settings) = context.settings.nocloud.as_ref() {
        gathered.settings(settings, findings);
    }
    let found = drives(context);
    match drives::first_readable(&found, "NoCloud seed", findings, tree::usable) {
        Ok((documents, drive)) => {
            let place = found.iter().find(|it| it.device.path == drive.device).map(drives::place);
            gathered.add(documents, place.unwrap_or_default());
            gathered.drive = Some(drive);
        }
        Err(error) if !error.is_absent() => unusable.push(error),
        Err(_) => {}
    }
    let settled = context.settings.nocloud.as_ref().and_then(|settings| settings.seedfrom.as_ref());
    gathered.follow(settled, &Reader { root: context.root, dmi: &context.guest.dmi, service }, findings)?;
    if gathered.places.is_empty() && !unusable.is_empty() {
        return Err(unusable.swap_remove(0));
    }
    let said = unusable.iter().map(|error| error.finding(&Origin::document(NAME)));
    findings.extend(said.map(|finding| Finding { severity: Severity::Warning, ..finding }));
    let drive = gathered.drive.take();
    let within = match label(context) {
        _ if !context.root.is_machine() => NOT_LIVE.to_owned(),
        Some(label) => format!("no device labelled {label} within {:?}", context.wait()),
        None => "no seed".to_owned(),
    };
    Ok(Fetched { seed: gathered.seed(findings)?.ok_or_else(|| Error::absent(within))?, drive })
}

/// Whether a medium that a person names is a NoCloud seed, or was meant to be one.
pub fn is_on(medium: &dyn Medium) -> bool {
    tree::is_there(medium)
}

/// The seed on a medium that a person names.
pub fn read(medium: &dyn Medium, place: &str, reader: &Reader, findings: &mut Findings) -> Result<Seed> {
    let mut gathered = Gathered::default();
    gathered.add(tree::read(medium, place, findings)?, place.to_owned());
    gathered.follow(None, reader, findings)?;
    gathered.seed(findings)?.ok_or_else(|| Error::absent(format!("{place} has no seed")))
}

/// The seed on a server that a person names, as `seedfrom` would.
pub fn served(url: &Located<String>, reader: &Reader, findings: &mut Findings) -> Result<Seed> {
    let mut gathered = Gathered::default();
    gathered.follow(Some(url), reader, findings)?;
    gathered.seed(findings)?.ok_or_else(|| Error::absent(format!("no seed at {}", seedfrom::shown(url))))
}

/// The seed of another datasource together with what its `seedfrom` names, by the rule of this one: of meta-data what came
/// first counts, of the other documents what comes last; vendor-data are one over the other.
pub fn followed(seed: Seed, from: &Located<String>, reader: &Reader, findings: &mut Findings) -> Result<Seed> {
    let (documents, place) = reader.read(from, findings)?;
    let network = documents.network.filter(says_something).map(|document| (NetworkFormat::NetworkConfig, document));
    let vendor_data = documents.vendor_data.filter(says_something);
    let user_data = documents.user_data.or(seed.user_data);
    Ok(Seed {
        place: format!("{} and {place}", seed.place),
        more_meta_data: seed.more_meta_data.into_iter().chain(documents.meta_data).collect(),
        network: network.or(seed.network),
        user_data: user_data.filter(|document| !document.bytes.is_empty()),
        vendor_data: seed.vendor_data.into_iter().chain(vendor_data).collect(),
        ..seed
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::base::{Settings, settle};
    use crate::datasource::{Drives, Reach};
    use crate::instance::Instance;
    use crate::scratch::Scratch;
    use crate::seed::NetworkFormat;

    /// What a root with these files is looked at as, and what it gives.
    fn seek(files: &[(&str, &str)]) -> (Probe, Result<Seed>, Vec<String>) {
        let scratch = Scratch::new();
        files.iter().for_each(|(path, text)| scratch.file(path, text));
        let (root, guest) = (scratch.root(), Guest::read(&scratch.root()).unwrap());
        let mut findings = Findings::default();
        let settings =
            files.iter().find(|(path, _)| *path == "settings").map(|(path, text)| Document::new(*path, *text));
        let settings = settle(settings.as_slice(), None, &mut findings).0;
        let settings = Settings { wait: Some(Duration::from_secs(3600)), ..settings };
        let reach = Reach::Nowhere("an image asks no server");
        let drives = Drives::default();
        let context = Context { root: &root, guest: &guest, settings: &settings, reach, kept: None, drives };
        let seed = fetch(&context, None, &mut findings).map(|fetched| fetched.seed);
        (probe(&context), seed, findings.iter().map(ToString::to_string).collect())
    }

    fn instance(seed: &Seed) -> Instance {
        Instance::from_seed(seed, &mut Findings::default()).unwrap()
    }

    fn text(document: Option<&Document>) -> &str {
        document.map_or("", |document| std::str::from_utf8(&document.bytes).unwrap())
    }

    const META: (&str, &str) = ("/var/lib/cloud/seed/nocloud/meta-data", "instance-id: i-1\nlocal-hostname: disk\n");
    const USER: (&str, &str) = ("/var/lib/cloud/seed/nocloud/user-data", "#!/bin/sh\n");
    const NETWORK: (&str, &str) = ("/var/lib/cloud/seed/nocloud/network-config", "version: 2\n");

    #[test]
    fn of_meta_data_the_first_place_counts_and_of_the_rest_the_last() {
        let settings = (
            "settings",
            "datasource: {NoCloud: {meta-data: {instance-id: i-2, rack: r7}, user-data: '#!/bin/bash', vendor-data: '#!/bin/v'}}",
        );
        let serial = (SERIAL, "ds=nocloud;i=i-0");
        let line = (COMMAND_LINE, "ro ds=nocloud;h=line;i=i-9");
        let (probe, seed, findings) = seek(&[META, USER, NETWORK, settings, serial, line]);
        let seed = seed.unwrap();
        assert_eq!(findings, [""; 0]);
        assert_eq!(
            (probe.certainty, probe.reason.as_str()),
            (Certainty::Asked, "the directory /var/lib/cloud/seed/nocloud")
        );
        let who = instance(&seed);
        assert_eq!((who.id.as_str(), who.hostname.unwrap().as_str()), ("i-0", "line"));
        assert_eq!((text(seed.user_data.as_ref()), text(seed.vendor_data.first())), ("#!/bin/bash", "#!/bin/v"));
        assert_eq!(text(seed.network.as_ref().map(|(_, document)| document)), "version: 2\n");
        let places = format!("/var/lib/cloud/seed/nocloud and the image's settings and {SERIAL} and {COMMAND_LINE}");
        assert_eq!(seed.place, places);
    }

    #[test]
    fn a_seed_names_another_that_fills_its_gaps() {
        let from = [
            ("/srv/seed/meta-data", "instance-id: i-7\nlocal-hostname: far\n"),
            ("/srv/seed/user-data", "#!/bin/far\n"),
        ];
        for asks in ["seedfrom: file:///srv/seed/", "seedfrom: /srv/seed", "seedfrom: 'file:///srv/seed/%s'"] {
            let meta = (META.0, format!("local-hostname: near\n{asks}\n"));
            let (_, seed, findings) = seek(&[(meta.0, &meta.1), USER, NETWORK, from[0], from[1]]);
            let seed = seed.unwrap();
            let who = instance(&seed);
            assert_eq!(findings, [""; 0]);
            assert_eq!((who.id.as_str(), who.hostname.unwrap().as_str()), ("i-7", "near"));
            assert_eq!(text(seed.user_data.as_ref()), "#!/bin/far\n");
            assert!(seed.network.is_some(), "what it does not have stays");
        }
        for line in
            [(COMMAND_LINE, "ds=nocloud;s=/srv/seed/"), ("settings", "firstlight: {nocloud: {seedfrom: /srv/seed}}")]
        {
            let (probe, seed, _) = seek(&[line, from[0], from[1]]);
            assert!(probe.certainty >= Certainty::Here && probe.reason.starts_with("a seed at /srv/seed"), "{probe:?}");
            assert_eq!(instance(&seed.unwrap()).id.value, "i-7");
        }
    }

    #[test]
    fn a_seed_that_cannot_be_had_is_said() {
        for (from, expected) in [
            ("http://ops:hunter2@192.0.2.1/?t=hunter2", "the seed at http://192.0.2.1/?... is on a server"),
            ("ftp://ops:hunter2@192.0.2.1/", "`seedfrom`: `ftp:` URLs are not supported\n"),
            ("file:///srv/seed/", "the seed at file:///srv/seed/: cannot open "),
            ("hunter2@srv/seed", "`seedfrom` names neither a directory nor a server\n"),
        ] {
            let line = format!("ds=nocloud;s={from}");
            let (probe, seed, _) = seek(&[(COMMAND_LINE, &line)]);
            let error = seed.unwrap_err();
            assert!(error.to_string().starts_with(expected) && !error.is_absent(), "{error}");
            assert_eq!(probe.certainty, Certainty::Asked);
            assert!(!probe.reason.contains("hunter2"));
        }
    }

    #[test]
    fn a_line_alone_is_an_instance_where_it_says_who() {
        let (probe, seed, _) = seek(&[(SERIAL, "ds=nocloud;i=i-1;h=web")]);
        assert_eq!(probe.certainty, Certainty::Expected);
        let seed = seed.unwrap();
        assert_eq!((instance(&seed).id.as_str(), seed.place.as_str()), ("i-1", SERIAL));
        let (probe, seed, _) = seek(&[(COMMAND_LINE, "ds=nocloud")]);
        assert!(probe.reason.ends_with("but /proc/cmdline says `ds=nocloud`"), "{}", probe.reason);
        assert!(probe.certainty == Certainty::Expected && seed.unwrap_err().is_absent());
        let (probe, seed, _) = seek(&[]);
        assert!(probe.certainty == Certainty::Unlikely && seed.unwrap_err().is_absent());
    }

    #[test]
    fn half_a_seed_is_none() {
        let (probe, seed, _) = seek(&[META]);
        assert_eq!(probe.certainty, Certainty::Here);
        let error = seed.unwrap_err().to_string();
        assert!(error.starts_with("/var/lib/cloud/seed/nocloud has no `user-data`\n"), "{error}");
        let whole = [("/srv/s/meta-data", "instance-id: i-7"), ("/srv/s/user-data", "")];
        let (_, seed, findings) = seek(&[META, (COMMAND_LINE, "ds=nocloud;s=/srv/s/"), whole[0], whole[1]]);
        assert_eq!(instance(&seed.unwrap()).id.value, "i-7");
        assert!(
            findings[0].starts_with("nocloud: warning: /var/lib/cloud/seed/nocloud has no `user-data`"),
            "{findings:?}"
        );
        let (_, seed, findings) = seek(&[("settings", "firstlight: {nocloud: {user_data: x}}")]);
        assert!(seed.unwrap_err().is_absent());
        assert!(findings[0].contains("one alone is left out"), "{findings:?}");
        let (_, seed, _) = seek(&[(META.0, "dsmode: disabled"), USER]);
        assert!(seed.unwrap_err().is_absent());
    }

    #[test]
    fn the_network_may_stand_in_the_meta_data() {
        let meta = (META.0, "instance-id: i\nnetwork-interfaces: |\n  auto eth0\n  iface eth0 inet dhcp\n");
        let (_, seed, _) = seek(&[meta, USER]);
        let (format, document) = seed.unwrap().network.unwrap();
        assert_eq!((format, text(Some(&document))), (NetworkFormat::Interfaces, "auto eth0\niface eth0 inet dhcp\n"));
        let (_, seed, _) = seek(&[meta, USER, NETWORK]);
        assert_eq!(seed.unwrap().network.unwrap().0, NetworkFormat::NetworkConfig);
    }
}
