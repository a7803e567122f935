// SPDX-License-Identifier: Apache-2.0
//! A swap file.
//!
//! Key as cloud-init's `cc_mounts`, with its table of sizes. The file is made beside its place and gets its name when it
//! is whole; so whatever stops it, a file of that name is a swap file that can be used, or somebody else's that is left
//! alone. Never larger than what is free. Where it has to be written out byte by byte (XFS, btrfs and others that cannot
//! swap to what is only reserved) that is done in the final stage, for it takes long.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::document::Node;
use crate::config::read::Read as _;
use crate::config::types::Size;
use crate::error::{Error, Result};
use crate::finding::{Finding, Located};
use crate::guest::disks::Disks;
use crate::modules::mounts::activated;
use crate::modules::mounts::fstab::Line;
use crate::modules::{Input, Module, Planner};
use crate::plan::action::{Command, Write};
use crate::plan::step::{Frequency, Stage, Step};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "swap", stage: Stage::Local, frequency: Frequency::PerInstance, keys: Keys::KEYS, plan };

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// How long the file may take that is written out.
const LIMIT: Duration = Duration::from_secs(60 * 60);

crate::keys! {
    struct Keys {
        /// A file to swap to.
        swap: Located<Swap>,
    }
}

crate::keys! {
    /// A swap file.
    struct Swap {
        /// Its path. Default: `/swap.img`.
        filename: Located<PathBuf>,
        /// Bytes, `2G`, or `auto`: by the memory.
        size: Node,
        /// The most that `auto` takes.
        maxsize: Located<Size>,
    }
}

fn plan(input: &Input, planner: &mut Planner) {
    let Some(Located { value: keys, origin }) = Keys::take(input.config, &mut planner.findings).swap else { return };
    let Some(node) = keys.size else {
        let why = "`swap` without a `size` asks for nothing";
        return planner.finding(Finding::warning(&origin, why).help("`size: auto`, or `2G`"));
    };
    let path = keys.filename.map_or_else(|| PathBuf::from("/swap.img"), |path| path.value);
    let free = input.guest.free_space(&path);
    let size = if node.text().is_some_and(|text| text.eq_ignore_ascii_case("auto")) {
        let (Some(memory), Some(free)) = (input.guest.memory(), free) else {
            let later = "how large the swap file is to be is known when the machine runs";
            return planner.finding(Finding::note(&node.origin, later));
        };
        automatic(memory, free, keys.maxsize.map(|size| size.0))
    } else {
        match Size::read(&node, &mut planner.findings) {
            Some(size) => size.0,
            None => return,
        }
    } / MIB;
    if size == 0 {
        return;
    }
    let line = Line {
        spec: path.to_string_lossy().into_owned(),
        target: "none".to_owned(),
        kind: "swap".to_owned(),
        options: "sw".to_owned(),
        dump: "0".to_owned(),
        pass: "0".to_owned(),
    };
    let step = planner.step(format!("swap {}", path.display()), &node.origin);
    match is_needed(input.guest.disks(), &path) {
        Ok(false) => {}
        Ok(true) if free.is_some_and(|free| input.guest.is_live() && free < size * MIB) => {
            let free = free.unwrap_or_default() / MIB;
            step.refuse(format!("the swap file needs {size} MiB, and {free} MiB are free for it"));
            return;
        }
        Ok(true) => made(&path, size, input, step),
        Err(error) => {
            step.refuse(error.to_string());
            return;
        }
    }
    activated(&line, input, step);
}

/// Bytes by cloud-init's table: as much as there is memory below 4 GiB, then 4 GiB, from 16 GiB on the root of the memory
/// in GiB; at most twice the memory and a quarter of what is free, or `most` and nine tenths of what is free.
fn automatic(memory: u64, free: u64, most: Option<u64>) -> u64 {
    let wanted = match memory {
        0..0x1_0000_0000 => memory,
        0x1_0000_0000..0x4_0000_0000 => 4 * GIB,
        _ => {
            let gib = memory / GIB;
            let root = gib.isqrt();
            // To the nearest.
            (root + u64::from(gib - root * root > root)) * GIB
        }
    };
    wanted.min(most.map_or((free / 4).min(memory.saturating_mul(2)), |most| most.min(free / 10 * 9)))
}

/// Whether the file is still to be made: false where it is there, an error where something else is.
fn is_needed(disks: Disks, path: &Path) -> Result<bool> {
    match disks.file(path)? {
        None => Ok(true),
        Some(Some(found)) if found.name == "swap" => Ok(false),
        Some(_) => Err(Error::fatal(format!("{} is there and is no swap file; it is left alone", path.display()))),
    }
}

/// Adds what makes a file of `size` MiB.
fn made(path: &Path, size: u64, input: &Input, step: &mut Step) {
    let kind = input.guest.disks().mount_of(path).map_or_else(String::new, |mount| mount.kind);
    let reserved = matches!(kind.as_str(), "ext4" | "f2fs" | "") && input.guest.has_tool("fallocate");
    let beside = format!("{}.new", path.display());
    let (size, output, count) = (format!("{size}M"), format!("of={beside}"), format!("count={size}"));
    let mut programs: Vec<Vec<&str>> = Vec::new();
    if kind == "btrfs" {
        // Only what is not copied on write can be swapped to, and only an empty file becomes so.
        programs.push(vec!["chattr", "+C", &beside]);
    }
    if reserved {
        programs.push(vec!["fallocate", "-l", &size, &beside]);
    } else {
        programs.push(vec!["dd", "if=/dev/zero", &output, "bs=1M", &count]);
        step.stage(Stage::Final);
    }
    let name = path.to_string_lossy();
    programs.extend([vec!["mkswap", &beside], vec!["mv", &beside, &name]]);
    step.write(Write::new(&beside, "").mode(0o600));
    for argv in programs {
        let path = path.to_owned();
        let command = Command { timeout: Some(LIMIT), ..Command::tool(argv) };
        step.run(command.waiting_for_boot().guarded(move |root| is_needed(Disks::of(root), &path)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::{Bench, Outcome};

    fn plans(config: &str, kind: &str) -> Outcome {
        bench(config, kind).plan(plan)
    }

    fn bench(config: &str, kind: &str) -> Bench {
        let mount = format!("1 1 8:1 / / rw - {kind} /dev/vda1 rw\n");
        let bench =
            Bench::new(config).file("/proc/self/mountinfo", &mount).file("/proc/meminfo", "MemTotal: 1024 kB\n");
        bench.tool("fallocate")
    }

    fn argv(outcome: &Outcome) -> Vec<String> {
        outcome.commands().map(|command| command.argv.join(" ")).collect()
    }

    #[test]
    fn sizes_follow_the_peer_s_table() {
        let room = 1 << 50;
        for (memory, free, most, expected) in [
            (512 * MIB, room, None, 512 * MIB),
            (3 * GIB, room, None, 3 * GIB),
            (8 * GIB, room, None, 4 * GIB),
            (16 * GIB, room, None, 4 * GIB),
            (21 * GIB, room, None, 5 * GIB),
            (64 * GIB, room, None, 8 * GIB),
            (2 * GIB, 4 * GIB, None, GIB),
            (2 * GIB, 4 * GIB, Some(GIB / 2), GIB / 2),
            (2 * GIB, 10 * MIB, Some(GIB), 9 * MIB),
            (2 * GIB, 0, None, 0),
        ] {
            assert_eq!(automatic(memory, free, most), expected, "{memory} {free} {most:?}");
        }
    }

    #[test]
    fn the_file_is_made_beside_its_place_and_named_when_it_is_whole() {
        let outcome = plans("swap: {size: 1G}", "ext4");
        assert_eq!(
            argv(&outcome),
            [
                "fallocate -l 1024M /swap.img.new",
                "mkswap /swap.img.new",
                "mv /swap.img.new /swap.img",
                "swapon /swap.img"
            ]
        );
        let fstab = outcome.content("/etc/fstab").unwrap();
        assert_eq!(fstab, "/swap.img\tnone\tswap\tsw,comment=cloudconfig\t0\t0\n");
        let step = outcome.step("swap /swap.img");
        assert!(step.waits_for_boot() && !step.at_most_once());
        assert!(matches!(&step.actions[0], crate::plan::action::Action::Write(write) if write.mode == 0o600));
        assert_eq!(argv(&plans("swap: {size: auto}", "ext4"))[0], "fallocate -l 1M /swap.img.new");
    }

    #[test]
    fn what_cannot_be_reserved_is_written_out_when_nobody_waits() {
        let outcome = plans("swap: {size: 2097152, filename: /var/swap}", "btrfs");
        assert_eq!(argv(&outcome)[..2], ["chattr +C /var/swap.new", "dd if=/dev/zero of=/var/swap.new bs=1M count=2"]);
        assert_eq!(outcome.step("swap /var/swap").stage, Stage::Final);
        assert_eq!(plans("swap: {size: 1M}", "xfs").step("swap /swap.img").stage, Stage::Final);
    }

    #[test]
    fn a_file_that_is_there_is_used_or_left_alone() {
        let there = |content: &str| bench("swap: {size: 1M}", "ext4").file("/swap.img", content).plan(plan);
        let swap = format!("{}SWAPSPACE2", "\0".repeat(4086));
        assert_eq!(argv(&there(&swap)), ["swapon /swap.img"]);
        let other = there("a diary");
        assert!(other.refusals()[0].contains("/swap.img is there and is no swap file") && argv(&other).is_empty());
    }

    #[test]
    fn what_says_no_size_is_said_or_means_none() {
        for (config, steps, findings) in [
            ("swap: {size: 0}", 0, 0),
            ("swap: {filename: /swap}", 0, 1),
            ("swap: {size: lots}", 0, 1),
            ("swap: {size: 1g}", 1, 1),
            ("swap: {size: 1G, maxsize: 1G, filename: swap}", 1, 1),
        ] {
            let outcome = plans(config, "ext4");
            assert_eq!((outcome.steps().len(), outcome.findings.iter().count()), (steps, findings), "{config}");
        }
        let image = Bench::new("swap: {size: auto}").plan(plan);
        assert_eq!((image.steps().len(), image.findings.iter().count()), (0, 1));
    }
}
