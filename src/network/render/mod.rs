// SPDX-License-Identifier: Apache-2.0
//! From the neutral description to the files of a guest's network manager.

pub mod choose;
pub mod ifupdown;
pub mod netplan;
pub mod networkd;
pub mod resolv_conf;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::finding::{Finding, Findings, Origin};
use crate::guest::Nic;
use crate::network::model::{Kind, Link, Match, NetworkConfig};

/// The first line of every file that a renderer writes.
const HEADER: &str = "# Written by firstlight from the instance's network data; a new instance writes it anew.\n";

/// A network manager that can be written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renderer {
    /// Ubuntu's front end to networkd and NetworkManager.
    Netplan,
    /// systemd-networkd.
    Networkd,
    /// Debian's `/etc/network/interfaces`.
    Ifupdown,
}

impl Renderer {
    /// All of them.
    pub const ALL: [Renderer; 3] = [Renderer::Netplan, Renderer::Networkd, Renderer::Ifupdown];

    /// Its name in the image's settings and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Renderer::Netplan => "netplan",
            Renderer::Networkd => "networkd",
            Renderer::Ifupdown => "ifupdown",
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
        match name {
            "netplan" => Ok(Renderer::Netplan),
            "networkd" => Ok(Renderer::Networkd),
            "ifupdown" => Ok(Renderer::Ifupdown),
            _ => {
                let known = Renderer::ALL.map(Renderer::name).join(", ");
                Err(format!("the renderer `{name}` is not built yet; there are {known}"))
            }
        }
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

/// The files that make a guest's network manager do what `config` says.
///
/// `nics` are the guest's interfaces where they are known: a link that finds none among them is reported, and its
/// neighbours are written all the same.
pub fn render(
    renderer: Renderer,
    config: &NetworkConfig,
    nics: Option<&[Nic]>,
    findings: &mut Findings,
) -> Vec<RenderedFile> {
    let config = config.with_ranked_defaults(findings);
    if let Some(nics) = nics {
        config.links.iter().filter(|link| nic_of(link, nics).is_none()).for_each(|link| {
            findings.push(absent(link, nics));
        });
    }
    match renderer {
        Renderer::Netplan => netplan::render(&config, nics, findings),
        Renderer::Networkd => networkd::render(&config, nics, findings),
        Renderer::Ifupdown => ifupdown::render(&config, nics, findings),
    }
}

/// The interface that `link` means.
pub fn nic_of<'a>(link: &Link, nics: &'a [Nic]) -> Option<&'a Nic> {
    match &link.kind {
        Kind::Physical(Match::Mac(mac)) => nics.iter().find(|nic| nic.mac == mac.value.to_string()),
        Kind::Physical(Match::Name(name)) => nics.iter().find(|nic| nic.name == name.value),
    }
}

impl Link {
    /// Where its interface is named, if that is not among `nics`.
    pub fn sought(&self, nics: &[Nic]) -> Option<&Origin> {
        let Kind::Physical(named) = &self.kind;
        let origin = match named {
            Match::Mac(mac) => &mac.origin,
            Match::Name(name) => &name.origin,
        };
        nic_of(self, nics).is_none().then_some(origin)
    }
}

fn absent(link: &Link, nics: &[Nic]) -> Finding {
    let here: Vec<String> = nics.iter().map(|nic| format!("{} ({})", nic.name, nic.mac)).collect();
    let here = if here.is_empty() { "none".to_owned() } else { here.join(", ") };
    match &link.kind {
        Kind::Physical(Match::Mac(mac)) => Finding::error(
            &mac.origin,
            format!("no network interface has the MAC address {}; interfaces here: {here}", mac.value),
        ),
        Kind::Physical(Match::Name(name)) => Finding::error(
            &name.origin,
            format!("no network interface is named {}; interfaces here: {here}", name.value),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Document;
    use std::fmt::Write as _;
    use std::fs;
    use std::path::Path;

    /// Each folder of `tests/fixtures/network` holds a `network_data.json`, and `nics` (a line `NAME MAC` each) where
    /// the guest is to have others than those that the document asks for; beside them what is expected of each
    /// renderer, and of the findings. `FIRSTLIGHT_BLESS=1` rewrites the expectations.
    #[test]
    fn fixtures_render_as_expected() {
        let bless = std::env::var_os("FIRSTLIGHT_BLESS").is_some();
        let mut cases = 0;
        for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/network")).unwrap() {
            let folder = entry.unwrap().path();
            let json = fs::read(folder.join("network_data.json")).unwrap();
            let mut findings = Findings::default();
            let config = crate::network::openstack::read(&Document::new("network_data.json", json), &mut findings);
            for renderer in Renderer::ALL {
                let nics = nics(&folder, config.as_ref());
                let files = config.as_ref().map(|config| render(renderer, config, Some(&nics), &mut findings));
                let text = files.unwrap_or_default().iter().fold(String::new(), |mut text, file| {
                    let _ = write!(text, "==> {} {:04o}\n{}\n", file.path.display(), file.mode, file.content);
                    text
                });
                expect(&folder.join(renderer.name()), &text, bless);
            }
            let found: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
            expect(&folder.join("findings"), &found, bless);
            cases += 1;
        }
        assert!(cases > 5, "the fixtures are gone");
    }

    fn nics(folder: &Path, config: Option<&NetworkConfig>) -> Vec<Nic> {
        let nic = |name: &str, mac: &str| Nic { name: name.to_owned(), mac: mac.to_owned() };
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
    fn an_image_that_is_not_running_has_no_names_for_ifupdown() {
        let mut findings = Findings::default();
        let json = r#"{"links": [{"id": "a", "ethernet_mac_address": "fa:16:3e:00:00:01"}], "networks": []}"#;
        let config = crate::network::openstack::read(&Document::new("n", json), &mut findings).unwrap();
        let files = render(Renderer::Ifupdown, &config, None, &mut findings);
        assert!(!files.iter().any(|file| file.content.contains("auto e")) && findings.has_errors());
        let mut findings = Findings::default();
        render(Renderer::Networkd, &config, None, &mut findings);
        assert!(findings.is_empty(), "{findings:?}");
    }
}
