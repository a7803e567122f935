// SPDX-License-Identifier: Apache-2.0
//! The machine's block devices and their labels.
//!
//! Which devices there are is what the kernel lists in `/sys/class/block`, and besides block device nodes in `/dev` under
//! another name: a container is handed its drive so.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

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

/// What a look at a device gave.
#[derive(Debug, Clone)]
pub struct Look {
    /// Its node.
    pub path: PathBuf,
    /// It, where it holds ISO 9660 or FAT with a label.
    pub drive: Option<Labelled>,
    /// What was seen, for a person.
    pub told: String,
    /// How long that took.
    pub took: Duration,
}

/// How many devices are looked at together.
const AT_ONCE: usize = 8;
/// How long they are waited for: an empty drive may take seconds to say so, and one that is broken never does.
const PATIENCE: Duration = Duration::from_secs(5);

/// Looks at all devices together, so that none holds up the others; they are told in the order of [`devices`].
pub fn look(root: &Path) -> Vec<Look> {
    within(PATIENCE, devices(root), examine)
}

/// What `examine` makes of each device; one that it has not come back from in time is told as such, and left to itself.
fn within(patience: Duration, devices: Vec<Device>, examine: fn(&Device) -> (Option<Labelled>, String)) -> Vec<Look> {
    let deadline = Instant::now() + patience;
    let look = move |device: &Device| {
        let start = Instant::now();
        let (drive, told) = examine(device);
        debug!("{}: {told}", device.path.display());
        Look { path: device.path.clone(), drive, told, took: start.elapsed() }
    };
    let silent = |device: &Device| Look {
        path: device.path.clone(),
        drive: None,
        told: format!("no answer within {patience:?}"),
        took: patience,
    };
    let mut looks: Vec<Option<Look>> = devices.iter().map(|_| None).collect();
    let (devices, next, (sender, receiver)) = (Arc::new(devices), Arc::new(AtomicUsize::new(0)), mpsc::channel());
    for _ in 0..devices.len().min(AT_ONCE) {
        let (devices, next, sender) = (Arc::clone(&devices), Arc::clone(&next), sender.clone());
        let work = move || {
            let mut numbers = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
            while let Some((number, device)) = numbers.next().and_then(|it| Some((it, devices.get(it)?))) {
                if sender.send((number, look(device))).is_err() {
                    return;
                }
            }
        };
        // Where no thread is to be had at all, they are looked at one by one below.
        if let Err(error) = thread::Builder::new().spawn(work) {
            debug!("a thread to look at devices: {error}");
        }
    }
    drop(sender);
    let is_alone = loop {
        match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok((number, look)) => looks.iter_mut().skip(number).take(1).for_each(|place| *place = Some(look.clone())),
            Err(end) => break end == RecvTimeoutError::Disconnected,
        }
    };
    let missing = |device| if is_alone { look(device) } else { silent(device) };
    looks.into_iter().zip(devices.iter()).map(|(look, device)| look.unwrap_or_else(|| missing(device))).collect()
}

/// Reads the label of one device; and what was seen, for a person.
pub fn examine(device: &Device) -> (Option<Labelled>, String) {
    match super::open(&device.path) {
        Ok(Some(image)) => {
            let (file_system, labels) = (image.file_system(), image.labels());
            let told = match labels.is_empty() {
                true => format!("{} without a label", file_system.name()),
                false => format!("{}, labelled {}", file_system.name(), labels.join(", ")),
            };
            let drive = (!labels.is_empty()).then(|| Labelled { device: device.clone(), file_system, labels });
            (drive, told)
        }
        Ok(None) => (None, "neither ISO 9660 nor FAT".to_owned()),
        Err(error) => (None, error.without_advice()),
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
        let looks = look(&root);
        let found: Vec<&Labelled> = looks.iter().filter_map(|look| look.drive.as_ref()).collect();
        let names: Vec<&str> = found.iter().map(|found| found.device.name.as_str()).collect();
        assert_eq!(names, ["sr0", "vdb", "vdaa", "vdb1"]);
        assert_eq!(found[0].file_system, FileSystem::Iso9660);
        assert_eq!(found[1].file_system, FileSystem::Vfat);
        assert!(found.iter().all(|found| found.labels == ["config-2"]), "{found:?}");
        let told: Vec<&str> = looks.iter().map(|look| look.told.as_str()).collect();
        assert_eq!(told[..2], ["iso9660, labelled config-2", "neither ISO 9660 nor FAT"]);
    }

    #[test]
    fn one_that_never_answers_holds_up_no_other() {
        let device = |name: String| Device { path: Path::new("/dev").join(&name), name, kind: Kind::Disk };
        let devices: Vec<Device> = (0..20).map(|number| device(format!("vd{number}"))).collect();
        let start = Instant::now();
        let looks = within(Duration::from_millis(300), devices, |device| {
            if device.name == "vd3" {
                thread::sleep(Duration::from_secs(30));
            }
            (None, device.name.clone())
        });
        assert!(start.elapsed() < Duration::from_secs(20));
        let told: Vec<&str> = looks.iter().map(|look| look.told.as_str()).collect();
        assert_eq!((told[2], told[3], told[19]), ("vd2", "no answer within 300ms", "vd19"));
    }
}
