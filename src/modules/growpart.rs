// SPDX-License-Identifier: Apache-2.0
//! Growing the partition of the root file system, or of others, to the end of its disk.
//!
//! Keys as cloud-init's `cc_growpart`; without them `/` is grown, at each boot. What there is to grow is known from
//! the kernel's own facts, so a boot with nothing to grow starts no program and has no step. What lies on the device
//! mapper (LVM, LUKS) is left alone, and said where it was asked for.

use std::path::Path;

use crate::config::document::Node;
use crate::config::read::{Read as _, one_of};
use crate::config::types::OneOrMany;
use crate::finding::{Finding, Findings, Located, Origin};
use crate::guest::disks::Block;
use crate::modules::{Input, Module, Planner};
use crate::plan::action::Command;
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "growpart", stage: Stage::Local, frequency: Frequency::PerBoot, keys: Keys::KEYS, plan };

/// What is left behind a partition that was grown: its end is aligned, and a GPT keeps its copy at the end of the disk.
const SLACK: u64 = (1 << 20) + 34 * 512;

crate::keys! {
    struct Keys {
        /// Grow partitions to the end of their disks at each boot.
        growpart: Growpart,
    }
}

crate::keys! {
    /// How partitions are grown.
    struct Growpart {
        /// Which tool: `auto` (the default: `growpart`, else `sfdisk`), `growpart`, `off`.
        mode: Node,
        /// What to grow: mount points or devices. Default: `/`.
        devices: OneOrMany<Located<String>>,
        /// Grow also where the file `/etc/growroot-disabled` is there.
        ignore_growroot_disabled: bool,
    }
}

/// Where a partition that is grown is asked for.
pub struct Growing {
    asked: Located<String>,
    /// The partition.
    pub partition: Block,
    disk: Block,
    tool: &'static str,
}

fn plan(input: &Input, planner: &mut Planner) {
    for Growing { asked, partition, disk, tool } in growing(input, &mut planner.findings) {
        let disk = disk.node().to_string_lossy().into_owned();
        let number = partition.partition.unwrap_or_default().to_string();
        let command = match tool {
            // Its exit code 1 is "no change".
            "growpart" => {
                Command::tool(["sh", "-c", "growpart \"$1\" \"$2\" || test $? = 1", "growpart", &disk, &number])
            }
            _ => Command {
                stdin: b", +\n".to_vec(),
                ..Command::tool(["sfdisk", "--quiet", "--force", "--no-reread", "-N", &number, &disk])
            },
        };
        let step = planner.step(format!("growpart {}", *asked), &asked.origin).run(command.waiting_for_boot());
        if tool == "sfdisk" {
            // The disk is in use, so the kernel does not read its table again: it is told of the one partition.
            step.run(Command::tool(["partx", "--update", "--nr", &number, &disk]).waiting_for_boot());
        }
    }
}

/// The partitions that are to be grown in this boot. What is wrong with the keys, or cannot be grown, goes to `findings`.
pub fn growing(input: &Input, findings: &mut Findings) -> Vec<Growing> {
    let asked = Keys::take(input.config, findings).growpart;
    let explicit = asked.is_some();
    let keys = asked.unwrap_or_default();
    let Some(mode) = mode(keys.mode.as_ref(), findings) else { return Vec::new() };
    if keys.ignore_growroot_disabled != Some(true) && input.guest.exists("/etc/growroot-disabled") {
        return Vec::new();
    }
    if input.guest.is_container() {
        return Vec::new();
    }
    let root = || Located::new("/".to_owned(), Origin::document("default of growpart"));
    let devices = keys.devices.map_or_else(|| vec![root()], |devices| devices.0);
    let mut growing = Vec::new();
    for asked in devices {
        let Some((partition, disk)) = last_with_room(&asked, explicit, input, findings) else { continue };
        let tool = ["growpart", "sfdisk"]
            .into_iter()
            .find(|tool| (mode == *tool || mode == "auto") && input.guest.has_tool(tool));
        match tool {
            Some(tool) => growing.push(Growing { asked, partition, disk, tool }),
            None => findings.push(
                Finding::warning(&asked.origin, format!("nothing here can grow {}", partition.node().display()))
                    .help("the package with `growpart` is cloud-guest-utils or cloud-utils-growpart"),
            ),
        }
    }
    growing
}

/// The tool that is asked for, or `auto`; `None` where nothing is to be grown.
fn mode(node: Option<&Node>, findings: &mut Findings) -> Option<&'static str> {
    let Some(node) = node else { return Some("auto") };
    if bool::read(node, &mut Findings::default()) == Some(false) {
        return None;
    }
    match one_of(node, &["auto", "growpart", "gpart", "off"], findings) {
        Some("off") => None,
        Some("gpart") => {
            findings.push(Finding::note(&node.origin, "`gpart` is a tool of FreeBSD; `auto` is taken"));
            Some("auto")
        }
        mode => Some(mode.unwrap_or("auto")),
    }
}

/// The partition that `asked` means, and its disk, where it is the last one and there is room behind it.
fn last_with_room(
    asked: &Located<String>,
    explicit: bool,
    input: &Input,
    findings: &mut Findings,
) -> Option<(Block, Block)> {
    let disks = input.guest.disks();
    let path = Path::new(asked.as_str());
    let mounted = disks.mounted_at(path).and_then(|mount| disks.device_of(&mount));
    let mut left = |why: &str| {
        if explicit && disks.are_known() {
            findings.push(Finding::note(&asked.origin, format!("`{}` is not grown: {why}", **asked)));
        }
        None
    };
    let Some(partition) = mounted.or_else(|| disks.find(path)) else {
        return left("there is no such mount point or device");
    };
    if partition.is_mapped() {
        return left("it is on the device mapper (LVM, LUKS); what is beneath has to be grown by hand");
    }
    // A file system on a whole disk has no partition that could be too small.
    partition.partition?;
    let disk = disks.disk_of(&partition)?;
    if disks.partitions(&disk).iter().any(|other| other.start > partition.start) {
        return left("another partition is behind it");
    }
    let room = disk.size.saturating_sub(partition.start.saturating_add(partition.size));
    (room > SLACK).then_some((partition, disk))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::modules::testing::{Bench, Outcome};

    /// A disk of 10 GiB whose only partition is mounted at `/` and ends at `end` MiB.
    pub fn machine(config: &str, end: u64) -> Bench {
        let size = ((end - 1) << 11).to_string();
        Bench::new(config)
            .block("vda", &[("size", "20971520"), ("dev", "253:0")])
            .block("vda/vda1", &[("size", &size), ("start", "2048"), ("partition", "1"), ("dev", "253:1")])
            .file("/proc/self/mountinfo", "21 1 253:1 / / rw - ext4 /dev/root rw\n")
    }

    fn argv(outcome: &Outcome) -> Vec<String> {
        outcome.commands().map(|command| command.argv.join(" ")).collect()
    }

    #[test]
    fn the_last_partition_is_grown_where_there_is_room() {
        for (config, end, steps) in [
            ("", 2048, 1),
            ("", 10 << 10, 0),
            ("", (10 << 10) - 1, 0),
            ("", (10 << 10) - 2, 1),
            ("growpart: {mode: off}", 2048, 0),
            ("growpart: {mode: 'off'}", 2048, 0),
            ("growpart: {mode: false}", 2048, 0),
            ("growpart: {devices: [/dev/vda1]}", 2048, 1),
            ("growpart: {devices: []}", 2048, 0),
        ] {
            let outcome = machine(config, end).tool("growpart").plan(plan);
            assert_eq!((outcome.steps().len(), outcome.findings.iter().count()), (steps, 0), "{config} {end}");
        }
        let outcome = machine("", 2048).tool("growpart").tool("sfdisk").plan(plan);
        assert_eq!(argv(&outcome), ["sh -c growpart \"$1\" \"$2\" || test $? = 1 growpart /dev/vda 1"]);
        let outcome = machine("", 2048).tool("sfdisk").plan(plan);
        assert_eq!(
            argv(&outcome),
            ["sfdisk --quiet --force --no-reread -N 1 /dev/vda", "partx --update --nr 1 /dev/vda"]
        );
    }

    #[test]
    fn what_must_not_be_grown_is_not() {
        let behind = [("size", "2048"), ("start", "8388608"), ("partition", "2"), ("dev", "253:2")];
        let plans = |bench: Bench| bench.tool("growpart").plan(plan).steps().len();
        assert_eq!(plans(machine("", 2048).block("vda/vda2", &behind)), 0);
        assert_eq!(plans(machine("", 2048).file("/run/systemd/container", "lxc")), 0);
        assert_eq!(plans(machine("", 2048).file("/etc/growroot-disabled", "")), 0);
        let ignored = machine("growpart: {ignore_growroot_disabled: true}", 2048);
        assert_eq!(plans(ignored.file("/etc/growroot-disabled", "")), 1);
        assert_eq!(plans(Bench::new("")), 0, "an image shows no disks");
    }

    #[test]
    fn a_tool_that_is_missing_is_said() {
        let outcome = machine("growpart: {mode: growpart}", 2048).tool("sfdisk").plan(plan);
        assert_eq!(outcome.steps().len(), 0);
        assert!(outcome.findings.iter().next().unwrap().message.contains("nothing here can grow /dev/vda1"));
    }
}
