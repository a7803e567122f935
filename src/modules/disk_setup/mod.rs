// SPDX-License-Identifier: Apache-2.0
//! Partition tables of further disks.
//!
//! Keys as cloud-init's `cc_disk_setup`. A disk that has a partition table or anything else that is known is left alone
//! unless `overwrite: true`, also for `remove`, and the step says so; cloud-init is silent. A disk in use is never
//! touched. A table that is as asked for (its kind, and as many partitions) stays in any case.
//!
//! `sfdisk` writes a table in one go at its end. Stopped before that the disk is still blank and the next run does it;
//! after that the table is as asked for. With `overwrite` the step runs at most once, whatever stops it: what was made on
//! the disk meanwhile must not be destroyed.

mod layout;

use std::path::{Path, PathBuf};

use crate::config::document::{Data, Node};
use crate::config::read::{Raw, one_of};
use crate::config::types::Named;
use crate::error::Error;
use crate::finding::{Finding, Findings, Origin};
use crate::modules::devices::{self, Content, check, content, settle, spared};
use crate::modules::{Input, Module, Planner};
use crate::plan::action::Command;
use crate::plan::step::{Frequency, Stage};
use layout::Layout;

/// See the file's head.
pub const MODULE: Module =
    Module { name: "disk_setup", stage: Stage::Local, frequency: Frequency::PerInstance, keys: Keys::KEYS, plan };

crate::keys! {
    struct Keys {
        /// Partition tables: device to what it is to have.
        disk_setup: Raw<Named<Setup>>,
        /// Names for devices, to be used in `disk_setup`, `fs_setup` and `mounts`: name to path.
        device_aliases: Node,
    }
}

crate::keys! {
    /// One disk.
    struct Setup {
        /// Kind of the table: `mbr` (the default) or `gpt`.
        table_type: Node,
        /// `true` for one partition; `remove` for no table; or a list of percentages, each alone or as `[percentage,
        /// type]`. The last partition takes what is left.
        layout: Node,
        /// Destroy what is on the disk.
        overwrite: bool,
    }
}

/// What is wanted of one disk.
struct Wanted {
    disk: PathBuf,
    origin: Origin,
    layout: Layout,
    overwrite: bool,
}

fn plan(input: &Input, planner: &mut Planner) {
    let disks = input.guest.disks();
    for wanted in wanted(input, &mut planner.findings) {
        let Wanted { disk, origin, layout, overwrite } = &wanted;
        if is_as_wanted(&wanted, input) {
            continue;
        }
        let name = format!("disk_setup {}", disk.display());
        if let (Content::Holds(found), false) = (content(disks, disk), overwrite) {
            planner.step(name, origin).refuse(spared(disk, &found));
            continue;
        }
        let size = disks.find(disk).map(|block| block.size);
        let Some(command) = command(&wanted, size.unwrap_or(0), input) else {
            let none = "there is no tool here that could do it; `sfdisk` and `wipefs` are parts of util-linux";
            planner.step(name, origin).refuse(none);
            continue;
        };
        let (path, overwrite, sized) = (disk.clone(), *overwrite, layout.partitions.len() < 2 || size.is_some());
        let step = planner.step(name, origin).run(command.guarded(move |root| {
            check(root, &path, overwrite)?;
            let late = || format!("{} came after the sizes of its partitions were worked out", path.display());
            if sized { Ok(true) } else { Err(Error::transient(late()).help("the next boot makes them")) }
        }));
        settle(step, input);
    }
}

/// The program that makes it so; `None` where the guest has none.
fn command(wanted: &Wanted, size: u64, input: &Input) -> Option<Command> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let has = |tool: &str| input.guest.has_tool(tool);
    let (disk, layout) = (text(&wanted.disk), &wanted.layout);
    let mut stdin = Vec::new();
    let mut argv;
    if layout.partitions.is_empty() {
        has("wipefs").then_some(())?;
        let disks = input.guest.disks();
        let partitions = disks.find(&wanted.disk).map_or_else(Vec::new, |block| disks.partitions(&block));
        argv = words(&["wipefs", "--all", "--force"]);
        argv.extend(partitions.iter().map(|part| text(&part.node())));
    } else if has("sfdisk") {
        argv = words(&["sfdisk", "--quiet"]);
        if wanted.overwrite {
            argv.extend(words(&["--wipe", "always", "--wipe-partitions", "always"]));
        }
        stdin = layout.script(size).into_bytes();
    } else {
        (layout.gpt && has("sgdisk")).then_some(())?;
        argv = words(&["sgdisk"]);
        if wanted.overwrite {
            argv.push("--zap-all".to_owned());
        }
        argv.extend(layout.sgdisk(size));
    }
    argv.push(disk);
    Some(Command { stdin, repeatable: !wanted.overwrite, ..Command::tool(argv).waiting_for_boot() })
}

/// The disks that will have new partitions, and how many each.
pub fn planned(input: &Input) -> Vec<(PathBuf, u32)> {
    let disks = input.guest.disks();
    let wanted = wanted(input, &mut Findings::default()).into_iter();
    let made = wanted.filter(|wanted| {
        let free = wanted.overwrite || !matches!(content(disks, &wanted.disk), Content::Holds(_));
        !wanted.layout.partitions.is_empty() && free && !is_as_wanted(wanted, input)
    });
    made.map(|wanted| (wanted.disk, u32::try_from(wanted.layout.partitions.len()).unwrap_or(u32::MAX))).collect()
}

/// Whether the disk has a table of that kind with as many partitions; or nothing, where nothing is wanted.
fn is_as_wanted(wanted: &Wanted, input: &Input) -> bool {
    let disks = input.guest.disks();
    let count = wanted.layout.partitions.len();
    match content(disks, &wanted.disk) {
        Content::Unknown => false,
        Content::Blank => count == 0,
        Content::Holds(found) => {
            let there = disks.find(&wanted.disk).map_or(0, |disk| disks.partitions(&disk).len());
            count > 0 && found.name == wanted.layout.table() && there == count
        }
    }
}

/// What is asked for, as far as it can be read.
fn wanted(input: &Input, findings: &mut Findings) -> Vec<Wanted> {
    let keys = Keys::take(input.config, findings);
    for entries in [keys.disk_setup.as_deref(), keys.device_aliases.as_ref()].into_iter().flatten() {
        if !matches!(entries.data, Data::Mapping(_)) {
            let wrong = format!("expected a mapping of devices, found {}", entries.described());
            findings.push(Finding::error(&entries.origin, wrong));
        }
    }
    let entries = keys.disk_setup.as_deref().map(Node::entries).unwrap_or_default();
    entries.iter().filter_map(|(name, setup)| one(name, setup, input, findings)).collect()
}

fn one(name: &Node, setup: &Node, input: &Input, findings: &mut Findings) -> Option<Wanted> {
    let keys: Setup = devices::whole(setup, findings)?;
    let gpt = match &keys.table_type {
        Some(node) => one_of(node, &["mbr", "gpt"], findings)? == "gpt",
        None => false,
    };
    let Some(layout) = &keys.layout else {
        let none = format!("no `layout` for `{}`; it is left as it is", name.text().unwrap_or_default());
        findings.push(Finding::warning(&setup.origin, none).help("`layout: true` makes one partition"));
        return None;
    };
    let layout = Layout::read(layout, gpt, findings)?;
    let Some(device) = devices::named(name.text().unwrap_or_default(), input) else {
        devices::unknown(name, findings);
        return None;
    };
    Some(Wanted { disk: device.node(), origin: name.origin.clone(), layout, overwrite: keys.overwrite == Some(true) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::{Bench, Outcome};

    const GPT: &str = "disk_setup: {/dev/vdb: {table_type: gpt, layout: [50, 50]}}";

    /// A disk of 4 GiB with these bytes at these places.
    fn bench(config: &str, content: &[(usize, &[u8])]) -> Bench {
        let mut bytes = vec![0; 70 << 10];
        content.iter().for_each(|(at, part)| bytes[*at..*at + part.len()].copy_from_slice(part));
        Bench::new(config).block("vdb", &[("size", "8388608"), ("dev", "253:16")]).device("vdb", &bytes)
    }

    fn plans(bench: Bench) -> Outcome {
        bench.tool("sfdisk").tool("udevadm").tool("wipefs").plan(plan)
    }

    fn partition(bench: Bench, number: u32) -> Bench {
        let place = format!("vdb/vdb{number}");
        bench.block(&place, &[("size", "2048"), ("start", "2048"), ("partition", &number.to_string())])
    }

    #[test]
    fn a_blank_disk_is_partitioned_and_the_steps_after_it_wait_for_udev() {
        let outcome = plans(bench(GPT, &[]));
        assert_eq!(outcome.steps(), ["disk_setup /dev/vdb"]);
        let [sfdisk, settle] = &outcome.commands().collect::<Vec<_>>()[..] else { panic!() };
        assert_eq!(sfdisk.argv, ["sfdisk", "--quiet", "/dev/vdb"]);
        let linux = "type=0FC63DAF-8483-4772-8E79-3D69D8477DE4\n";
        assert_eq!(String::from_utf8_lossy(&sfdisk.stdin), format!("label: gpt\nsize=2048MiB, {linux}{linux}"));
        assert_eq!(settle.argv[..2], ["udevadm", "settle"]);
        assert!(!outcome.step("disk_setup /dev/vdb").at_most_once());
        let only = bench(GPT, &[]).tool("sgdisk").plan(plan);
        let [sgdisk] = &only.commands().collect::<Vec<_>>()[..] else { panic!() };
        assert_eq!(sgdisk.argv[..3], ["sgdisk", "--clear", "--new=1:0:+2048M"]);
        assert_eq!(bench(GPT, &[]).plan(plan).refusals().len(), 1, "no tool at all");
    }

    #[test]
    fn what_is_on_a_disk_is_spared_without_overwrite_and_said() {
        let gpt = (512, &b"EFI PART"[..]);
        let outcome = plans(partition(bench(GPT, &[gpt]), 1));
        assert!(outcome.refusals()[0].starts_with("/dev/vdb holds a partition table (gpt), and is left alone"));
        let same = plans(partition(partition(bench(GPT, &[gpt]), 1), 2));
        assert_eq!((same.steps().len(), same.findings.iter().count()), (0, 0));
        let over = GPT.replace("layout", "overwrite: true, layout");
        let outcome = plans(partition(bench(&over, &[gpt]), 1));
        let [sfdisk, _] = &outcome.commands().collect::<Vec<_>>()[..] else { panic!() };
        assert_eq!(sfdisk.argv[2..6], ["--wipe", "always", "--wipe-partitions", "always"]);
        assert!(outcome.step("disk_setup /dev/vdb").at_most_once());
    }

    #[test]
    fn a_table_goes_only_on_demand() {
        let config = "disk_setup: {vdb: {layout: remove}}";
        let dos = (510, &[0x55, 0xaa][..]);
        assert_eq!(plans(bench(config, &[])).steps().len(), 0);
        assert_eq!(plans(bench(config, &[dos])).refusals().len(), 1);
        let outcome = plans(partition(bench("disk_setup: {vdb: {layout: remove, overwrite: on}}", &[dos]), 1));
        let [wipe, _] = &outcome.commands().collect::<Vec<_>>()[..] else { panic!() };
        assert_eq!(wipe.argv, ["wipefs", "--all", "--force", "/dev/vdb1", "/dev/vdb"]);
    }

    #[test]
    fn the_machine_is_looked_at_once_more_before_the_disk_is_touched() {
        for (at, magic, error) in [(0, &b"XFSB"[..], "/dev/vdb holds xfs"), (0, b"", "")] {
            let outcome = plans(bench(GPT, &[]));
            let file = outcome.root().path().join("dev/vdb");
            let mut bytes = std::fs::read(&file).unwrap();
            bytes[at..at + magic.len()].copy_from_slice(magic);
            std::fs::write(&file, bytes).unwrap();
            let guard = outcome.commands().next().unwrap().guard.clone().unwrap();
            let verdict = guard(&outcome.root()).map_err(|error| error.to_string());
            assert!(verdict.err().unwrap_or_default().starts_with(error));
        }
        let late = plans(Bench::new(GPT));
        let guard = late.commands().next().unwrap().guard.clone().unwrap();
        assert!(guard(&late.root()).unwrap_err().is_absent());
    }

    #[test]
    fn a_bad_disk_costs_only_itself() {
        let outcome = plans(bench(
            "disk_setup:\n  ephemeral0: {layout: true}\n  vdc: {layout: [200]}\n  vdd: {table_type: bsd, layout: true}\n  \
             vde: 1\n  vdf: {layout: false}\n  vdg: {table_typ: gpt, layout: true}\n  vdb: {layout: true}\n",
            &[],
        ));
        assert_eq!(outcome.steps(), ["disk_setup /dev/vdb"]);
        assert_eq!(outcome.findings.iter().count(), 6, "{:?}", outcome.findings);
        assert!(outcome.findings.iter().any(|finding| finding.message.contains("the whole entry is left out")));
    }
}
