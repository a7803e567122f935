// SPDX-License-Identifier: Apache-2.0
//! Through a loop device of this machine's kernel: as root, on a raw copy, mounted where nobody else sees it.

use std::fs;
use std::path::Path;

use nix::unistd::geteuid;

use super::{Order, Written};
use crate::error::{At as _, Error, Result};
use crate::host::bake::worker::{self, Place, Task};
use crate::host::image::{Format, tool};

/// The capability to mount, by its bit in /proc/self/status.
const CAP_SYS_ADMIN: u32 = 21;

/// Where this process may mount what the image has.
pub fn possible(order: &Order) -> Result<()> {
    if !geteuid().is_root() || !may_mount() {
        return Err(Error::fatal("only root may mount"));
    }
    if !Path::new("/dev/loop-control").exists() {
        return Err(Error::absent("there are no loop devices here"));
    }
    let known = fs::read_to_string("/proc/filesystems").at("read", Path::new("/proc/filesystems"))?;
    let strange = order.roots.iter().find(|root| !known.split_whitespace().any(|name| name == root.file_system));
    match strange {
        Some(root) => Err(Error::fatal(format!("this kernel does not know {} (yet)", root.file_system))
            .help(format!("modprobe {}", root.file_system))),
        None => Ok(()),
    }
}

fn may_mount() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = effective.and_then(|text| u64::from_str_radix(text.trim(), 16).ok()).unwrap_or(0);
    bits >> CAP_SYS_ADMIN & 1 == 1
}

/// Copies the image as raw, mounts it from there and works in it.
pub fn write(order: &Order) -> Result<Written> {
    let copy = order.scratch.path().join("disk.raw");
    let work = order.teller.work("copying the image", Some(100));
    tool::convert((order.image, order.format), (&copy, Format::Raw), None, &work)?;
    drop(work);
    let at = order.scratch.path().join("root");
    fs::create_dir(&at).at("make", &at)?;
    let sources = order.sources(|root| (copy.clone(), Some((root.window.start, root.window.length))));
    let task = Task { place: Place::Mount(sources, at), contents: order.contents.clone() };
    let outcome = worker::run(&task, |line| order.tell(line))?;
    Ok(Written { path: copy, format: Format::Raw, outcome })
}
