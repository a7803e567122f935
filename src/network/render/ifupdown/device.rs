// SPDX-License-Identifier: Apache-2.0
//! What an interface is made of, and what is set on it before it has addresses.

use crate::finding::Located;
use crate::network::model::options::Setting;
use crate::network::model::{Kind, Link};
use crate::network::render::ifupdown::Writer;
use crate::network::render::ifupdown::stanzas::option;
use crate::network::settled;

/// The options of a bond that ifenslave's hook knows; others are written to `/sys` when the bond is there.
const IFENSLAVE: &[&str] = &[
    "mode",
    "miimon",
    "updelay",
    "downdelay",
    "use_carrier",
    "arp_interval",
    "arp_ip_target",
    "arp_validate",
    "primary",
    "primary_reselect",
    "fail_over_mac",
    "xmit_hash_policy",
    "num_grat_arp",
    "packets_per_slave",
    "lacp_rate",
    "ad_select",
    "tlb_dynamic_lb",
];
/// Those that cannot be changed while the bond is up.
const TOO_LATE: &[&str] = &["ad_actor_sys_prio", "ad_user_port_key"];
/// The options of a bridge in the words of bridge-utils.
const BRIDGE_UTILS: &[(&str, &str)] = &[
    ("forward_delay", "bridge_fd"),
    ("hello_time", "bridge_hello"),
    ("max_age", "bridge_maxage"),
    ("ageing_time", "bridge_ageing"),
    ("stp_state", "bridge_stp"),
    ("priority", "bridge_bridgeprio"),
];

impl Writer<'_> {
    /// The lines for an interface's first stanza, and those for its last. `auto` says that the first one is `inet6 auto`,
    /// which knows no `hwaddress`.
    pub(super) fn device(&mut self, link: &Link, name: &str, auto: bool) -> (String, String) {
        let (mut first, mut last) = (String::new(), String::new());
        // On Debian a hook makes these two between `pre-up` and the addresses.
        let hooked = !self.alpine() && matches!(link.kind, Kind::Bond { .. } | Kind::Bridge { .. });
        let when = if hooked { "up" } else { "pre-up" };
        match &link.kind {
            Kind::Physical(physical) => {
                if let Some(wake) = physical.wake_on_lan {
                    first.push_str(&option("ethernet-wol", if wake { "g" } else { "d" }));
                }
            }
            Kind::Bond { members, settings } => {
                let members = self.named(members.iter().map(|member| member.as_str()));
                self.requires(&members, &mut first);
                let members = if members.is_empty() { "none".to_owned() } else { members.join(" ") };
                first.push_str(&option("bond-slaves", &members));
                let by_hook = |setting: &&Located<Setting>| IFENSLAVE.contains(&setting.option.kernel);
                settings.iter().filter(by_hook).for_each(|setting| self.bond(setting, &mut first));
                settings.iter().filter(|at| !by_hook(at)).for_each(|setting| self.bond(setting, &mut first));
            }
            Kind::Bridge { members, settings } => {
                let members = self.named(members.iter().map(|member| member.as_str()));
                self.requires(&members, &mut first);
                let members = if members.is_empty() { "none".to_owned() } else { members.join(" ") };
                first.push_str(&option("bridge_ports", &members));
                settings.iter().for_each(|setting| self.bridge(setting, &mut first));
            }
            Kind::Vlan { id, parent } => self.vlan(*id, parent, name, &mut first, &mut last),
            Kind::Vrf { table, .. } => make(&format!("$IFACE type vrf table {table}"), &mut first, &mut last),
            Kind::Dummy => make("$IFACE type dummy", &mut first, &mut last),
            Kind::Loopback => {}
        }
        if let Some(mtu) = &link.mtu {
            first.push_str(&set(when, &format!("mtu {}", mtu.value)));
        }
        if let Some(mac) = &link.mac {
            let mac = mac.value.to_string();
            first.push_str(&match link.kind {
                Kind::Bridge { .. } if hooked => option("bridge_hw", &mac),
                Kind::Bond { .. } if hooked && !auto => option("hwaddress", &mac),
                _ => set(when, &format!("address {mac}")),
            });
        }
        if let Some(vrf) = self.vrf_of(link) {
            first.push_str(&set(when, &format!("master {}", vrf.id)));
        }
        self.ipv6(link, when, &mut first);
        (first, last)
    }

    /// ifupdown-ng brings up first what is required.
    fn requires(&self, names: &[String], options: &mut String) {
        if self.alpine() && !names.is_empty() {
            options.push_str(&option("requires", &names.join(" ")));
        }
    }

    fn bond(&mut self, setting: &Located<Setting>, options: &mut String) {
        let kernel = setting.option.kernel;
        let value = match kernel {
            "primary" => self.named([setting.value.value.as_str()]).concat(),
            // ifenslave adds them one by one, ip(8) reads the list.
            "arp_ip_target" if !self.alpine() => setting.value.value.replace(',', " "),
            _ => setting.value.value.clone(),
        };
        if value.is_empty() {
            // An absent member, which has been said.
        } else if self.alpine() || IFENSLAVE.contains(&kernel) {
            options.push_str(&option(&format!("bond-{}", kernel.replace('_', "-")), &value));
        } else if TOO_LATE.contains(&kernel) {
            self.lacks(&setting.origin, &format!("the bond's `{kernel}`"));
        } else {
            options.extend(["    up echo ", &value, " > /sys/class/net/$IFACE/bonding/", kernel, "\n"]);
        }
    }

    fn bridge(&mut self, setting: &Located<Setting>, options: &mut String) {
        let kernel = setting.option.kernel;
        let value = setting.value.value.as_str();
        if let Some(member) = &setting.member {
            let file = if kernel == "path_cost" { "path_cost" } else { "priority" };
            for port in self.named([member.as_str()]) {
                options.extend(["    up echo ", value, " > /sys/class/net/", &port, "/brport/", file, "\n"]);
            }
            return;
        }
        let Some((_, word)) = BRIDGE_UTILS.iter().find(|(name, _)| *name == kernel) else { return };
        if self.alpine() {
            // ifupdown-ng hands the seconds of bridge-utils to ip(8), which counts in hundredths.
            let hundredths = if ["priority", "stp_state"].contains(&kernel) { "" } else { "00" };
            options.extend(["    pre-up echo ", value, hundredths, " > /sys/class/net/$IFACE/bridge/", kernel, "\n"]);
        } else {
            let value = match (kernel, value) {
                ("stp_state", "1") => "on",
                ("stp_state", _) => "off",
                _ => value,
            };
            options.push_str(&option(word, value));
        }
    }

    /// What keeps a link from being made at all: its stanza would fail, or make another VLAN.
    pub(super) fn unmakeable(&self, link: &Link, name: &str) -> Option<String> {
        let Kind::Vlan { id, parent } = &link.kind else { return None };
        let Some(parent_name) = self.named([parent.as_str()]).pop() else {
            return Some("a VLAN of an interface that is not known".to_owned());
        };
        let odd = name.contains('.') || self.alpine() && name.starts_with("vlan");
        (odd && !self.tells(name, *id, &parent_name))
            .then(|| format!("a VLAN `{name}` that is not the one that its name tells"))
    }

    /// Whether the name tells all of a VLAN but, on Alpine, its parent.
    fn tells(&self, name: &str, id: u16, parent: &str) -> bool {
        name == format!("{parent}.{id}") || self.alpine() && name == format!("vlan{id}")
    }

    /// `PARENT.TAG` is made by ifupdown itself, for what the name says; any other name by ip(8).
    fn vlan(&mut self, id: u16, parent: &Located<String>, name: &str, first: &mut String, last: &mut String) {
        let Some(parent_name) = self.named([parent.as_str()]).pop() else { return };
        self.requires(std::slice::from_ref(&parent_name), first);
        if self.tells(name, id, &parent_name) {
            first.push_str(&option("vlan-raw-device", &parent_name));
        } else {
            make(&format!("link {parent_name} name $IFACE type vlan id {id}"), first, last);
        }
    }

    /// What `/proc/sys` says of IPv6 on an interface. IPv6 may be off in the guest, which is no reason to have no network.
    fn ipv6(&mut self, link: &Link, when: &str, options: &mut String) {
        if let Some(mtu) = &link.ipv6_mtu {
            // The kernel puts the link's own in its place when it notices the carrier, after the interface is up; so that is
            // waited for. The second `up` changes nothing but has to wait until the kernel is done with it.
            options.push_str(&option("up", settled::COMMAND));
            options.push_str(&sysctl("up", "mtu", &mtu.value.to_string()));
        }
        let mut sysctl = |when: &str, key: &str, value: &str| options.push_str(&sysctl(when, key, value));
        if let Some(private) = link.ipv6_privacy {
            sysctl(when, "use_tempaddr", if private { "2" } else { "0" });
        }
        if link.link_local.is_some_and(|link_local| !link_local.ipv6) {
            sysctl(when, "addr_gen_mode", "1");
        }
        let ipv6 = link.addresses.iter().any(|address| address.address().is_ipv6());
        // Of what only carries others the networks are those of others too; it would listen all the same.
        let carries = matches!(link.kind, Kind::Bond { .. } | Kind::Bridge { .. } | Kind::Vlan { .. })
            || self
                .config
                .links
                .iter()
                .any(|other| matches!(&other.kind, Kind::Vlan { parent, .. } if parent.value == link.id));
        let accept_ra = link.accept_ra.or((carries && !link.is_configured()).then_some(false));
        match accept_ra {
            // Elsewhere a stanza says it.
            Some(accept) if self.alpine() || (!accept && !ipv6 && link.dhcp6.is_none()) => {
                sysctl(when, "accept_ra", if accept { "1" } else { "0" });
            }
            _ => {}
        }
        if link.link_local.is_some_and(|link_local| link_local.ipv4) {
            self.lacks(&link.origin, "IPv4's link-local addresses");
        }
        if link.dhcp4 && link.dhcp_by_mac == Some(false) {
            self.lacks(&link.origin, "DHCP by a DUID");
        }
    }
}

fn sysctl(when: &str, key: &str, value: &str) -> String {
    ["    ", when, " echo ", value, " > /proc/sys/net/ipv6/conf/$IFACE/", key, " || true\n"].concat()
}

/// An interface that ip(8) makes, unless an earlier try did, and takes away again.
fn make(what: &str, first: &mut String, last: &mut String) {
    first.extend(["    pre-up [ -e /sys/class/net/$IFACE ] || ip link add ", what, "\n"]);
    last.push_str("    post-down ip link del $IFACE\n");
}

fn set(when: &str, what: &str) -> String {
    option(when, &["ip link set dev $IFACE ", what].concat())
}
