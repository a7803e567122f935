// SPDX-License-Identifier: Apache-2.0
//! Mounts: lines of /etc/fstab, and the mounts themselves.
//!
//! Keys as cloud-init's `cc_mounts`, and its mark on each line. Each row is a step of its own that writes its line, makes
//! the mount point and mounts, for at most a minute; network file systems have their turn when the network is up. No row
//! holds up a boot: a device that is not there, without `nofail`, gets no line, and its step fails and says so.
//!
//! The default options name none of the agent's units: its first one starts after the local mounts, so a mount that
//! waited for it would wait for ever. For the same reason options that order a mount after units of cloud-init are left
//! out.

pub mod fstab;

use std::path::Path;
use std::time::Duration;

use crate::config::document::Node;
use crate::config::read::Read as _;
use crate::error::Error;
use crate::finding::{Finding, Findings, Located};
use crate::guest::disks::Disks;
use crate::modules::devices::{self, Content, content, expected};
use crate::modules::{Input, Module, Planner, disk_setup};
use crate::plan::action::{Command, Owner};
use crate::plan::step::{Frequency, Stage, Step};
use fstab::{FSTAB, Line};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "mounts", stage: Stage::Local, frequency: Frequency::PerInstance, keys: Keys::KEYS, plan };

/// How long a mount may take.
const LIMIT: Duration = Duration::from_secs(60);

crate::keys! {
    struct Keys {
        /// What to mount: rows as in fstab, `[what, where, type, options, dump, pass]`; a row without `where` takes back
        /// earlier rows for the same device.
        mounts: Vec<Node>,
        /// What the fields are that a row leaves out. Default: `[null, null, auto, 'defaults,nofail', '0', '2']`.
        mount_default_fields: Node,
    }
}

const DEFAULTS: [Option<&str>; 6] = [None, None, Some("auto"), Some("defaults,nofail"), Some("0"), Some("2")];

type Fields = [Option<String>; 6];

fn plan(input: &Input, planner: &mut Planner) {
    let keys = Keys::take(input.config, &mut planner.findings);
    let mut defaults = DEFAULTS.map(|field| field.map(str::to_owned));
    if let Some(node) = &keys.mount_default_fields
        && let Some(given) = fields(node, &mut planner.findings)
    {
        // `None` is what the peer's documentation has in this place.
        defaults = given.map(|field| field.filter(|field| field != "None"));
    }
    let mut lines: Vec<Located<Line>> = Vec::new();
    for node in keys.mounts.iter().flatten() {
        row(node, &defaults, &mut lines, input, planner);
    }
    let fstab = input.guest.read_text(FSTAB).unwrap_or_default();
    if !lines.is_empty() || fstab::has_marks(&fstab) {
        planner.step("mounts of another instance", &input.instance.id.origin).edit(fstab::cleared());
    }
    let own = fstab::own(&fstab);
    lines.retain(|line| {
        let stays =
            own.iter().any(|(spec, target)| *spec == line.spec && (line.is_swap() || *target != Path::new("none")));
        if stays {
            let there = format!("the image's fstab has `{}` already; its line stays as it is", line.spec);
            planner.finding(Finding::note(&line.origin, there));
        }
        !stays
    });
    for line in &lines {
        let hidden = own.iter().any(|(_, target)| !line.is_swap() && *target == Path::new(&line.target));
        if hidden {
            let twice = format!("the image's fstab mounts something else at {}", line.target);
            planner.finding(
                Finding::warning(&line.origin, twice).help("which of the two the next boot mounts is left to it"),
            );
        }
        mounted(line, input, planner);
    }
    let last = lines.iter().max_by_key(|line| stage(line));
    if let (Some(line), true) = (last, input.guest.is_systemd()) {
        let reload = Command::tool(["systemctl", "daemon-reload"]);
        planner.step("mounts known to systemd", &line.origin).stage(stage(line)).run(reload);
    }
}

/// The fields of a row; `None` for what is no row.
fn fields(node: &Node, findings: &mut Findings) -> Option<Fields> {
    let Some(items) = node.items().filter(|items| items.len() <= 6) else {
        let wrong = format!("expected a list of up to 6 fields as in fstab, found {}", node.described());
        findings.push(Finding::error(&node.origin, wrong));
        return None;
    };
    let mut fields = Fields::default();
    for (field, item) in fields.iter_mut().zip(items).filter(|(_, item)| !item.is_null()) {
        *field = Some(String::read(item, findings)?);
    }
    Some(fields)
}

/// One row: a line more, or lines that are taken back.
fn row(node: &Node, defaults: &Fields, lines: &mut Vec<Located<Line>>, input: &Input, planner: &mut Planner) {
    let Some(given) = fields(node, &mut planner.findings) else { return };
    let [Some(spec), target, kind, options, dump, pass] = given else {
        let what = "this row does not say what to mount; it is left out";
        return planner.finding(Finding::error(&node.origin, what));
    };
    let Some(spec) = self::spec(&spec, input) else {
        let name = node.items().and_then(<[Node]>::first).unwrap_or(node);
        return devices::unknown(name, &mut planner.findings);
    };
    let [_, no_target, no_kind, no_options, no_dump, no_pass] = defaults.clone();
    let Some(target) = target.or(no_target) else {
        return lines.retain(|line| line.spec != spec);
    };
    let field = |given: Option<String>, default: Option<String>, last: &str| {
        given.or(default).unwrap_or_else(|| last.to_owned())
    };
    let kind = field(kind, no_kind, "auto");
    if kind != "swap" && !target.starts_with('/') {
        let relative = format!("`{target}` is no place to mount at; this row is left out");
        return planner.finding(Finding::error(&node.origin, relative).help("an absolute path, or `none` for swap"));
    }
    let all = field(options, no_options, "defaults");
    let (foreign, kept): (Vec<&str>, Vec<&str>) = all.split(',').partition(|option| waits_for_the_peer(option));
    if !foreign.is_empty() {
        let left =
            format!("without `{}`: there is no such unit here, and the mount would never come", foreign.join(","));
        planner.finding(Finding::note(&node.origin, left));
    }
    let options = if kept.is_empty() { "defaults".to_owned() } else { kept.join(",") };
    let line = Line { spec, target, kind, options, dump: field(dump, no_dump, "0"), pass: field(pass, no_pass, "0") };
    lines.push(Located::new(line, node.origin.clone()));
}

fn waits_for_the_peer(option: &str) -> bool {
    let unit = option.strip_prefix("x-systemd.").and_then(|rest| rest.split_once('='));
    unit.is_some_and(|(key, unit)| matches!(key, "requires" | "after" | "wants") && unit.starts_with("cloud-"))
}

/// What is mounted, as fstab names it; `None` for a name of the platform's that it does not tell.
fn spec(written: &str, input: &Input) -> Option<String> {
    let tagged = written.contains([':', '=']) && !written.starts_with("/dev/");
    let path = written.starts_with('/') && !written.starts_with("/dev/");
    if tagged || path {
        return Some(written.to_owned());
    }
    let device = devices::named(written, input)?;
    let aliased = device.path.file_name().is_none_or(|name| !written.starts_with(&*name.to_string_lossy()));
    // `tmpfs` and such are no devices.
    if !written.starts_with("/dev/") && !aliased && !is_device(written) && !exists(&device.path, input) {
        return Some(written.to_owned());
    }
    let first = || expected(&device.path, input).partitions.into_iter().next().map(|(node, _)| node);
    let node = if device.partition.is_none() { first() } else { None };
    Some(node.unwrap_or_else(|| device.node()).to_string_lossy().into_owned())
}

/// A name that only a disk has.
fn is_device(name: &str) -> bool {
    let short = ["xvd", "sd", "hd", "vd"].into_iter().find_map(|prefix| name.strip_prefix(prefix));
    let letter = short.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
    let number = ["sr", "nvme", "mmcblk"].into_iter().find_map(|prefix| name.strip_prefix(prefix));
    letter || number.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn exists(path: &Path, input: &Input) -> bool {
    input.guest.disks().find(path).is_some()
}

/// Which stage can mount it.
fn stage(line: &Line) -> Stage {
    let types =
        ["nfs", "nfs4", "cifs", "smb3", "ceph", "glusterfs", "lustre", "fuse.sshfs", "fuse.s3fs", "davfs", "afs"];
    let network = types.contains(&line.kind.as_str()) || line.has("_netdev") || line.spec.starts_with("//");
    let device = line.spec.starts_with("/dev/");
    if network && !device { Stage::Network } else { Stage::Local }
}

/// The step of one line.
fn mounted(line: &Located<Line>, input: &Input, planner: &mut Planner) {
    let name = if line.is_swap() { format!("mounts swap {}", line.spec) } else { format!("mounts {}", line.target) };
    let step = planner.step(name, &line.origin).stage(stage(line));
    if !line.is_swap() && holds_the_boot(line, input) {
        step.refuse(format!(
            "there is no {}; without `nofail` its line in fstab would keep the next boot from going on",
            line.spec
        ));
        return;
    }
    activated(line, input, step);
}

/// Whether a boot would wait for a device that is not there, and nothing of the same document makes.
fn holds_the_boot(line: &Line, input: &Input) -> bool {
    let spec = Path::new(&line.spec);
    let optional = ["nofail", "noauto", "x-systemd.automount"].iter().any(|option| line.has(option));
    let made = || disk_setup::planned(input).iter().any(|(disk, _)| line.spec.starts_with(&*disk.to_string_lossy()));
    let absent = || input.guest.is_live() && content(input.guest.disks(), spec) == Content::Unknown;
    line.spec.starts_with("/dev/") && !optional && absent() && !made()
}

/// Adds to `step` what makes a line of fstab, and what it asks for.
pub fn activated(line: &Line, input: &Input, step: &mut Step) {
    // A directory that is there keeps its mode, whatever it is.
    if !line.is_swap() && !input.guest.exists(&line.target) {
        step.directory(&line.target, 0o755, Owner::Root);
    }
    step.edit(line.added());
    if line.has("noauto") {
        return;
    }
    let (spec, target, swap) = (line.spec.clone(), line.target.clone(), line.is_swap());
    let argv = if swap { ["swapon", &spec] } else { ["mount", &target] };
    // In an image a line of fstab will do; not for what the boot is still to make.
    let made = ["disk_setup", "fs_setup"].iter().any(|key| input.config.get(key).is_some());
    let command = Command { timeout: Some(LIMIT), waits_for_boot: made, ..Command::tool(argv) };
    step.run(command.guarded(move |root| {
        let (disks, spec) = (Disks::of(root), Path::new(&spec));
        if spec.starts_with("/dev") && disks.find(spec).is_none() {
            return Err(Error::absent(format!("there is no block device {}", spec.display())));
        }
        let node = disks.find(spec).map_or_else(|| spec.to_owned(), |block| block.node());
        Ok(if swap { !disks.is_swap(&node) } else { disks.mounted_at(Path::new(&target)).is_none() })
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::{Bench, Outcome};

    fn plans(config: &str) -> Outcome {
        plans_on(Bench::new(config).file("/etc/fstab", "/dev/vda1 / ext4 defaults 0 1\n"))
    }

    fn plans_on(bench: Bench) -> Outcome {
        let part = [("size", "2048"), ("start", "2048"), ("partition", "1")];
        let bench = bench.block("vdb", &[("size", "4096")]).block("vdc", &[("size", "4096")]).block("vdc/vdc1", &part);
        bench.file("/usr/lib/systemd/systemd", "").file("/tmp/x", "").plan(plan)
    }

    /// The lines that are added to fstab.
    fn lines(outcome: &Outcome) -> Vec<String> {
        let text = outcome.content("/etc/fstab").unwrap_or_default();
        let ours = text.lines().filter_map(|line| line.split_once(",comment=cloudconfig"));
        ours.map(|(before, after)| format!("{}|{}", before, after.trim()).replace('\t', " ")).collect()
    }

    fn argv(outcome: &Outcome) -> Vec<String> {
        outcome.commands().map(|command| command.argv.join(" ")).collect()
    }

    #[test]
    fn rows_become_lines_with_the_defaults() {
        let outcome = plans(
            "mounts:\n - [vdb, /opt/data]\n - [/dev/vdc, /srv, ext4, \"defaults,noexec\", 0, 0]\n - [LABEL=log, /var/log, null, ro]\n \
             - [tmpfs, /tmp, tmpfs, size=1G, '0', '0']\n - ['filer:/x', /net, nfs]\n - [/srv/a b, /bind, none, bind]\n - [vdb, none, \
             swap, sw]\n - [nosuch, /tmp2, tmpfs]\n",
        );
        assert_eq!(
            lines(&outcome),
            [
                "/dev/vdb /opt/data auto defaults,nofail|0 2",
                "/dev/vdc1 /srv ext4 defaults,noexec|0 0",
                "LABEL=log /var/log auto ro|0 2",
                "tmpfs /tmp tmpfs size=1G|0 0",
                "filer:/x /net nfs defaults,nofail|0 2",
                "/srv/a\\040b /bind none bind|0 2",
                "/dev/vdb none swap sw|0 2",
                "nosuch /tmp2 tmpfs defaults,nofail|0 2",
            ]
        );
        assert_eq!(outcome.findings.iter().count(), 0, "{:?}", outcome.findings);
        assert_eq!(
            argv(&outcome),
            [
                "mount /opt/data",
                "mount /srv",
                "mount /var/log",
                "mount /tmp",
                "mount /net",
                "mount /bind",
                "swapon /dev/vdb",
                "mount /tmp2",
                "systemctl daemon-reload"
            ]
        );
        assert_eq!(outcome.step("mounts /net").stage, Stage::Network);
        assert_eq!(outcome.step("mounts /tmp").actions.len(), 2, "the mode of a directory that is there stays");
        assert_eq!(outcome.step("mounts /opt/data").actions.len(), 3);
    }

    #[test]
    fn defaults_can_be_given_and_rows_taken_back() {
        let outcome = plans(
            "mount_default_fields: [None, None, xfs, 'noatime,x-systemd.requires=cloud-init.service', 1]\n\
             mounts: [[vdb, /a], [vdb, null], [ephemeral0, /mnt], [swap], [vdb, /b, auto]]\n",
        );
        assert_eq!(lines(&outcome), ["/dev/vdb /b auto noatime|1 0"]);
        let said: Vec<_> = outcome.findings.iter().map(|finding| finding.message.as_str()).collect();
        assert!(said.iter().any(|text| text.contains("which device `ephemeral0` is")), "{said:?}");
        assert!(said.iter().any(|text| text.contains("without `x-systemd.requires=cloud-init.service`")), "{said:?}");
    }

    #[test]
    fn lines_of_another_instance_go_and_the_image_s_stay() {
        let fstab = "/dev/vdb /data ext4 defaults 0 0\n/dev/vdx /old auto defaults,comment=cloudconfig 0 2\n";
        let outcome = plans_on(Bench::new("mounts: [[/dev/vdb, /mine], [LABEL=x, /data]]").file("/etc/fstab", fstab));
        let text = outcome.content("/etc/fstab").unwrap();
        assert_eq!(lines(&outcome), ["LABEL=x /data auto defaults,nofail|0 2"]);
        assert!(text.starts_with("/dev/vdb /data ext4 defaults 0 0\n") && !text.contains("/old"));
        let said: Vec<_> = outcome.findings.iter().map(|finding| finding.message.as_str()).collect();
        assert!(said[0].contains("has `/dev/vdb` already") && said[1].contains("something else at /data"), "{said:?}");
        assert_eq!(plans_on(Bench::new("").file("/etc/fstab", fstab)).steps(), ["mounts of another instance"]);
        assert_eq!(plans("").steps().len(), 0);
    }

    #[test]
    fn a_partition_that_the_same_document_makes_is_mounted_when_it_is_there() {
        let outcome = plans("disk_setup: {vdb: {layout: true}}\nmounts: [[vdb, /data], [/dev/vdb.1, /more]]");
        assert_eq!(lines(&outcome)[0], "/dev/vdb1 /data auto defaults,nofail|0 2");
        assert!(lines(&outcome)[1].starts_with("/dev/vdb1 /more"));
        assert!(outcome.step("mounts /data").waits_for_boot(), "also in an image");
    }

    #[test]
    fn a_bad_row_costs_only_itself() {
        let outcome = plans("mounts: [vdb, [], [[a], /x], [vdb, data], [1, 2, 3, 4, 5, 6, 7], [vdb, /good]]");
        assert_eq!(lines(&outcome), ["/dev/vdb /good auto defaults,nofail|0 2"]);
        assert_eq!(outcome.findings.iter().count(), 5, "{:?}", outcome.findings);
    }

    #[test]
    fn what_is_mounted_is_not_mounted_again_and_what_is_absent_is_said() {
        let outcome = plans_on(
            Bench::new("mounts: [[vdb, /data], [vdx, /late], [vdb, none, swap]]")
                .file("/proc/self/mountinfo", "1 1 8:0 / /data rw - ext4 /dev/vdb rw\n")
                .file("/proc/swaps", "Filename\n/dev/vdb partition 1 0 -2\n"),
        );
        let root = outcome.root();
        let verdicts: Vec<_> = outcome.commands().filter_map(|command| Some((command.guard.clone()?)(&root))).collect();
        assert!(matches!(&verdicts[..], [Ok(false), Err(error), Ok(false)] if error.is_absent()), "{verdicts:?}");
    }
}
