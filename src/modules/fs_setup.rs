// SPDX-License-Identifier: Apache-2.0
//! File systems of further disks.
//!
//! Keys as cloud-init's `cc_disk_setup`. A device that holds the file system that is asked for (type, and label where the
//! device is named) keeps it; one that holds anything else is left alone unless `overwrite: true`, and the step says so:
//! cloud-init makes a file system over another one without a word. A device in use is never touched.
//!
//! Stopped in the middle, mkfs leaves ext, btrfs and swap without a superblock, XFS with one that says so, and FAT without
//! its tables: the device still counts as blank, and the next run makes it. Any other that was stopped after its
//! superblock counts as made, and is not made again. With `overwrite`, and for a `cmd`, the step runs at most once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::document::{Data, Node};
use crate::config::read::Raw;
use crate::config::types::OneOrMany;
use crate::finding::{Finding, Findings, Located};
use crate::guest::disks::{Disks, partition_node};
use crate::media::signature::Signature;
use crate::modules::devices::{self, Content, Disk, check, content, expected, same, settle, spared};
use crate::modules::{Input, Module, Planner};
use crate::plan::action::Command;
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "fs_setup", stage: Stage::Local, frequency: Frequency::PerInstance, keys: Keys::KEYS, plan };

/// How long one may take: below what the stage may.
const LIMIT: Duration = Duration::from_secs(3 * 60);

crate::keys! {
    struct Keys {
        /// File systems to make.
        fs_setup: Vec<Raw<Setup>>,
    }
}

crate::keys! {
    /// One file system.
    struct Setup {
        /// Its label.
        label: Located<String>,
        /// Its type: `ext4`, `xfs`, `btrfs`, `vfat`, `swap` …
        filesystem: Located<String>,
        /// The disk or partition; `vdb.1` is a partition of `vdb`.
        device: Node,
        /// A number; `auto`: the first one that is blank, or holds this type and label; `any` (the default): or holds this
        /// type; `none`: the device itself.
        partition: Located<String>,
        /// Destroy what is on the device.
        overwrite: bool,
        /// Take a partition that holds this type, and destroy it.
        replace_fs: String,
        /// More options of the program.
        extra_opts: Node,
        /// A command in place of mkfs, with `%(label)s`, `%(filesystem)s` and `%(device)s`.
        cmd: OneOrMany<String>,
    }
}

/// What a program needs to be told: types by the beginning of their names, option for the label, its longest length,
/// option that makes it go on where it would ask or refuse, whether that is needed on a blank device too.
const MAKERS: &[(&str, &str, usize, &str, bool)] = &[
    // Asks on a whole disk.
    ("ext", "-L", 16, "-F", true),
    // Refuses what it had begun itself.
    ("xfs", "-L", 12, "-f", true),
    ("btrfs", "-L", 255, "-f", false),
    ("swap", "-L", 15, "-f", false),
    // Refuses a whole disk.
    ("vfat", "-n", 11, "-I", true),
    ("f2fs", "-l", 512, "-f", false),
    ("ntfs", "-L", 128, "-F", false),
    ("reiserfs", "-l", 16, "-f", false),
];

/// Where a file system goes.
enum Choice {
    /// Here, in place of this.
    Make(PathBuf, Content),
    /// It is there already.
    There,
    /// There is no place for it.
    Nowhere(String),
}

fn plan(input: &Input, planner: &mut Planner) {
    let mut taken = Vec::new();
    for node in Keys::take(input.config, &mut planner.findings).fs_setup.unwrap_or_default() {
        if let Some(setup) = devices::whole(&node, &mut planner.findings) {
            one(&setup, &mut taken, input, planner);
        }
    }
}

fn one(setup: &Located<Setup>, taken: &mut Vec<PathBuf>, input: &Input, planner: &mut Planner) {
    let mut lacks = |what: &str| {
        planner.findings.push(Finding::error(&setup.origin, format!("this file system has no {what}; it is left out")));
    };
    let Some(device) = &setup.device else { return lacks("`device`") };
    if setup.filesystem.is_none() && setup.cmd.is_none() {
        return lacks("`filesystem`");
    }
    if let (Some(kind), Some(label), None) = (&setup.filesystem, &setup.label, &setup.cmd) {
        let longest = maker(kind).2;
        if label.len() > longest {
            let long = format!("`{}` is too long for a label of {}; this file system is left out", **label, **kind);
            return planner.finding(Finding::error(&label.origin, long).help(format!("at most {longest} bytes")));
        }
    }
    let Some(named) = devices::named(device.text().unwrap_or_default(), input) else {
        return devices::unknown(device, &mut planner.findings);
    };
    let disk = expected(&named.path, input);
    let part = named.partition.map(|number| number.to_string());
    let part = part.or_else(|| setup.partition.as_ref().map(|part| part.to_ascii_lowercase()));
    let choice = match part.as_deref().unwrap_or("any") {
        "none" => at(setup, &disk.path, disk.content.clone()),
        word @ ("auto" | "any") => search(setup, &disk, word == "any", taken),
        number => match number.parse() {
            Ok(number) => {
                let node = partition_node(&disk.path, number);
                let known = disk.partitions.iter().find(|(path, _)| same(input.guest.disks(), path, &node));
                let now = || content(input.guest.disks(), &node);
                at(setup, &node, known.map_or_else(now, |(_, content)| content.clone()))
            }
            Err(_) => {
                let origin = setup.partition.as_ref().map_or(&setup.origin, |part| &part.origin);
                let unfit = format!("`{number}` is no partition; this file system is left out");
                return planner.finding(Finding::error(origin, unfit).help("a number, `auto`, `any` or `none`"));
            }
        },
    };
    match choice {
        Choice::There => {}
        Choice::Nowhere(why) => {
            planner.step(format!("fs_setup {}", disk.path.display()), &setup.origin).refuse(why);
        }
        Choice::Make(node, was) => {
            taken.push(node.clone());
            make(setup, &node, &was, input, planner);
        }
    }
}

/// A device that is named.
fn at(setup: &Setup, node: &Path, content: Content) -> Choice {
    let there = matches!(&content, Content::Holds(found) if is_as_wanted(setup, found, true));
    if there && setup.overwrite != Some(true) { Choice::There } else { Choice::Make(node.to_owned(), content) }
}

/// The place that cloud-init's `find_device_node` would take: the first that holds what is asked for, or what is to be
/// replaced, or is a blank partition; else the whole device, if that is blank.
fn search(setup: &Setup, disk: &Disk, any: bool, taken: &[PathBuf]) -> Choice {
    let whole = (disk.path.clone(), disk.content.clone());
    for (index, (node, content)) in std::iter::once(&whole).chain(&disk.partitions).enumerate() {
        match content {
            Content::Holds(found) if any && setup.replace_fs.as_deref() == Some(found.name) => {
                return Choice::Make(node.clone(), content.clone());
            }
            Content::Holds(found) if is_as_wanted(setup, found, !any) => return Choice::There,
            Content::Blank if index > 0 && !taken.contains(node) => return Choice::Make(node.clone(), content.clone()),
            _ => {}
        }
    }
    match disk.partitions.is_empty() {
        true => Choice::Make(whole.0, whole.1),
        false => Choice::Nowhere(format!("{} has no partition that is blank", disk.path.display())),
    }
}

fn is_as_wanted(setup: &Setup, found: &Signature, label: bool) -> bool {
    let wanted = setup.label.as_ref().map_or("", |label| label.as_str());
    let kind = setup.filesystem.as_ref().is_some_and(|kind| same_type(kind, found.name));
    kind && found.finished && (!label || found.label == wanted)
}

fn same_type(written: &str, name: &str) -> bool {
    written == name || (name == "vfat" && matches!(written, "fat" | "msdos"))
}

fn make(setup: &Located<Setup>, node: &Path, was: &Content, input: &Input, planner: &mut Planner) {
    let command = command(setup, node, input, &mut planner.findings);
    let overwrite = setup.overwrite == Some(true);
    let replaced = setup.replace_fs.clone().unwrap_or_default();
    let step = planner.step(format!("fs_setup {}", node.display()), &setup.origin);
    if let Content::Holds(found) = was
        && !overwrite
        && found.name != replaced
        && found.finished
    {
        step.refuse(spared(node, found));
        return;
    }
    let command = match command {
        Ok(command) => command,
        Err(why) => {
            step.refuse(why);
            return;
        }
    };
    let (node, setup) = (node.to_owned(), setup.value.clone());
    step.run(command.guarded(move |root| {
        let found = Disks::of(root).signature(&node)?;
        if !overwrite && found.as_ref().is_some_and(|found| is_as_wanted(&setup, found, true)) {
            return Ok(false);
        }
        check(root, &node, overwrite || found.is_some_and(|found| found.name == replaced))?;
        Ok(true)
    }));
    settle(step, input);
}

fn maker(kind: &str) -> (&'static str, &'static str, usize, &'static str, bool) {
    MAKERS.iter().copied().find(|maker| kind.starts_with(maker.0)).unwrap_or(("", "-L", 255, "", false))
}

/// The program that makes it, or why there is none.
fn command(setup: &Located<Setup>, node: &Path, input: &Input, findings: &mut Findings) -> Result<Command, String> {
    let node = node.to_string_lossy();
    let kind = setup.filesystem.as_ref().map_or("", |kind| kind.as_str());
    let label = setup.label.as_ref().map_or("", |label| label.as_str());
    let forced = setup.overwrite == Some(true) || setup.replace_fs.is_some();
    if let Some(OneOrMany(words)) = &setup.cmd {
        if setup.extra_opts.is_some() {
            findings.push(Finding::warning(&setup.origin, "with `cmd`, `extra_opts` are not used"));
        }
        let fill = |word: &String| {
            word.replace("%(label)s", label).replace("%(filesystem)s", kind).replace("%(device)s", &node)
        };
        let mut argv: Vec<String> = words.iter().map(fill).collect();
        if argv.len() == 1 {
            argv.splice(..0, ["/bin/sh".to_owned(), "-c".to_owned()]);
        }
        return Ok(Command { timeout: Some(LIMIT), ..Command::script(argv) });
    }
    let tools = [format!("mkfs.{kind}"), format!("mk{kind}")];
    let plain = kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let tool = tools.into_iter().find(|tool| plain && input.guest.has_tool(tool));
    let tool = tool.ok_or_else(|| format!("there is no mkfs here for `{kind}`; the image needs its package"))?;
    let (_, label_option, _, force, always) = maker(kind);
    let mut argv = vec![tool];
    if !label.is_empty() {
        argv.extend([label_option.to_owned(), label.to_owned()]);
    }
    if !force.is_empty() && (forced || always) {
        argv.push(force.to_owned());
    }
    argv.extend(options(setup.extra_opts.as_ref()));
    argv.push(node.into_owned());
    Ok(Command {
        timeout: Some(LIMIT),
        repeatable: setup.overwrite != Some(true),
        ..Command::tool(argv).waiting_for_boot()
    })
}

/// Options as a list, or in one string.
fn options(node: Option<&Node>) -> Vec<String> {
    let Some(node) = node else { return Vec::new() };
    match &node.data {
        Data::Sequence(items) => items.iter().filter_map(Node::text).map(str::to_owned).collect(),
        _ => node.text().unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::{Bench, Outcome};

    const SWAP: (usize, &[u8]) = (4086, b"SWAPSPACE2");
    const LABEL: (usize, &[u8]) = (1052, b"spare");

    fn bytes(parts: &[(usize, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; 70 << 10];
        parts.iter().for_each(|(at, part)| bytes[*at..*at + part.len()].copy_from_slice(part));
        bytes
    }

    /// A disk with a table and two partitions, of which the first holds a swap space with a label.
    fn bench(config: &str) -> Bench {
        let part = |number: &'static str| [("size", "2048"), ("start", "2048"), ("partition", number)];
        Bench::new(config)
            .block("vdb", &[("size", "8388608")])
            .device("vdb", &bytes(&[(510, &[0x55, 0xaa])]))
            .block("vdb/vdb1", &part("1"))
            .device("vdb1", &bytes(&[SWAP, LABEL]))
            .block("vdb/vdb2", &part("2"))
            .block("vdc", &[("size", "8388608")])
    }

    fn plans(bench: Bench) -> Outcome {
        ["mkfs.ext4", "mkfs.xfs", "mkswap", "udevadm"].into_iter().fold(bench, Bench::tool).plan(plan)
    }

    /// The programs that make something, and why others do not.
    fn made(entry: &str) -> Vec<String> {
        let outcome = plans(bench(&format!("fs_setup: [{{{entry}}}]")));
        let refused = outcome.refusals().into_iter().map(str::to_owned).collect::<Vec<_>>();
        let commands = outcome.commands().map(|command| command.argv.join(" "));
        commands.filter(|line| !line.starts_with("udevadm")).chain(refused).collect()
    }

    #[test]
    fn the_place_is_found_as_the_peer_finds_it() {
        for (entry, expected) in [
            ("device: vdb, filesystem: ext4, label: data", "mkfs.ext4 -L data -F /dev/vdb2"),
            ("device: vdb, filesystem: xfs, partition: auto", "mkfs.xfs -f /dev/vdb2"),
            ("device: vdb, filesystem: swap", ""),
            ("device: vdb, filesystem: swap, partition: auto, label: spare", ""),
            ("device: vdb, filesystem: swap, partition: auto, label: x", "mkswap -L x /dev/vdb2"),
            ("device: vdb, filesystem: ext4, replace_fs: swap", "mkfs.ext4 -F /dev/vdb1"),
            ("device: vdb.2, filesystem: ext4", "mkfs.ext4 -F /dev/vdb2"),
            ("device: vdb, partition: 2, filesystem: ext4", "mkfs.ext4 -F /dev/vdb2"),
            ("device: vdc, filesystem: ext4", "mkfs.ext4 -F /dev/vdc"),
            ("device: vdc, filesystem: ext4, partition: none, extra_opts: -m 0", "mkfs.ext4 -F -m 0 /dev/vdc"),
            ("device: vdc, filesystem: ext4, extra_opts: [-m, 0]", "mkfs.ext4 -F -m 0 /dev/vdc"),
            ("device: vdx.1, filesystem: ext4", "mkfs.ext4 -F /dev/vdx1"),
        ] {
            let expected: Vec<&str> = Some(expected).into_iter().filter(|line| !line.is_empty()).collect();
            assert_eq!(made(entry), expected, "{entry}");
        }
    }

    #[test]
    fn what_is_there_is_spared_without_overwrite_and_said() {
        let spared = |entry: &str, why: &str| assert!(made(entry)[0].starts_with(why), "{entry}: {:?}", made(entry));
        spared("device: vdb1, filesystem: ext4", "/dev/vdb1 holds swap with the label `spare`, and is left alone");
        spared("device: vdb1, filesystem: swap, partition: none", "/dev/vdb1 holds swap with the label `spare`");
        spared("device: vdb, filesystem: ext4, partition: none", "/dev/vdb holds a partition table (dos)");
        spared("device: vdb, filesystem: ext4, partition: 1", "/dev/vdb1 holds swap");
        assert_eq!(made("device: vdb.1, filesystem: xfs, overwrite: true"), ["mkfs.xfs -f /dev/vdb1"]);
        assert_eq!(made("device: vdb.1, filesystem: swap, overwrite: true"), ["mkswap -f /dev/vdb1"]);
    }

    #[test]
    fn a_disk_that_the_same_document_partitions_counts_as_partitioned() {
        let config = "disk_setup: {vdc: {layout: [50, 50]}}\nfs_setup:\n - {device: vdc, filesystem: ext4}\n \
                      - {device: vdc, filesystem: ext4, partition: auto}\n - {device: vdc, filesystem: ext4}\n";
        let outcome = plans(bench(config));
        assert_eq!(outcome.steps(), ["fs_setup /dev/vdc1", "fs_setup /dev/vdc2", "fs_setup /dev/vdc"]);
        assert_eq!(outcome.refusals(), ["/dev/vdc has no partition that is blank"]);
    }

    #[test]
    fn directly_before_the_device_is_looked_at_once_more() {
        let entry = "fs_setup: [{device: vdc, filesystem: swap, label: spare}]";
        for (parts, expected) in [
            (&[][..], Ok(true)),
            (&[SWAP, LABEL], Ok(false)),
            (&[SWAP], Err("/dev/vdc holds swap")),
            (&[(0, b"LUKS\xba\xbe")], Err("/dev/vdc holds LUKS")),
        ] {
            let outcome = plans(bench(entry));
            std::fs::write(outcome.root().path().join("dev/vdc"), bytes(parts)).unwrap();
            let guard = outcome.commands().next().unwrap().guard.clone().unwrap();
            match (guard(&outcome.root()), expected) {
                (Ok(needed), Ok(expected)) => assert_eq!(needed, expected),
                (Err(error), Err(expected)) => assert!(error.to_string().starts_with(expected), "{error}"),
                (verdict, _) => panic!("{parts:?}: {verdict:?}"),
            }
        }
    }

    #[test]
    fn a_command_of_one_s_own_runs_at_most_once() {
        let outcome = plans(bench(
            "fs_setup:\n - {device: vdc, filesystem: ext4, label: a b, cmd: 'mkfs -t %(filesystem)s -L \"%(label)s\" %(device)s'}\n \
             - {device: vdb.2, label: x, cmd: [mkfs.zfs, -n, '%(label)s', '%(device)s']}\n",
        ));
        let argv: Vec<_> =
            outcome.commands().filter(|command| !command.repeatable).map(|command| &command.argv).collect();
        assert_eq!(argv[0], &["/bin/sh", "-c", "mkfs -t ext4 -L \"a b\" /dev/vdc"]);
        assert_eq!(argv[1], &["mkfs.zfs", "-n", "x", "/dev/vdb2"]);
        assert!(outcome.step("fs_setup /dev/vdc").at_most_once());
    }

    #[test]
    fn a_bad_entry_costs_only_itself() {
        let outcome = plans(bench(
            "fs_setup:\n - {filesystem: ext4}\n - {device: vdc}\n - {device: vdc, filesystem: zfs}\n - {device: vdc, filesystem: \
             ext4, partition: first}\n - {device: vdc, filesystem: xfs, label: thirteenbytes}\n - {device: ephemeral0, \
             filesystem: ext4}\n - {device: vdc, filesystem: ../x}\n - {device: vdc, filesystem: ext4}\n",
        ));
        assert_eq!(outcome.steps().len(), 3);
        assert_eq!(outcome.refusals().len(), 2, "{:?}", outcome.refusals());
        assert_eq!(outcome.findings.iter().count(), 5, "{:?}", outcome.findings);
        assert_eq!(outcome.commands().count(), 2, "mkfs and udevadm");
    }
}
