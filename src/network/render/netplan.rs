// SPDX-License-Identifier: Apache-2.0
//! For netplan: one file, format version 2.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::finding::{Finding, Findings};
use crate::guest::Nic;
use crate::network::model::{Link, NetworkConfig, Route};
use crate::network::render::{HEADER, RenderedFile, nic_of};

/// Where netplan looks for files.
pub const DIRECTORY: &str = "/etc/netplan";
/// Our one file. Netplan merges all of the directory; what sorts later wins.
pub const PATH: &str = "/etc/netplan/50-firstlight.yaml";

#[derive(Serialize)]
struct Document {
    network: Network,
}

#[derive(Serialize)]
struct Network {
    version: u8,
    ethernets: BTreeMap<String, Ethernet>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Ethernet {
    r#match: MatchKeys,
    #[serde(skip_serializing_if = "Option::is_none")]
    set_name: Option<String>,
    dhcp4: bool,
    dhcp6: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    accept_ra: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtu: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    addresses: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: Vec<RouteKeys>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nameservers: Option<NameServers>,
    /// The boot does not wait for it.
    #[serde(skip_serializing_if = "is_false")]
    optional: bool,
}

#[derive(Serialize)]
struct MatchKeys {
    #[serde(skip_serializing_if = "Option::is_none")]
    macaddress: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct RouteKeys {
    to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    via: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metric: Option<u32>,
    #[serde(skip_serializing_if = "is_false")]
    on_link: bool,
}

#[derive(Serialize)]
struct NameServers {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    addresses: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    search: Vec<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_false(value: &bool) -> bool {
    !value
}

/// One file, root's alone: netplan complains of one that others can read.
pub fn render(config: &NetworkConfig, nics: Option<&[Nic]>, findings: &mut Findings) -> Vec<RenderedFile> {
    let mut ethernets = BTreeMap::new();
    for link in &config.links {
        let mut id = id(link, nics);
        while ethernets.contains_key(&id) {
            id.push('_');
        }
        ethernets.insert(id, ethernet(config, link, nics));
    }
    match serde_yaml::to_string(&Document { network: Network { version: 2, ethernets } }) {
        Ok(yaml) => {
            let content = format!("{HEADER}{}", with_quoted_macs(yaml, config));
            vec![RenderedFile { path: PATH.into(), content, mode: 0o600 }]
        }
        Err(error) => {
            findings.push(Finding::error(&config.origin, format!("cannot be written for netplan: {error}")));
            Vec::new()
        }
    }
}

/// The interface's name where it is known: netplan merges definitions of the same name, so that ours takes precedence
/// over one that the image brings; two names for one interface would leave it to the alphabet.
fn id(link: &Link, nics: Option<&[Nic]>) -> String {
    let nic = nics.and_then(|nics| nic_of(link, nics));
    nic.map_or_else(|| link.id.clone(), |nic| nic.name.clone())
}

/// `52:54:00:12:34:56` without quotes is a number to base 60 in YAML 1.1, which the Python half of older netplans reads.
fn with_quoted_macs(yaml: String, config: &NetworkConfig) -> String {
    config
        .macs()
        .fold(yaml, |yaml, mac| yaml.replace(&format!("macaddress: {mac}\n"), &format!("macaddress: '{mac}'\n")))
}

fn ethernet(config: &NetworkConfig, link: &Link, nics: Option<&[Nic]>) -> Ethernet {
    let dns = config.dns_of(link);
    let nic = nics.and_then(|nics| nic_of(link, nics));
    let by = link.physical().map(|physical| &physical.by);
    let route = |route: &Route| RouteKeys {
        // Older netplans do not know the word `default`.
        to: route.to.to_string(),
        via: route.via.map(|via| via.to_string()),
        metric: route.metric,
        on_link: link.is_on_link(route),
    };
    Ethernet {
        r#match: MatchKeys {
            macaddress: by.and_then(|by| by.mac.as_ref()).map(|mac| mac.to_string()),
            name: by.and_then(|by| by.name.as_ref()).map(|name| name.value.clone()),
        },
        // For an MTU netplan writes a `.link` file that leaves no room for udev's own name: from the second boot on the
        // interface would be `eth0` again. So it keeps the name that it has.
        set_name: link.mtu.as_ref().and(nic).map(|nic| nic.name.clone()),
        dhcp4: link.dhcp4,
        // SLAAC too: with `dhcp6: false` netplan turns IPv6 off where NetworkManager is its back end, and networkd asks
        // a DHCP server only where the router says so.
        dhcp6: link.accept_ra == Some(true),
        accept_ra: link.accept_ra,
        mtu: link.mtu.as_ref().map(|mtu| mtu.value),
        addresses: link.addresses.iter().map(|address| address.prefix.to_string()).collect(),
        routes: link.routes.iter().map(|at| route(at)).collect(),
        nameservers: (!dns.servers.is_empty() || !dns.search.is_empty()).then(|| NameServers {
            addresses: dns.servers.iter().map(ToString::to_string).collect(),
            search: dns.search,
        }),
        optional: !link.is_configured() || (nics.is_some() && nic.is_none()),
    }
}
