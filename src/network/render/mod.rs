// SPDX-License-Identifier: Apache-2.0
//! From the neutral description to the files of a guest's network manager.

mod bond;
pub mod choose;
#[cfg(test)]
mod hostile;
pub mod ifupdown;
pub mod ifupdown_alpine;
pub mod kernel;
mod names;
pub mod netplan;
pub mod network_manager;
pub mod networkd;
pub mod resolv_conf;
pub mod sysconfig;
pub mod sysconfig_suse;
mod unsaid;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::finding::{Finding, Findings, Origin, did_you_mean};
use crate::guest::Nic;
use crate::network::model::{Kind, Link, NetworkConfig, Physical};
use crate::network::prefix::Mac;
use crate::network::render::kernel::Change;

pub use names::{interface_name, interface_named, nic_of};

/// The first line of every file that a renderer writes.
pub const HEADER: &str = "# Written by firstlight from the instance's network data; a new instance writes it anew.\n";

/// A network manager that can be written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renderer {
    /// Ubuntu's front end to networkd and `NetworkManager`.
    Netplan,
    /// systemd-networkd.
    Networkd,
    /// `NetworkManager`, by its keyfiles.
    NetworkManager,
    /// Debian's ifupdown: `/etc/network/interfaces`.
    Ifupdown,
    /// Alpine's ifupdown-ng.
    IfupdownAlpine,
    /// RHEL's network-scripts.
    Sysconfig,
    /// SUSE's wicked.
    SysconfigSuse,
    /// No manager: the kernel is told.
    Kernel,
}

impl Renderer {
    /// All of them.
    pub const ALL: [Renderer; 8] = [
        Renderer::Netplan,
        Renderer::Networkd,
        Renderer::NetworkManager,
        Renderer::Ifupdown,
        Renderer::IfupdownAlpine,
        Renderer::Sysconfig,
        Renderer::SysconfigSuse,
        Renderer::Kernel,
    ];

    /// Its name in the image's settings and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Renderer::Netplan => "netplan",
            Renderer::Networkd => "networkd",
            Renderer::NetworkManager => "network-manager",
            Renderer::Ifupdown => "ifupdown",
            Renderer::IfupdownAlpine => "ifupdown-alpine",
            Renderer::Sysconfig => "sysconfig",
            Renderer::SysconfigSuse => "sysconfig-suse",
            Renderer::Kernel => "kernel",
        }
    }
}

impl fmt::Display for Renderer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// By its name in the image's settings.
impl FromStr for Renderer {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Renderer::ALL.map(Renderer::name);
        let others = [("eni", Renderer::Ifupdown), ("networkmanager", Renderer::NetworkManager)];
        let named = others.into_iter().find(|(other, _)| *other == name).map(|(_, renderer)| renderer);
        let renderer = named.or_else(|| Renderer::ALL.into_iter().find(|renderer| renderer.name() == name));
        renderer.ok_or_else(|| {
            let guess = did_you_mean(name, known).unwrap_or_else(|| format!("there are {}", known.join(", ")));
            format!("no renderer `{name}`; {guess}")
        })
    }
}

/// A file for a network manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedFile {
    /// Where, in the guest.
    pub path: PathBuf,
    /// What.
    pub content: String,
    /// Permission bits.
    pub mode: u32,
}

/// What makes a guest's network what `config` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rendered {
    /// For the manager.
    pub files: Vec<RenderedFile>,
    /// For the kernel, where there is no manager.
    pub changes: Vec<Change>,
}

impl From<Vec<RenderedFile>> for Rendered {
    fn from(files: Vec<RenderedFile>) -> Self {
        Self { files, changes: Vec::new() }
    }
}

/// Says of what a manager has no word for that it is left out.
pub fn inexpressible(renderer: Renderer, origin: &Origin, what: &str) -> Finding {
    Finding::warning(origin, format!("{renderer} has no word for {what}; it is left out"))
}

/// What makes a guest's network what `config` says, by its manager.
///
/// `nics` are the guest's interfaces where they are known: a link that finds none among them is reported, and its
/// neighbours are written all the same.
pub fn render(renderer: Renderer, config: &NetworkConfig, nics: Option<&[Nic]>, findings: &mut Findings) -> Rendered {
    let by_name = !matches!(renderer, Renderer::Netplan | Renderer::Networkd);
    let mut config = config.with_ranked_defaults(findings);
    if let Some(nics) = nics {
        looked_up(&mut config, nics, findings);
    }
    if renderer != Renderer::Netplan {
        in_their_tables(&mut config);
    }
    let mut config = names::settled(config, nics, by_name, findings);
    if let Some(nics) = nics {
        config.links.iter().filter(|link| link.sought(nics).is_some()).for_each(|link| {
            findings.push(absent(link, nics));
        });
    }
    findings.extend(unheard(renderer, &config));
    if renderer != Renderer::Netplan {
        config.bare_members(findings);
        without_other_kinds(&mut config);
    }
    findings.extend(unserved(renderer, &config));
    let files = match renderer {
        Renderer::Netplan => netplan::render,
        Renderer::Networkd => networkd::render,
        Renderer::NetworkManager => network_manager::render,
        Renderer::Ifupdown => ifupdown::render,
        Renderer::IfupdownAlpine => ifupdown_alpine::render,
        Renderer::Sysconfig => sysconfig::render,
        Renderer::SysconfigSuse => sysconfig_suse::render,
        Renderer::Kernel => {
            return Rendered { changes: kernel::render(&config, nics, findings), ..Rendered::default() };
        }
    };
    files(&config, nics, findings).into()
}

/// Routes and rules of a VRF get its table, which netplan works out by itself; to the others they would be the guest's.
fn in_their_tables(config: &mut NetworkConfig) {
    for link in &mut config.links {
        let Kind::Vrf { table, .. } = link.kind else { continue };
        link.routes.iter_mut().for_each(|route| route.value.table = route.table.or(Some(table)));
        link.rules.iter_mut().for_each(|rule| rule.value.table = rule.table.or(Some(table)));
    }
}

/// Without the routes whose kind only netplan has a word for (`type: multicast`): as unicast they would lead somewhere.
fn without_other_kinds(config: &mut NetworkConfig) {
    for link in &mut config.links {
        link.routes.retain(|route| !route.extra.iter().any(|extra| extra.key == "type"));
    }
}

/// What only netplan has a word for, where the manager is another; its choice of a manager is made.
fn unheard(renderer: Renderer, config: &NetworkConfig) -> Vec<Finding> {
    if renderer == Renderer::Netplan {
        return Vec::new();
    }
    let own = config.extra.iter().chain(config.links.iter().flat_map(|link| &link.extra));
    let own = own.filter(|extra| extra.key != "renderer").map(|extra| (extra, "`"));
    let routes = config.links.iter().flat_map(|link| &link.routes).flat_map(|route| &route.extra);
    // Such a route is left out as a whole: see `without_other_kinds()`.
    let routes =
        routes.map(|extra| (extra, if extra.key == "type" { "`, and so for that route" } else { "` of a route" }));
    own.chain(routes)
        .map(|(extra, of)| inexpressible(renderer, &extra.origin, &["`", &extra.key, of].concat()))
        .collect()
}

/// The guest's name servers where no link can name them, and the manager has them by links alone; `NetworkManager`'s
/// renderer looks at each server's family, and says it there.
fn unserved(renderer: Renderer, config: &NetworkConfig) -> Option<Finding> {
    let by_links = [Renderer::Netplan, Renderer::Networkd, Renderer::Ifupdown, Renderer::Sysconfig].contains(&renderer);
    let unserved = !config.dns.servers.is_empty() && !config.links.iter().any(Link::is_configured);
    let what = "name servers without an interface that has an address";
    (by_links && unserved).then(|| inexpressible(renderer, &config.origin, what))
}

/// What the guest's interfaces tell of the configuration: which is `InfiniBand`, so that the renderers find its twenty
/// bytes; and where an address names two of them, so that one may get what is the other's.
fn looked_up(config: &mut NetworkConfig, nics: &[Nic], findings: &mut Findings) {
    for Physical { by, infiniband, .. } in config.links.iter_mut().filter_map(|link| match &mut link.kind {
        Kind::Physical(physical) => Some(physical),
        _ => None,
    }) {
        let Some(mac) = &mut by.mac else { continue };
        let same: Vec<&Nic> = nics.iter().filter(|nic| names::has_mac(nic, mac.value)).collect();
        if let Some(long) = same.first().and_then(|nic| nic.mac.parse::<Mac>().ok()) {
            mac.value = long;
            *infiniband |= long.is_infiniband();
        }
        if same.len() > 1 && by.name.is_none() && by.drivers.is_empty() {
            let names = same.iter().map(|nic| nic.name.as_str()).collect::<Vec<_>>().join(", ");
            let message = format!("{names} have the MAC address {}; which of them is meant is not certain", mac.value);
            findings.push(Finding::warning(&mac.origin, message));
        }
    }
}

impl Link {
    /// Where its interface is named, if that is not among `nics`.
    pub fn sought(&self, nics: &[Nic]) -> Option<&Origin> {
        let by = &self.physical()?.by;
        let mac = by.mac.as_ref().map(|mac| &mac.origin);
        let origin = mac.or(by.name.as_ref().map(|name| &name.origin)).unwrap_or(&self.origin);
        nic_of(self, nics).is_none().then_some(origin)
    }
}

fn absent(link: &Link, nics: &[Nic]) -> Finding {
    let here: Vec<String> = nics.iter().map(|nic| format!("{} ({})", nic.name, nic.mac)).collect();
    let here = if here.is_empty() { "none".to_owned() } else { here.join(", ") };
    let by = link.physical().map(|physical| &physical.by);
    match by.map(|by| (&by.mac, &by.name)) {
        Some((Some(mac), _)) => Finding::error(
            &mac.origin,
            format!("no network interface has the MAC address {}; interfaces here: {here}", mac.value),
        ),
        Some((None, Some(name))) => Finding::error(
            &name.origin,
            format!("no network interface is named {}; interfaces here: {here}", name.value),
        ),
        _ => {
            Finding::error(&link.origin, format!("no network interface is named {}; interfaces here: {here}", link.id))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::network_config::Asked;
    use crate::seed::{Document, NetworkFormat};
    use std::fmt::Write as _;
    use std::fs;
    use std::path::Path;

    /// The documents that a fixture may have, one of them.
    const DOCUMENTS: [(&str, NetworkFormat); 4] = [
        ("network_data.json", NetworkFormat::OpenStack),
        ("network-config", NetworkFormat::NetworkConfig),
        ("interfaces", NetworkFormat::Interfaces),
        ("ec2.json", NetworkFormat::Ec2),
    ];

    /// What a fixture asks for; a `cmdline` is the kernel's.
    fn asked(folder: &Path, findings: &mut Findings) -> Option<NetworkConfig> {
        let asked = match fs::read_to_string(folder.join("cmdline")) {
            Ok(line) => crate::network::command_line::read(line.trim(), Some(&nics(folder, None)), findings),
            Err(_) => {
                let bytes = |name: &str| fs::read(folder.join(name)).ok();
                let mut documents = DOCUMENTS.iter().filter_map(|(name, format)| Some((name, format, bytes(name)?)));
                let (name, format, bytes) = documents.next().unwrap();
                crate::network::read(*format, &Document::new(*name, bytes), findings)
            }
        };
        match asked? {
            Asked::Network(config) => Some(config),
            Asked::Disabled(_) => None,
        }
    }

    /// Each folder of `tests/fixtures/network` holds a document, and `nics` (a line `NAME MAC` each) where the guest is to
    /// have others than those that the document asks for; beside them what is expected of each renderer, and the
    /// findings of the reader. `FIRSTLIGHT_BLESS=1` rewrites the expectations.
    #[test]
    fn fixtures_render_as_expected() {
        let bless = std::env::var_os("FIRSTLIGHT_BLESS").is_some();
        let mut cases = 0;
        for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/network")).unwrap() {
            let folder = entry.unwrap().path();
            let mut findings = Findings::default();
            let config = asked(&folder, &mut findings);
            let found: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
            for renderer in Renderer::ALL {
                let nics = nics(&folder, config.as_ref());
                let mut findings = Findings::default();
                let rendered = config.as_ref().map(|config| render(renderer, config, Some(&nics), &mut findings));
                let rendered = rendered.unwrap_or_default();
                let mut text = rendered.changes.iter().map(|change| format!("{change}\n")).collect::<String>();
                for file in &rendered.files {
                    let _ = write!(text, "==> {} {:04o}\n{}\n", file.path.display(), file.mode, file.content);
                }
                if !findings.is_empty() {
                    text.push_str("==> findings\n");
                    findings.iter().for_each(|finding| text.push_str(&format!("{finding}\n")));
                }
                expect(&folder.join(renderer.name()), &text, bless);
            }
            expect(&folder.join("findings"), &found, bless);
            cases += 1;
        }
        assert!(cases > 5, "the fixtures are gone");
    }

    fn nics(folder: &Path, config: Option<&NetworkConfig>) -> Vec<Nic> {
        let nic = |name: &str, mac: &str| Nic { name: name.to_owned(), mac: mac.to_owned(), ..Nic::default() };
        match fs::read_to_string(folder.join("nics")) {
            Ok(text) => {
                text.lines().filter_map(|line| line.split_once(' ')).map(|(name, mac)| nic(name, mac)).collect()
            }
            Err(_) => {
                let macs = config.into_iter().flat_map(NetworkConfig::macs).enumerate();
                macs.map(|(index, mac)| nic(&format!("ens{}", index + 3), &mac.to_string())).collect()
            }
        }
    }

    fn expect(path: &Path, actual: &str, bless: bool) {
        if bless {
            fs::write(path, actual).unwrap();
        }
        let expected = fs::read_to_string(path).unwrap_or_default();
        assert_eq!(actual, expected, "{} differs; FIRSTLIGHT_BLESS=1 rewrites it", path.display());
    }

    #[test]
    fn name_servers_that_no_link_can_name_are_said() {
        let mut config = NetworkConfig::new(Origin::document("d"));
        config.dns.servers.push("192.0.2.53".parse().unwrap());
        for renderer in Renderer::ALL {
            let mut findings = Findings::default();
            render(renderer, &config, None, &mut findings);
            let whole = [Renderer::IfupdownAlpine, Renderer::SysconfigSuse, Renderer::Kernel].contains(&renderer);
            assert_eq!(findings.iter().count(), usize::from(!whole), "{renderer}: {findings:?}");
        }
    }

    #[test]
    fn an_image_that_is_not_running_has_no_names_for_ifupdown() {
        let mut findings = Findings::default();
        let json = r#"{"links": [{"id": "a", "ethernet_mac_address": "fa:16:3e:00:00:01"}], "networks": []}"#;
        let config = crate::network::openstack::read(&Document::new("n", json), &mut findings).unwrap();
        let files = render(Renderer::Ifupdown, &config, None, &mut findings).files;
        assert!(!files.iter().any(|file| file.content.contains("auto e")) && findings.has_errors());
        let mut findings = Findings::default();
        render(Renderer::Networkd, &config, None, &mut findings);
        assert!(findings.is_empty(), "{findings:?}");
    }
}
