// SPDX-License-Identifier: Apache-2.0
//! The machine's block devices and their labels.
//!
//! Which devices there are is what the kernel lists in `/sys/class/block`, and besides block device nodes in `/dev` under
//! another name: a container is handed its drive so.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use log::debug;

use super::FileSystem;

/// The kind of device; the order is the order in which candidates are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A CD or DVD drive.
    Optical,
    /// A whole disk.
    Disk,
    /// A part of a disk.
    Partition,
}

/// A block device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The kernel's name, e.g. `sr0`.
    pub name: String,
    /// Its node.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
}

/// A device with a file system that a seed may come on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labelled {
    /// The device.
    pub device: Device,
    /// What is on it.
    pub file_system: FileSystem,
    /// Its labels, at least one.
    pub labels: Vec<String>,
}

/// Names of devices that are never looked at: memory, floppies (a drive without a disk takes seconds to say so) and
/// the device mapper's (a multipath device without a path never answers).
const SKIPPED: [&str; 4] = ["ram", "zram", "fd", "dm-"];

/// The devices of the system at `root`: optical first, whole disks before partitions, each kind by name.
pub fn devices(root: &Path) -> Vec<Device> {
    // The directory entry does not do: what a container is handed is mounted on a plain file.
    let names = names(&root.join("sys/class/block"), |_| true).chain(names(&root.join("dev"), |entry| {
        entry.metadata().is_ok_and(|facts| facts.file_type().is_block_device())
    }));
    let mut devices: Vec<Device> =
        names.collect::<BTreeSet<String>>().into_iter().filter_map(|name| device(root, name)).collect();
    // sda, sdb, …, sdaa
    devices.sort_by(|a, b| (a.kind, a.name.len(), &a.name).cmp(&(b.kind, b.name.len(), &b.name)));
    devices
}

fn names(directory: &Path, wanted: fn(&fs::DirEntry) -> bool) -> impl Iterator<Item = String> + use<> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter(wanted).filter_map(|entry| entry.file_name().into_string().ok())
}

fn device(root: &Path, name: String) -> Option<Device> {
    if SKIPPED.iter().any(|prefix| name.starts_with(prefix)) {
        return None;
    }
    let facts = root.join("sys/class/block").join(&name);
    let fact = |fact: &str| fs::read_to_string(facts.join(fact)).map(|text| text.trim().to_owned()).ok();
    let kind = match fact("device/type").as_deref() {
        // The SCSI type of CD drives.
        Some("5") => Kind::Optical,
        _ if name.starts_with("sr") => Kind::Optical,
        _ if facts.join("partition").exists() => Kind::Partition,
        _ => Kind::Disk,
    };
    // A CD drive tells its size only after the disc was looked at.
    if kind != Kind::Optical && fact("size").as_deref() == Some("0") {
        return None;
    }
    // The kernel writes `!` for the slash of a name such as `cciss/c0d0`.
    let path = root.join("dev").join(name.replace('!', "/"));
    path.exists().then_some(Device { name, path, kind })
}

/// The devices that hold ISO 9660 or FAT with a label. One that can't be read is passed over.
pub fn labelled(root: &Path) -> Vec<Labelled> {
    devices(root).into_iter().filter_map(probe).collect()
}

/// Reads the label of one device.
pub fn probe(device: Device) -> Option<Labelled> {
    match super::open(&device.path) {
        Ok(Some(image)) => {
            let (file_system, labels) = (image.file_system(), image.labels());
            debug!("{}: {} {labels:?}", device.path.display(), file_system.name());
            (!labels.is_empty()).then_some(Labelled { device, file_system, labels })
        }
        Ok(None) => None,
        Err(error) => {
            debug!("{}: {error}", device.path.display());
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::fixtures::{NOVA_ISO, Scratch, VFAT};

    fn add(root: &Path, name: &str, facts: &[(&str, &str)], content: &[u8]) {
        let directory = root.join("sys/class/block").join(name);
        fs::create_dir_all(directory.join("device")).unwrap();
        facts.iter().for_each(|(fact, text)| fs::write(directory.join(fact), text).unwrap());
        fs::create_dir_all(root.join("dev")).unwrap();
        fs::write(root.join("dev").join(name), content).unwrap();
    }

    #[test]
    fn labelled_devices_come_in_the_order_in_which_they_are_taken() {
        let root = Scratch::new("devices");
        add(&root, "vdb1", &[("partition", "1\n"), ("size", "2048\n")], &VFAT.image());
        add(&root, "vdaa", &[("size", "2048\n")], &VFAT.image());
        add(&root, "vdb", &[("size", "4096\n")], &VFAT.image());
        add(&root, "sr0", &[("size", "0\n"), ("device/type", "5\n")], &NOVA_ISO.image());
        add(&root, "vda", &[("size", "4096\n")], b"no file system");
        add(&root, "loop0", &[("size", "0\n")], &NOVA_ISO.image());
        add(&root, "ram0", &[("size", "8192\n")], &NOVA_ISO.image());
        let found = labelled(&root);
        let names: Vec<&str> = found.iter().map(|found| found.device.name.as_str()).collect();
        assert_eq!(names, ["sr0", "vdb", "vdaa", "vdb1"]);
        assert_eq!(found[0].file_system, FileSystem::Iso9660);
        assert_eq!(found[1].file_system, FileSystem::Vfat);
        assert!(found.iter().all(|found| found.labels == ["config-2"]), "{found:?}");
    }
}
