// SPDX-License-Identifier: Apache-2.0
//! The options of bonds and bridges: one table says what each is called by whom, and what it may be.
//!
//! A value is kept in the kernel's own words and units (Documentation/networking/bonding.rst, bridge(8)); what is read
//! and what is written is translated by the table.

use std::net::Ipv4Addr;

use crate::finding::Located;

/// One option and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Which.
    pub option: &'static LinkOption,
    /// In the kernel's words: `802.3ad`, `100`, `1`, `192.0.2.1,192.0.2.2`, the `id` of a member.
    pub value: String,
    /// The member that it is about, by its `id`: for `path_cost` and `priority` of a bridge's port alone.
    pub member: Option<String>,
}

/// An option of a bond or a bridge.
#[derive(Debug, PartialEq, Eq)]
pub struct LinkOption {
    /// Its name beneath `/sys/class/net/NAME/bonding` or `…/bridge`, and in OpenStack and v1 behind `bond_` or `bridge_`.
    pub kernel: &'static str,
    /// Its name in netplan, the oldest that all versions know; empty where it has none.
    pub netplan: &'static str,
    /// Its name in systemd.netdev(5); empty where it has none.
    pub networkd: &'static str,
    /// `IFLA_BOND_…` or `IFLA_BR_…` of rtnetlink.
    pub attribute: u16,
    /// What it may be.
    pub form: Form,
}

/// What an option's value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One of these words; its place is the kernel's number.
    Word(&'static [&'static str]),
    /// A number without a unit.
    Number(u32),
    /// Milliseconds, up to this many.
    Milliseconds(u32),
    /// Seconds, up to this many. Written to netlink in hundredths.
    Seconds(u32),
    /// Yes or no: `1`, `0`.
    Flag,
    /// IPv4 addresses, parted by commas.
    Addresses,
    /// The `id` of a member.
    Member,
    /// A number for one member.
    PerMember(u32),
}

const fn option(
    kernel: &'static str,
    netplan: &'static str,
    networkd: &'static str,
    attribute: u16,
    form: Form,
) -> LinkOption {
    LinkOption { kernel, netplan, networkd, attribute, form }
}

/// The modes of a bond, by their numbers.
pub const MODES: &[&str] =
    &["balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"];

/// The options of a bond, the mode first: the kernel wants it before most others.
pub const BOND: &[LinkOption] = &[
    option("mode", "mode", "Mode", 1, Form::Word(MODES)),
    option("miimon", "mii-monitor-interval", "MIIMonitorSec", 3, Form::Milliseconds(i32::MAX as u32)),
    option("updelay", "up-delay", "UpDelaySec", 4, Form::Milliseconds(i32::MAX as u32)),
    option("downdelay", "down-delay", "DownDelaySec", 5, Form::Milliseconds(i32::MAX as u32)),
    option("use_carrier", "", "", 6, Form::Flag),
    option("arp_interval", "arp-interval", "ARPIntervalSec", 7, Form::Milliseconds(i32::MAX as u32)),
    option("arp_ip_target", "arp-ip-targets", "ARPIPTargets", 8, Form::Addresses),
    option(
        "arp_validate",
        "arp-validate",
        "ARPValidate",
        9,
        Form::Word(&["none", "active", "backup", "all", "filter", "filter_active", "filter_backup"]),
    ),
    option("arp_all_targets", "arp-all-targets", "ARPAllTargets", 10, Form::Word(&["any", "all"])),
    option("primary", "primary", "", 11, Form::Member),
    option(
        "primary_reselect",
        "primary-reselect-policy",
        "PrimaryReselectPolicy",
        12,
        Form::Word(&["always", "better", "failure"]),
    ),
    option("fail_over_mac", "fail-over-mac-policy", "FailOverMACPolicy", 13, Form::Word(&["none", "active", "follow"])),
    option(
        "xmit_hash_policy",
        "transmit-hash-policy",
        "TransmitHashPolicy",
        14,
        Form::Word(&["layer2", "layer3+4", "layer2+3", "encap2+3", "encap3+4", "vlan+srcmac"]),
    ),
    option("resend_igmp", "resend-igmp", "ResendIGMP", 15, Form::Number(255)),
    option("num_grat_arp", "gratuitous-arp", "GratuitousARP", 16, Form::Number(255)),
    option("all_slaves_active", "all-slaves-active", "AllSlavesActive", 17, Form::Flag),
    option("min_links", "min-links", "MinLinks", 18, Form::Number(i32::MAX as u32)),
    option("lp_interval", "learn-packet-interval", "LearnPacketIntervalSec", 19, Form::Number(i32::MAX as u32)),
    option("packets_per_slave", "packets-per-slave", "PacketsPerSlave", 20, Form::Number(65535)),
    option("lacp_rate", "lacp-rate", "LACPTransmitRate", 21, Form::Word(&["slow", "fast"])),
    option("ad_select", "ad-select", "AdSelect", 22, Form::Word(&["stable", "bandwidth", "count"])),
    option("ad_actor_sys_prio", "", "AdActorSystemPriority", 24, Form::Number(65535)),
    option("ad_user_port_key", "", "AdUserPortKey", 25, Form::Number(1023)),
    option("tlb_dynamic_lb", "", "DynamicTransmitLoadBalancing", 27, Form::Flag),
];

/// The options of a bridge; the last two are about one of its ports.
pub const BRIDGE: &[LinkOption] = &[
    option("forward_delay", "forward-delay", "ForwardDelaySec", 1, Form::Seconds(30)),
    option("hello_time", "hello-time", "HelloTimeSec", 2, Form::Seconds(10)),
    option("max_age", "max-age", "MaxAgeSec", 3, Form::Seconds(40)),
    option("ageing_time", "ageing-time", "AgeingTimeSec", 4, Form::Seconds(1_000_000)),
    option("stp_state", "stp", "STP", 5, Form::Flag),
    option("priority", "priority", "Priority", 6, Form::Number(65535)),
    option("path_cost", "path-cost", "Cost", 3, Form::PerMember(65535)),
    option("port_priority", "port-priority", "Priority", 2, Form::PerMember(63)),
];

/// What other names mean the same: of older kernels, older netplans, and ifupdown.
const ALIASES: &[(&str, &str)] = &[
    ("num_unsol_na", "num_grat_arp"),
    ("all-members-active", "all_slaves_active"),
    ("packets-per-member", "packets_per_slave"),
    ("gratuitious-arp", "num_grat_arp"),
    ("arp_ip_targets", "arp_ip_target"),
    ("primary_reselect_policy", "primary_reselect"),
    ("fd", "forward_delay"),
    ("hello", "hello_time"),
    ("maxage", "max_age"),
    ("ageing", "ageing_time"),
    ("aging-time", "ageing_time"),
    ("stp", "stp_state"),
    ("bridgeprio", "priority"),
    ("pathcost", "path_cost"),
    ("portprio", "port_priority"),
];

impl LinkOption {
    /// The option of a table that anybody calls by this name, hyphens or underscores; without its `bond_` or `bridge_`.
    pub fn named(table: &'static [LinkOption], name: &str) -> Option<&'static LinkOption> {
        let name = name.replace('_', "-");
        let same = |other: &str| !other.is_empty() && other.replace('_', "-") == name;
        let alias = ALIASES.iter().find(|(alias, _)| same(alias)).map(|(_, kernel)| *kernel);
        table.iter().find(|option| same(option.kernel) || same(option.netplan) || alias == Some(option.kernel))
    }

    /// The value in the kernel's words; `Err` says what it may be. Words may be given by their numbers, flags in the
    /// forms of YAML, times with the unit `ms` or `s`; `scale` is how many of our unit one of the written is where the
    /// document has another default.
    pub fn value(&self, text: &str) -> Result<String, String> {
        let text = text.trim();
        let bounded = |digits: &str, most: u32| match digits.parse::<u32>() {
            Ok(number) if number <= most => Ok(number.to_string()),
            _ => Err(format!("a number from 0 to {most} is expected")),
        };
        match self.form {
            Form::Word(words) => {
                let by_number = text.parse::<usize>().ok().and_then(|number| words.get(number));
                let word = words.iter().find(|word| word.eq_ignore_ascii_case(text)).or(by_number);
                word.map(|word| (*word).to_owned()).ok_or_else(|| format!("one of {} is expected", words.join(", ")))
            }
            Form::Flag => match text.to_ascii_lowercase().as_str() {
                "1" | "true" | "yes" | "on" => Ok("1".to_owned()),
                "0" | "false" | "no" | "off" => Ok("0".to_owned()),
                _ => Err("true or false is expected".to_owned()),
            },
            Form::Number(most) | Form::PerMember(most) => bounded(text, most),
            Form::Milliseconds(most) => match (text.strip_suffix("ms"), text.strip_suffix('s')) {
                (Some(digits), _) => bounded(digits.trim(), most),
                (None, Some(digits)) => bounded(digits.trim(), most / 1000).map(|seconds| format!("{seconds}000")),
                (None, None) => bounded(text, most),
            },
            Form::Seconds(most) => bounded(text.strip_suffix('s').unwrap_or(text).trim(), most),
            Form::Addresses => {
                let parts = text.split([',', ' ']).filter(|part| !part.is_empty());
                let addresses: Result<Vec<String>, _> =
                    parts.map(|part| part.parse::<Ipv4Addr>().map(|address| address.to_string())).collect();
                let addresses = addresses.map(|addresses| addresses.join(",")).unwrap_or_default();
                if addresses.is_empty() { Err("IPv4 addresses are expected".to_owned()) } else { Ok(addresses) }
            }
            Form::Member if text.is_empty() => Err("a member is expected".to_owned()),
            Form::Member => Ok(text.to_owned()),
        }
    }
}

/// The value of the option that the kernel calls so.
pub fn get<'a>(settings: &'a [Located<Setting>], kernel: &str) -> Option<&'a str> {
    settings.iter().find(|setting| setting.option.kernel == kernel).map(|setting| setting.value.value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_found_by_the_name_that_anybody_gives_it() {
        let kernel = |table, name| LinkOption::named(table, name).map(|option| option.kernel);
        for name in ["xmit_hash_policy", "xmit-hash-policy", "transmit-hash-policy"] {
            assert_eq!(kernel(BOND, name), Some("xmit_hash_policy"));
        }
        assert_eq!(kernel(BOND, "all-slaves-active"), Some("all_slaves_active"));
        assert_eq!(kernel(BRIDGE, "fd"), Some("forward_delay"));
        assert_eq!(kernel(BOND, ""), None, "options without a name in netplan are not found by the empty one");
    }

    #[test]
    fn a_value_is_kept_in_the_kernel_s_words_and_units() {
        let value = |table, name, text| LinkOption::named(table, name).unwrap().value(text);
        assert_eq!(value(BOND, "mode", "4").as_deref(), Ok("802.3ad"));
        assert_eq!(value(BOND, "mode", "Active-Backup").as_deref(), Ok("active-backup"));
        assert_eq!(value(BOND, "miimon", "1s").as_deref(), Ok("1000"));
        assert_eq!(value(BOND, "miimon", "100 ms").as_deref(), Ok("100"));
        assert_eq!(value(BOND, "arp_ip_target", "192.0.2.1 192.0.2.2").as_deref(), Ok("192.0.2.1,192.0.2.2"));
        assert_eq!(value(BRIDGE, "stp", "on").as_deref(), Ok("1"));
        assert!(value(BOND, "mode", "7").is_err() && value(BOND, "miimon", "-1").is_err());
        assert!(value(BOND, "arp_ip_target", "").is_err() && value(BRIDGE, "priority", "65536").is_err());
    }
}
