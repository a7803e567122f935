// SPDX-License-Identifier: Apache-2.0
//! What the image's settings have to say about the network: `firstlight: network:`, and cloud-init's `updates:`.

use crate::config::document::Node;
use crate::config::read::{Kind, Read, one_of};
use crate::finding::{Finding, Findings, Located};

/// Names of network renderers; the last one is cloud-init's word for ifupdown.
pub const RENDERERS: &[&str] = &[
    "netplan",
    "networkd",
    "network-manager",
    "ifupdown",
    "ifupdown-alpine",
    "sysconfig",
    "sysconfig-suse",
    "kernel",
    "eni",
];
const UPDATES: &[&str] = &["instance", "boot"];

crate::keys! {
    /// What the image has to say about the network.
    pub struct Network {
        /// `false` leaves the network alone; yes.
        enabled: bool,
        /// Who configures it: `netplan`, `networkd`, …; else what the guest really runs.
        renderer: Located<RendererName>,
        /// Whether an instance that says nothing of its network, in an image that brings none, gets DHCP on its best
        /// interface; yes.
        fallback: bool,
        /// When what the platform says is applied: once for each `instance` (the default), or at each `boot`.
        updates: Updates,
        /// A network-config of the image's own, version 1 or 2, in place of the platform's; the same as `network:` of
        /// the whole file. `{config: disabled}` leaves the network as the image has it.
        config: Node,
        /// In place of the gateway of static networks.
        gateway: Located<String>,
        /// Routes on top of the platform's.
        routes: Vec<Located<Route>>,
    }
}

crate::keys! {
    /// A route.
    pub struct Route {
        /// Destination with its prefix length.
        to: Located<String>,
        /// Next hop.
        via: Located<String>,
    }
}

/// One of [`RENDERERS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RendererName(pub &'static str);

impl Read for RendererName {
    fn kind() -> Kind {
        Kind::Word(RENDERERS)
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        one_of(node, RENDERERS, findings).map(Self)
    }
}

impl Network {
    /// Adds what cloud-init's keys of the same file say, where the block itself says nothing.
    pub(super) fn add_cloud_init(network: &mut Option<Self>, keys: &Node, findings: &mut Findings) {
        let config = keys.get("network").filter(|config| !config.is_null());
        let updates = keys.get("updates").and_then(|updates| Updates::from_cloud_init(updates, findings));
        if config.is_some() || updates.is_some() {
            let network = network.get_or_insert_default();
            network.config = network.config.take().or_else(|| config.cloned());
            network.updates = network.updates.or(updates);
        }
    }
}

/// When the platform's word on the network is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Updates {
    /// Once for each instance: what the platform says later waits for the next one.
    #[default]
    Instance,
    /// At each boot.
    Boot,
}

impl Read for Updates {
    fn kind() -> Kind {
        Kind::Word(UPDATES)
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        one_of(node, UPDATES, findings).map(|word| if word == "boot" { Self::Boot } else { Self::Instance })
    }
}

impl Updates {
    /// From the value of cloud-init's `updates`: `{network: {when: [boot-new-instance, boot]}}`.
    pub fn from_cloud_init(updates: &Node, findings: &mut Findings) -> Option<Self> {
        let when = updates.get("network")?.get("when")?;
        let mut read = Some(Self::Instance);
        for event in when.items().unwrap_or(std::slice::from_ref(when)) {
            match event.text().unwrap_or_default() {
                "boot-new-instance" => {}
                "boot" | "boot-legacy" => read = Some(Self::Boot),
                "hotplug" => {
                    let later = "`hotplug` is left out: a card that is plugged is configured at the next boot";
                    findings.push(Finding::warning(&event.origin, later));
                }
                other => {
                    let unknown = Finding::error(&event.origin, format!("`{other}` is not known here; it is left out"));
                    findings.push(unknown.help("one of: boot-new-instance, boot"));
                }
            }
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document::parse;
    use crate::finding::Origin;
    use crate::network::render::Renderer;

    #[test]
    fn every_renderer_may_be_chosen() {
        let names: Vec<&str> = Renderer::ALL.iter().map(|renderer| renderer.name()).collect();
        assert_eq!(RENDERERS.split_last().unwrap(), (&"eni", names.as_slice()));
        assert!(RENDERERS.iter().all(|name| name.parse::<Renderer>().is_ok()));
    }

    #[test]
    fn cloud_init_s_events_come_to_ours() {
        let read = |text: &str| {
            let mut findings = Findings::default();
            let node = parse(text, &Origin::document("d"), &mut findings).unwrap();
            let updates = Updates::from_cloud_init(&node, &mut findings);
            (updates, findings.iter().map(|finding| finding.message.clone()).collect::<Vec<_>>())
        };
        assert_eq!(read("network: {when: [boot-new-instance, boot]}"), (Some(Updates::Boot), Vec::new()));
        assert_eq!(read("network: {when: boot-new-instance}"), (Some(Updates::Instance), Vec::new()));
        assert_eq!(read("storage: {}"), (None, Vec::new()));
        let (updates, said) = read("network: {when: [hotplug, reboot]}");
        assert_eq!(updates, Some(Updates::Instance));
        assert!(said[0].contains("at the next boot") && said[1].contains("`reboot` is not known"), "{said:?}");
    }
}
