// SPDX-License-Identifier: Apache-2.0
//! What an interface is made of, in the sections of a keyfile: `[ethernet]`, `[bond]`, `[bridge]`, `[vlan]`, …

use crate::finding::Located;
use crate::guest::Nic;
use crate::network::model::options::{Form, Setting, get};
use crate::network::model::{Kind, Link, NetworkConfig};
use crate::network::render::interface_named;
use crate::network::render::network_manager::keyfile::Keyfile;
use crate::network::render::network_manager::uuid::uuid;
use crate::network::render::unsaid::Unsaid;

/// `NM_SETTING_WIRED_WAKE_ON_LAN_MAGIC`.
const MAGIC_PACKET: u8 = 0x40;

/// The options of bridges and their ports, `(kernel, NetworkManager, least, most)`: one that is beyond would cost the
/// whole connection.
const BRIDGE: [(&str, &str, u32, u32); 7] = [
    ("forward_delay", "forward-delay", 2, 30),
    ("hello_time", "hello-time", 1, 10),
    ("max_age", "max-age", 6, 40),
    ("ageing_time", "ageing-time", 0, 1_000_000),
    ("priority", "priority", 0, 65535),
    ("path_cost", "path-cost", 1, 65535),
    ("port_priority", "priority", 0, 63),
];

/// The connection's type, and that of the connections of its parts.
pub(super) fn kind(link: &Link) -> &'static str {
    match &link.kind {
        Kind::Physical(physical) if physical.infiniband => "infiniband",
        Kind::Physical(_) => "ethernet",
        Kind::Bond { .. } => "bond",
        Kind::Bridge { .. } => "bridge",
        Kind::Vlan { .. } => "vlan",
        Kind::Vrf { .. } => "vrf",
        Kind::Dummy => "dummy",
        Kind::Loopback => "loopback",
    }
}

/// The sections between `[connection]` and `[ipv4]`.
pub(super) fn sections(
    link: &Link,
    controller: Option<&Link>,
    config: &NetworkConfig,
    nics: Option<&[Nic]>,
    file: &mut Keyfile,
    unsaid: &mut Unsaid,
) {
    hardware(link, file);
    match &link.kind {
        Kind::Bond { settings, .. } => bond(settings, config, nics, file, unsaid),
        Kind::Bridge { settings, .. } => {
            file.section("bridge");
            bridge(settings, None, file, unsaid);
        }
        Kind::Vlan { id, parent } => {
            file.section("vlan");
            file.set("id", id);
            // By its connection, which has the interface under any name.
            if config.links.iter().any(|other| other.id == parent.value) {
                file.set("parent", &uuid(parent));
            } else {
                file.set("parent", &parent.value);
            }
        }
        Kind::Vrf { table, .. } => {
            file.section("vrf");
            file.set("table", table);
        }
        Kind::Physical(_) | Kind::Dummy | Kind::Loopback => {}
    }
    if let Some(Kind::Bridge { settings, .. }) = controller.map(|controller| &controller.kind) {
        file.section("bridge-port");
        bridge(settings, Some(&link.id), file, unsaid);
    }
}

/// `[ethernet]`, which virtual interfaces have too, or `[infiniband]`.
fn hardware(link: &Link, file: &mut Keyfile) {
    let physical = link.physical();
    let infiniband = physical.is_some_and(|physical| physical.infiniband);
    file.section(if infiniband { "infiniband" } else { "ethernet" });
    let mac = physical.and_then(|physical| physical.by.mac.as_ref());
    if let Some(mac) = mac.filter(|mac| mac.is_infiniband() == infiniband) {
        file.set("mac-address", &mac.value);
    }
    if let Some(mac) = &link.mac {
        file.set("cloned-mac-address", &mac.value);
    }
    if let Some(mtu) = &link.mtu {
        file.set("mtu", &mtu.value);
    }
    if infiniband {
        file.set("transport-mode", &"datagram");
    } else if let Some(wake) = physical.and_then(|physical| physical.wake_on_lan) {
        file.set("wake-on-lan", &if wake { MAGIC_PACKET } else { 0 });
    }
}

/// `[bond]`, in the kernel's words.
fn bond(
    settings: &[Located<Setting>],
    config: &NetworkConfig,
    nics: Option<&[Nic]>,
    file: &mut Keyfile,
    unsaid: &mut Unsaid,
) {
    file.section("bond");
    // There is no bond without one in old versions.
    file.set("mode", &get(settings, "mode").unwrap_or("balance-rr"));
    for setting in settings.iter().filter(|setting| setting.option.kernel != "mode") {
        let option = setting.option.kernel;
        let value = match setting.option.form {
            Form::Member => interface_named(&setting.value.value, config, nics),
            _ => Some(setting.value.value.clone()),
        };
        match value.filter(|_| goes_with(option, settings)) {
            Some(value) => file.set(option, &value),
            None => {
                let what = ["`", option, "` in a bond of this mode and monitoring"].concat();
                unsaid.say(&setting.origin, &what);
            }
        }
    }
}

/// Whether an option of a bond has a meaning beside the others. The kernel refuses one that has none;
/// `NetworkManager` refuses the connection.
fn goes_with(option: &str, settings: &[Located<Setting>]) -> bool {
    let mode = get(settings, "mode").unwrap_or("balance-rr");
    let is_on = |option| get(settings, option).is_some_and(|interval| interval != "0");
    let balances = ["balance-tlb", "balance-alb"].contains(&mode);
    match option {
        "arp_interval" | "arp_ip_target" | "arp_validate" | "arp_all_targets" => {
            let asks = is_on("arp_interval") && !is_on("miimon") && get(settings, "arp_ip_target").is_some();
            let checks = !["arp_validate", "arp_all_targets"].contains(&option) || mode == "active-backup";
            asks && checks && mode != "802.3ad" && !balances
        }
        "updelay" | "downdelay" => is_on("miimon"),
        "primary" => mode == "active-backup" || balances,
        "lacp_rate" | "ad_actor_sys_prio" | "ad_user_port_key" => mode == "802.3ad",
        "packets_per_slave" => mode == "balance-rr",
        "tlb_dynamic_lb" => mode == "balance-tlb",
        _ => true,
    }
}

/// The options of a bridge, or those of its part `member`.
fn bridge(settings: &[Located<Setting>], member: Option<&str>, file: &mut Keyfile, unsaid: &mut Unsaid) {
    for setting in settings.iter().filter(|setting| setting.member.as_deref() == member) {
        let kernel = setting.option.kernel;
        let value = &setting.value.value;
        let known = BRIDGE.iter().find(|(name, ..)| *name == kernel);
        let number = value.parse::<u32>().unwrap_or(u32::MAX);
        match known {
            None if kernel == "stp_state" => file.set("stp", &(value == "1")),
            Some((_, key, least, most)) if (*least..=*most).contains(&number) => file.set(key, &number),
            _ => unsaid.say(&setting.origin, &["a bridge's `", kernel, "` of ", value].concat()),
        }
    }
}
