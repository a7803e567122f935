// SPDX-License-Identifier: Apache-2.0
//! Drives that hold a seed: found by their label, and read in the order of `media::device`.

use std::cell::RefCell;

use crate::datasource::{Context, Drive};
use crate::error::{Error, Result};
use crate::finding::{Finding, Findings, Origin, Severity};
use crate::media::device::{self, Kind, Labelled, Look};
use crate::media::{self, Medium};

/// Why there are no drives to look at beneath the root of an image.
pub(super) const NOT_LIVE: &str = "the devices of this machine are not those of the image; name its seed with --source";

/// The labelled drives of this machine, looked at once for all datasources.
#[derive(Default)]
pub struct Drives {
    seen: RefCell<Option<Vec<Look>>>,
}

impl Drives {
    /// The next question looks again: something may have come.
    pub(super) fn forget(&self) {
        self.seen.take();
    }

    /// All devices as they were seen last; none where nobody had to look.
    pub fn seen(&self) -> Vec<Look> {
        self.seen.borrow().clone().unwrap_or_default()
    }
}

impl Context<'_> {
    /// The drives with a label that is `wanted`, in the order in which they are taken. An image has none.
    pub(super) fn drives(&self, wanted: impl Fn(&str) -> bool) -> Vec<Labelled> {
        if !self.root.is_machine() {
            return Vec::new();
        }
        let mut seen = self.drives.seen.borrow_mut();
        let seen = seen.get_or_insert_with(|| device::look(self.root.path()));
        let drives = seen.iter().filter_map(|look| look.drive.as_ref());
        drives.filter(|drive| drive.labels.iter().any(|label| wanted(label))).cloned().collect()
    }
}

/// A drive for a person: `/dev/sr0 (iso9660, config-2)`.
pub(super) fn place(drive: &Labelled) -> String {
    let label = drive.labels.first().map_or("", String::as_str);
    format!("{} ({}, {label})", drive.device.path.display(), drive.file_system.name())
}

/// What `read` makes of the first drive that it can read; says of each other drive why not. `what` names one of them.
pub(super) fn first_readable<T>(
    drives: &[Labelled],
    what: &str,
    findings: &mut Findings,
    mut read: impl FnMut(&dyn Medium, &str, &mut Findings) -> Result<T>,
) -> Result<(T, Drive)> {
    let mut last = Error::absent(format!("no {what}"));
    for (number, drive) in drives.iter().enumerate() {
        let opened = media::open(&drive.device.path).and_then(|image| {
            image.ok_or_else(|| Error::absent(format!("the medium in {} is gone", drive.device.path.display())))
        });
        match opened.and_then(|image| read(&image, &place(drive), findings)) {
            Ok(seed) => {
                for other in drives.iter().skip(number + 1) {
                    let why = why_before(drive, other);
                    let message = format!("is a {what} too; {} was taken: {why}", place(drive));
                    findings.push(Finding::note(&Origin::document(place(other)), message).help("detach one of them"));
                }
                let drive = Drive { device: drive.device.path.clone(), file_system: drive.file_system };
                return Ok((seed, drive));
            }
            Err(error) if number + 1 < drives.len() => {
                let error = error.while_doing(format!("the next {what} is tried"));
                let finding = error.finding(&Origin::document(place(drive)));
                findings.push(Finding { severity: Severity::Warning, ..finding });
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn why_before(taken: &Labelled, other: &Labelled) -> &'static str {
    match (taken.device.kind, other.device.kind) {
        (Kind::Optical, Kind::Disk | Kind::Partition) => "discs go before disks",
        (Kind::Disk, Kind::Partition) => "whole disks go before partitions",
        _ => "its name comes first",
    }
}
