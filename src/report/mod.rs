// SPDX-License-Identifier: Apache-2.0
//! What happened, for people and programs.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::error::{At, Error, Result};
use crate::finding::Findings;
use crate::instance::Instance;
use crate::instance::redacted;
use crate::plan::step::Stage;
use crate::report::status::{Outcome, Status};
use crate::root::{Root, Tree as _};
use crate::state;

pub mod clock;
pub mod console;
pub mod line;
pub mod log;
pub mod output;
pub mod port;
pub mod status;

/// The status of this boot: what is written, or that nothing has begun.
pub fn status(root: &Root) -> Result<Status> {
    if is_disabled(root) {
        return Ok(Status { status: Outcome::Disabled, ..Status::default() });
    }
    Ok(of_this_boot(root)?.unwrap_or_default())
}

/// Whether the agent is switched off, as its units look for it.
fn is_disabled(root: &Root) -> bool {
    let command_line = root.read_text("/proc/cmdline".as_ref()).ok().flatten().unwrap_or_default();
    root.exists(state::DISABLED.as_ref()) || command_line.split_ascii_whitespace().any(|word| word == OFF)
}

/// Switches the agent off on the kernel's command line.
const OFF: &str = "firstlight=disabled";

/// The status file; one of another boot, which is possible where /run is no tmpfs, counts as none.
fn of_this_boot(root: &Root) -> Result<Option<Status>> {
    let path = Path::new(state::STATUS);
    let Some(bytes) = root.read(path)? else { return Ok(None) };
    let status: Status = serde_json::from_slice(&bytes)
        .map_err(|error| Error::malformed(format!("{} is no status", path.display())).because(error))?;
    Ok(Some(status).filter(|status| status.boot_id == boot_id(root)))
}

/// The status that this run goes on with; a file that can't be read is begun anew. The first run of a boot takes away
/// what another boot has left, which no tmpfs did.
pub fn begin(root: &Root) -> Result<Status> {
    let known = of_this_boot(root);
    if matches!(known, Ok(None)) {
        root.remove_tree(state::WANTED.as_ref())?;
        let left = [
            state::BOOT_INSTANCE,
            state::SEARCH,
            state::SENSITIVE_DATA,
            state::INSTANCE_DATA,
            state::METADATA,
            state::RESULT,
        ];
        left.iter().try_for_each(|path| root.remove(path.as_ref()))?;
    }
    let mut status = known.ok().flatten().unwrap_or_default();
    status.boot_id = boot_id(root);
    status.status = Outcome::Running;
    status.error = None;
    publish(root, &status)?;
    Ok(status)
}

/// The last word of a run: running where a later stage has work in this boot, else the outcome.
pub fn finish(root: &Root, status: &mut Status) -> Result<()> {
    let wanted = |stage: &Stage| root.exists(&Path::new(state::WANTED).join(stage.name()));
    if status.error.is_none() && Stage::ALL.iter().any(wanted) {
        status.status = Outcome::Running;
    } else if status.status != Outcome::NoSeed {
        status.status = status.outcome();
    }
    publish(root, status)?;
    if status.status.is_final() {
        write(root, state::RESULT, &Brief { status: status.status, error: status.error.as_deref() }, 0o644)?;
    }
    Ok(())
}

/// The outcome alone, for programs that only wait for it.
#[derive(Serialize)]
struct Brief<'a> {
    status: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

/// Writes the status file, and tells the host where it listens.
pub fn publish(root: &Root, status: &Status) -> Result<()> {
    let text = write(root, state::STATUS, status, 0o644)?;
    if root.is_live() {
        port::tell(&text, status.status.is_final());
    }
    Ok(())
}

/// Leaves what other programs and later stages want to know of the instance.
pub fn instance(root: &Root, instance: &Instance, data: &Value, findings: &mut Findings) -> Result<()> {
    write(root, state::SENSITIVE_DATA, data, 0o600)?;
    write(root, state::INSTANCE_DATA, &redacted(data.clone()), 0o644)?;
    root.write(state::METADATA.as_ref(), instance.environment(findings).as_bytes(), 0o600)?;
    root.write(state::BOOT_INSTANCE.as_ref(), format!("{}\n", *instance.id).as_bytes(), 0o644)
}

/// Instance data as the local stage left it: with its secrets for who may read those, else without.
pub fn instance_data(root: &Root) -> Result<Option<Value>> {
    let path = Path::new(state::INSTANCE_DATA);
    let all = root.read(state::SENSITIVE_DATA.as_ref()).ok().flatten();
    let Some(bytes) = all.map_or_else(|| root.read(path), |all| Ok(Some(all)))? else { return Ok(None) };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|error| Error::malformed(format!("{} is no JSON", path.display())).because(error))
}

/// Name of the wish that the boot brings the network online, beside those of stages and units.
pub const ONLINE: &str = "online";

/// Says that a later unit has work in this boot; its path unit starts it.
pub fn want(root: &Root, unit: &str) -> Result<()> {
    root.write(&Path::new(state::WANTED).join(unit), b"", 0o644)
}

/// Takes that back: the stage has begun.
pub fn unwanted(root: &Root, unit: &str) -> Result<()> {
    root.remove(&Path::new(state::WANTED).join(unit))
}

/// The kernel's word for this boot; empty where the root is no running system.
pub(crate) fn boot_id(root: &Root) -> String {
    let id = root.read_text("/proc/sys/kernel/random/boot_id".as_ref());
    id.ok().flatten().unwrap_or_default().trim().to_owned()
}

/// Writes the value as JSON, and gives what was written.
fn write(root: &Root, path: &str, value: &impl Serialize, mode: u32) -> Result<String> {
    let text = serde_json::to_string_pretty(value).at("encode", path.as_ref())? + "\n";
    root.write(path.as_ref(), text.as_bytes(), mode)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_run_ends_only_when_no_later_stage_has_work() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        assert_eq!(status(&root).unwrap().status, Outcome::NotStarted);
        let mut told = begin(&root).unwrap();
        want(&root, "final").unwrap();
        finish(&root, &mut told).unwrap();
        assert_eq!(status(&root).unwrap().status, Outcome::Running);
        unwanted(&root, "final").unwrap();
        finish(&root, &mut told).unwrap();
        assert_eq!(status(&root).unwrap().status, Outcome::Done);
        assert!(root.exists(state::RESULT.as_ref()));
    }

    #[test]
    fn the_switch_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        root.write(state::DISABLED.as_ref(), b"", 0o644).unwrap();
        assert_eq!(status(&root).unwrap().status, Outcome::Disabled);
        let scratch = Scratch::new();
        for (command_line, outcome) in [
            ("quiet firstlight=disabled\n", Outcome::Disabled),
            ("quiet xfirstlight=disabled firstlight=disabledx\n", Outcome::NotStarted),
        ] {
            scratch.file("/proc/cmdline", command_line);
            assert_eq!(status(&scratch.root()).unwrap().status, outcome, "{command_line}");
        }
    }

    #[test]
    fn what_another_boot_left_is_taken_away_and_what_this_one_left_stays() {
        let scratch = Scratch::new();
        let (root, id) = (scratch.root(), "/proc/sys/kernel/random/boot_id");
        let left = ["/run/firstlight/wanted/final", state::BOOT_INSTANCE, state::RESULT];
        scratch.file(id, "one\n");
        begin(&root).unwrap();
        left.iter().for_each(|path| scratch.file(path, "i-1\n"));
        // By hand where the agent is switched off, and after a status that was damaged.
        root.write(state::DISABLED.as_ref(), b"", 0o644).unwrap();
        begin(&root).unwrap();
        scratch.file(state::STATUS, "{");
        begin(&root).unwrap();
        assert!(left.iter().all(|path| root.exists(path.as_ref())));
        scratch.file(id, "two\n");
        begin(&root).unwrap();
        assert!(!left.iter().any(|path| root.exists(path.as_ref())));
    }
}
