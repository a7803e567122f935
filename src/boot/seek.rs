// SPDX-License-Identifier: Apache-2.0
//! Where the seed of a run comes from: its medium, this boot's local stage, or what an earlier boot has kept.

use std::path::Path;

use crate::boot::{Options, search};
use crate::datasource::{self, Drive, Fetched, Kept, none};
use crate::error::{Error, Result};
use crate::finding::{Finding, Findings, Severity};
use crate::guest::Guest;
use crate::instance::Instance;
use crate::plan::step::Stage;
use crate::root::{Root, Tree as _};
use crate::seed::{MetaFormat, Seed};
use crate::state;

/// What the search for a configuration came to.
#[derive(Default)]
pub(super) struct Found {
    pub(super) seed: Option<Seed>,
    pub(super) findings: Findings,
    pub(super) drive: Option<Drive>,
    /// What to say of its place, where that is not the seed's own word.
    pub(super) place: Option<String>,
    /// Whether the search goes on when the network is up.
    pub(super) goes_on: bool,
}

impl Found {
    fn of(Fetched { seed, drive }: Fetched, findings: Findings) -> Self {
        Self { seed: Some(seed), findings, drive, place: None, goes_on: false }
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

/// The instance of which a seed was kept, and the machine that it was configured on. One that can't be read counts as none:
/// then it is asked for.
pub(super) fn kept(root: &Root) -> Option<Kept> {
    let seed = Found::of_earlier(root).ok()?.seed?;
    let id = Instance::from_seed(&seed, &mut Findings::default()).ok()?.id.value;
    let machine = root.read_text(&state::machine(&id)).ok().flatten();
    Some(Kept { machine: machine.map(|uuid| uuid.trim().to_owned()), id, datasource: seed.datasource })
}

/// What to say where the seed that was kept is another machine's. An image is to be many machines.
fn copied(kept: &Found, root: &Root) -> Result<Option<Finding>> {
    let Some(seed) = kept.seed.as_ref().filter(|_| root.is_machine()) else { return Ok(None) };
    // One that can't be understood says so itself.
    let Ok(instance) = Instance::from_seed(seed, &mut Findings::default()) else { return Ok(None) };
    let is_of_openstack = seed.meta_format == MetaFormat::OpenStack;
    let place = format!("the seed that was kept ({})", seed.place);
    let finding = datasource::of_another_machine(&instance.id, &place, &Guest::read(root)?);
    let help = "a disk that was copied from another machine? Attach this machine's drive, or `firstlight clean` before it is copied";
    Ok(finding.filter(|_| is_of_openstack).map(|finding| finding.help(help)))
}

/// The seed that is there, or the one that was kept when its medium has gone: a known instance keeps what it has.
///
/// # Errors
/// Malformed: there is a medium, it can't be used, and nothing was kept.
pub(super) fn seek(options: &Options, stages: &[Stage]) -> Result<Found> {
    let mut detection = search(options, stages)?;
    let goes_on = detection.awaits_network();
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
        Some(failed) if kept.seed.is_none() => {
            // The error is of one alone; what else there is to say would be lost with it.
            let others = detection.findings.iter().filter(|told| told.origin.document_name() != failed.name);
            others.filter(|told| told.severity > Severity::Note).for_each(|told| log::warn!("{told}"));
            Err(Error::malformed(format!("{}: {}", failed.name, failed.reason))
                .help("`firstlight detect` tells what was seen"))
        }
        _ => {
            let known = |tried: &datasource::Tried| tried.outcome == datasource::Outcome::Known;
            if let Some(place) = kept.place.as_ref().filter(|_| !detection.tried.iter().any(known)) {
                log::warn!("the seed of this instance is gone ({place}); what it configured stays");
            }
            if let Some(finding) = copied(&kept, &options.root)? {
                detection.findings.push(finding);
            }
            Ok(Found { findings: detection.findings, goes_on, ..kept })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use crate::seed::Document;

    #[test]
    fn a_kept_seed_of_another_machine_is_told_where_no_drive_says_so() {
        const OTHER: &str = "7d2b0f62-9f0c-4b3b-8a11-1f2e3d4c5b6a";
        const OWN: &str = "83679162-1378-4288-a2d4-70e13ec132aa";
        let scratch = Scratch::new();
        scratch.file("/sys/class/dmi/id/product_name", "OpenStack Nova\n");
        let said = |id: &str, uuid: &str, root: Root| {
            scratch.file("/sys/class/dmi/id/product_uuid", uuid);
            let meta_data = Document::new("meta_data.json", format!("{{\"uuid\": \"{id}\"}}"));
            Seed::new("config-drive", "/dev/sr0", meta_data).save(&root, id).unwrap();
            root.link(state::INSTANCE.as_ref(), &state::instance(id)).unwrap();
            let found = seek(&Options { root, source: None, config: None }, &[]).unwrap();
            assert!(found.seed.is_some());
            found.findings.iter().map(ToString::to_string).collect::<String>()
        };
        let warning = said(OTHER, OWN, scratch.root().as_machine());
        let expected = format!("the seed that was kept (/dev/sr0) is for `{OTHER}`, and this machine is `{OWN}`");
        assert!(warning.contains(&expected) && warning.contains("warning: "), "{warning}");
        assert_eq!(said(OWN, OWN, scratch.root().as_machine()), "");
        assert_eq!(said(OTHER, OWN, scratch.root()), "", "an image is no machine");
    }

    #[test]
    fn without_a_configuration_the_settings_faults_are_said() {
        let scratch = Scratch::new();
        scratch.file(state::SETTINGS, "firstlight: {datasources: 7}\n");
        let found = seek(&Options { root: scratch.root(), source: None, config: None }, &[]).unwrap();
        let said: Vec<String> = found.findings.iter().map(ToString::to_string).collect();
        assert!(found.seed.is_none() && said.len() == 1, "{said:?}");
        assert!(said[0].starts_with(&format!("{}:1:27: ", state::SETTINGS)), "{said:?}");
    }
}
