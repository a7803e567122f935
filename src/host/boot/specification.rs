// SPDX-License-Identifier: Apache-2.0
//! A VM specification as LimiQuantix's API takes it: JSON, `name` and `spec`. What is not known there is an error.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::plan::{self, Cdrom, Device, Documents, Plan, Seed};
use crate::error::{Error, Result};
use crate::input;

/// User-data alone may be 1 MiB and more; nobody's description is larger than this.
const LIMIT: u64 = 16 << 20;
/// Discs besides the seed's: the machine has four CD drives.
const DISCS: usize = 3;
const DISKS: usize = 24;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    name: String,
    spec: Specification,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Specification {
    cpu_cores: u32,
    memory_mib: u64,
    disks: Vec<Disk>,
    #[serde(default)]
    cloud_init: Option<CloudInit>,
    #[serde(default)]
    cdroms: Vec<Disc>,
    #[serde(default)]
    firmware: Firmware,
    #[serde(default)]
    boot_order: Vec<BootDevice>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Disk {
    id: String,
    #[serde(default)]
    size_gib: Option<u64>,
    #[serde(default)]
    bootable: bool,
    #[serde(default)]
    backing_file: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Disc {
    id: String,
    iso_path: PathBuf,
    #[serde(default)]
    bootable: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CloudInit {
    #[serde(default)]
    user_data: Option<String>,
    #[serde(default)]
    meta_data: Option<String>,
    #[serde(default)]
    network_config: Option<String>,
    #[serde(default)]
    vendor_data: Option<String>,
}

#[derive(Deserialize, Default, PartialEq)]
enum Firmware {
    #[default]
    #[serde(rename = "FIRMWARE_BIOS")]
    Bios,
    #[serde(rename = "FIRMWARE_UEFI")]
    Uefi,
}

#[derive(Deserialize, Clone, Copy)]
enum BootDevice {
    #[serde(rename = "BOOT_DEVICE_DISK")]
    Disk,
    #[serde(rename = "BOOT_DEVICE_CDROM")]
    Cdrom,
    #[serde(rename = "BOOT_DEVICE_NETWORK")]
    Network,
}

/// Reads it.
///
/// # Errors
/// Absent, or malformed with the place.
pub fn read(path: &Path) -> Result<Plan> {
    let text = input::read(path, LIMIT)?;
    let document =
        serde_json::from_slice(&text).map_err(|error| Error::malformed(format!("{}: {error}", path.display())))?;
    plan(document).map_err(|error| error.while_doing(path.display()))
}

fn plan(Document { name, spec }: Document) -> Result<Plan> {
    let wrong = |what: &str| Err(Error::malformed(what));
    if name.is_empty() || name.len() > 253 || name.chars().any(|c| c.is_control() || c == '/') {
        return wrong("`name` must be 1 to 253 letters on one line, without `/`");
    }
    if !(1..=255).contains(&spec.cpu_cores) || !(16..=16_777_216).contains(&spec.memory_mib) {
        return wrong("`cpu_cores` must be 1 to 255, and `memory_mib` at least 16");
    }
    if spec.disks.len() > DISKS || spec.cdroms.len() > DISCS {
        return Err(Error::malformed(format!("more than {DISKS} disks, or {DISCS} cdroms")));
    }
    let mut disks = Vec::new();
    for disk in spec.disks {
        let empty = disk.size_gib.is_none() && disk.backing_file.is_none();
        if empty || disk.size_gib.is_some_and(|size| !(1..=65_536).contains(&size)) {
            return Err(Error::malformed(format!(
                "the disk `{}` needs a size_gib (1 to 65536) or a backing_file",
                disk.id
            )));
        }
        disks.push(plan::Disk {
            base: disk.backing_file,
            size: disk.size_gib.map(|size| size << 30),
            bootable: disk.bootable,
        });
    }
    let mut cdroms = Vec::new();
    for disc in spec.cdroms {
        if !disc.iso_path.is_file() {
            let (id, path) = (disc.id, disc.iso_path.display());
            return Err(Error::absent(format!("the medium of the cdrom `{id}` is not there: {path}")));
        }
        cdroms.push(Cdrom { path: disc.iso_path, bootable: disc.bootable });
    }
    Ok(Plan {
        name,
        memory_mib: spec.memory_mib,
        processors: spec.cpu_cores,
        disks,
        cdroms,
        seed: spec.cloud_init.map(|it| {
            Seed::Documents(Documents {
                user_data: it.user_data,
                meta_data: it.meta_data,
                network_config: it.network_config,
                vendor_data: it.vendor_data,
            })
        }),
        uefi: spec.firmware == Firmware::Uefi,
        boot_order: spec
            .boot_order
            .into_iter()
            .map(|device| match device {
                BootDevice::Disk => Device::Disk,
                BootDevice::Cdrom => Device::Cdrom,
                BootDevice::Network => Device::Network,
            })
            .collect(),
        ..Plan::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Plan> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vm.json");
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn the_published_example_is_understood() {
        let plan = of(r##"{
          "name": "web-server-01",
          "spec": {
            "cpu_cores": 4,
            "memory_mib": 4096,
            "disks": [{
              "id": "boot-disk",
              "size_gib": 50,
              "bootable": true,
              "backing_file": "/var/lib/limiquantix/cloud-images/ubuntu-22.04.qcow2"
            }],
            "cloud_init": {
              "user_data": "#cloud-config\nhostname: web-server-01\n",
              "meta_data": "instance-id: web-server-01\nlocal-hostname: web-server-01"
            }
          }
        }"##)
        .unwrap();
        assert_eq!((plan.name.as_str(), plan.processors, plan.memory_mib), ("web-server-01", 4, 4096));
        let [disk] = &plan.disks[..] else { panic!("one disk") };
        assert_eq!(disk.size, Some(50 << 30));
        assert!(disk.bootable && disk.base.as_ref().unwrap().ends_with("ubuntu-22.04.qcow2"));
        let Some(Seed::Documents(documents)) = plan.seed else { panic!("documents") };
        assert!(documents.meta_data.unwrap().starts_with("instance-id: web-server-01"));
        assert!(!plan.uefi && plan.boot_order.is_empty());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let spec =
            |more: &str| format!("{{\"name\": \"a\",\n \"spec\": {{\"cpu_cores\": 1, \"memory_mib\": 512, {more}}}}}");
        let said = |more: &str| of(&spec(more)).unwrap_err().to_string();
        let unknown = said("\"disks\": [], \"gpu\": 1");
        assert!(unknown.contains("unknown field `gpu`") && unknown.contains("line 2 column"), "{unknown}");
        let missing = said(r#""disks": [], "cdroms": [{"id": "os-iso", "iso_path": "/nonexistent/os.iso"}]"#);
        assert!(missing.contains("`os-iso`") && missing.contains("/nonexistent/os.iso"), "{missing}");
        assert!(said(r#""disks": [{"id": "empty"}]"#).contains("`empty` needs a size_gib"));
        assert!(said(r#""disks": [], "firmware": "EFI""#).contains("FIRMWARE_UEFI"));
        assert!(said(r#""disks": [], "boot_order": ["disk"]"#).contains("BOOT_DEVICE_DISK"));
    }

    #[test]
    fn discs_firmware_and_order_are_taken() {
        let directory = tempfile::tempdir().unwrap();
        let iso = directory.path().join("os.iso");
        std::fs::write(&iso, "x").unwrap();
        let text = format!(
            r#"{{"name": "w", "spec": {{"cpu_cores": 4, "memory_mib": 8192, "disks": [{{"id": "boot-disk", "size_gib": 100, "bootable": true}}],
            "cdroms": [{{"id": "os-iso", "iso_path": "{}", "bootable": true}}], "firmware": "FIRMWARE_UEFI",
            "boot_order": ["BOOT_DEVICE_CDROM", "BOOT_DEVICE_DISK"]}}}}"#,
            iso.display()
        );
        let plan = of(&text).unwrap();
        assert!(plan.uefi && plan.disks[0].base.is_none() && plan.cdroms[0].bootable);
        assert_eq!(plan.boot_order, [Device::Cdrom, Device::Disk]);
    }
}
