// SPDX-License-Identifier: Apache-2.0
//! What an interface is made of, in an `ifcfg` file of wicked.

use crate::finding::Located;
use crate::guest::Nic;
use crate::network::model::options::{Setting, get};
use crate::network::model::{Kind, Link, NetworkConfig};
use crate::network::render::interface_named;
use crate::network::render::sysconfig::assignments::Assignments;
use crate::network::render::sysconfig::words::bond_options;
use crate::network::render::unsaid::Unsaid;

/// The options of a bridge, `(kernel, wicked)`; times are seconds.
const BRIDGE: [(&str, &str); 5] = [
    ("priority", "BRIDGE_PRIORITY"),
    ("forward_delay", "BRIDGE_FORWARDDELAY"),
    ("hello_time", "BRIDGE_HELLOTIME"),
    ("max_age", "BRIDGE_MAXAGE"),
    ("ageing_time", "BRIDGE_AGEINGTIME"),
];

/// Writes it.
pub(super) fn device(
    link: &Link,
    config: &NetworkConfig,
    nics: Option<&[Nic]>,
    file: &mut Assignments,
    unsaid: &mut Unsaid,
) {
    if let Some(mac) = &link.mac {
        file.set("LLADDR", &mac.value);
    }
    if let Some(mtu) = &link.mtu {
        file.set("MTU", &mtu.value);
    }
    match &link.kind {
        Kind::Physical(physical) => {
            if physical.infiniband {
                file.set("IPOIB_MODE", &"datagram");
            }
            if let Some(wake) = physical.wake_on_lan {
                file.set("ETHTOOL_OPTIONS", &if wake { "wol g" } else { "wol d" });
            }
        }
        Kind::Bond { members, settings } => {
            file.flag("BONDING_MASTER", true);
            for (index, (_, name)) in present(members, config, nics).iter().enumerate() {
                file.set(&["BONDING_SLAVE_", &index.to_string()].concat(), name);
            }
            file.set("BONDING_MODULE_OPTS", &bond_options(settings, config, nics, unsaid));
        }
        Kind::Bridge { members, settings } => {
            file.flag("BRIDGE", true);
            bridge(&present(members, config, nics), settings, file);
        }
        Kind::Vlan { id, parent } => {
            if let Some(parent) = interface_named(parent, config, nics) {
                file.set("ETHERDEVICE", &parent);
            }
            file.set("VLAN_ID", id);
        }
        Kind::Dummy => file.flag("DUMMY", true),
        Kind::Vrf { .. } | Kind::Loopback => {}
    }
}

/// The parts that are there, each with its interface's name.
fn present<'a>(members: &'a [Located<String>], config: &NetworkConfig, nics: Option<&[Nic]>) -> Vec<(&'a str, String)> {
    members.iter().filter_map(|member| Some((member.as_str(), interface_named(member, config, nics)?))).collect()
}

fn bridge(members: &[(&str, String)], settings: &[Located<Setting>], file: &mut Assignments) {
    if let Some(stp) = get(settings, "stp_state") {
        file.set("BRIDGE_STP", &if stp == "1" { "on" } else { "off" });
    }
    let ports: Vec<String> = members.iter().map(|(_, name)| name.clone()).collect();
    file.words("BRIDGE_PORTS", &ports);
    for (kernel, key) in BRIDGE {
        if let Some(value) = get(settings, kernel) {
            file.set(key, &value);
        }
    }
    // Lists beside that of the ports, a dash for one of which nothing is said.
    for (kernel, key) in [("path_cost", "BRIDGE_PATHCOSTS"), ("port_priority", "BRIDGE_PORTPRIORITIES")] {
        if get(settings, kernel).is_some() {
            let of = |id: &str| {
                let is = |setting: &&Located<Setting>| {
                    setting.option.kernel == kernel && setting.member.as_deref() == Some(id)
                };
                settings.iter().find(is).map_or_else(|| "-".to_owned(), |setting| setting.value.value.clone())
            };
            file.words(key, &members.iter().map(|(id, _)| of(id)).collect::<Vec<_>>());
        }
    }
}
