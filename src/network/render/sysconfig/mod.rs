// SPDX-License-Identifier: Apache-2.0
//! For RHEL's network-scripts: `ifcfg-*`, `route-*`, `rule-*` in `/etc/sysconfig/network-scripts`.
//!
//! The scripts' own reading counts (ifup, ifup-eth, ifup-ipv6, ifup-routes); `NetworkManager`'s of the same files is nearly that.

mod addressing;
pub(in crate::network::render) mod assignments;
pub(in crate::network::render) mod words;

use crate::finding::{Findings, Located};
use crate::guest::Nic;
use crate::network::model::options::{Form, Setting, get};
use crate::network::model::{Activation, Kind, Link, NetworkConfig, Physical, RouteKind};
use crate::network::render::sysconfig::assignments::Assignments;
use crate::network::render::sysconfig::words::{bond_options, controller, is_ipv4, route_options, rule};
use crate::network::render::unsaid::Unsaid;
use crate::network::render::{HEADER, RenderedFile, Renderer, interface_name, interface_named};
use crate::network::words::is_interface_name;

/// Where the scripts look.
pub const DIRECTORY: &str = "/etc/sysconfig/network-scripts";

/// The files of each link.
pub fn render(config: &NetworkConfig, nics: Option<&[Nic]>, findings: &mut Findings) -> Vec<RenderedFile> {
    let mut unsaid = Unsaid::new(Renderer::Sysconfig, findings);
    let (mut files, mut written) = (Vec::new(), Vec::new());
    for link in &config.links {
        let name = interface_name(link, nics).filter(|name| is_interface_name(name));
        let is_known = match &link.kind {
            // `lo` has its addresses anyway.
            Kind::Loopback if !link.is_configured() => continue,
            Kind::Loopback => Err("addresses of the loopback interface"),
            Kind::Vrf { .. } => Err("a VRF"),
            Kind::Dummy => Err("a dummy interface"),
            Kind::Physical(physical) if name.is_none() && nics.is_none() && physical.by.mac.is_none() => {
                Err("an interface whose name is not known")
            }
            // Nobody gives it the name: the scripts know hardware by its address alone.
            Kind::Physical(Physical { by, .. }) if nics.is_none() && by.mac.is_none() && by.is_pattern() => {
                Err("an interface whose name is not known")
            }
            // An absent one is reported for every manager alike, and would make the service fail.
            Kind::Physical(_) if name.is_none() && nics.is_some() => continue,
            Kind::Vlan { parent, .. } if interface_named(parent, config, nics).is_none() => {
                Err("a VLAN of an interface that is not known")
            }
            Kind::Vlan { id, parent } if tells_another(&link.id, *id, interface_named(parent, config, nics)) => {
                Err("a VLAN whose name tells of another one")
            }
            _ => Ok(()),
        };
        match is_known {
            Ok(()) if unsaid.is_again(link, name.as_deref(), &mut written) => {}
            Ok(()) => link_files(link, name.as_deref(), config, nics, &mut files, &mut unsaid),
            Err(what) => unsaid.say(&link.origin, what),
        }
    }
    files
}

/// Whether the scripts read another VLAN from the name, which counts more for them than what the file says: `PARENT.TAG`
/// and `vlanTAG` do.
fn tells_another(name: &str, id: u16, parent: Option<String>) -> bool {
    let is_tag = |text: &str| (1..=4).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit());
    let tells = |tag: &str| is_tag(tag) && tag.parse() != Ok(id);
    match name.rsplit_once('.') {
        Some((head, tag)) if is_tag(tag) => tells(tag) || parent.is_some_and(|parent| parent != head),
        _ => name.strip_prefix("vlan").is_some_and(tells),
    }
}

/// `name` is that of the interface; without one the scripts find it by its MAC address.
fn link_files(
    link: &Link,
    name: Option<&str>,
    config: &NetworkConfig,
    nics: Option<&[Nic]>,
    files: &mut Vec<RenderedFile>,
    unsaid: &mut Unsaid,
) {
    let mut file = |kind: &str, content: String| {
        let path = [DIRECTORY, "/", kind, name.unwrap_or(&link.id)].concat();
        files.push(RenderedFile { path: path.into(), content, mode: 0o644 });
    };
    let mut ifcfg = Assignments::new();
    device(link, name, config, nics, &mut ifcfg, unsaid);
    if controller(link, config).is_some() {
        ifcfg.set("BOOTPROTO", &"none");
        return file("ifcfg-", ifcfg.finish());
    }
    let aliases = addressing::addressing(link, name, config, &mut ifcfg, unsaid);
    file("ifcfg-", ifcfg.finish());
    for (kind, ipv4) in [("route-", true), ("route6-", false)] {
        let routes = link.routes.iter().filter(|route| route.to.address().is_ipv4() == ipv4);
        lines(kind, routes.map(|at| route(link, at, name)).collect(), &mut file);
    }
    for (kind, ipv4) in [("rule-", true), ("rule6-", false)] {
        let rules = link.rules.iter().filter(|rule| is_ipv4(rule) == ipv4);
        lines(kind, rules.map(|at| rule(at)).collect(), &mut file);
    }
    for (suffix, content) in aliases {
        let path = [DIRECTORY, "/ifcfg-", name.unwrap_or(&link.id), ":", &suffix].concat();
        files.push(RenderedFile { path: path.into(), content, mode: 0o644 });
    }
}

fn lines(kind: &str, lines: Vec<String>, file: &mut dyn FnMut(&str, String)) {
    if !lines.is_empty() {
        file(kind, [HEADER, &lines.join("\n"), "\n"].concat());
    }
}

/// A line of arguments for `ip route add`.
fn route(link: &Link, route: &crate::network::model::Route, name: Option<&str>) -> String {
    let mut text = String::new();
    if route.kind != RouteKind::Unicast {
        text.extend([route.kind.name(), " "]);
    }
    text.push_str(&if route.to.is_default() { "default".to_owned() } else { route.to.to_string() });
    if let Some(via) = route.via {
        text.extend([" via ", &via.to_string()]);
    }
    if let Some(name) = name.filter(|_| matches!(route.kind, RouteKind::Unicast | RouteKind::Local)) {
        text.extend([" dev ", name]);
    }
    text + &route_options(link, route)
}

/// What the interface is.
fn device(
    link: &Link,
    name: Option<&str>,
    config: &NetworkConfig,
    nics: Option<&[Nic]>,
    file: &mut Assignments,
    unsaid: &mut Unsaid,
) {
    if let Some(name) = name {
        file.set("DEVICE", &name);
    }
    match &link.kind {
        Kind::Physical(physical) => hardware(physical, file),
        Kind::Bond { settings, .. } => {
            file.set("TYPE", &"Bond");
            file.flag("BONDING_MASTER", true);
            file.words("BONDING_OPTS", &bond_options(settings, config, nics, unsaid));
        }
        Kind::Bridge { settings, .. } => {
            file.set("TYPE", &"Bridge");
            if let Some(stp) = get(settings, "stp_state") {
                file.flag("STP", stp == "1");
            }
            file.words("BRIDGING_OPTS", &bridge_options(settings, None));
        }
        Kind::Vlan { id, parent } => {
            file.set("TYPE", &"Vlan");
            file.flag("VLAN", true);
            if let Some(parent) = interface_named(parent, config, nics) {
                file.set("PHYSDEV", &parent);
            }
            // The scripts' word, without which they take the number from the name; and NetworkManager's.
            file.set("VID", id);
            file.set("VLAN_ID", id);
        }
        Kind::Vrf { .. } | Kind::Dummy | Kind::Loopback => {}
    }
    file.flag("ONBOOT", matches!(link.activation, Activation::Auto | Activation::Hotplug));
    if link.activation == Activation::Off {
        unsaid.say(&link.origin, "an interface that is kept down; it is not brought up");
    }
    if let Some(mac) = &link.mac {
        file.set("MACADDR", &mac.value);
    }
    if let Some(mtu) = &link.mtu {
        file.set("MTU", &mtu.value);
    }
    match controller(link, config) {
        Some(Link { id, kind: Kind::Bridge { settings, .. }, .. }) => {
            file.set("BRIDGE", id);
            file.words("BRIDGING_OPTS", &bridge_options(settings, Some(&link.id)));
        }
        Some(bond) => {
            file.set("MASTER", &bond.id);
            file.flag("SLAVE", true);
        }
        None => {}
    }
}

fn hardware(physical: &Physical, file: &mut Assignments) {
    file.set("TYPE", &if physical.infiniband { "InfiniBand" } else { "Ethernet" });
    if let Some(mac) = &physical.by.mac {
        file.set("HWADDR", &mac.value);
    }
    if let Some(wake) = physical.wake_on_lan {
        file.set("ETHTOOL_OPTS", &if wake { "wol g" } else { "wol d" });
    }
}

/// What is written to files of `/sys`, so in the kernel's units; of the bridge, or of its part `member`.
fn bridge_options(settings: &[Located<Setting>], member: Option<&str>) -> Vec<String> {
    let of = settings.iter().filter(|setting| setting.member.as_deref() == member);
    of.filter(|setting| setting.option.kernel != "stp_state")
        .map(|setting| {
            let seconds = matches!(setting.option.form, Form::Seconds(_)) && setting.value.value != "0";
            let hundredths = if seconds { "00" } else { "" };
            // Of a port it is beneath `brport`, without the word.
            let key = setting.option.kernel.trim_start_matches("port_");
            [key, "=", &setting.value.value, hundredths].concat()
        })
        .collect()
}
