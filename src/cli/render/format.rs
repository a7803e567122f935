// SPDX-License-Identifier: Apache-2.0
//! What a network document is: told by its name, else by its content.

use std::path::Path;

use serde_json::Value;

use crate::network::prefix::Mac;
use crate::seed::NetworkFormat;

/// How a network is described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
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

/// What begins a stanza of interfaces(5).
const STANZAS: [&str; 7] = ["auto", "iface", "mapping", "source", "source-directory", "allow-hotplug", "allow-auto"];

pub(super) fn named(name: &str) -> Option<Format> {
    FORMATS.iter().find(|(known, _)| *known == name).map(|(_, format)| *format)
}

/// What a file of that name and content is; nothing better known, a network-config, whose reader says what is missing.
pub(super) fn recognised(path: &Path, bytes: &[u8]) -> Format {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let known = NAMES.iter().find(|(known, _)| *known == name).map(|(_, format)| *format);
    known.unwrap_or_else(|| by_content(&String::from_utf8_lossy(bytes)))
}

fn by_content(text: &str) -> Format {
    let text = text.trim_start_matches('\u{feff}').trim();
    let format = if text.starts_with('{') {
        let object = serde_json::from_str::<Value>(text).ok();
        let keys: Vec<&str> =
            object.iter().filter_map(Value::as_object).flatten().map(|(key, _)| key.as_str()).collect();
        // Of one that is broken any mention of the key will do.
        let has = |key: &str| keys.contains(&key) || (object.is_none() && text.contains(&format!("\"{key}\"")));
        if has("links") || has("networks") {
            NetworkFormat::OpenStack
        } else if keys.iter().any(|key| key.trim_end_matches('/').parse::<Mac>().is_ok()) || has("macs") {
            NetworkFormat::Ec2
        } else {
            NetworkFormat::NetworkConfig
        }
    } else if text.lines().any(|line| line.split_whitespace().next().is_some_and(|word| STANZAS.contains(&word))) {
        NetworkFormat::Interfaces
    } else if text.lines().count() == 1
        && text.split_whitespace().any(|word| word.starts_with("ip=") || word.starts_with("network-config="))
    {
        return Format::CommandLine;
    } else {
        NetworkFormat::NetworkConfig
    };
    Format::Document(format)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_told_by_its_name_else_by_its_content() {
        for (name, content, expected) in [
            ("network_data.json", "", "openstack"),
            ("x.json", "{\"links\": []}", "openstack"),
            ("x.json", "{\"networks\": [", "openstack"),
            ("x.json", "\u{feff}{\"links\": []}", "openstack"),
            ("x.json", "{\"version\": 1, \"config\": []}", "network-config"),
            ("x.json", "{\"fa:16:3e:00:00:01\": {}}", "ec2"),
            ("50-netplan.yaml", "network:\n  version: 2\n", "network-config"),
            ("-", "# by hand\n\nauto ens3\niface ens3 inet dhcp\n", "interfaces"),
            ("interfaces", "", "interfaces"),
            ("x", "root=/dev/vda1 ip=dhcp quiet\n", "command-line"),
            ("cmdline", "", "command-line"),
            ("x", "", "network-config"),
        ] {
            assert_eq!(Some(recognised(Path::new(name), content.as_bytes())), named(expected), "{name}: {content}");
        }
    }
}
