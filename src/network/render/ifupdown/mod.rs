// SPDX-License-Identifier: Apache-2.0
//! For Debian's ifupdown: one file of stanzas (interfaces(5)), several of an interface for several addresses.
//!
//! Bonds and bridges are made by the hooks of ifenslave and bridge-utils. What ifupdown has no option for is a command
//! of ip(8) or a write to `/sys` or `/proc`, where that says it whole.

mod administrator;
mod device;
mod routes;
mod stanzas;

pub use administrator::{adapt, without_stanzas};

use crate::finding::{Finding, Findings, Origin};
use crate::guest::Nic;
use crate::network::model::{Kind, Link, NetworkConfig};
use crate::network::render::{HEADER, RenderedFile, Renderer, inexpressible, interface_name, interface_named};

/// The administrator's file, which must include the directory of ours.
pub const INTERFACES: &str = "/etc/network/interfaces";
/// Where pieces of it stand.
pub const DIRECTORY: &str = "/etc/network/interfaces.d";
/// Our one file. `source-directory` takes only names of letters, digits, `-` and `_`.
pub const PATH: &str = "/etc/network/interfaces.d/50-firstlight";

/// One file. ifupdown knows interfaces by name only, so a link whose interface is not known is left out.
pub fn render(config: &NetworkConfig, nics: Option<&[Nic]>, findings: &mut Findings) -> Vec<RenderedFile> {
    let content = Writer { renderer: Renderer::Ifupdown, config, nics, findings, left_out: Vec::new() }.file();
    vec![RenderedFile { path: PATH.into(), content, mode: 0o644 }]
}

/// The names of the interfaces that are written for.
pub fn names(config: &NetworkConfig, nics: Option<&[Nic]>) -> Vec<String> {
    config.links.iter().filter_map(|link| interface_name(link, nics)).collect()
}

/// Writes stanzas in the words of one of the two.
pub(super) struct Writer<'a> {
    pub(super) renderer: Renderer,
    pub(super) config: &'a NetworkConfig,
    pub(super) nics: Option<&'a [Nic]>,
    pub(super) findings: &'a mut Findings,
    /// The ids of links that could not be written: nothing may wait for their interfaces.
    pub(super) left_out: Vec<String>,
}

impl<'a> Writer<'a> {
    /// The stanzas of all links, below the one of `lo`.
    pub(super) fn file(mut self) -> String {
        // ifupdown-ng forgets the netmask of a stanza that an `auto` follows: so there they all stand at the top.
        let mut auto = String::from("auto lo\n");
        let mut content = String::from("iface lo inet loopback\n");
        let mut written: Vec<String> = Vec::new();
        for link in self.in_order() {
            match (interface_name(link, self.nics), self.nics) {
                // Stanzas of one name add up.
                (Some(name), _) if written.contains(&name) => {
                    let message = format!("`{name}` is another link's already; what `{}` says is left out", link.id);
                    self.findings.push(Finding::error(&link.origin, message));
                }
                (Some(name), _) => {
                    if let Some(what) = self.unmakeable(link, &name) {
                        self.lacks(&link.origin, &what);
                        self.left_out.push(link.id.clone());
                        continue;
                    }
                    let (own, stanzas) = (self.activation(link, &name), self.stanzas(link, &name));
                    let (early, late) = if self.alpine() { (own, String::new()) } else { (String::new(), own) };
                    auto.push_str(&early);
                    content.extend(["\n", &late, &stanzas]);
                    written.push(name);
                }
                // Known not to be there: said already, for every renderer alike.
                (None, Some(_)) => {}
                (None, None) => {
                    let message = format!(
                        "{} needs the interface's name, and a guest that is not running shows none; left out",
                        self.renderer
                    );
                    let finding = Finding::error(&link.origin, message);
                    self.findings.push(finding.help("run in the guest, or choose the renderer networkd or netplan"));
                }
            }
        }
        [HEADER, "\n", &auto, &content].concat()
    }

    /// Whether it is for Alpine.
    fn alpine(&self) -> bool {
        self.renderer == Renderer::IfupdownAlpine
    }

    /// Says that there is no word for `what`.
    fn lacks(&mut self, origin: &Origin, what: &str) {
        self.findings.push(inexpressible(self.renderer, origin, what));
    }

    /// The links, `lo` first, such that each comes after those that it needs: its members, its parent, the VRF that it is in.
    /// `ifup -a` goes through the file from top to bottom.
    fn in_order(&self) -> Vec<&'a Link> {
        let links = &self.config.links;
        let place = |id: &str| links.iter().position(|link| link.id == id);
        let mut order = Vec::with_capacity(links.len());
        let mut begun = vec![false; links.len()];
        let of_lo = |loopback: bool| {
            links.iter().enumerate().filter(move |(_, link)| (link.kind == Kind::Loopback) == loopback)
        };
        for (start, _) in of_lo(true).chain(of_lo(false)) {
            // The places that wait for others; a circle, which no reader leaves, ends where it began.
            let mut open = vec![(start, false)];
            while let Some((index, ready)) = open.pop() {
                let Some(link) = links.get(index) else { continue };
                if ready {
                    order.push(link);
                    continue;
                }
                match begun.get_mut(index) {
                    Some(begun) if !*begun => *begun = true,
                    _ => continue,
                }
                open.push((index, true));
                let needs = match link.kind {
                    Kind::Vrf { .. } => &[],
                    _ => link.members(),
                };
                let needs = needs.iter().rev().filter_map(|member| place(&member.value));
                open.extend(
                    self.vrf_of(link).and_then(|vrf| place(&vrf.id)).into_iter().chain(needs).map(|at| (at, false)),
                );
            }
        }
        order
    }

    /// The VRF that the link is in.
    fn vrf_of(&self, link: &Link) -> Option<&'a Link> {
        let member = |other: &&Link| {
            matches!(other.kind, Kind::Vrf { .. }) && other.members().iter().any(|member| member.value == link.id)
        };
        self.config.links.iter().find(member)
    }

    /// The names of the links with these ids; one whose interface is absent or not made is left out, which has been said.
    fn named<'m>(&self, members: impl IntoIterator<Item = &'m str>) -> Vec<String> {
        let members = members.into_iter().filter(|id| !self.left_out.iter().any(|left| left == id));
        members.filter_map(|id| interface_named(id, self.config, self.nics)).collect()
    }
}
