// SPDX-License-Identifier: Apache-2.0
//! The ways to write into an image without booting it. The order is the priority: the first that is possible is taken.

mod appliance;
mod loop_device;

pub use appliance::init;

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::contents::Contents;
use super::mount::Source;
use super::worker::Outcome;
use crate::error::{Error, Result};
use crate::host::image::roots::Candidate;
use crate::host::image::{Disk, Format};
use crate::host::scratch::Scratch;
use crate::host::tell::Teller;

/// What every way gets.
pub struct Order<'a> {
    /// The image, which is not touched.
    pub image: &'a Path,
    /// Its format.
    pub format: Format,
    /// The disk in it.
    pub disk: &'a Rc<Disk>,
    /// The file systems that may be its root.
    pub roots: &'a [Candidate],
    /// What it gets.
    pub contents: &'a Contents,
    /// The user's own kernel and modules for the appliance.
    pub kernel: Option<&'a (PathBuf, Option<PathBuf>)>,
    /// For what must not stay.
    pub scratch: &'a Scratch,
    /// Who is told.
    pub teller: &'a Teller,
}

impl Order<'_> {
    /// What may be mounted, where the disk is at `device` and its partitions by `name`.
    fn sources(&self, mut one: impl FnMut(&Candidate) -> (PathBuf, Option<(u64, u64)>)) -> Vec<Source> {
        let source = |root: &Candidate| {
            let (device, part) = one(root);
            Source { device, part, file_system: root.file_system.to_owned() }
        };
        self.roots.iter().map(source).collect()
    }

    fn tell(&self, line: &str) {
        self.teller.event("image", &format!("  {line}"));
    }
}

/// A disk into which all was written.
pub struct Written {
    /// The file, in the scratch directory.
    pub path: PathBuf,
    /// Its format.
    pub format: Format,
    /// How the work ended.
    pub outcome: Outcome,
}

/// A way.
pub struct Way {
    /// As `--way` calls it.
    pub name: &'static str,
    /// Fails, with why, where this machine or image has no such way.
    possible: fn(&Order) -> Result<()>,
    /// Writes all into a disk of its own in the scratch directory.
    write: fn(&Order) -> Result<Written>,
}

/// All there are.
pub const WAYS: &[Way] = &[
    Way { name: "loop", possible: loop_device::possible, write: loop_device::write },
    Way { name: "appliance", possible: appliance::possible, write: appliance::write },
];

/// Takes the way called `name`, or the first that is possible, and tells which and why not the others.
///
/// # Errors
/// Fatal where none is possible, with the reasons; else the way's own.
pub fn write(order: &Order, name: Option<&str>) -> Result<(&'static Way, Written)> {
    let mut reasons = Vec::new();
    for way in WAYS.iter().filter(|way| name.is_none_or(|name| name == way.name)) {
        match (way.possible)(order) {
            Ok(()) => {
                let why = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join("; ")) };
                order.teller.event("way", &format!("way: {}{why}", way.name));
                return (way.write)(order).map(|written| (way, written));
            }
            Err(error) if name.is_some() => return Err(error.while_doing(format!("the way {}", way.name))),
            Err(error) => reasons.push(format!("not {}: {}", way.name, error.without_advice())),
        }
    }
    Err(Error::fatal(format!("there is no way into this image: {}", reasons.join("; ")))
        .help("run as root, or take the static build of firstlight-host; or mount it yourself and use --root DIR"))
}
