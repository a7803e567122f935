// SPDX-License-Identifier: Apache-2.0
//! A look at where the configuration is: what a boot would find, by what, and in which order.

use crate::boot::{Options, named, reach, seek, settings};
use crate::datasource::{self, Context, Detection, Drives, Fetched, Kept, Outcome, Reach};
use crate::error::Result;
use crate::finding::{Finding, Findings, Origin};
use crate::guest::{Dmi, Guest};
use crate::instance::{Instance, without_secrets};
use crate::media::device::Look;
use crate::seed::Seed;

/// What was seen, and what it comes to.
#[derive(Default)]
pub struct Seen {
    /// What became of each datasource.
    pub detection: Detection,
    /// What the firmware says of the machine.
    pub dmi: Dmi,
    /// Whether this is a container, which has no firmware of its own.
    pub is_container: bool,
    /// The words of the kernel's command line that name a datasource.
    pub words: Vec<String>,
    /// The devices that were looked at.
    pub devices: Vec<Look>,
    /// Where the image's settings name the datasources, and so their order.
    pub order: Option<Origin>,
    /// The instance of which a seed was kept.
    pub kept: Option<Kept>,
}

/// Looks for the configuration as a boot does, and at what speaks for it. Servers are asked only where that is wanted and
/// the network is up; then one that the platform has is asked too where something else was found first.
pub fn detect(options: &Options, servers: bool) -> Result<Seen> {
    let (settings, of_settings) = settings(options)?;
    if let Some(mut detection) = named(options, &settings)? {
        detection.say_first(of_settings);
        return Ok(Seen { detection, ..Seen::default() });
    }
    let guest = Guest::read(&options.root)?;
    let reach = reach::reach(options, &guest, &settings, &[], servers);
    let kept = seek::kept(&options.root);
    let (root, drives) = (&options.root, Drives::default());
    let context = Context { root, guest: &guest, settings: &settings, reach, kept, drives };
    let mut detection = datasource::find(&context);
    detection.say_first(of_settings);
    if let (Reach::Up, Some(found)) = (reach, &detection.found) {
        let other = datasource::ask_the_skipped(&context, &detection.tried);
        let finding = compare(&mut detection.tried, &found.seed, other);
        detection.findings.extend(finding);
    }
    let order = settings.datasources.as_ref().and_then(|names| names.first()).map(|name| name.origin.clone());
    Ok(Seen {
        detection,
        is_container: guest.is_container(),
        words: datasource::words(&guest.command_line).iter().map(|word| without_secrets(word)).collect(),
        devices: context.drives.seen(),
        kept: context.kept,
        dmi: guest.dmi,
        order,
    })
}

/// Whether a server that was not needed names the same instance; what to say where it does not.
fn compare(tried: &mut [datasource::Tried], seed: &Seed, other: Detection) -> Option<Finding> {
    for asked in other.tried {
        if let Some(skipped) = tried.iter_mut().find(|tried| tried.name == asked.name) {
            skipped.reason = asked.reason;
            skipped.took += asked.took;
        }
    }
    let Fetched { seed: other, .. } = other.found?;
    let id = |seed: &Seed| Instance::from_seed(seed, &mut Findings::default()).ok().map(|instance| instance.id.value);
    let (own, others) = (id(seed)?, id(&other)?);
    let agrees = own.eq_ignore_ascii_case(&others);
    if let Some(skipped) =
        tried.iter_mut().find(|tried| tried.name == other.datasource && tried.outcome == Outcome::Skipped)
    {
        skipped.reason =
            format!("{}, which names {} instance", other.place, if agrees { "the same" } else { "another" });
    }
    let text = format!("says that this is the instance {others}; {} says {own}, and counts", seed.place);
    let help = "a medium of another machine may have been left attached, or copied with its disk";
    (!agrees).then(|| Finding::warning(&Origin::document(other.place), text).help(help))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datasource::Tried;
    use crate::scratch::Scratch;
    use crate::seed::Document;

    fn seed(datasource: &str, place: &str, id: &str) -> Seed {
        Seed::new(datasource, place, Document::new("meta_data.json", format!("{{\"uuid\": \"{id}\"}}")))
    }

    fn tried(name: &str, outcome: Outcome) -> Tried {
        Tried { name: name.to_owned(), outcome, reason: "seen".to_owned(), took: std::time::Duration::ZERO }
    }

    #[test]
    fn a_server_that_names_another_instance_than_the_drive_is_told() {
        let drive = seed("config-drive", "/dev/sr0", "I-1");
        let compared = |id: Option<&str>| {
            let mut all = [tried("config-drive", Outcome::Found), tried("openstack", Outcome::Skipped)];
            let found = id.map(|id| Fetched { seed: seed("openstack", "http://192.0.2.1", id), drive: None });
            let asked = Tried { reason: "connection refused".to_owned(), ..tried("openstack", Outcome::Failed) };
            let finding = compare(&mut all, &drive, Detection { tried: vec![asked], found, ..Detection::default() });
            let [_, server] = all;
            (server.outcome, server.reason, finding.map(|finding| finding.to_string()))
        };
        let (outcome, reason, said) = compared(Some("i-1"));
        assert_eq!((outcome, reason.as_str()), (Outcome::Skipped, "http://192.0.2.1, which names the same instance"));
        assert_eq!(said, None);
        let (_, reason, said) = compared(Some("i-2"));
        assert_eq!(reason, "http://192.0.2.1, which names another instance");
        let said = said.unwrap();
        assert!(
            said.starts_with("http://192.0.2.1: warning: says that this is the instance i-2; /dev/sr0 says I-1"),
            "{said}"
        );
        assert_eq!(compared(None), (Outcome::Skipped, "connection refused".to_owned(), None));
    }

    #[test]
    fn what_is_wrong_with_the_settings_is_said_whatever_is_found() {
        let scratch = Scratch::new();
        scratch.file(crate::state::SETTINGS, "firstlight: {datasources: 7}\n");
        let said = || {
            let options = Options { root: scratch.root(), source: None, config: None };
            let seen = detect(&options, false).unwrap();
            let said: Vec<String> = seen.detection.findings.iter().map(|it| it.origin.to_string()).collect();
            (seen.detection.found.is_some(), said)
        };
        let place = vec![format!("{}:1:27", crate::state::SETTINGS)];
        assert_eq!(said(), (false, place.clone()));
        scratch.file("/config-drive/openstack/latest/meta_data.json", r#"{"uuid": "i-1"}"#);
        assert_eq!(said(), (true, place));
    }

    #[test]
    fn a_copy_of_a_machine_asks_no_server_and_an_image_is_no_machine() {
        let scratch = Scratch::new();
        scratch.file("/sys/class/dmi/id/product_name", "OpenStack Nova\n");
        let outcome = |root: crate::root::Root| {
            let options = Options { root, source: None, config: None };
            let seen = detect(&options, true).unwrap();
            let server = seen.detection.tried.into_iter().find(|tried| tried.name == "openstack").unwrap();
            (server.outcome, server.reason)
        };
        let (awaited, reason) = outcome(scratch.root().as_machine());
        assert!(awaited == Outcome::Awaited && reason.contains("the local stage asks, by cards"), "{reason}");
        let (absent, reason) = outcome(scratch.root());
        assert!(absent == Outcome::Absent && reason.ends_with("an image asks no server"), "{reason}");
    }
}
