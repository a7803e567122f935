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
use crate::network::model::NetworkConfig;
use crate::network::network_config::{self, Asked};
use crate::network::render::Renderer;
use crate::network::render::choose::choose;
use crate::network::{self, command_line, fallback, initramfs, own};
use crate::plan::order::Record as _;
use crate::plan::step::Stage;
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
    if let Some(network) = initramfs::read(guest, findings) {
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

/// The seed with the network that was applied, where the platform has another by now and the settings do not ask for it:
/// what is configured once for an instance stays, and what is kept is what is in force.
pub(super) fn as_applied(options: &Options, seed: &mut Seed, findings: &mut Findings) -> Result<()> {
    let id = Instance::from_seed(seed, &mut Findings::default())?.id;
    let Some(kept) = Seed::load(&options.root, &id).ok().flatten() else { return Ok(()) };
    if kept.network == seed.network || !Journal::read(&options.root, &id)?.completed(Stage::Local) {
        return Ok(());
    }
    let network = settings(options)?.network.unwrap_or_default();
    if network.updates == Some(Updates::Boot) || network.enabled == Some(false) {
        return Ok(());
    }
    let origin = seed.network.as_ref().map_or_else(|| id.origin.clone(), |(_, document)| document.origin());
    let note = Finding::note(&origin, "the platform's network is another one now; this instance keeps the one it has");
    findings.push(note.help("`firstlight: network: updates: boot` in the image's settings applies it at each boot"));
    seed.network = kept.network;
    Ok(())
}

/// DHCP on the best interface, where nobody said anything and the image brings nothing for its manager.
pub(super) fn fall_back(known: &Known) -> Option<NetworkConfig> {
    let guest = &known.guest;
    let nic = fallback::best(guest.nics.as_deref()?)?;
    let chosen = known.settings.network.as_ref().and_then(|settings| settings.renderer.as_ref());
    let renderer = chosen.map_or_else(|| choose(guest).ok(), |name| name.value.0.parse().ok())?;
    // It speaks to no server.
    if renderer == Renderer::Kernel {
        return None;
    }
    if let Some(own) = own::configuration(guest, renderer, nic) {
        log::info!("the instance says nothing of its network; the image's own counts ({own})");
        return None;
    }
    fallback::network(std::slice::from_ref(nic), &known.instance.id.origin)
}

/// Whether nobody has said anything of the network, which leaves it to us.
pub(super) fn may_fall_back(known: &Known) -> bool {
    let settings = known.settings.network.as_ref();
    let unwanted = settings.is_some_and(|it| it.fallback == Some(false) || it.enabled == Some(false));
    known.network.is_none() && known.seed.network.is_none() && !unwanted
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
