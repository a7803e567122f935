// SPDX-License-Identifier: Apache-2.0
//! OVF: the properties that a virtual machine is given when it is deployed by vSphere or vCloud Director; in a `guestinfo`
//! variable, on a disc, or in a directory of the image.
//!
//! As cloud-init's `DataSourceOVF`, with its order. There what has no name of its own is lost; here it is in `meta`.

use std::path::Path;

use serde_json::json;

use crate::compression::{gunzip, is_gzip};
use crate::datasource::documents::{DOCUMENT_LIMIT, FILE_LIMIT, by_firmware, dispensable};
use crate::datasource::drives::{self, NOT_LIVE};
use crate::datasource::guestinfo::{Guestinfo, Variable, name};
use crate::datasource::nocloud::{self, Reader};
use crate::datasource::{Certainty, Context, Datasource, Drive, Fetched, Probe, Service, asked_for, platform};
use crate::encoding::base64;
use crate::error::{Error, Result};
use crate::finding::{Findings, Located};
use crate::instance::nocloud as meta_data;
use crate::instance::nocloud::ovf::{Property, properties};
use crate::media::device::{Kind, Labelled};
use crate::media::{self, Directory, FileSystem, Medium};
use crate::root::Tree as _;
use crate::seed::{Document, MetaFormat, NetworkFormat, Seed};

/// See the file's head.
pub const DATASOURCE: Datasource = Datasource { name: NAME, is_remote: false, probe, fetch };

/// The datasource's name.
pub const NAME: &str = "ovf";

/// Where an image's builder may leave the environment; cloud-init's place.
const DIRECTORY: &str = "/var/lib/cloud/seed/ovf";
/// The variable that has it.
const VARIABLE: &str = "ovfEnv";
/// As a disc has it: this, or with an underscore, in any case.
const FILE: &str = "ovf-env.xml";
/// Labels of a disc, likewise, and with a hyphen for a space.
const LABELS: [&str; 4] = ["ovf-env", "ovfenv", "ovf-transport", "ovf-environment"];
/// Labels of discs that hold something else, as far as one may be there beside it.
const OTHERS: [&str; 2] = ["config-2", "cidata"];

/// An environment that was found.
struct Environment {
    document: Document,
    place: String,
    drive: Option<Drive>,
}

fn probe(context: &Context) -> Probe {
    let word = asked_for(context.guest, &[NAME]);
    let reason = match find(context, &mut Findings::default()) {
        Ok(Environment { document, place, .. }) => {
            // Whoever deploys from a template gets an environment, be it for somebody else.
            let is_for_us = properties(&document).map_or(true, |found| found.iter().any(Property::has_a_meaning));
            let certainty = match (&word, is_for_us) {
                (Some(_), _) => Certainty::Asked,
                (None, true) => Certainty::Here,
                (None, false) => Certainty::Fallback,
            };
            return Probe { certainty, reason: place };
        }
        Err(error) if error.is_absent() => error.without_advice(),
        // What is wrong with it is said when it is fetched.
        Err(error) => return Probe { certainty: Certainty::Here, reason: error.without_advice() },
    };
    match word.filter(|_| context.root.is_machine()) {
        Some(word) => Probe { certainty: Certainty::Expected, reason: format!("{reason}, but {word}") },
        None => Probe { certainty: Certainty::Unlikely, reason },
    }
}

fn fetch(context: &Context, service: Option<&Service>, findings: &mut Findings) -> Result<Fetched> {
    let Environment { document, place, drive } = find(context, findings)?;
    let reader = Reader { root: context.root, dmi: &context.guest.dmi, service };
    let mut seed = seed(document, place, &reader, findings)?;
    seed.more_meta_data.extend(by_firmware(context.guest));
    Ok(Fetched { seed, drive })
}

/// # Errors
/// Absent: there is none. Else it is there and can't be read.
fn find(context: &Context, findings: &mut Findings) -> Result<Environment> {
    let found = |document, place: &str| Environment { document, place: place.to_owned(), drive: None };
    if context.root.exists(Path::new(DIRECTORY)) {
        let medium = Directory::open(&context.root.outside(Path::new(DIRECTORY))?)?;
        if let Some(document) = read_file(&medium)? {
            return Ok(found(document, DIRECTORY));
        }
    }
    // A machine without the tools may have the disc.
    let variable = Guestinfo::of(context, false).and_then(|guestinfo| guestinfo.get(VARIABLE));
    let without = match variable {
        Ok(Some(Variable::Document(bytes))) => {
            let title = name(VARIABLE);
            return Ok(found(Document::new(title.as_str(), bytes), &title));
        }
        Ok(_) => format!("{} is not set", name(VARIABLE)),
        Err(error) => error.without_advice(),
    };
    let read = |medium: &dyn Medium, place: &str, _: &mut Findings| {
        read_file(medium)?.ok_or_else(|| Error::malformed(format!("{place} has no {FILE}")))
    };
    let discs = discs(context);
    if discs.is_empty() {
        let no_disc = if context.root.is_machine() { "no disc has an OVF environment" } else { NOT_LIVE };
        return Err(Error::absent(format!("{no_disc}; {without}")));
    }
    let (document, drive) = drives::first_readable(&discs, "disc with an OVF environment", findings, read)?;
    let place = discs.iter().find(|it| it.device.path == drive.device).map(drives::place);
    Ok(Environment { document, place: place.unwrap_or_default(), drive: Some(drive) })
}

/// In small letters, with hyphens.
fn plain(name: &str) -> String {
    name.to_ascii_lowercase().replace(['_', ' '], "-")
}

/// Discs that are labelled for it; and where the firmware names VMware, those of any label that have the file.
fn discs(context: &Context) -> Vec<Labelled> {
    let labelled = context.drives(|label| LABELS.contains(&plain(label).as_str()));
    if !labelled.is_empty() || platform::vmware(context.guest).is_none() {
        return labelled;
    }
    let mut others = context.drives(|label| !OTHERS.contains(&plain(label).as_str()));
    others.retain(|drive| {
        let is_disc = drive.device.kind == Kind::Optical && drive.file_system == FileSystem::Iso9660;
        is_disc && media::open(&drive.device.path).is_ok_and(|image| image.is_some_and(|image| is_on(&image)))
    });
    others
}

/// The file's name on that medium.
fn file(medium: &dyn Medium) -> Result<Option<String>> {
    Ok(medium.list("")?.into_iter().find(|name| plain(name) == FILE))
}

fn read_file(medium: &dyn Medium) -> Result<Option<Document>> {
    let Some(name) = file(medium)? else { return Ok(None) };
    Ok(medium.read(&name, DOCUMENT_LIMIT)?.map(|bytes| Document::new(name, bytes)))
}

/// Whether a medium that a person names has an OVF environment.
pub(super) fn is_on(medium: &dyn Medium) -> bool {
    file(medium).is_ok_and(|file| file.is_some())
}

/// The seed on a medium that a person names.
pub(super) fn read(medium: &dyn Medium, place: &str, reader: &Reader, findings: &mut Findings) -> Result<Seed> {
    let document = read_file(medium)?.ok_or_else(|| Error::absent(format!("{place} has no {FILE}")))?;
    seed(document, place.to_owned(), reader, findings)
}

/// What the environment asks for.
///
/// # Errors
/// Absent: it says that it is not to be used. Malformed: it can't be read, or there is no seed where its `seedfrom` says.
/// Transient: that is on a server.
fn seed(document: Document, place: String, reader: &Reader, findings: &mut Findings) -> Result<Seed> {
    let found = properties(&document).map_err(|error| error.while_doing(&place))?;
    let property = |key: &str| found.iter().find(|it| it.key == key && !it.value.trim().is_empty());
    if property("dsmode").is_some_and(|mode| mode.value.trim() == "disabled") {
        return Err(Error::absent(format!("{place}: its `dsmode` is `disabled`")));
    }
    let from = property("seedfrom").map(|from| Located::new(from.value.trim().to_owned(), from.origin.clone()));
    let mut part = |key: &str, limit: u64| {
        let title = format!("{key} in {}", document.name);
        dispensable(&title, property(key).map(|it| unpacked(&it.value, limit)).transpose(), findings)
    };
    let user_data = part("user-data", FILE_LIMIT);
    let network = part("network-config", DOCUMENT_LIMIT).map(|document| (NetworkFormat::NetworkConfig, document));
    // As there: that of the default user, below all that the user-data says.
    let password = property("password").map(|password| {
        let config = format!("#cloud-config\n{}\n", json!({ "password": password.value }));
        Document::new(format!("password in {}", document.name), config)
    });
    meta_data::parse(&document, &mut Findings::default())?;
    let seed = Seed {
        datasource: NAME.to_owned(),
        place,
        meta_format: MetaFormat::NoCloud,
        meta_data: document,
        more_meta_data: Vec::new(),
        network,
        user_data,
        vendor_data: password.into_iter().collect(),
        content: Default::default(),
    };
    match from {
        Some(from) => nocloud::followed(seed, &from, reader, findings),
        None => Ok(seed),
    }
}

/// A document in a property: in base64, as it should be, or as it is; compressed or not.
fn unpacked(value: &str, limit: u64) -> Result<Vec<u8>> {
    let bytes = base64(value.as_bytes()).unwrap_or_else(|| value.as_bytes().to_vec());
    if is_gzip(&bytes) { gunzip(&bytes, limit) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::base::Settings;
    use crate::datasource::{Drives, Reach};
    use crate::guest::Guest;
    use crate::instance::Instance;
    use crate::scratch::Scratch;

    fn environment(properties: &[(&str, &str)]) -> String {
        let line = |(key, value): &(&str, &str)| format!("<Property oe:key=\"{key}\" oe:value=\"{value}\"/>\n");
        let lines: String = properties.iter().map(line).collect();
        format!(
            "<?xml version=\"1.0\"?>\n<Environment xmlns:oe=\"http://schemas.dmtf.org/ovf/environment/1\">\n<PropertySection>\n{lines}</PropertySection></Environment>"
        )
    }

    /// What an image with this environment is looked at as, what it gives, and what is said.
    fn seek(environment: Option<&str>) -> (Probe, Result<Seed>, Vec<String>) {
        let scratch = Scratch::new();
        if let Some(environment) = environment {
            scratch.file(&format!("{DIRECTORY}/OVF_ENV.XML"), environment);
        }
        for (name, text) in [
            ("meta-data", "instance-id: i-7\nhostname: other"),
            ("user-data", "#!/bin/sh\n"),
            ("vendor-data", "#!/bin/v\n"),
        ] {
            scratch.file(&format!("/srv/seed/{name}"), text);
        }
        scratch.file("/sys/class/dmi/id/product_uuid", "4237B3C0-0000-4000-8000-00000000000A\n");
        let (root, settings) = (scratch.root(), Settings::default());
        let guest = Guest::read(&root).unwrap();
        let (reach, drives) = (Reach::Nowhere("an image asks no server"), Drives::default());
        let context = Context { root: &root, guest: &guest, settings: &settings, reach, kept: None, drives };
        let mut findings = Findings::default();
        let seed = fetch(&context, None, &mut findings).map(|fetched| fetched.seed);
        (probe(&context), seed, findings.iter().map(ToString::to_string).collect())
    }

    fn instance(seed: &Seed) -> Instance {
        Instance::from_seed(seed, &mut Findings::default()).unwrap()
    }

    fn texts<'a>(documents: impl IntoIterator<Item = &'a Document>) -> Vec<&'a str> {
        documents.into_iter().map(|document| std::str::from_utf8(&document.bytes).unwrap()).collect()
    }

    #[test]
    fn properties_are_a_seed() {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDlZrvrghHGLBOqnwHms/gi1daP5AElq0hZC0etyIHr0 me";
        let (probe, seed, findings) = seek(Some(&environment(&[
            ("instance-id", "i-1"),
            ("hostname", "web"),
            ("public-keys", key),
            ("user-data", "IyEvYmlu L3NoCg=="),
            ("network-config", "bmV0d29yazoge3ZlcnNpb246IDJ9Cg=="),
            ("password", "it&apos;s &quot;me&quot;"),
            ("edgeproxy", "172.24.4.1"),
        ])));
        let seed = seed.unwrap();
        assert_eq!((findings.as_slice(), probe.certainty), (&[][..], Certainty::Here));
        let who = instance(&seed);
        assert_eq!((who.id.as_str(), who.hostname.unwrap().as_str()), ("i-1", "web"));
        assert_eq!((who.public_keys[0].as_str(), who.properties["edgeproxy"].as_str()), (key, "172.24.4.1"));
        assert_eq!(texts(&seed.user_data), ["#!/bin/sh\n"]);
        assert_eq!(texts(&seed.vendor_data), ["#cloud-config\n{\"password\":\"it's \\\"me\\\"\"}\n"]);
        assert_eq!(texts(seed.network.iter().map(|(_, document)| document)), ["network: {version: 2}\n"]);
    }

    #[test]
    fn a_template_s_own_properties_do_where_nobody_else_says_anything() {
        let (probe, seed, _) =
            seek(Some(&environment(&[("guestinfo.role", "db"), ("password", ""), ("hostname", " ")])));
        let seed = seed.unwrap();
        assert_eq!(probe.certainty, Certainty::Fallback);
        let who = instance(&seed);
        assert_eq!(
            (who.id.as_str(), who.properties["guestinfo.role"].as_str()),
            ("4237b3c0-0000-4000-8000-00000000000a", "db")
        );
        assert!(seed.user_data.is_none() && seed.vendor_data.is_empty() && who.hostname.is_none());
    }

    #[test]
    fn user_data_may_be_plain_and_the_environment_may_say_that_it_is_none() {
        let (_, seed, findings) = seek(Some(&environment(&[("user-data", "#!/bin/sh&#10;id&#10;")])));
        assert_eq!((texts(&seed.unwrap().user_data), findings.len()), (vec!["#!/bin/sh\nid\n"], 0));
        let (_, seed, _) = seek(Some(&environment(&[("dsmode", "disabled")])));
        assert!(seed.unwrap_err().is_absent());
    }

    #[test]
    fn what_seedfrom_names_is_added() {
        let properties = |from| [("hostname", "web"), ("user-data", "own"), ("password", "p"), ("seedfrom", from)];
        let (_, seed, findings) = seek(Some(&environment(&properties("/srv/seed/"))));
        let seed = seed.unwrap();
        assert_eq!(findings, [""; 0]);
        let who = instance(&seed);
        assert_eq!((who.id.as_str(), who.hostname.unwrap().as_str()), ("i-7", "web"), "of a key the first counts");
        assert_eq!(texts(&seed.user_data), ["#!/bin/sh\n"], "of the rest the last");
        assert_eq!(texts(&seed.vendor_data), ["#cloud-config\n{\"password\":\"p\"}\n", "#!/bin/v\n"]);
        assert!(seed.place.ends_with(" and /srv/seed/"), "{}", seed.place);
        // On a server: that is asked when there is a way to it.
        assert!(seek(Some(&environment(&properties("http://192.0.2.1/")))).1.unwrap_err().is_transient());
        let nothing = seek(Some(&environment(&properties("/srv/none/")))).1.unwrap_err();
        assert!(!nothing.is_transient() && !nothing.is_absent(), "{nothing}");
    }

    #[test]
    fn what_is_there_and_broken_is_not_passed_over() {
        let (probe, seed, _) = seek(Some("<Environment>"));
        assert_eq!(probe.certainty, Certainty::Here);
        let error = seed.unwrap_err();
        assert!(error.to_string().contains("OVF_ENV.XML:1:14: the document is cut off"), "{error}");
        assert!(!error.is_absent());
        let (probe, seed, _) = seek(None);
        assert!(probe.certainty == Certainty::Unlikely && seed.unwrap_err().is_absent());
    }
}
