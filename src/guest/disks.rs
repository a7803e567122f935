// SPDX-License-Identifier: Apache-2.0
//! Block devices and mounts as the kernel lists them: sysfs, mountinfo, swaps.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::guest::{Guest, firmware, text};
use crate::media::signature::{self, Signature};
use crate::root::{Root, Tree as _};

const CLASS: &str = "/sys/class/block";
/// What sysfs counts in, whatever the device's own sectors are.
const SECTOR: u64 = 512;

/// The disks of a running system. Those of an image are not known before it boots, nor are those of another machine.
#[derive(Debug, Clone, Copy)]
pub struct Disks<'a>(Option<&'a Root>);

/// A disk, a partition, or what the device mapper makes of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The kernel's name, e.g. `vda1`.
    pub name: String,
    /// `MAJOR:MINOR`.
    pub number: String,
    /// Bytes.
    pub size: u64,
    /// Bytes from the beginning of its disk.
    pub start: u64,
    /// Its number on its disk, where it is a partition.
    pub partition: Option<u32>,
}

/// One line of mountinfo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// `MAJOR:MINOR` of its device; `0:N` where it has none of its own.
    pub number: String,
    /// Where.
    pub target: PathBuf,
    /// Type of the file system.
    pub kind: String,
    /// What.
    pub source: String,
}

impl Guest {
    /// Its disks and mounts, as they are now.
    pub fn disks(&self) -> Disks<'_> {
        Disks((!self.elsewhere).then_some(&self.root))
    }

    /// From here on this is a guide to another machine: what is this machine's alone is not known.
    pub fn stands_for_another(&mut self) {
        self.nics = None;
        self.command_line.clear();
        self.elsewhere = true;
    }

    /// Whether it is a container: its disks are its host's.
    pub fn is_container(&self) -> bool {
        firmware::is_container(&self.root)
    }

    /// Bytes of memory; `None` where the root shows none.
    pub fn memory(&self) -> Option<u64> {
        let text = self.disks().text("/proc/meminfo");
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
    }

    /// Bytes that are free for a file at `path`: of the file system that holds its nearest directory that is there.
    pub fn free_space(&self, path: &Path) -> Option<u64> {
        let root = self.disks().0?;
        let above = path.ancestors().find(|above| root.exists(above))?;
        let facts = nix::sys::statvfs::statvfs(&root.outside(above).ok()?).ok()?;
        // Whatever libc counts in on this machine.
        #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
        (facts.blocks_available() as u64).checked_mul(facts.fragment_size() as u64)
    }
}

impl<'a> Disks<'a> {
    /// Those of the system at `root`.
    pub fn of(root: &'a Root) -> Self {
        Self(Some(root))
    }

    /// Whether any are known.
    pub fn are_known(&self) -> bool {
        self.exists(CLASS)
    }

    /// The device behind a node or a link to it; `None` where there is no such device.
    pub fn find(&self, path: &Path) -> Option<Block> {
        let root = self.0?;
        let path = root.resolve(path).ok().filter(|path| root.exists(path))?;
        // The kernel writes `!` for the slash of a name such as `cciss/c0d0`.
        self.named(&path.strip_prefix("/dev").ok()?.to_str()?.replace('/', "!"))
    }

    /// The device of that kernel's name.
    pub fn named(&self, name: &str) -> Option<Block> {
        let fact = |fact: &str| self.text(&format!("{CLASS}/{name}/{fact}")).trim().to_owned();
        let sectors = |text: String| text.parse::<u64>().ok()?.checked_mul(SECTOR);
        Some(Block {
            name: name.to_owned(),
            size: sectors(fact("size"))?,
            start: sectors(fact("start")).unwrap_or(0),
            partition: fact("partition").parse().ok(),
            number: fact("dev"),
        })
    }

    fn list(&self, path: &str) -> Vec<String> {
        self.0.and_then(|root| root.list(Path::new(path)).ok()).unwrap_or_default()
    }

    fn text(&self, path: &str) -> String {
        self.0.and_then(|root| text(root, path)).unwrap_or_default()
    }

    fn exists(&self, path: &str) -> bool {
        self.0.is_some_and(|root| root.exists(Path::new(path)))
    }

    /// The partitions of a disk, by their numbers.
    pub fn partitions(&self, disk: &Block) -> Vec<Block> {
        let names = self.list(&format!("{CLASS}/{}", disk.name)).into_iter();
        let mut found: Vec<Block> =
            names.filter(|name| name.starts_with(&disk.name)).filter_map(|name| self.named(&name)).collect();
        found.sort_by_key(|block| block.partition);
        found
    }

    /// The disk that a partition is on.
    pub fn disk_of(&self, partition: &Block) -> Option<Block> {
        let above = |name: &String| *name != partition.name && partition.name.starts_with(name.as_str());
        let mut names = self.list(CLASS).into_iter().filter(above);
        let on = |name: &String| self.exists(&format!("{CLASS}/{name}/{}", partition.name));
        names.find(on).and_then(|name| self.named(&name))
    }

    /// All mounts, in the order in which they were made.
    pub fn mounts(&self) -> Vec<Mount> {
        self.text("/proc/self/mountinfo").lines().filter_map(mount).collect()
    }

    /// What is mounted at `path`: the last one, which hides those before it.
    pub fn mounted_at(&self, path: &Path) -> Option<Mount> {
        self.mounts().into_iter().rev().find(|mount| mount.target == path)
    }

    /// What holds the file or directory `path`, or will once it is made.
    pub fn mount_of(&self, path: &Path) -> Option<Mount> {
        path.ancestors().find_map(|above| self.mounted_at(above))
    }

    /// The device of a mount; none for what has none (tmpfs, NFS, overlays).
    pub fn device_of(&self, mount: &Mount) -> Option<Block> {
        let by_number = || {
            let names = self.list(CLASS);
            names.into_iter().find(|name| self.text(&format!("{CLASS}/{name}/dev")).trim() == mount.number)
        };
        match mount.number.strip_prefix("0:") {
            // btrfs numbers its mounts by itself.
            Some(_) => self.find(Path::new(&mount.source)),
            None => by_number().and_then(|name| self.named(&name)),
        }
    }

    /// Whether `path` is swapped to.
    pub fn is_swap(&self, path: &Path) -> bool {
        let swaps = self.text("/proc/swaps");
        swaps.lines().skip(1).filter_map(|line| line.split_whitespace().next()).any(|file| unescaped(file) == path)
    }

    /// What uses a device, or a part of it: a mount, swap, the device mapper, an array.
    pub fn user_of(&self, block: &Block) -> Option<String> {
        let mounts = self.mounts();
        let mut parts = vec![block.clone()];
        parts.extend(self.partitions(block));
        parts.iter().find_map(|part| {
            let node = part.node();
            let holders = || self.list(&format!("{CLASS}/{}/holders", part.name));
            if let Some(mount) = mounts.iter().find(|it| it.number == part.number || Path::new(&it.source) == node) {
                Some(format!("{} is mounted at {}", node.display(), mount.target.display()))
            } else if self.is_swap(&node) {
                Some(format!("{} is swapped to", node.display()))
            } else {
                holders().first().map(|holder| format!("{} is a part of {holder}", node.display()))
            }
        })
    }

    /// What is in the file at `path`, as if it were a device; the outer `None` where there is no file.
    pub fn file(&self, path: &Path) -> Result<Option<Option<Signature>>> {
        match self.0.filter(|root| root.exists(path)) {
            Some(root) => signature::of(&root.outside(path)?).map(Some),
            None => Ok(None),
        }
    }

    /// What is on the device at `path`.
    ///
    /// # Errors
    /// Absent: there is no such device. Fatal: it can't be read.
    pub fn signature(&self, path: &Path) -> Result<Option<Signature>> {
        match self.0.filter(|_| self.find(path).is_some()) {
            Some(root) => signature::of(&root.outside(path)?),
            None => Err(Error::absent(format!("there is no block device {}", path.display()))),
        }
    }
}

impl Block {
    /// Its node.
    pub fn node(&self) -> PathBuf {
        Path::new("/dev").join(self.name.replace('!', "/"))
    }

    /// Whether the device mapper makes it: LVM, LUKS, multipath.
    pub fn is_mapped(&self) -> bool {
        self.name.starts_with("dm-")
    }
}

/// `36 25 253:1 / /data rw,relatime shared:1 - ext4 /dev/vda1 rw`, as proc(5) has it.
fn mount(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let left: Vec<&str> = left.split(' ').collect();
    let mut right = right.split(' ');
    Some(Mount {
        number: (*left.get(2)?).to_owned(),
        target: unescaped(left.get(4)?),
        kind: right.next()?.to_owned(),
        source: right.next()?.to_owned(),
    })
}

/// A name as the kernel and fstab write it: `\040` for a space.
pub fn unescaped(name: &str) -> PathBuf {
    let codes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    codes.iter().fold(name.to_owned(), |name, (code, character)| name.replace(code, character)).into()
}

/// The node of a disk's partition: `/dev/vdb1`, `/dev/nvme0n1p1`, `/dev/disk/by-id/x-part1`.
pub fn partition_node(disk: &Path, number: u32) -> PathBuf {
    let disk = disk.to_string_lossy();
    let between = if disk.starts_with("/dev/disk/") {
        "-part"
    } else if disk.ends_with(|last: char| last.is_ascii_digit()) {
        "p"
    } else {
        ""
    };
    format!("{disk}{between}{number}").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use std::os::unix::fs::symlink;

    /// A disk of 10 GiB with two partitions, the second mounted at `/`, and a volume on the first.
    fn machine() -> Scratch {
        let scratch = Scratch::new();
        let facts = |path: &str, facts: &[(&str, &str)]| {
            facts.iter().for_each(|(fact, text)| scratch.file(&format!("/sys/devices/{path}/{fact}"), text));
            let name = path.rsplit('/').next().unwrap();
            scratch.file(&format!("/dev/{name}"), "");
            std::fs::create_dir_all(scratch.path(CLASS)).unwrap();
            symlink(format!("../../devices/{path}"), scratch.path(&format!("{CLASS}/{name}"))).unwrap();
        };
        facts("vda", &[("size", "20971520\n"), ("dev", "253:0\n")]);
        let holders =
            [("size", "2048\n"), ("start", "2048\n"), ("partition", "1\n"), ("dev", "253:1\n"), ("holders/dm-0", "")];
        facts("vda/vda1", &holders);
        facts("vda/vda2", &[("size", "4096\n"), ("start", "4096\n"), ("partition", "2\n"), ("dev", "253:2\n")]);
        facts("dm-0", &[("size", "2048\n"), ("dev", "254:0\n")]);
        facts("vdb", &[("size", "2048\n"), ("dev", "253:16\n")]);
        scratch.file(
            "/proc/self/mountinfo",
            "20 1 0:2 / / rw - rootfs none rw\n21 1 253:2 / / rw,relatime shared:1 - ext4 /dev/root rw\n\
             22 21 0:40 / /my\\040data rw - btrfs /dev/vdb rw\n23 21 0:41 / /tmp rw - tmpfs tmpfs rw\n",
        );
        scratch.file("/proc/swaps", "Filename Type Size Used Priority\n/swap.img file 1 0 -2\n");
        scratch
    }

    #[test]
    fn mounts_partitions_and_disks_find_each_other() {
        let scratch = machine();
        let root = scratch.root();
        let disks = Disks::of(&root);
        let mount = disks.mounted_at(Path::new("/")).unwrap();
        assert_eq!((mount.kind.as_str(), mount.source.as_str()), ("ext4", "/dev/root"));
        let second = disks.device_of(&mount).unwrap();
        assert_eq!((second.name.as_str(), second.partition, second.start), ("vda2", Some(2), 2 << 20));
        let disk = disks.disk_of(&second).unwrap();
        assert_eq!((disk.name.as_str(), disk.size, disk.partition), ("vda", 10 << 30, None));
        let names: Vec<_> = disks.partitions(&disk).into_iter().map(|part| part.name).collect();
        assert_eq!(names, ["vda1", "vda2"]);
        let mount = disks.mount_of(Path::new("/my data/new/file")).unwrap();
        assert_eq!(disks.device_of(&mount).unwrap().name, "vdb");
        assert_eq!(disks.device_of(&disks.mounted_at(Path::new("/tmp")).unwrap()), None);
        assert_eq!(disks.find(Path::new("/dev/vdz")), None);
        scratch.file("/sys/class/block/vdx/size", "1");
        assert_eq!(disks.find(Path::new("/dev/vdx")), None, "a container sees its host's facts, not its nodes");
    }

    #[test]
    fn what_is_used_is_known_with_its_user() {
        let scratch = machine();
        let root = scratch.root();
        let disks = Disks::of(&root);
        let user = |path: &str| disks.user_of(&disks.find(Path::new(path)).unwrap()).unwrap_or_default();
        assert_eq!(user("/dev/vda"), "/dev/vda1 is a part of dm-0");
        assert_eq!(user("/dev/vda2"), "/dev/vda2 is mounted at /");
        assert_eq!(user("/dev/vdb"), "/dev/vdb is mounted at /my data");
        assert_eq!(user("/dev/dm-0"), "");
        let mut guest = Guest::read(&root).unwrap();
        assert!(guest.disks().are_known());
        assert!(!guest.has_tool("apk") && !guest.uses(crate::guest::Family::RedHat, &["dnf"]));
        guest.stands_for_another();
        assert!(guest.has_tool("apk") && guest.uses(crate::guest::Family::RedHat, &["dnf"]));
        assert!(!guest.disks().are_known() && guest.disks().mounts().is_empty());
        assert!(disks.is_swap(Path::new("/swap.img")) && !disks.is_swap(Path::new("/swap")));
    }

    #[test]
    fn partitions_are_named_as_the_kernel_and_udev_do() {
        for (disk, expected) in [
            ("/dev/vdb", "/dev/vdb3"),
            ("/dev/nvme1n1", "/dev/nvme1n1p3"),
            ("/dev/disk/by-id/virtio-data1", "/dev/disk/by-id/virtio-data1-part3"),
        ] {
            assert_eq!(partition_node(Path::new(disk), 3), Path::new(expected));
        }
    }
}
