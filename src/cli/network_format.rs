// SPDX-License-Identifier: Apache-2.0
//! What a network document is: told by its name, else by its content.

use serde_json::Value;

use crate::network::prefix::Mac;
use crate::seed::NetworkFormat;

/// How a network is described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Document(NetworkFormat),
    CommandLine,
}

/// Their names on the command line.
pub(super) const FORMATS: [(&str, Format); 5] = [
    ("openstack", Format::Document(NetworkFormat::OpenStack)),
    ("network-config", Format::Document(NetworkFormat::NetworkConfig)),
    ("interfaces", Format::Document(NetworkFormat::Interfaces)),
    ("ec2", Format::Document(NetworkFormat::Ec2)),
    ("command-line", Format::CommandLine),
];

/// Files that are always called so.
const NAMES: [(&str, Format); 6] = [
    ("network_data.json", Format::Document(NetworkFormat::OpenStack)),
    ("network-config", Format::Document(NetworkFormat::NetworkConfig)),
    ("network_config", Format::Document(NetworkFormat::NetworkConfig)),
    ("interfaces", Format::Document(NetworkFormat::Interfaces)),
    ("ec2.json", Format::Document(NetworkFormat::Ec2)),
    ("cmdline", Format::CommandLine),
];

/// What stands at the top of a network-config.
const SECTIONS: [&str; 9] =
    ["network", "config", "ethernets", "bonds", "bridges", "vlans", "vrfs", "dummy-devices", "tunnels"];

/// The one that is called so on the command line.
pub(super) fn named(name: &str) -> Option<Format> {
    FORMATS.iter().find(|(known, _)| *known == name).map(|(_, format)| *format)
}

/// What a file of that name always is.
pub(crate) fn by_name(name: &str) -> Option<Format> {
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, format)| *format)
}

/// What speaks for a network document in that content; `None` where nothing does.
pub(crate) fn by_content(bytes: &[u8]) -> Option<Format> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.starts_with('{') { by_keys(text).map(Format::Document) } else { by_lines(text) }
}

fn by_keys(text: &str) -> Option<NetworkFormat> {
    let object = serde_json::from_str::<Value>(text).ok();
    let keys: Vec<&str> = object.iter().filter_map(Value::as_object).flatten().map(|(key, _)| key.as_str()).collect();
    // Of one that is broken any mention of the key will do.
    let has = |key: &str| keys.contains(&key) || (object.is_none() && text.contains(&format!("\"{key}\"")));
    if has("links") || has("networks") {
        Some(NetworkFormat::OpenStack)
    } else if SECTIONS.iter().any(|section| has(section)) {
        Some(NetworkFormat::NetworkConfig)
    } else if keys.iter().any(|key| key.trim_end_matches('/').parse::<Mac>().is_ok()) || has("macs") {
        // EC2's interfaces are by their MAC addresses, as its tree of directories has them.
        Some(NetworkFormat::Ec2)
    } else {
        None
    }
}

fn by_lines(text: &str) -> Option<Format> {
    let has = |key: &str| text.lines().any(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':')));
    if has("network") || (has("version") && SECTIONS.iter().any(|section| has(section))) {
        return Some(Format::Document(NetworkFormat::NetworkConfig));
    }
    // A script may well source another file; it has no `iface`.
    if !text.starts_with("#!") && !text.starts_with("#cloud-") && text.lines().any(|line| line.starts_with("iface ")) {
        return Some(Format::Document(NetworkFormat::Interfaces));
    }
    let asks = |word: &str| word.starts_with("ip=") || word.starts_with("network-config=");
    (text.lines().count() == 1 && text.split_whitespace().any(asks)).then_some(Format::CommandLine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_told_by_its_name_else_by_its_content() {
        for (name, content, expected) in [
            ("network_data.json", "", Some("openstack")),
            ("x.json", "{\"links\": []}", Some("openstack")),
            ("x.json", "{\"networks\": [", Some("openstack")),
            ("x.json", "\u{feff}{\"links\": []}", Some("openstack")),
            ("x.json", "{\"version\": 1, \"config\": []}", Some("network-config")),
            ("x.json", "{\"fa:16:3e:00:00:01\": {}}", Some("ec2")),
            ("50-netplan.yaml", "network:\n  version: 2\n", Some("network-config")),
            ("-", "# by hand\n\nauto ens3\niface ens3 inet dhcp\n", Some("interfaces")),
            ("interfaces", "", Some("interfaces")),
            ("x", "root=/dev/vda1 ip=dhcp quiet\n", Some("command-line")),
            ("cmdline", "", Some("command-line")),
            ("x", "{\"a\": 1}", None),
            ("x", "", None),
        ] {
            let found = by_name(name).or_else(|| by_content(content.as_bytes()));
            assert_eq!(found, expected.and_then(named), "{name}: {content}");
        }
    }
}
