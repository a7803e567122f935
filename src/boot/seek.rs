// SPDX-License-Identifier: Apache-2.0
//! Where the seed of a run comes from: its medium, this boot's local stage, or what an earlier boot has kept.

use std::path::Path;

use crate::boot::{Options, detect};
use crate::datasource::{self, Drive, Fetched, none};
use crate::error::{Error, Result};
use crate::finding::Findings;
use crate::root::{Root, Tree as _};
use crate::seed::Seed;
use crate::state;

/// What the search for a configuration came to.
#[derive(Default)]
pub(super) struct Found {
    pub(super) seed: Option<Seed>,
    pub(super) findings: Findings,
    pub(super) drive: Option<Drive>,
    /// What to say of its place, where that is not the seed's own word.
    pub(super) place: Option<String>,
}

impl Found {
    fn of(Fetched { seed, drive }: Fetched, findings: Findings) -> Self {
        Self { seed: Some(seed), findings, drive, place: None }
    }

    /// What the local stage of this boot worked for.
    pub(super) fn of_this_boot(root: &Root) -> Result<Self> {
        let id = root.read_text(state::BOOT_INSTANCE.as_ref())?;
        let seed = id.map(|id| Seed::load(root, id.trim())).transpose()?.flatten();
        Ok(Self { seed, ..Self::default() })
    }

    /// What an earlier boot worked for.
    pub(super) fn of_earlier(root: &Root) -> Result<Self> {
        let link = root.read_link(state::INSTANCE.as_ref())?;
        let Some(id) = link.as_deref().and_then(Path::file_name) else { return Ok(Self::default()) };
        let seed = Seed::load(root, &id.to_string_lossy())?;
        let place = seed.as_ref().map(|seed| format!("kept; was {}", seed.place));
        Ok(Self { seed, place, ..Self::default() })
    }
}

/// The seed that is there, or the one that was kept when its medium has gone: a known instance keeps what it has.
///
/// # Errors
/// Malformed: there is a medium, it can't be used, and nothing was kept.
pub(super) fn seek(options: &Options) -> Result<Found> {
    let mut detection = detect(options)?;
    detection.tried.iter().for_each(|tried| log::info!("{}: {}", tried.name, tried.reason));
    let is_platform = |fetched: &mut Fetched| fetched.seed.datasource != none::NAME;
    if let Some(fetched) = detection.found.take_if(is_platform) {
        return Ok(Found::of(fetched, detection.findings));
    }
    let kept = Found::of_earlier(&options.root)?;
    // The image alone is for a machine that never had a platform: a known one whose medium has gone is still itself.
    let had_platform = kept.seed.as_ref().is_some_and(|seed| seed.datasource != none::NAME);
    if let Some(fetched) = detection.found.filter(|_| !had_platform) {
        return Ok(Found::of(fetched, detection.findings));
    }
    match detection.tried.iter().find(|tried| tried.outcome == datasource::Outcome::Failed) {
        Some(failed) if kept.seed.is_none() => Err(Error::malformed(format!("{}: {}", failed.name, failed.reason))
            .help("`firstlight detect` tells what was seen")),
        _ => {
            if let Some(place) = &kept.place {
                log::warn!("the seed of this instance is gone ({place}); what it configured stays");
            }
            Ok(Found { findings: detection.findings, ..kept })
        }
    }
}
