// SPDX-License-Identifier: Apache-2.0
//! No document smuggles a line, a section or a command into what root's shell or `NetworkManager` reads.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::finding::Findings;
use crate::network::network_config::{Asked, read};
use crate::network::render::{HEADER, Renderer, render};
use crate::seed::Document;

/// What ends a word, a line or a section for one of them, among letters.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c\\n\\r;'\"$`\\\\ =\\[\\]#&|()<>*?:/.-]{0,10}", Just("bond0".to_owned()), "[a-c]{1,3}"]
}

prop_compose! {
    fn document()(texts in prop::collection::vec(text(), 12)) -> Value {
        let [id, set_name, name, driver, search, host, domains, primary, label, key, other, server] =
            &texts[..] else { unreachable!() };
        json!({"version": 2, key: 1,
            "ethernets": {
                id: {"match": {"macaddress": "fa:16:3e:00:00:01"}, "set-name": set_name, "dhcp4": true, key: other,
                     "dhcp4-overrides": {"hostname": host, "use-domains": domains},
                     "nameservers": {"search": [search, host], "addresses": [server, "192.0.2.53"]},
                     "routes": [{"to": other, "via": "192.0.2.1"}, {"to": "default", "via": server}],
                     "addresses": ["192.0.2.4/24", {"192.0.2.5/24": {"label": label}}]},
                other: {"match": {"name": name, "driver": [driver]}, "accept-ra": true}},
            "bonds": {primary: {"interfaces": [id], "parameters": {"mode": "active-backup", "primary": primary}}},
            "bridges": {"br0": {"interfaces": [other, primary], "parameters": {"path-cost": {other: 5}}}},
            "vlans": {search: {"id": 5, "link": id, "addresses": ["192.0.2.9/24"]}}})
    }
}

/// One word to a shell: plain, or quoted as a whole.
fn is_word(value: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_.:/,+@%-".contains(c);
    let quoted = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
    match quoted {
        Some(inner) => !inner.replace("'\\''", "").contains('\''),
        None => !value.is_empty() && value.chars().all(is_plain),
    }
}

fn is_key(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
}

/// What a line of a file may be, by the file's name.
fn is_sound(path: &str, line: &str) -> bool {
    let pair = line.split_once('=').filter(|(key, _)| is_key(key));
    if path.contains("/ifcfg-") {
        return pair.is_some_and(|(_, value)| is_word(value));
    }
    if path.ends_with(".nmconnection") {
        let section = line.strip_prefix('[').and_then(|line| line.strip_suffix(']'));
        return line.is_empty() || pair.is_some() || section.is_some_and(is_key);
    }
    // Arguments that a shell splits, and `KEY = VALUE` of sysctl.
    line.chars().all(|c| c.is_ascii_alphanumeric() || " _.:/=-".contains(c))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn no_document_smuggles_a_line_into_a_file(document in document(), offline: bool) {
        let mut findings = Findings::default();
        let read = read(&Document::new("network-config", document.to_string()), &mut findings);
        let Some(Asked::Network(config)) = read else { return Ok(()) };
        let nics = (!offline).then(|| vec![crate::guest::Nic {
            name: "ens3".to_owned(), mac: "fa:16:3e:00:00:01".to_owned(), ..Default::default()
        }]);
        for renderer in [Renderer::NetworkManager, Renderer::Sysconfig, Renderer::SysconfigSuse] {
            for file in render(renderer, &config, nics.as_deref(), &mut findings).files {
                let path = file.path.display().to_string();
                let name = path.rsplit('/').next().unwrap_or_default();
                prop_assert!(path.starts_with("/etc/") && !path.split('/').any(|part| part == "..") && !name.contains(char::is_whitespace), "{path}");
                for line in file.content.strip_prefix(HEADER).unwrap().lines() {
                    prop_assert!(is_sound(&path, line), "{path}: {line}");
                }
            }
        }
    }
}
