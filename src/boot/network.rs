// SPDX-License-Identifier: Apache-2.0
//! Whose word on the network counts: that of the kernel's command line, the initramfs, the image's settings, the
//! platform; where nobody says anything, DHCP on the best interface.

use crate::apply::journal::Journal;
use crate::boot::{Known, Options, settings};
use crate::config::base::{Settings, Updates};
use crate::error::Result;
use crate::finding::{Finding, Findings, Origin};
use crate::guest::{Guest, Nic};
use crate::instance::Instance;
use crate::modules;
use crate::network::model::NetworkConfig;
use crate::network::network_config::{self, Asked};
use crate::network::render::choose::chosen;
use crate::network::render::{Renderer, networkd};
use crate::network::{self, command_line, fallback, initramfs, own};
use crate::plan::order::{Plan, Progress, Record as _};
use crate::plan::step::{Frequency, Stage, Step};
use crate::seed::Seed;

/// The network that this guest shall have, or why it is left alone.
#[derive(Default)]
pub(super) struct Word {
    pub(super) network: Option<NetworkConfig>,
    /// Somebody wants it left as the image has it.
    pub(super) left_alone: bool,
    /// Who said so, where it is not the platform; for the run that heeds it.
    pub(super) said: Option<Finding>,
}

impl Word {
    /// `others` tells what is not used on its account.
    fn of(asked: Asked, who: &str, others: &str) -> Self {
        match asked {
            Asked::Network(network) => {
                let text = format!("the network is the one that {who}{others}");
                Self { said: Some(Finding::note(&network.origin, text)), network: Some(network), left_alone: false }
            }
            Asked::Disabled(origin) => {
                let said = Finding::note(&origin, "the network is left as the image has it")
                    .help("`config: disabled` asks for that");
                Self { network: None, left_alone: true, said: Some(said) }
            }
        }
    }
}

/// Who is asked first, and says anything, is heeded. What can't be read is reported, and the next one asked.
pub(super) fn asked(seed: &Seed, guest: &Guest, settings: &Settings, findings: &mut Findings) -> Word {
    let ours = settings.network.as_ref();
    if ours.is_some_and(|settings| settings.enabled == Some(false)) {
        return Word { left_alone: true, ..Word::default() };
    }
    let others = match &seed.network {
        Some((_, document)) => format!("; {} is not used", document.name),
        None => String::new(),
    };
    let line = |findings: &mut Findings| command_line::read(&guest.command_line, guest.nics.as_deref(), findings);
    let general = command_line::is_general(&guest.command_line);
    let on_line = if general { None } else { line(findings) };
    if let Some(asked) = on_line {
        return Word::of(asked, "the kernel's command line describes", &others);
    }
    let takes_over = [Renderer::Netplan, Renderer::Networkd, Renderer::NetworkManager];
    let takes_over = renderer(settings, guest).is_some_and(|renderer| takes_over.contains(&renderer));
    if let Some(network) = initramfs::read(guest, takes_over, findings) {
        return Word::of(Asked::Network(network), "the initramfs has set up", &others);
    }
    let image = ours.and_then(|settings| settings.config.as_ref());
    if let Some(asked) = image.and_then(|config| network_config::from_node(config, findings)) {
        return Word::of(asked, "the image's settings describe", &others);
    }
    match &seed.network {
        Some((format, document)) => match network::read(*format, document, findings) {
            Some(Asked::Network(network)) => Word { network: Some(network), ..Word::default() },
            Some(disabled) => Word::of(disabled, "", ""),
            None => Word::default(),
        },
        None if general => {
            line(findings).map(|asked| Word::of(asked, "the kernel's command line asks for", "")).unwrap_or_default()
        }
        None => Word::default(),
    }
}

/// The seed with the network that is in force, where the platform has another by now: what is configured once for an
/// instance, or for a boot where the settings ask for that, stays; and what is in force is what is kept.
pub(super) fn as_applied(options: &Options, seed: &mut Seed, findings: &mut Findings) -> Result<()> {
    let id = Instance::from_seed(seed, &mut Findings::default())?.id;
    let Some(kept) = Seed::load(&options.root, &id).ok().flatten() else { return Ok(()) };
    if kept.network == seed.network {
        return Ok(());
    }
    let settings = settings(options)?.0.network.unwrap_or_default();
    let (frequency, help) = match settings.updates.unwrap_or_default() {
        Updates::Boot => (Frequency::PerBoot, "it is applied at the next boot"),
        Updates::Instance => (
            Frequency::PerInstance,
            "`firstlight: network: updates: boot` in the image's settings applies it at each boot",
        ),
    };
    let origin = seed.network.as_ref().map_or_else(|| id.origin.clone(), |(_, document)| document.origin());
    let name = modules::NETWORK.to_owned();
    let step = Step { name, stage: Stage::Local, frequency, origin, actions: Vec::new() };
    if Journal::read(&options.root, &id)?.progress(&step) == Progress::Done {
        let text = "the platform's network is another one now; this instance keeps the one it has";
        findings.push(Finding::note(&step.origin, text).help(help));
        seed.network = kept.network;
    }
    Ok(())
}

/// DHCP on the best interface, where nobody said anything and the image brings nothing for its manager.
pub(super) fn fall_back(known: &Known) -> Option<NetworkConfig> {
    let guest = &known.guest;
    let nic = fallback::best(guest.nics.as_deref()?)?;
    let renderer = renderer(&known.settings, guest)?;
    // It speaks to no server.
    if renderer == Renderer::Kernel {
        return None;
    }
    if let Some(own) = own::configuration(guest, renderer, nic) {
        log::debug!("the instance says nothing of its network; the image's own counts ({own})");
        return None;
    }
    fallback::network(std::slice::from_ref(nic), &known.instance.id.origin)
}

/// Whose files are written: what the settings choose, else what the guest runs.
pub(super) fn renderer(settings: &Settings, guest: &Guest) -> Option<Renderer> {
    let name = settings.network.as_ref().and_then(|settings| settings.renderer.as_ref());
    chosen(name.map(|name| name.value.0), guest).ok()
}

/// Whether nobody has said anything of the network, which leaves it to us.
pub(super) fn may_fall_back(known: &Known) -> bool {
    let settings = known.settings.network.as_ref();
    let unwanted = settings.is_some_and(|it| it.fallback == Some(false) || it.enabled == Some(false));
    known.network.is_none() && known.seed.network.is_none() && !unwanted
}

/// Whether the network may ever be online: not where it is left as the image has it, and the image has none for networkd,
/// which would be waited for two minutes. What we wrote in an earlier boot counts as well.
pub(super) fn may_come_online(known: &Known) -> bool {
    let guest = &known.guest;
    let left_alone = known.settings.network.as_ref().is_some_and(|settings| settings.enabled == Some(false));
    let Some(nics) = guest.nics.as_deref().filter(|_| left_alone) else { return true };
    renderer(&known.settings, guest) != Some(Renderer::Networkd)
        || guest.list(networkd::DIRECTORY).iter().any(|name| name.ends_with(".network"))
        || nics.iter().any(|nic| own::configuration(guest, Renderer::Networkd, nic).is_some())
}

/// What to say of the fallback.
pub(super) fn fell_back(network: &NetworkConfig, nics: &[Nic]) -> Option<Finding> {
    let link = network.links.first()?;
    let mac = nics.iter().find(|nic| nic.name == link.id).map_or("", |nic| nic.mac.as_str());
    let origin: &Origin = &network.origin;
    let text =
        format!("the instance says nothing of its network, and neither does the image: DHCP on {} ({mac})", link.id);
    Some(
        Finding::note(origin, text)
            .help("`firstlight: network: fallback: false` in the image's settings switches that off"),
    )
}

/// Leaves out the step that only takes files away, once this instance is configured: with `updates: boot` it would take
/// its own ones, whose card is not there in this boot.
pub(super) fn keep_own(known: &Known, steps: &mut Vec<Step>, journal: &Journal) {
    if journal.completed(Stage::Local) && writes_nothing(known) {
        steps.retain(|step| step.name != modules::NETWORK || journal.progress(step) != Progress::Fresh);
    }
}

/// Whether this guest's manager gets nothing of the instance's network.
fn writes_nothing(known: &Known) -> bool {
    known.network.as_ref().is_none_or(|network| match renderer(&known.settings, &known.guest) {
        Some(renderer) => network.is_empty_for(renderer == Renderer::Netplan),
        None => network.links.is_empty(),
    })
}

/// What to say where the files of an earlier instance go: not where this one's own stay, whose fallback can't be worked
/// out again as its card has gone or the image has got a network of its own.
pub(super) fn forgets(known: &Known, plan: &Plan) -> Option<Finding> {
    let step = plan.steps.iter().find(|step| step.name == modules::NETWORK).filter(|_| writes_nothing(known))?;
    let gone = "this instance has no network data for this guest; the network files that Firstlight wrote earlier go";
    Some(Finding::note(&step.origin, gone))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::Decision;
    use crate::boot::includes::Remote;
    use crate::finding::Severity;
    use crate::scratch::Scratch;
    use crate::seed::{Document, NetworkFormat};
    use crate::state;

    fn seed(network: Option<&str>) -> Seed {
        let network = network.map(|text| (NetworkFormat::OpenStack, Document::new("network_data.json", text)));
        let meta_data = Document::new("meta_data.json", r#"{"uuid": "i-1"}"#);
        Seed { network, ..Seed::new("config-drive", "/dev/sr0", meta_data) }
    }

    /// Whose word counts in a guest with these files: where it is from, whether the guest is left alone.
    fn heeded(files: &[(&str, &str)], seed: &Seed) -> (Option<String>, bool) {
        let scratch = Scratch::new();
        scratch.file("/sys/class/net/ens3/address", "52:54:00:00:00:01\n");
        files.iter().for_each(|(path, text)| scratch.file(path, text));
        let options = Options { root: scratch.root(), source: None, config: None };
        let guest = Guest::read(&options.root).unwrap();
        let word = asked(seed, &guest, &settings(&options).unwrap().0, &mut Findings::default());
        assert!(word.said.iter().all(|said| said.severity == Severity::Note));
        (word.network.map(|network| network.origin.document_name().to_owned()), word.left_alone)
    }

    const PLATFORM: &str = r#"{"links": []}"#;
    const LINE: (&str, &str) = ("/proc/cmdline", "ip=192.0.2.5:::24::ens3:none");
    const GENERAL: (&str, &str) = ("/proc/cmdline", "ip=dhcp");
    const KLIBC: (&str, &str) = ("/run/net-ens3.conf", "DEVICE=ens3\nPROTO=dhcp\nIPV4ADDR=192.0.2.5\n");
    const IMAGE: (&str, &str) = (state::SETTINGS, "network: {version: 2, ethernets: {ens3: {dhcp4: true}}}");

    #[test]
    fn the_nearest_word_counts() {
        let platform = seed(Some(PLATFORM));
        let origin = |files: &[(&str, &str)], seed: &Seed| heeded(files, seed).0.unwrap_or_default();
        assert_eq!(origin(&[LINE, KLIBC, IMAGE], &platform), "/proc/cmdline");
        assert_eq!(origin(&[GENERAL, KLIBC, IMAGE], &platform), "/run/net-ens3.conf");
        assert_eq!(origin(&[GENERAL, IMAGE], &platform), state::SETTINGS);
        assert_eq!(origin(&[GENERAL], &platform), "network_data.json");
        assert_eq!(origin(&[GENERAL], &seed(None)), "/proc/cmdline");
        assert_eq!(heeded(&[], &seed(None)), (None, false));
    }

    #[test]
    fn whoever_says_disabled_stops_those_behind() {
        let platform = seed(Some(PLATFORM));
        let line = ("/proc/cmdline", "network-config=disabled");
        for files in [
            &[line, IMAGE][..],
            &[(state::SETTINGS, "network: {config: disabled}")],
            &[(state::SETTINGS, "firstlight: {network: {config: {config: disabled}}}")],
            &[LINE, (state::SETTINGS, "firstlight: {network: {enabled: false}}")],
        ] {
            assert_eq!(heeded(files, &platform), (None, true), "{files:?}");
        }
        assert_eq!(
            heeded(&[(state::SETTINGS, "network: [broken]")], &platform).0.as_deref(),
            Some("network_data.json")
        );
    }

    #[test]
    fn a_changed_document_is_applied_when_the_settings_say() {
        let scratch = Scratch::new();
        let options = Options { root: scratch.root(), source: None, config: None };
        let origin = Origin::document("network_data.json");
        seed(Some(PLATFORM)).save(&options.root, "i-1").unwrap();
        // What a run of the network's step leaves, of either frequency.
        let done = |frequency| {
            let name = modules::NETWORK.to_owned();
            let step = Step { name, stage: Stage::Local, frequency, origin: origin.clone(), actions: Vec::new() };
            let mut journal = Journal::read(&options.root, "i-1").unwrap();
            journal.begin(&step).unwrap();
            journal.end(&step, true).unwrap();
            journal.settle().unwrap();
        };
        let changed = || {
            let (mut seed, mut findings) = (seed(Some("{}")), Findings::default());
            as_applied(&options, &mut seed, &mut findings).unwrap();
            let new = seed.network.is_some_and(|(_, document)| document.bytes == b"{}");
            (new, findings.iter().count())
        };
        assert_eq!(changed(), (true, 0), "nothing was applied yet");
        done(Frequency::PerInstance);
        assert_eq!(changed(), (false, 1));
        scratch.file(state::SETTINGS, "firstlight: {network: {updates: boot}}");
        assert_eq!(changed(), (true, 0));
        done(Frequency::PerBoot);
        assert_eq!(changed(), (false, 1), "it was applied in this boot");
        scratch.file("/proc/sys/kernel/random/boot_id", "the next one\n");
        assert_eq!(changed(), (true, 0));
    }

    #[test]
    fn nobody_waits_for_a_network_that_is_left_alone_and_not_there() {
        let scratch = Scratch::new();
        scratch.file("/etc/systemd/system/multi-user.target.wants/systemd-networkd.service", "");
        scratch.file("/sys/class/net/ens3/address", "52:54:00:00:00:01\n");
        let options = Options { root: scratch.root(), source: None, config: None };
        let may = || {
            let decision = crate::boot::decide_for(&options, seed(None), Remote::Later, Findings::default()).unwrap();
            may_come_online(&decision.known)
        };
        assert!(may(), "the fallback");
        scratch.file(state::SETTINGS, "network: {config: disabled}");
        assert!(!may());
        scratch.file("/usr/lib/systemd/network/80-all.network", "[Match]\nName=en*\n[Network]\nDHCP=yes\n");
        assert!(may(), "the image's own");
    }

    #[test]
    fn files_that_stay_are_not_said_to_go() {
        let scratch = Scratch::new();
        let ours = "/etc/systemd/network/10-firstlight-eth0.network";
        scratch.file("/etc/systemd/system/multi-user.target.wants/systemd-networkd.service", "");
        scratch.file(ours, "");
        std::fs::create_dir_all(scratch.path("/sys/class/net")).unwrap();
        let options = Options { root: scratch.root(), source: None, config: None };
        let decided = || crate::boot::decide_for(&options, seed(None), Remote::Later, Findings::default()).unwrap();
        let said = |decision: &Decision| {
            decision.findings.iter().filter(|told| told.message.contains("no network data")).count()
        };
        let decision = decided();
        let step = decision.plan.steps.iter().find(|step| step.name == modules::NETWORK).unwrap();
        assert_eq!(said(&decision), 1, "an earlier instance's");
        let mut journal = Journal::read(&options.root, "i-1").unwrap();
        journal.begin(step).unwrap();
        journal.end(step, true).unwrap();
        journal.settle().unwrap();
        assert_eq!(said(&decided()), 0, "this instance's own, whose card has gone");
        journal.complete(Stage::Local).unwrap();
        scratch.file(state::SETTINGS, "firstlight: {network: {updates: boot}}");
        let again = decided();
        assert!(again.plan.steps.iter().all(|step| step.name != modules::NETWORK), "{:?}", again.plan.steps);
    }
}
