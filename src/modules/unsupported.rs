// SPDX-License-Identifier: Apache-2.0
//! Top-level keys that no module owns: known to the field and not supported, or not known at all. Neither is passed over in
//! silence.

use crate::config::document::Node;
use crate::config::read::same_key;
use crate::finding::{Finding, Findings};

/// Keys of cloud-config that are not supported, and why or what to do instead. No other list says so.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("autoinstall", "it is for the installer of Ubuntu, not for an installed guest"),
    ("byobu_by_default", "a terminal's settings are the user's"),
    ("chef", "run the client from runcmd"),
    ("cloud_config_modules", "all modules run, in a fixed order: those without keys do nothing"),
    ("cloud_final_modules", "all modules run, in a fixed order: those without keys do nothing"),
    ("cloud_init_modules", "all modules run, in a fixed order: those without keys do nothing"),
    ("datasource", "where to look for the configuration is in the image's settings: `firstlight: datasources:`"),
    ("datasource_list", "where to look for the configuration is in the image's settings: `firstlight: datasources:`"),
    ("disable_ec2_metadata", "block the address in the guest's firewall"),
    ("drivers", "run `ubuntu-drivers install` from runcmd"),
    ("fan", "the Ubuntu fan is gone"),
    ("grub-dpkg", "the boot loader is the image's"),
    ("grub_dpkg", "the boot loader is the image's"),
    ("landscape", "run the client from runcmd"),
    ("lxd", "run lxd init from runcmd"),
    ("manual_cache_clean", "a known instance stays known without its datasource, whatever this says"),
    ("mcollective", "run the client from runcmd"),
    ("migrate", "there is nothing older to migrate from"),
    ("output", "what commands print is in /var/log/firstlight-output.log"),
    ("puppet", "run the agent from runcmd"),
    ("reporting", "`phone_home` reports the end; /run/firstlight/status.json tells each step"),
    ("rpi", "the board's settings are the image's"),
    ("salt_minion", "run the minion from runcmd"),
    ("spacewalk", "run the client from runcmd"),
    ("ubuntu_advantage", "run `pro attach` from runcmd"),
    ("ubuntu_pro", "run `pro attach` from runcmd"),
    ("updates", "it is the image's to say, in its settings: `firstlight: network: updates: boot`"),
];

/// Keys of the image's settings, which are read elsewhere.
const SETTINGS: &[&str] = &["system_info"];

/// Says of each key that is not among `known`, those that a module owns, what becomes of it.
pub fn report(config: &Node, known: &[&str], findings: &mut Findings) {
    for (key, _) in config.entries() {
        let name = key.text().unwrap_or_default();
        if SETTINGS.contains(&name) || known.iter().any(|known| same_key(name, known)) {
            continue;
        }
        let foreign = UNSUPPORTED.iter().find(|(known, _)| *known == name);
        findings.push(if name == "firstlight" {
            Finding::error(&key.origin, "`firstlight` is for the image to say; here it is left out")
                .help("it belongs in /etc/firstlight/config.yaml")
        } else if name == "network" {
            Finding::error(&key.origin, "`network` in user-data is not applied, by the peers neither")
                .help("it belongs in the platform's network data, or in `network-config` of a NoCloud seed")
        } else if let Some((_, why)) = foreign {
            Finding::error(&key.origin, format!("`{name}` is not supported; it is left out")).help(*why)
        } else {
            Finding::error(&key.origin, format!("unknown key `{name}`; it is left out"))
                .did_you_mean(name, known.iter().copied())
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document::parse;
    use crate::finding::Origin;
    use crate::modules::known_keys;

    #[test]
    fn no_key_is_passed_over_in_silence() {
        let mut findings = Findings::default();
        let text = "runcmd: []\nwirte_files: []\nchef: {}\nnetwork: {}\nmine: 1\nfirstlight: {}\nwrite-files: []\n";
        let config = parse(text, &Origin::document("user_data"), &mut findings).unwrap();
        report(&config, &known_keys(), &mut findings);
        let said: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 5, "{said:?}");
        assert!(said[0].contains("unknown key `wirte_files`") && said[0].contains("did you mean `write_files`?"));
        assert!(
            said[1].contains("not supported") && said[2].contains("NoCloud") && said[3].contains("unknown key `mine`")
        );
        assert!(said[4].contains("for the image to say"), "{said:?}");
    }
}
