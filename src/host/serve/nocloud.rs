// SPDX-License-Identifier: Apache-2.0
//! NoCloud's files over HTTP.

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::finding::Findings;
use crate::host::serve::guest::Guest;
use crate::network::render::{Renderer, render};
use crate::network::{self, network_config::Asked};
use crate::seed::{Document, NetworkFormat};

/// What of a guest's own meta-data is OpenStack's alone, or another name of what `meta-data` has anyway.
const NOT_SHOWN: [&str; 8] =
    ["admin_pass", "files", "instance_id", "keys", "local_hostname", "network_config", "public_keys", "uuid"];

/// `meta-data`, as YAML.
pub fn meta_data(guest: &Guest) -> Result<String> {
    let own = guest.given.iter().filter(|(name, _)| !NOT_SHOWN.contains(&name.as_str()));
    let mut entries: Map<String, Value> = own.map(|(name, value)| (name.clone(), value.clone())).collect();
    entries.insert("instance-id".to_owned(), guest.id().into());
    entries.insert("local-hostname".to_owned(), guest.hostname().into());
    let keys: Vec<Value> = guest.public_keys().into_iter().map(|key| key.key.into()).collect();
    match keys.is_empty() {
        true => drop(entries.remove("public-keys")),
        false => drop(entries.insert("public-keys".to_owned(), keys.into())),
    }
    serde_yaml::to_string(&entries).map_err(|error| Error::fatal("cannot write YAML").because(error))
}

/// `network-config`: as it is, or OpenStack's said in version 2, which is netplan's.
///
/// # Errors
/// Malformed where nothing of it can be read.
pub fn network_config(format: NetworkFormat, document: &Document) -> Result<Vec<u8>> {
    if format == NetworkFormat::NetworkConfig {
        return Ok(document.bytes.clone());
    }
    let mut findings = Findings::default();
    let asked = network::read(format, document, &mut findings);
    let Some(Asked::Network(config)) = asked else {
        return Err(Error::malformed(format!("{}: no network can be read from it", document.name)));
    };
    let files = render(Renderer::Netplan, &config, None, &mut findings).files;
    let netplan = files.into_iter().find(|file| file.path.extension().is_some_and(|ending| ending == "yaml"));
    netplan
        .map(|file| file.content.into_bytes())
        .ok_or_else(|| Error::malformed(format!("{}: it cannot be said as network-config", document.name)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::host::serve::guest::tests::with;

    #[test]
    fn meta_data_have_what_nocloud_reads() {
        let text =
            meta_data(&with(json!({"public-keys": [{"openssh-key": "K"}], "dsmode": "net", "uuid": "u"}))).unwrap();
        assert_eq!(text, "dsmode: net\ninstance-id: u\nlocal-hostname: web.internal\npublic-keys:\n- K\n");
        assert!(!meta_data(&with(json!({"public-keys": []}))).unwrap().contains("public-keys"));
    }

    #[test]
    fn openstack_network_data_become_version_2() {
        let data = json!({
            "links": [{"id": "l0", "type": "phy", "ethernet_mac_address": "52:54:00:00:00:01"}],
            "networks": [{"id": "n0", "link": "l0", "type": "ipv4_dhcp", "network_id": "x"}],
        });
        let document = Document::new("web.network", data.to_string());
        let text = String::from_utf8(network_config(NetworkFormat::OpenStack, &document).unwrap()).unwrap();
        let read = network::read(
            NetworkFormat::NetworkConfig,
            &Document::new("network-config", text.as_str()),
            &mut Findings::default(),
        );
        let Some(Asked::Network(config)) = read else { panic!("{text}") };
        assert_eq!(config.links.len(), 1, "{text}");
        assert!(text.contains("dhcp4: true") && text.contains("52:54:00:00:00:01"), "{text}");
        let own = Document::new("web.network", "version: 2\n");
        assert_eq!(network_config(NetworkFormat::NetworkConfig, &own).unwrap(), b"version: 2\n");
    }
}
