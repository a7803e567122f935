// SPDX-License-Identifier: Apache-2.0
//! The config drive: a disc or disk labelled `config-2` that OpenStack attaches to a guest.
//!
//! Of two drives the first in the order of `media::device` is taken; one
//! that cannot be read gives way to the next.

use std::path::Path;

use crate::datasource::documents::instance_id;
use crate::datasource::drives::{self, NOT_LIVE};
use crate::datasource::openstack::tree;
use crate::datasource::{Certainty, Context, Datasource, Fetched, Probe, Service, asked_for, platform};
use crate::error::{Error, Result};
use crate::finding::Findings;
use crate::guest::Guest;
use crate::media::device::Labelled;
use crate::media::{Directory, Medium};
use crate::root::Tree as _;
use crate::seed::Seed;

/// See the file's head.
pub const DATASOURCE: Datasource = Datasource { name: NAME, is_remote: false, probe, fetch };

const NAME: &str = "config-drive";
const LABELS: [&str; 2] = ["config-2", "CONFIG-2"];
/// Where an image's builder may leave the tree of a drive; cloud-init's places.
pub const DIRECTORIES: [&str; 2] = ["/config-drive", "/var/lib/cloud/seed/config_drive"];

fn drives(context: &Context) -> Vec<Labelled> {
    context.drives(|label| LABELS.contains(&label))
}

/// The tree that the image itself holds.
fn directory(context: &Context) -> Option<&'static str> {
    DIRECTORIES.into_iter().find(|directory| context.root.exists(&Path::new(directory).join("openstack")))
}

fn probe(context: &Context) -> Probe {
    let here = directory(context).map(|directory| format!("the directory {directory}"));
    if let Some(reason) = here.or_else(|| drives(context).first().map(drives::place)) {
        let is_asked_for = asked_for(context.guest, &["configdrive"]).is_some();
        return Probe { certainty: if is_asked_for { Certainty::Asked } else { Certainty::Here }, reason };
    }
    let nothing = "no device is labelled config-2";
    match expected(context.guest) {
        _ if !context.root.is_machine() => Probe { certainty: Certainty::Unlikely, reason: NOT_LIVE.to_owned() },
        Some(why) => Probe { certainty: Certainty::Expected, reason: format!("{nothing}, but {why}") },
        None => {
            Probe { certainty: Certainty::Unlikely, reason: format!("{nothing}, and nothing says that one is to come") }
        }
    }
}

/// What says that a drive is to come.
fn expected(guest: &Guest) -> Option<String> {
    if let Some(who) = asked_for(guest, &["configdrive"]) {
        return Some(who);
    }
    platform::openstack(guest)
}

fn fetch(context: &Context, _: Option<&Service>, findings: &mut Findings) -> Result<Fetched> {
    if let Some(directory) = directory(context) {
        let medium = Directory::open(&context.root.outside(Path::new(directory))?)?;
        return Ok(Fetched { seed: usable(&medium, directory, context.guest, findings)?, drive: None });
    }
    if !context.root.is_machine() {
        return Err(Error::absent(NOT_LIVE));
    }
    let found = drives(context);
    if found.is_empty() {
        return Err(Error::absent(format!("no device labelled config-2 within {:?}", context.wait())));
    }
    first_readable(&found, context.guest, findings)
}

fn first_readable(drives: &[Labelled], guest: &Guest, findings: &mut Findings) -> Result<Fetched> {
    let read = |medium: &dyn Medium, place: &str, findings: &mut Findings| usable(medium, place, guest, findings);
    let (seed, drive) = drives::first_readable(drives, "config drive", findings, read)?;
    Ok(Fetched { seed, drive: Some(drive) })
}

/// Reads the tree of a config drive; see [`tree::read`].
pub fn read(medium: &dyn Medium, place: &str, findings: &mut Findings) -> Result<Seed> {
    tree::read(medium, NAME, place, true, findings)
}

/// The seed, if it says which instance this is.
fn usable(medium: &dyn Medium, place: &str, guest: &Guest, findings: &mut Findings) -> Result<Seed> {
    let seed = read(medium, place, findings)?;
    let id = instance_id(&seed)?;
    let help =
        "a disk or drive that was copied from another machine? Detach the drive, and the metadata service is asked";
    findings.extend(platform::of_another_machine(&id, place, guest).map(|finding| finding.help(help)));
    Ok(seed)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::finding::{Finding, Severity};
    use crate::media::device::{self, Device, Kind};
    use crate::media::fixtures::{JOLIET_ISO, NOVA_ISO, Scratch, VFAT};
    use crate::root::Root;
    use crate::seed::Document;

    fn drive(scratch: &Scratch, name: &str, kind: Kind, image: &[u8]) -> Labelled {
        let path = scratch.join(name);
        fs::write(&path, image).unwrap();
        device::examine(&Device { name: name.to_owned(), path, kind }).0.unwrap()
    }

    fn guest(scratch: &Scratch) -> Guest {
        Guest::read(&Root::open(scratch).unwrap()).unwrap()
    }

    #[test]
    fn of_two_drives_the_first_is_taken_and_the_other_named() {
        let scratch = Scratch::new("two-drives");
        let drives = [
            drive(&scratch, "sr0", Kind::Optical, &NOVA_ISO.image()),
            drive(&scratch, "vdb", Kind::Disk, &VFAT.image()),
        ];
        let mut findings = Findings::default();
        let fetched = first_readable(&drives, &guest(&scratch), &mut findings).unwrap();
        assert!(fetched.seed.place.ends_with("/sr0 (iso9660, config-2)"), "{}", fetched.seed.place);
        assert_eq!(fetched.seed.content["/content/0000"], b"edge\n");
        assert_eq!(fetched.drive.unwrap().device, scratch.join("sr0"));
        let notes: Vec<&Finding> = findings.iter().collect();
        assert_eq!((notes.len(), notes[0].severity), (1, Severity::Note));
        assert!(notes[0].origin.to_string().ends_with("/vdb (vfat, config-2)"));
        assert!(notes[0].message.ends_with("was taken: discs go before disks"), "{}", notes[0].message);
    }

    #[test]
    fn a_damaged_drive_gives_way_to_the_next() {
        let scratch = Scratch::new("damaged-drive");
        let mut cut_off = JOLIET_ISO.image();
        cut_off.truncate(20 * 2048);
        let good = drive(&scratch, "vdb", Kind::Disk, &VFAT.image());
        let bad = drive(&scratch, "sr0", Kind::Optical, &cut_off);
        let mut findings = Findings::default();
        let fetched = first_readable(&[bad.clone(), good], &guest(&scratch), &mut findings).unwrap();
        assert_eq!(fetched.drive.unwrap().device, scratch.join("vdb"));
        assert!(findings.iter().all(|finding| finding.severity == Severity::Warning));
        assert_eq!(findings.iter().count(), 1);
        let error = first_readable(&[bad], &guest(&scratch), &mut findings).unwrap_err().to_string();
        assert!(error.contains("/sr0 (iso9660, config-2): the image is cut off"), "{error}");
    }

    #[test]
    fn meta_data_that_name_no_instance_make_a_drive_unusable() {
        let meta_data = |text: &str| Seed::new(NAME, "/dev/sr0", Document::new("meta_data.json", text));
        let uuid = instance_id(&meta_data(r#"{"uuid": "i-1", "hostname": 7}"#)).unwrap();
        assert_eq!(uuid.as_str(), "i-1", "a bad entry is no bad document");
        for bad in ["", "{\"uuid\": \"i-", "{}", "[]"] {
            let error = instance_id(&meta_data(bad)).unwrap_err().to_string();
            assert!(error.starts_with("/dev/sr0: "), "{error}");
        }
        // `first_readable` goes on to the next drive.
        let scratch = Scratch::new("nameless-drive");
        let mut image = NOVA_ISO.image();
        let places: Vec<usize> = (0..image.len()).filter(|at| image[*at..].starts_with(b"\"uuid\"")).collect();
        assert!(!places.is_empty());
        places.into_iter().for_each(|at| image[at + 1] = b'x');
        let bad = drive(&scratch, "sr0", Kind::Optical, &image);
        let good = drive(&scratch, "vdb", Kind::Disk, &VFAT.image());
        let mut findings = Findings::default();
        let fetched = first_readable(&[bad, good], &guest(&scratch), &mut findings).unwrap();
        assert_eq!(fetched.drive.unwrap().device, scratch.join("vdb"));
        assert!(findings.iter().any(|finding| finding.severity == Severity::Warning));
    }

    #[test]
    fn a_drive_of_another_machine_is_said() {
        const META: &str = r#"{"uuid": "83679162-1378-4288-a2d4-70e13ec132aa"}"#;
        const SAME: &str = "83679162-1378-4288-a2d4-70e13ec132aa";
        const OTHER: &str = "7d2b0f62-9f0c-4b3b-8a11-1f2e3d4c5b6a";
        let said = |uuid: &str, product: &str| {
            let scratch = crate::scratch::Scratch::new();
            scratch.file("drive/openstack/latest/meta_data.json", &META.to_ascii_uppercase().replace("UUID", "uuid"));
            scratch.file("/sys/class/dmi/id/product_uuid", uuid);
            scratch.file("/sys/class/dmi/id/product_name", product);
            let (medium, guest) =
                (Directory::open(&scratch.path("drive")).unwrap(), Guest::read(&scratch.root()).unwrap());
            let mut findings = Findings::default();
            usable(&medium, "/dev/sr0", &guest, &mut findings).unwrap();
            findings.iter().next().map(ToString::to_string)
        };
        let warning = said(OTHER, "OpenStack Nova").unwrap();
        let (drive, is) = (SAME.to_ascii_uppercase(), format!("and this machine is `{OTHER}` by its firmware"));
        let expected = format!("meta_data.json: uuid: warning: /dev/sr0 is for `{drive}`, {is}; it is used\n");
        assert!(warning.starts_with(&expected), "{warning}");
        for (uuid, product) in [(SAME, "OpenStack Nova"), ("", "OpenStack Nova"), (OTHER, "Standard PC")] {
            assert_eq!(said(uuid, product), None, "{uuid} {product}");
        }
    }

    #[test]
    fn a_drive_is_expected_only_where_something_says_so() {
        let scratch = Scratch::new("hints");
        let plain = guest(&scratch);
        assert_eq!(expected(&plain), None);
        let command_line = |line: &str| {
            let mut guest = plain.clone();
            line.clone_into(&mut guest.command_line);
            expected(&guest)
        };
        let mut labelled = plain.clone();
        labelled.dmi.product_serial = "ds=configdrive".to_owned();
        assert_eq!(expected(&labelled).as_deref(), Some("the firmware's serial number says `ds=configdrive`"));
        for line in
            ["quiet ds=configdrive ro", "ci.ds=ConfigDrive", "firstlight.datasource=config-drive", "ds=ConfigDrive;x"]
        {
            assert!(command_line(line).is_some(), "{line}");
        }
        for line in ["ds=nocloud", "root=/dev/vda configdrive", "xds=configdrive"] {
            assert_eq!(command_line(line), None, "{line}");
        }
        let mut cloud = plain.clone();
        cloud.dmi.product_name = "OpenStack Compute".to_owned();
        assert_eq!(expected(&cloud).as_deref(), Some("the firmware names `OpenStack Compute`"));
        let mut other = plain;
        other.dmi.product_name = "Standard PC (i440FX + PIIX, 1996)".to_owned();
        assert_eq!(expected(&other), None);
    }
}
