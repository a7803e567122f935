// SPDX-License-Identifier: Apache-2.0
//! The names that user-data gives to block devices: paths, kernel names, aliases, the platform's names; and what stands
//! on a device as far as the plan can know it, before the steps of the same document have changed it.

use std::path::{Path, PathBuf};

use crate::config::document::Node;
use crate::config::read::Read;
use crate::error::{Error, Result};
use crate::finding::{Finding, Findings};
use crate::guest::disks::{Disks, partition_node};
use crate::media::signature::Signature;
use crate::modules::{Input, disk_setup};
use crate::plan::action::Command;
use crate::plan::step::Step;
use crate::root::Root;

crate::keys! {
    /// The keys of names.
    pub struct Keys {
        /// Names for devices, to be used in `disk_setup`, `fs_setup` and `mounts`: name to path.
        device_aliases: Node,
    }
}

/// A device as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its node, or a link to it.
    pub path: PathBuf,
    /// The partition of it that is meant: `vdb.1`.
    pub partition: Option<u32>,
}

impl Named {
    /// The node of what is meant.
    pub fn node(&self) -> PathBuf {
        self.partition.map_or_else(|| self.path.clone(), |number| partition_node(&self.path, number))
    }
}

/// The device that `name` means, as cloud-init's `sanitize_devname` and `expand_dotted_devname` read it; `None` for a name
/// of the platform's that this platform does not tell.
pub fn named(name: &str, input: &Input) -> Option<Named> {
    let name = if name == "ephemeral" { "ephemeral0" } else { name };
    // Names below /dev/disk hold dots of their own.
    let dotted = || name.rsplit_once('.').filter(|_| !name.starts_with("/dev/disk/"));
    let (name, partition) = match dotted().and_then(|(name, number)| Some((name, number.parse().ok()?))) {
        Some((name, number)) => (name, Some(number)),
        None => (name, None),
    };
    let path = match alias(name, input) {
        Some(path) => path,
        None if is_platforms(name.strip_prefix("/dev/").unwrap_or(name)) => return None,
        None => name.to_owned(),
    };
    Some(Named { path: Path::new("/dev").join(path), partition })
}

/// Says of a name that [`named`] does not know that it is left out.
pub fn unknown(name: &Node, findings: &mut Findings) {
    let text = name.text().unwrap_or_default();
    let unknown = format!("this platform does not tell which device `{text}` is; it is left out");
    findings
        .push(Finding::warning(&name.origin, unknown).help("name the device, or give it a name in `device_aliases`"));
}

/// Reads an entry that destroys things: one key that is unfit, and all of it is left out.
pub fn whole<T: Read>(node: &Node, findings: &mut Findings) -> Option<T> {
    let mut own = Findings::default();
    let entry = T::read(node, &mut own);
    let sound = !own.has_errors();
    findings.extend(own);
    if entry.is_some() && !sound {
        let left = "with that mistake in it the whole entry is left out: what it asks for can't be taken back";
        findings.push(Finding::note(&node.origin, left));
    }
    entry.filter(|_| sound)
}

fn alias(name: &str, input: &Input) -> Option<String> {
    // What is wrong with the key is said where the disks are planned.
    let aliases = Keys::take(input.config, &mut Findings::default()).device_aliases?;
    aliases.get(name)?.text().map(str::to_owned)
}

/// Names that some platforms give to devices in their meta-data.
fn is_platforms(name: &str) -> bool {
    let numbered = |prefix: &str| {
        name.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    matches!(name, "ami" | "root" | "swap") || numbered("ephemeral") || numbered("ebs")
}

/// What stands on a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// There is no such device, or this is an image that is not running.
    Unknown,
    /// Nothing that is known.
    Blank,
    /// This.
    Holds(Signature),
}

/// A disk, and what a plan makes of it.
#[derive(Debug, Clone)]
pub struct Disk {
    /// Its node.
    pub path: PathBuf,
    /// What is on the whole of it.
    pub content: Content,
    /// Its partitions: node and content.
    pub partitions: Vec<(PathBuf, Content)>,
}

/// A disk as it will be once `disk_setup` of the same document is done.
pub fn expected(path: &Path, input: &Input) -> Disk {
    let disks = input.guest.disks();
    let planned = disk_setup::planned(input).into_iter().find(|(disk, _)| same(disks, disk, path));
    let content = content(disks, path);
    let partitions = match planned {
        Some((_, count)) => (1..=count).map(|number| (partition_node(path, number), Content::Blank)).collect(),
        None => disks.find(path).map_or_else(Vec::new, |disk| {
            let parts = disks.partitions(&disk).into_iter().map(|part| part.node());
            parts.map(|node| (node.clone(), self::content(disks, &node))).collect()
        }),
    };
    Disk { path: path.to_owned(), content, partitions }
}

/// Whether both lead to the same device.
pub fn same(disks: Disks, one: &Path, other: &Path) -> bool {
    one == other || disks.find(one).is_some_and(|block| disks.find(other) == Some(block))
}

/// What is on a device now.
pub fn content(disks: Disks, path: &Path) -> Content {
    match disks.signature(path) {
        Ok(Some(found)) => Content::Holds(found),
        Ok(None) => Content::Blank,
        Err(_) => Content::Unknown,
    }
}

/// What `path` holds, as a reason to leave it alone.
pub fn spared(path: &Path, found: &Signature) -> String {
    let what = match (found.is_table(), found.label.as_str()) {
        (true, _) => format!("a partition table ({})", found.name),
        (false, "") => found.name.to_owned(),
        (false, label) => format!("{} with the label `{label}`", found.name),
    };
    format!("{} holds {what}, and is left alone; `overwrite: true` would destroy that", path.display())
}

/// Refuses a device that is absent, in use, or, without `overwrite`, not blank. Directly before a program that destroys
/// what is there, as the plan may be old by then.
pub fn check(root: &Root, path: &Path, overwrite: bool) -> Result<()> {
    let disks = Disks::of(root);
    let found = disks.signature(path)?;
    let block =
        disks.find(path).ok_or_else(|| Error::absent(format!("there is no block device {}", path.display())))?;
    if let Some(user) = disks.user_of(&block) {
        return Err(Error::fatal(format!("{user}, and is left alone")));
    }
    match found {
        Some(found) if !overwrite && found.finished => Err(Error::fatal(spared(path, &found))),
        _ => Ok(()),
    }
}

/// Has udev look at what a program has made, so that nodes and links to it are there for the steps that follow.
pub fn settle(step: &mut Step, input: &Input) {
    if input.guest.has_tool("udevadm") {
        step.run(Command::tool(["udevadm", "settle", "--timeout=30"]).waiting_for_boot());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::Bench;

    #[test]
    fn names_are_read_as_people_write_them() {
        let config = "device_aliases: {data: /dev/disk/by-id/virtio-0.1, log: vdc}";
        Bench::new(config).plan(|input, _| {
            let name = |name: &str| named(name, input).map(|named| named.node().to_string_lossy().into_owned());
            for (written, node) in [
                ("/dev/vdb", "/dev/vdb"),
                ("vdb", "/dev/vdb"),
                ("vdb.2", "/dev/vdb2"),
                ("/dev/nvme0n1.1", "/dev/nvme0n1p1"),
                ("/dev/disk/by-path/pci-0000:00:04.0", "/dev/disk/by-path/pci-0000:00:04.0"),
                ("data.1", "/dev/disk/by-id/virtio-0.1-part1"),
                ("log", "/dev/vdc"),
            ] {
                assert_eq!(name(written).as_deref(), Some(node), "{written}");
            }
            for unknown in ["ephemeral", "ephemeral0", "ephemeral0.1", "/dev/ephemeral1", "swap", "ebs2"] {
                assert_eq!(name(unknown), None, "{unknown}");
            }
        });
    }

    #[test]
    fn what_is_there_is_spared_and_what_is_used_even_more() {
        let mut holds = vec![0; 70 << 10];
        holds[4086..4096].copy_from_slice(b"SWAPSPACE2");
        let mut unfinished = vec![0; 70 << 10];
        unfinished[..4].copy_from_slice(b"XFSB");
        unfinished[126] = 1;
        let bench = Bench::new("")
            .block("vdb", &[("size", "2048")])
            .block("vdc", &[("size", "2048")])
            .device("vdc", &holds)
            .block("vdd", &[("size", "2048")])
            .device("vdd", &unfinished)
            .block("vde", &[("size", "2048")])
            .file("/proc/self/mountinfo", "1 1 8:0 / /srv rw - ext4 /dev/vde rw\n");
        let outcome = bench.plan(|_, _| ());
        let root = outcome.root();
        let check = |device: &str, overwrite| {
            super::check(&root, Path::new(device), overwrite)
                .map_err(|error| error.to_string())
                .err()
                .unwrap_or_default()
        };
        assert_eq!(check("/dev/vdb", false), "");
        assert!(check("/dev/vdc", false).contains("/dev/vdc holds swap, and is left alone"));
        assert_eq!(check("/dev/vdc", true), "");
        assert_eq!(check("/dev/vdd", false), "", "its making was stopped: nothing was kept there");
        assert!(check("/dev/vde", true).contains("/dev/vde is mounted at /srv"));
        assert!(super::check(&root, Path::new("/dev/vdx"), true).unwrap_err().is_absent());
    }
}
