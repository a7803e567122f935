// SPDX-License-Identifier: Apache-2.0
//! systemd's credentials: documents that a hypervisor or container manager hands in by name, in memory.
//!
//! `firstlight.user-data` and its three siblings, any of which will do. They come from `-smbios type=11` or `-fw_cfg` of
//! QEMU, `--set-credential=` of systemd-nspawn and systemd-vmspawn, or `systemd.set_credential=` on the kernel's command
//! line: <https://systemd.io/CREDENTIALS/>. systemd (252 and later) collects them all; where another init or an older one
//! runs, the firmware is read here. What is encrypted comes by `ImportCredential=firstlight.*` for our unit.
//!
//! Accounts' own credentials (`ssh.authorized_keys.root`, `passwd.*`) are left to systemd, which applies them.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::datasource::documents::{DOCUMENT_LIMIT, FILE_LIMIT, by_firmware, left_out, says_something};
use crate::datasource::drives::NOT_LIVE;
use crate::datasource::{Certainty, Context, Datasource, Fetched, Probe, Service, asked_for};
use crate::error::{Error, Kind, Result};
use crate::finding::Findings;
use crate::guest::Guest;
use crate::root::{Root, Tree as _};
use crate::seed::{Document, MetaFormat, NetworkFormat, Seed};

mod smbios;

/// See the file's head.
pub const DATASOURCE: Datasource = Datasource { name: NAME, is_remote: false, probe, fetch };

/// The datasource's name.
pub const NAME: &str = "credentials";

/// Who the instance is; beside [`USER_DATA`], [`VENDOR_DATA`] and [`NETWORK_CONFIG`].
const META_DATA: &str = "firstlight.meta-data";
const USER_DATA: &str = "firstlight.user-data";
const VENDOR_DATA: &str = "firstlight.vendor-data";
const NETWORK_CONFIG: &str = "firstlight.network-config";
const NAMES: [&str; 4] = [META_DATA, USER_DATA, VENDOR_DATA, NETWORK_CONFIG];

/// Those that the whole system was given, as systemd keeps them.
const SYSTEM: &str = "/run/credentials/@system";
/// A directory for each, with the value in `raw`.
const FW_CFG: &str = "/sys/firmware/qemu_fw_cfg/by_name/opt/io.systemd.credentials";
const SMBIOS: &str = "/sys/firmware/dmi/tables/DMI";
/// What each string of the firmware begins with, and whether its value is in base64.
const PREFIXES: [(&[u8], bool); 2] = [(b"io.systemd.credential:", false), (b"io.systemd.credential.binary:", true)];

/// A place where credentials may be.
struct Place {
    name: String,
    held: Held,
}

/// How a place holds them.
enum Held {
    /// Each in a file of its name.
    Files,
    /// Each in the file `raw` of a directory of its name.
    Directories,
    /// All among the strings of the firmware: the table.
    Strings(Vec<u8>),
}

impl Place {
    /// All of them, the more important first: what this unit was given, what the system was given, and where systemd has
    /// that from, in its order.
    fn all(root: &Root, of_unit: Option<PathBuf>) -> Vec<Self> {
        let of_unit = of_unit.filter(|path| path.is_absolute()).map(|path| path.to_string_lossy().into_owned());
        let files = of_unit.into_iter().chain([SYSTEM.to_owned()]).map(|name| Place { name, held: Held::Files });
        let table = root.read(Path::new(SMBIOS)).ok().flatten().unwrap_or_default();
        let firmware = [(FW_CFG, Held::Directories), (SMBIOS, Held::Strings(table))];
        files.chain(firmware.map(|(name, held)| Place { name: name.to_owned(), held })).collect()
    }

    /// The value of a credential; `None` where it is not there.
    fn read(&self, name: &str, root: &Root) -> Result<Option<Vec<u8>>> {
        let below = Path::new(&self.name).join(name);
        match &self.held {
            Held::Files => root.read(&below),
            Held::Directories => root.read(&below.join("raw")),
            Held::Strings(table) => string(table, name).map(decoded).transpose(),
        }
    }

    /// Whether it is there. What is root's alone is not, for others.
    fn has(&self, name: &str, root: &Root) -> bool {
        self.read(name, root).map_or_else(|error| error.kind() == Kind::Malformed, |value| value.is_some())
    }
}

/// The value of a credential among the firmware's strings, and whether it is in base64. The first counts, as for systemd.
fn string<'a>(table: &'a [u8], name: &str) -> Option<(&'a [u8], bool)> {
    let value = |string: &'a [u8]| {
        PREFIXES.into_iter().find_map(|(prefix, is_packed)| {
            let value = string.strip_prefix(prefix)?.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
            Some((value, is_packed))
        })
    };
    smbios::oem_strings(table).into_iter().find_map(value)
}

fn bounded(bytes: Vec<u8>, limit: u64) -> Result<Vec<u8>> {
    match bytes.len() as u64 > limit {
        true => Err(Error::malformed(format!("it has {} bytes; at most {limit} are taken", bytes.len()))),
        false => Ok(bytes),
    }
}

fn decoded((value, is_packed): (&[u8], bool)) -> Result<Vec<u8>> {
    if !is_packed {
        return Ok(value.to_vec());
    }
    // The reason would quote a byte of what may be a secret.
    let malformed = |_| Error::malformed("not base64").help("`base64 -w0 FILE` writes it");
    BASE64.decode(value.trim_ascii()).map_err(malformed)
}

/// What systemd gave to our unit, where it was told to.
fn of_unit() -> Option<PathBuf> {
    std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from)
}

fn probe(context: &Context) -> Probe {
    match context.root.is_machine() {
        true => look(context.root, context.guest, of_unit().filter(|_| context.root.is_live())),
        false => Probe { certainty: Certainty::Unlikely, reason: NOT_LIVE.to_owned() },
    }
}

fn look(root: &Root, guest: &Guest, of_unit: Option<PathBuf>) -> Probe {
    let is_asked_for = asked_for(guest, &[NAME]);
    let places = Place::all(root, of_unit);
    let here = places.iter().find_map(|place| {
        let name = NAMES.into_iter().find(|name| place.has(name, root))?;
        Some(format!("the credential {name} in {}", place.name))
    });
    if let Some(reason) = here {
        return Probe { certainty: if is_asked_for.is_some() { Certainty::Asked } else { Certainty::Here }, reason };
    }
    let places: Vec<&str> = places.iter().map(|place| place.name.as_str()).collect();
    let mut reason = format!("no credential firstlight.* in {}", places.join(", "));
    if guest.dmi.sys_vendor == "QEMU" && !root.exists(Path::new("/sys/firmware/qemu_fw_cfg")) {
        reason += " (for which the kernel's module qemu_fw_cfg is not loaded)";
    }
    match is_asked_for {
        Some(word) => Probe { certainty: Certainty::Expected, reason: format!("{reason}; but {word}") },
        None => Probe { certainty: Certainty::Unlikely, reason },
    }
}

fn fetch(context: &Context, _: Option<&Service>, findings: &mut Findings) -> Result<Fetched> {
    let of_unit = of_unit().filter(|_| context.root.is_live());
    let places = if context.root.is_machine() { Place::all(context.root, of_unit) } else { Vec::new() };
    let seed = read(&places, context, findings)?;
    Ok(Fetched { seed, drive: None })
}

/// All four from the first place that has each.
///
/// # Errors
/// Absent where no place has any; malformed where none can be read.
fn read(places: &[Place], context: &Context, findings: &mut Findings) -> Result<Seed> {
    let mut found_in: Vec<&str> = Vec::new();
    let mut last = Error::absent(format!("no credential {}", NAMES.join(" or ")));
    let mut document = |name: &str, limit: u64| {
        let value = |place| Some((place, Place::read(place, name, context.root).transpose()?));
        let (place, bytes) = places.iter().find_map(value)?;
        let bytes = match bytes.and_then(|bytes| bounded(bytes, limit)) {
            Ok(bytes) => bytes,
            Err(error) => {
                findings.push(left_out(name, error));
                last = Error::malformed(format!("the credential {name} in {} can't be read", place.name));
                return None;
            }
        };
        if !found_in.contains(&place.name.as_str()) {
            found_in.push(&place.name);
        }
        Some(Document::new(name, bytes))
    };
    let meta_data = document(META_DATA, DOCUMENT_LIMIT);
    let user_data = document(USER_DATA, FILE_LIMIT);
    let vendor_data = document(VENDOR_DATA, FILE_LIMIT);
    let network = document(NETWORK_CONFIG, DOCUMENT_LIMIT);
    if found_in.is_empty() {
        return Err(last);
    }
    Ok(Seed {
        datasource: NAME.to_owned(),
        place: found_in.join(" and "),
        meta_format: MetaFormat::NoCloud,
        meta_data: meta_data.unwrap_or_else(|| Document::new(META_DATA, "")),
        more_meta_data: by_firmware(context.guest).into_iter().collect(),
        network: network.filter(says_something).map(|document| (NetworkFormat::NetworkConfig, document)),
        user_data: user_data.filter(|document| !document.bytes.is_empty()),
        vendor_data: vendor_data.filter(says_something).into_iter().collect(),
        content: Default::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::smbios::tests::structure;
    use super::*;
    use crate::config::base::Settings;
    use crate::datasource::{Drives, Reach};
    use crate::instance::Instance;
    use crate::scratch::Scratch;

    const UUID: &str = "dd3e9d10-4a3b-4b0c-9f0f-3f2d1c0b0a09";

    /// A machine with these files, and these strings in its firmware.
    fn scratch(files: &[(&str, &str)], strings: &[&[u8]]) -> Scratch {
        let scratch = Scratch::new();
        scratch.file(SMBIOS, "");
        files.iter().for_each(|(path, text)| scratch.file(path, text));
        std::fs::write(scratch.path(SMBIOS), structure(11, strings)).unwrap();
        scratch
    }

    fn seek(files: &[(&str, &str)], strings: &[&[u8]]) -> (Probe, Result<Seed>, Vec<String>) {
        let scratch = scratch(files, strings);
        let (root, guest, settings) = (scratch.root(), Guest::read(&scratch.root()).unwrap(), Settings::default());
        let of_unit = Some(PathBuf::from("/run/credentials/unit"));
        let reach = Reach::Nowhere("it needs no network");
        let drives = Drives::default();
        let context = Context { root: &root, guest: &guest, settings: &settings, reach, kept: None, drives };
        let mut findings = Findings::default();
        let seed = read(&Place::all(&root, of_unit.clone()), &context, &mut findings);
        (look(&root, &guest, of_unit), seed, findings.iter().map(ToString::to_string).collect())
    }

    fn text(document: Option<&Document>) -> &str {
        document.map_or("", |document| std::str::from_utf8(&document.bytes).unwrap())
    }

    #[test]
    fn user_data_among_the_firmware_s_strings_is_a_whole_seed() {
        let uuid = ("/sys/class/dmi/id/product_uuid", UUID);
        for strings in [
            [
                &b"io.systemd.credential:firstlight.user-data=#!/bin/sh\necho a=b\n"[..],
                b"io.systemd.credential:firstlight.user-data=late",
            ],
            [b"io.systemd.credential.binary:firstlight.user-data=IyEvYmluL3NoCmVjaG8gYT1iCg==\n", b"other"],
        ] {
            let (probe, seed, findings) = seek(&[uuid], &strings);
            let seed = seed.unwrap();
            assert_eq!((probe.certainty, findings.len()), (Certainty::Here, 0));
            assert_eq!(probe.reason, format!("the credential firstlight.user-data in {SMBIOS}"));
            assert_eq!(text(seed.user_data.as_ref()), "#!/bin/sh\necho a=b\n");
            let mut said = Findings::default();
            assert_eq!(Instance::from_seed(&seed, &mut said).unwrap().id.value, UUID);
            assert!(said.is_empty());
        }
    }

    #[test]
    fn each_comes_from_the_first_place_that_has_it() {
        let (probe, seed, findings) = seek(
            &[
                ("/run/credentials/unit/firstlight.meta-data", "instance-id: i-1\n"),
                ("/run/credentials/@system/firstlight.meta-data", "instance-id: i-2\n"),
                ("/run/credentials/@system/firstlight.user-data", "#!/bin/system"),
                ("/sys/firmware/qemu_fw_cfg/by_name/opt/io.systemd.credentials/firstlight.user-data/raw", "#!/bin/fw"),
                ("/sys/firmware/qemu_fw_cfg/by_name/opt/io.systemd.credentials/firstlight.vendor-data/raw", "#!/bin/v"),
                ("/sys/class/dmi/id/product_uuid", UUID),
                ("/proc/cmdline", "ds=credentials"),
            ],
            &[
                b"io.systemd.credential:firstlight.vendor-data=late",
                b"io.systemd.credential:firstlight.network-config=version: 2",
            ],
        );
        let seed = seed.unwrap();
        assert_eq!((probe.certainty, findings.len()), (Certainty::Asked, 0));
        assert_eq!(Instance::from_seed(&seed, &mut Findings::default()).unwrap().id.value, "i-1");
        assert_eq!((text(seed.user_data.as_ref()), text(seed.vendor_data.first())), ("#!/bin/system", "#!/bin/v"));
        assert_eq!(text(seed.network.as_ref().map(|network| &network.1)), "version: 2");
        assert_eq!(seed.place, format!("/run/credentials/unit and {SYSTEM} and {FW_CFG} and {SMBIOS}"));
    }

    #[test]
    fn one_that_cannot_be_read_is_said_without_its_value() {
        let packed = b"io.systemd.credential.binary:firstlight.user-data=hunter2!";
        let (probe, seed, findings) = seek(&[], &[packed, b"io.systemd.credential:firstlight.vendor-data=#!/bin/v"]);
        assert_eq!((probe.certainty, seed.unwrap().user_data), (Certainty::Here, None));
        assert!(findings[0].starts_with("firstlight.user-data: error: left out: not base64\n"), "{findings:?}");
        let (_, seed, findings) = seek(&[], &[packed]);
        let error = seed.unwrap_err();
        assert!(!error.is_absent() && !format!("{error}{findings:?}").contains("hunter2"), "{error}");
    }

    #[test]
    fn without_any_the_places_are_named() {
        let others: [&[u8]; 3] = [
            b"io.systemd.credential:firstlight.user-datax=1",
            b"io.systemd.credential:ssh.authorized_keys.root=k",
            b"x",
        ];
        let (probe, seed, _) = seek(&[("/sys/class/dmi/id/sys_vendor", "QEMU\n")], &others);
        assert!(probe.certainty == Certainty::Unlikely && seed.unwrap_err().is_absent());
        assert!(
            probe.reason.ends_with(&format!("{SMBIOS} (for which the kernel's module qemu_fw_cfg is not loaded)")),
            "{}",
            probe.reason
        );
    }
}
