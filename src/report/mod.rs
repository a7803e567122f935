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
pub mod status;

/// The status of this boot: what is written, or that nothing has begun.
pub fn status(root: &Root) -> Result<Status> {
    if root.exists(state::DISABLED.as_ref()) {
        return Ok(Status { status: Outcome::Disabled, ..Status::default() });
    }
    let path = Path::new(state::STATUS);
    let Some(bytes) = root.read(path)? else { return Ok(Status::default()) };
    let status: Status = serde_json::from_slice(&bytes)
        .map_err(|error| Error::malformed(format!("{} is no status", path.display())).because(error))?;
    // A file of another boot is possible where /run is no tmpfs.
    Ok(if status.boot_id == boot_id(root) { status } else { Status::default() })
}

/// The status that this run goes on with; a file that can't be read is begun anew.
pub fn begin(root: &Root) -> Result<Status> {
    let mut status = status(root).unwrap_or_default();
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

/// Writes the status file.
pub fn publish(root: &Root, status: &Status) -> Result<()> {
    write(root, state::STATUS, status, 0o644)
}

/// Leaves what other programs and later stages want to know of the instance.
pub fn instance(root: &Root, instance: &Instance, data: &Value, findings: &mut Findings) -> Result<()> {
    root.link(state::INSTANCE.as_ref(), &state::instance(&instance.id))?;
    write(root, state::INSTANCE_DATA, &redacted(data.clone()), 0o644)?;
    root.write(state::METADATA.as_ref(), instance.environment(findings).as_bytes(), 0o600)?;
    root.write(state::BOOT_INSTANCE.as_ref(), format!("{}\n", *instance.id).as_bytes(), 0o644)
}

/// Instance data as the local stage left it.
pub fn instance_data(root: &Root) -> Result<Option<Value>> {
    let path = Path::new(state::INSTANCE_DATA);
    let Some(bytes) = root.read(path)? else { return Ok(None) };
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

fn boot_id(root: &Root) -> String {
    let id = root.read_text("/proc/sys/kernel/random/boot_id".as_ref());
    id.ok().flatten().unwrap_or_default().trim().to_owned()
}

fn write(root: &Root, path: &str, value: &impl Serialize, mode: u32) -> Result<()> {
    let mut bytes = serde_json::to_vec_pretty(value).at("encode", path.as_ref())?;
    bytes.push(b'\n');
    root.write(path.as_ref(), &bytes, mode)
}

#[cfg(test)]
mod tests {
    use super::*;

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
    }
}
