// SPDX-License-Identifier: Apache-2.0
//! For `NetworkManager`: one keyfile a link (nm-settings-keyfile(5)), in the words that its versions from 1.16 on know.

mod addressing;
mod device;
mod keyfile;
mod uuid;

use crate::finding::{Finding, Findings, Located};
use crate::guest::Nic;
use crate::network::model::{Activation, Kind, Link, NetworkConfig, Physical};
use crate::network::render::network_manager::keyfile::Keyfile;
use crate::network::render::network_manager::uuid::uuid;
use crate::network::render::unsaid::Unsaid;
use crate::network::render::{RenderedFile, Renderer, interface_name, names};
use crate::network::words::is_interface_name;

/// Where `NetworkManager` looks for the administrator's connections.
pub const DIRECTORY: &str = "/etc/NetworkManager/system-connections";
/// How names of our files begin.
pub const PREFIX: &str = "firstlight-";
/// How they end; what ends otherwise is not read.
pub const ENDING: &str = ".nmconnection";
/// Of several connections for an interface the one with the highest wins; those of an image have 0, or cloud-init's 120.
const PRIORITY: u16 = 200;
/// `NM_CONNECTION_MULTI_CONNECT_MULTIPLE`: one connection for all the interfaces that fit.
const MULTIPLE: u8 = 3;

/// One file a link, root's alone: `NetworkManager` refuses a connection that others can read.
pub fn render(config: &NetworkConfig, nics: Option<&[Nic]>, findings: &mut Findings) -> Vec<RenderedFile> {
    let config = with_tables(with_priorities(config));
    unreachable_servers(&config, findings);
    let mut unsaid = Unsaid::new(Renderer::NetworkManager, findings);
    let mut files = Vec::new();
    for link in &config.links {
        // `lo` has its addresses anyway.
        if link.kind == Kind::Loopback && !link.is_configured() {
            continue;
        }
        if let Some(content) = connection(link, &config, nics, &mut unsaid) {
            let path = [DIRECTORY, "/", PREFIX, &link.id, ENDING].concat();
            files.push(RenderedFile { path: path.into(), content, mode: 0o600 });
        }
    }
    files
}

/// Gives each rule a priority: the kernel would choose one, `NetworkManager` refuses the whole connection. Behind
/// those that the document gives, before those of the main table.
fn with_priorities(config: &NetworkConfig) -> NetworkConfig {
    let mut config = config.clone();
    let rules = config.links.iter_mut().flat_map(|link| &mut link.rules);
    for (rule, priority) in rules.filter(|rule| rule.priority.is_none()).zip(30_000..32_766) {
        rule.value.priority = Some(priority);
    }
    config
}

/// Names the tables of VRFs, whose routes stand with the members that reach the gateways: a VRF has no addresses here, and
/// a connection without addresses no routes.
fn with_tables(mut config: NetworkConfig) -> NetworkConfig {
    config.links.iter_mut().for_each(Link::name_table);
    let vrfs: Vec<usize> = (0..config.links.len()).filter(|index| is_vrf(config.links.get(*index))).collect();
    for vrf in vrfs {
        let Some(link) = config.links.get_mut(vrf) else { continue };
        let members: Vec<String> = link.members().iter().map(|member| member.value.clone()).collect();
        for route in std::mem::take(&mut link.routes) {
            let reaches = |link: &Link| members.contains(&link.id) && route.via.is_some_and(|via| link.contains(via));
            let place = config.links.iter().position(reaches).unwrap_or(vrf);
            config.links.get_mut(place).into_iter().for_each(|link| link.routes.push(route.clone()));
        }
    }
    config
}

fn is_vrf(link: Option<&Link>) -> bool {
    link.is_some_and(|link| matches!(link.kind, Kind::Vrf { .. }))
}

/// A server can be named only beside an address of its family.
fn unreachable_servers(config: &NetworkConfig, findings: &mut Findings) {
    let dns = config.all_dns();
    for server in
        dns.servers.iter().filter(|server| !config.links.iter().any(|link| has(link, config, server.is_ipv4())))
    {
        let message = format!("no interface has an address to reach the name server {server} from; it is left out");
        findings.push(Finding::warning(&config.origin, message));
    }
}

/// Whether addresses of this family are configured on `link`.
fn has(link: &Link, config: &NetworkConfig, ipv4: bool) -> bool {
    let method = if ipv4 { addressing::method4(link) } else { addressing::method6(link) };
    matches!(method, "auto" | "dhcp" | "manual") && !controller(link, config).is_some_and(is_switch)
}

/// The link that `link` is a part of: a bond, a bridge, a VRF.
fn controller<'a>(link: &Link, config: &'a NetworkConfig) -> Option<&'a Link> {
    let has = |other: &&Link| {
        !matches!(other.kind, Kind::Vlan { .. }) && other.members().iter().any(|member| member.value == link.id)
    };
    config.links.iter().find(has)
}

/// Whether its parts have no addresses of their own.
fn is_switch(controller: &Link) -> bool {
    matches!(controller.kind, Kind::Bond { .. } | Kind::Bridge { .. })
}

/// The file's text; `None`, with a finding, where nothing tells which interface is meant.
fn connection(link: &Link, config: &NetworkConfig, nics: Option<&[Nic]>, unsaid: &mut Unsaid) -> Option<String> {
    let name = name(link, nics);
    let by = link.physical().map(|physical| &physical.by).cloned().unwrap_or_default();
    if name.is_none() && device::kind(link) == "infiniband" && !by.mac.as_ref().is_some_and(|mac| mac.is_infiniband()) {
        unsaid.say(&link.origin, "InfiniBand hardware of which neither the name nor all twenty bytes are known");
        return None;
    }
    let mut file = Keyfile::new();
    file.section("connection");
    file.set("id", &format_args!("firstlight {}", link.id));
    file.set("uuid", &uuid(&link.id));
    file.set("type", &device::kind(link));
    match &name {
        Some(name) => file.set("interface-name", name),
        None if by.mac.is_none() => file.set("multi-connect", &MULTIPLE),
        None => {}
    }
    match link.activation {
        Activation::Auto | Activation::Hotplug => file.set("autoconnect-priority", &PRIORITY),
        Activation::Manual | Activation::Off => file.set("autoconnect", &"false"),
    }
    let controller = controller(link, config);
    if let Some(controller) = controller {
        // The names that all versions know; the newer `controller` and `port-type` mean the same.
        file.set("master", &uuid(&controller.id));
        file.set("slave-type", &device::kind(controller));
    }
    file.section("match");
    if name.is_none() {
        let renamed = link.physical().is_some_and(|physical| physical.set_name.is_some());
        file.list("interface-name", &values(by.name.as_slice().iter().filter(|_| !renamed)));
        file.list("driver", &values(by.drivers.iter()));
    }
    device::sections(link, controller, config, nics, &mut file, unsaid);
    if !controller.is_some_and(is_switch) {
        addressing::sections(link, config, &mut file, unsaid);
    }
    if link.activation == Activation::Off {
        unsaid.say(&link.origin, "an interface that is kept down; it is not brought up");
    }
    if link.optional && link.is_configured() {
        unsaid.say(&link.origin, "an interface that the boot does not wait for");
    }
    Some(file.finish())
}

fn values<'a>(located: impl Iterator<Item = &'a Located<String>>) -> Vec<String> {
    located.map(|value| value.value.clone()).collect()
}

/// The name of the interface that is meant; `None` where it is told by what else is known of it.
fn name(link: &Link, nics: Option<&[Nic]>) -> Option<String> {
    let Some(Physical { by, set_name, .. }) = link.physical() else { return Some(link.id.clone()) };
    if let Some(mac) = &by.mac {
        // It is the same under any name, unless another has it too.
        let twins = nics.iter().flat_map(|nics| nics.iter()).filter(|nic| names::has_mac(nic, mac.value)).count();
        return if twins > 1 { interface_name(link, nics) } else { None };
    }
    match (set_name, &by.name) {
        (Some(name), _) => Some(name.value.clone()),
        (None, Some(name)) => is_interface_name(name).then(|| name.value.clone()),
        (None, None) => by.drivers.is_empty().then(|| link.id.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Origin;
    use crate::network::model::{Dhcp6, Dns, Match, Rule};
    use crate::network::render::render as rendered;

    fn config(links: &[(&str, &[&str])]) -> NetworkConfig {
        let origin = Origin::document("d");
        let mut config = NetworkConfig::new(origin.clone());
        for (name, addresses) in links {
            let by = Match::named(Located::new((*name).to_owned(), origin.clone()));
            let mut link = Link::new((*name).to_owned(), Kind::Physical(by.into()), origin.clone());
            let address = |text: &&str| {
                Located::new(text.parse::<crate::network::prefix::Prefix>().unwrap().into(), origin.clone())
            };
            link.addresses = addresses.iter().map(address).collect();
            config.links.push(link);
        }
        config
    }

    /// The lines of each file that begin with `key`, and how many findings there are.
    fn lines(config: &NetworkConfig, key: &str) -> (Vec<String>, usize) {
        let mut findings = Findings::default();
        let files = rendered(Renderer::NetworkManager, config, None, &mut findings).files;
        let of = |file: &RenderedFile| {
            file.content.lines().filter(|line| line.starts_with(key)).collect::<Vec<_>>().join(" ")
        };
        (files.iter().map(of).collect(), findings.iter().count())
    }

    #[test]
    fn a_server_stands_beside_an_address_of_its_family_whoever_names_it() {
        let servers = ["192.0.2.53", "2001:db8::53"].map(|server| server.parse().unwrap()).to_vec();
        let mut network = config(&[("six", &["2001:db8::5/64"]), ("four", &["192.0.2.5/24"])]);
        network.links[1].accept_ra = Some(false);
        network.dns = Dns { servers: servers.clone(), search: Vec::new() };
        let expected = (vec!["dns=2001:db8::53;".to_owned(), "dns=192.0.2.53;".to_owned()], 0);
        assert_eq!(lines(&network, "dns="), expected);
        network.links[0].dns = std::mem::take(&mut network.dns);
        assert_eq!(lines(&network, "dns="), expected, "the first link's own");
        network.links.pop();
        assert_eq!(lines(&network, "dns="), (vec!["dns=2001:db8::53;".to_owned()], 1), "nobody can ask the other");
    }

    #[test]
    fn each_rule_has_a_priority_of_its_own() {
        let mut network = config(&[("a", &["192.0.2.5/24"]), ("b", &["192.0.2.6/24"])]);
        let rule = |priority| Located::new(Rule { table: Some(5), priority, ..Rule::default() }, Origin::document("d"));
        network.links[0].rules = vec![rule(None), rule(Some(7))];
        network.links[1].rules = vec![rule(None)];
        let (lines, _) = lines(&network, "routing-rule");
        assert_eq!(
            lines,
            [
                "routing-rule1=from 0.0.0.0/0 table 5 priority 30000 routing-rule2=from 0.0.0.0/0 table 5 priority 7",
                "routing-rule1=from 0.0.0.0/0 table 5 priority 30001"
            ]
        );
    }

    #[test]
    fn ipv6_is_asked_for_as_far_as_the_document_does() {
        for (addresses, dhcp4, dhcp6, accept_ra, method) in [
            (&["192.0.2.5/24"][..], false, None, None, "auto"),
            (&["192.0.2.5/24"], false, None, Some(false), "link-local"),
            (&["2001:db8::5/64"], false, None, None, "manual"),
            (&["2001:db8::5/64"], false, None, Some(true), "auto"),
            (&[], true, Some(Dhcp6::Stateless), None, "auto"),
            (&[], true, Some(Dhcp6::Stateful), Some(false), "dhcp"),
            (&[], false, None, None, "ignore"),
        ] {
            let mut network = config(&[("a", addresses)]);
            let link = &mut network.links[0];
            (link.dhcp4, link.dhcp6, link.accept_ra) = (dhcp4, dhcp6, accept_ra);
            assert_eq!(addressing::method6(link), method, "{addresses:?} {dhcp4} {dhcp6:?} {accept_ra:?}");
        }
    }

    #[test]
    fn an_image_keeps_a_pattern_and_one_connection_serves_all_that_fit() {
        let (lines, _) = lines(&config(&[("ens*", &[]), ("eth0", &[])]), "");
        assert!(lines[0].contains("multi-connect=3") && lines[0].contains("[match] interface-name=ens*;"), "{lines:?}");
        assert!(lines[1].contains("interface-name=eth0") && !lines[1].contains("[match]"), "{lines:?}");
    }
}
