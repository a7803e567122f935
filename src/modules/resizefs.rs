// SPDX-License-Identifier: Apache-2.0
//! Growing the root file system to the end of its partition.
//!
//! Key as cloud-init's `cc_resizefs`. Where the file system already fills its device, by its own superblock, there is
//! no step; so a boot that has nothing to grow starts no program.

use std::path::PathBuf;

use crate::config::document::Node;
use crate::config::read::Read as _;
use crate::finding::{Finding, Findings, Origin};
use crate::guest::disks::{Block, Mount};
use crate::modules::{Input, Module, Planner, growpart};
use crate::plan::action::Command;
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "resizefs", stage: Stage::Local, frequency: Frequency::PerBoot, keys: Keys::KEYS, plan };

/// What a file system may leave at the end of its device: less than the tools can use.
const SLACK: u64 = 8 << 20;

crate::keys! {
    struct Keys {
        /// Grow the root file system at each boot (the default); `noblock`: later, without holding up the boot.
        resize_rootfs: Node,
    }
}

fn plan(input: &Input, planner: &mut Planner) {
    let asked = Keys::take(input.config, &mut planner.findings).resize_rootfs;
    let mut stage = Stage::Local;
    if let Some(node) = &asked {
        if node.text() == Some("noblock") {
            stage = Stage::Final;
        } else {
            match bool::read(node, &mut planner.findings) {
                Some(true) => {}
                _ => return,
            }
        }
    }
    if input.guest.is_container() {
        return;
    }
    let Some((mount, device)) = root_device(input) else { return };
    let grown = growpart::growing(input, &mut Findings::default());
    if !grown.iter().any(|growing| growing.partition == device) && !is_smaller(&device, input) {
        return;
    }
    let origin = asked.map_or_else(|| Origin::document("default of resize_rootfs"), |node| node.origin);
    let node = device.node().to_string_lossy().into_owned();
    let argv = match mount.kind.as_str() {
        "ext2" | "ext3" | "ext4" => vec!["resize2fs", &node],
        "xfs" => vec!["xfs_growfs", "/"],
        "btrfs" => vec!["btrfs", "filesystem", "resize", "max", "/"],
        "f2fs" => vec!["resize.f2fs", &node],
        other => {
            return planner
                .finding(Finding::note(&origin, format!("nothing here grows a root file system of type {other}")));
        }
    };
    if let Some(tool) = argv.first().filter(|tool| !input.guest.has_tool(tool)) {
        return planner
            .finding(Finding::warning(&origin, format!("there is no `{tool}` here to grow the root file system")));
    }
    planner.step("resizefs /", &origin).stage(stage).run(Command::tool(argv).waiting_for_boot());
}

/// What `/` is mounted from; `None` for what has no device: an overlay, a tmpfs.
fn root_device(input: &Input) -> Option<(Mount, Block)> {
    let disks = input.guest.disks();
    let mount = disks.mounted_at("/".as_ref())?;
    let named = || {
        // The kernel calls the device `/dev/root` where it mounted it without an initramfs.
        let name = input.guest.command_line.split_whitespace().find_map(|word| word.strip_prefix("root="))?;
        let path = match name.split_once('=') {
            Some(("LABEL", label)) => PathBuf::from("/dev/disk/by-label").join(label),
            Some(("UUID", id)) => PathBuf::from("/dev/disk/by-uuid").join(id),
            Some(("PARTUUID", id)) => PathBuf::from("/dev/disk/by-partuuid").join(id),
            _ => PathBuf::from(name),
        };
        disks.find(&path)
    };
    let device = disks.device_of(&mount).or_else(|| if mount.source == "/dev/root" { named() } else { None })?;
    Some((mount, device))
}

/// Whether the file system ends well before its device.
fn is_smaller(device: &Block, input: &Input) -> bool {
    let found = input.guest.disks().signature(&device.node()).ok().flatten();
    found.and_then(|found| found.bytes).is_some_and(|bytes| device.size.saturating_sub(bytes) > SLACK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::growpart::tests::machine;
    use crate::modules::testing::Bench;

    /// The superblock of an ext4 of that many MiB.
    fn ext4(size: u32) -> Vec<u8> {
        let mut bytes = vec![0; 70 << 10];
        bytes[1028..1032].copy_from_slice(&(size << 8).to_le_bytes());
        bytes[1024 + 0x18] = 2;
        bytes[1080..1082].copy_from_slice(&[0x53, 0xef]);
        bytes[1024 + 0x60] = 0x40;
        bytes
    }

    fn steps(bench: Bench) -> Vec<(String, Stage, String)> {
        let outcome = bench.tool("resize2fs").tool("xfs_growfs").tool("btrfs").tool("growpart").plan(plan);
        let step = outcome.steps.iter().map(|step| (step.name.clone(), step.stage));
        step.zip(outcome.commands()).map(|((name, stage), command)| (name, stage, command.argv.join(" "))).collect()
    }

    #[test]
    fn it_grows_with_its_partition_or_where_it_is_smaller() {
        let full = 10 << 10;
        let done = |stage| vec![("resizefs /".to_owned(), stage, "resize2fs /dev/vda1".to_owned())];
        assert_eq!(steps(machine("", 2048)), done(Stage::Local));
        assert_eq!(steps(machine("resize_rootfs: noblock", 2048)), done(Stage::Final));
        assert_eq!(steps(machine("resize_rootfs: off", 2048)), []);
        assert_eq!(steps(machine("", full).device("vda1", &ext4(2048))), done(Stage::Local));
        assert_eq!(steps(machine("", full).device("vda1", &ext4(full as u32 - 1))), []);
        assert_eq!(steps(machine("growpart: {mode: off}", 2048).device("vda1", &ext4(2047))), []);
        assert_eq!(steps(machine("", 2048).file("/.dockerenv", "")), []);
    }

    #[test]
    fn each_file_system_has_its_tool_and_an_overlay_has_none() {
        let mounted = |line: &str| steps(machine("", 2048).file("/proc/self/mountinfo", line));
        assert_eq!(mounted("21 1 253:1 / / rw - xfs /dev/vda1 rw\n")[0].2, "xfs_growfs /");
        assert_eq!(mounted("21 1 0:30 / / rw - btrfs /dev/vda1 rw\n")[0].2, "btrfs filesystem resize max /");
        assert_eq!(mounted("21 1 0:30 / / rw - overlay overlayroot rw\n"), []);
        assert_eq!(mounted("21 1 0:30 / / rw - tmpfs tmpfs rw\n"), []);
        let outcome = machine("", 2048).tool("growpart").plan(plan);
        assert!(outcome.findings.iter().next().unwrap().message.contains("no `resize2fs` here"));
    }
}
