// SPDX-License-Identifier: Apache-2.0
//! Whether an image brings a network of its own for its manager, so that an instance that says nothing of one has it.

use crate::guest::{Guest, Nic};
use crate::network::glob;
use crate::network::render::{HEADER, Renderer};

/// Where networkd looks, the first one first: a file hides those of its name further on.
const NETWORKD: [&str; 4] =
    ["/etc/systemd/network", "/run/systemd/network", "/usr/lib/systemd/network", "/lib/systemd/network"];
const NETPLAN: [&str; 4] = ["/etc/netplan", "/run/netplan", "/usr/lib/netplan", "/lib/netplan"];
/// What netplan has made of its files, ours among them, before the agent starts.
const BY_NETPLAN: &str = "/run/systemd/network/10-netplan-";
const KEYFILES: [&str; 3] = [
    "/etc/NetworkManager/system-connections",
    "/run/NetworkManager/system-connections",
    "/usr/lib/NetworkManager/system-connections",
];
const NETWORK_MANAGER: [&str; 3] =
    ["/etc/NetworkManager/conf.d", "/run/NetworkManager/conf.d", "/usr/lib/NetworkManager/conf.d"];
const IFCFG: [&str; 2] = ["/etc/sysconfig/network-scripts", "/etc/sysconfig/network"];

/// Whether one of the cards that are there has such a file.
pub fn is_there(guest: &Guest, renderer: Option<Renderer>) -> bool {
    let nics = guest.nics.iter().flatten();
    renderer.is_some_and(|renderer| nics.into_iter().any(|nic| configuration(guest, renderer, nic).is_some()))
}

/// The file that configures `nic`, or whatever interface there is where its manager does not go by matches. What an
/// earlier instance had from us is not the image's.
pub fn configuration(guest: &Guest, renderer: Renderer, nic: &Nic) -> Option<String> {
    match renderer {
        Renderer::Netplan => {
            let by_netplan = |path: &String| path.starts_with(BY_NETPLAN);
            let networkd = || networkd(guest, nic).find(|path| !by_netplan(path));
            files(guest, &NETPLAN, ".yaml").next().or_else(networkd)
        }
        Renderer::Networkd => networkd(guest, nic).next(),
        Renderer::NetworkManager => files(guest, &KEYFILES, "").next().or_else(|| by_itself(guest, nic)),
        Renderer::Ifupdown | Renderer::IfupdownAlpine => {
            let all = files(guest, &["/etc/network/interfaces.d"], "").chain(["/etc/network/interfaces".to_owned()]);
            all.into_iter().find(|path| text_of(guest, path).is_some_and(|text| has_stanza(&text)))
        }
        Renderer::Sysconfig | Renderer::SysconfigSuse => {
            let lo = |path: &String| path.ends_with("/ifcfg-lo") || path.ends_with("/ifcfg-lo.rpmsave");
            files(guest, &IFCFG, "").find(|path| path.contains("/ifcfg-") && !lo(path))
        }
        Renderer::Kernel => None,
    }
}

/// The files of others, not hidden by one of their name.
fn files<'a>(guest: &'a Guest, directories: &'a [&str], ending: &'a str) -> impl Iterator<Item = String> + use<'a> {
    let mut seen: Vec<String> = Vec::new();
    let all = directories
        .iter()
        .flat_map(move |directory| guest.list(directory).into_iter().map(move |name| (*directory, name)));
    all.filter_map(move |(directory, name)| {
        if !name.ends_with(ending) || seen.contains(&name) {
            return None;
        }
        let path = format!("{directory}/{name}");
        seen.push(name);
        text_of(guest, &path).map(|_| path)
    })
}

/// The text of somebody else's file that has any: `/dev/null` hides a file.
fn text_of(guest: &Guest, path: &str) -> Option<String> {
    guest.read_text(path).filter(|text| !text.trim().is_empty() && !text.starts_with(HEADER))
}

fn networkd<'a>(guest: &'a Guest, nic: &'a Nic) -> impl Iterator<Item = String> + use<'a> {
    files(guest, &NETWORKD, ".network").filter(|path| text_of(guest, path).is_some_and(|text| matches(&text, nic)))
}

/// Whether the section `[Match]` of systemd.network(5) holds for a card, as far as its own properties go.
fn matches(text: &str, nic: &Nic) -> bool {
    let mut section = "";
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        }
        let Some((key, value)) = line.split_once('=').filter(|_| section == "[Match]") else { continue };
        let value = value.trim();
        let (inverted, words) = value.strip_prefix('!').map_or((false, value), |rest| (true, rest));
        let mut words = words.split_whitespace();
        let holds = match key.trim() {
            "Name" => words.any(|pattern| glob::fits(pattern, &nic.name)),
            "Driver" => words.any(|pattern| glob::fits(pattern, &nic.driver)),
            "MACAddress" | "PermanentMACAddress" => {
                words.any(|mac| mac.to_ascii_lowercase().replace('-', ":") == nic.mac)
            }
            "Type" => words.any(|kind| glob::fits(kind, if nic.infiniband { "infiniband" } else { "ether" })),
            // Hardware has none.
            "Kind" => false,
            _ => continue,
        };
        if holds == inverted {
            return false;
        }
    }
    true
}

/// `NetworkManager` makes a connection with DHCP for each card that nobody speaks of, unless it is told not to.
fn by_itself(guest: &Guest, nic: &Nic) -> Option<String> {
    let main = "/etc/NetworkManager/NetworkManager.conf";
    let told_not_to = |path: String| {
        let text = guest.read_text(&path).unwrap_or_default();
        let value =
            text.lines().rev().find_map(|line| line.trim().strip_prefix("no-auto-default")?.trim().strip_prefix('='));
        let words = value.unwrap_or_default().split([',', ';']).map(str::trim);
        words.into_iter().any(|word| word == "*" || word == nic.name || word.eq_ignore_ascii_case(&nic.mac))
    };
    let mut all = files(guest, &NETWORK_MANAGER, ".conf").chain([main.to_owned()]);
    (!all.any(told_not_to)).then(|| main.to_owned())
}

/// Whether interfaces(5) has an interface beside the loopback.
fn has_stanza(text: &str) -> bool {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("iface "))
        .any(|rest| rest.split_whitespace().next() != Some("lo"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    /// The file that counts among those of an image.
    fn own(renderer: Renderer, files: &[(&str, &str)]) -> Option<String> {
        let scratch = Scratch::new();
        files.iter().for_each(|(path, text)| scratch.file(path, text));
        let nic = Nic { name: "ens3".into(), mac: "52:54:00:00:00:01".into(), ..Nic::default() };
        configuration(&Guest::read(&scratch.root()).unwrap(), renderer, &nic)
    }

    #[test]
    fn a_file_of_networkd_counts_where_it_matches() {
        let own = |path: &str, text: &str| own(Renderer::Networkd, &[(path, text)]).is_some();
        let etc = "/etc/systemd/network/20-wired.network";
        assert!(own(etc, "[Match]\nName=en*\n[Network]\nDHCP=yes\n"));
        assert!(own("/usr/lib/systemd/network/89-ethernet.network", "[Match]\nType=ether\nKind=!*\n"));
        assert!(own(etc, "[Match]\nMACAddress=52-54-00-00-00-01\n") && own(etc, "[Match]\nName=!eth* wl*\n"));
        for other in ["Name=eth*", "Name=!en*", "Type=wlan", "Kind=bridge", "MACAddress=52:54:00:00:00:02"] {
            assert!(!own(etc, &format!("[Match]\n{other}\n[Network]\nDHCP=yes\n")), "{other}");
        }
        assert!(!own("/etc/systemd/network/10-x.netdev", "[Match]\nName=en*\n"));
        assert!(!own(etc, &format!("{HEADER}[Match]\nName=ens3\n")), "ours");
    }

    #[test]
    fn an_empty_file_hides_the_distribution_s() {
        let text = "[Match]\nName=en*\n";
        let (hidden, lib) = ("/etc/systemd/network/80-x.network", "/usr/lib/systemd/network/80-x.network");
        assert_eq!(own(Renderer::Networkd, &[(hidden, ""), (lib, text)]), None);
        assert_eq!(own(Renderer::Networkd, &[(lib, text)]).as_deref(), Some(lib));
    }

    #[test]
    fn each_manager_s_own_files_count_and_the_loopback_s_do_not() {
        for (renderer, path, text, counts) in [
            (Renderer::Netplan, "/etc/netplan/01-image.yaml", "network: {version: 2}\n", true),
            (Renderer::Netplan, "/etc/netplan/50-firstlight.yaml", HEADER, false),
            (Renderer::Netplan, "/run/systemd/network/10-netplan-ens3.network", "[Match]\nName=ens3\n", false),
            (Renderer::Netplan, "/run/systemd/network/10-image.network", "[Match]\nName=ens3\n", true),
            (Renderer::Ifupdown, "/etc/network/interfaces", "auto lo\niface lo inet loopback\n# iface ens3\n", false),
            (Renderer::Ifupdown, "/etc/network/interfaces.d/x", "allow-hotplug ens3\niface ens3 inet dhcp\n", true),
            (Renderer::Sysconfig, "/etc/sysconfig/network-scripts/ifcfg-lo", "DEVICE=lo\n", false),
            (Renderer::Sysconfig, "/etc/sysconfig/network-scripts/ifcfg-eth0", "DEVICE=eth0\n", true),
            (Renderer::SysconfigSuse, "/etc/sysconfig/network/config", "X=1\n", false),
            (Renderer::NetworkManager, "/etc/NetworkManager/NetworkManager.conf", "[main]\nno-auto-default=*\n", false),
            (
                Renderer::NetworkManager,
                "/usr/lib/NetworkManager/conf.d/00-server.conf",
                "[main]\nno-auto-default=*\n",
                false,
            ),
            (Renderer::NetworkManager, "/etc/NetworkManager/NetworkManager.conf", "[main]\nplugins=keyfile\n", true),
            (Renderer::Kernel, "/etc/netplan/01-image.yaml", "network: {version: 2}\n", false),
        ] {
            assert_eq!(own(renderer, &[(path, text)]).is_some(), counts, "{renderer} {path}");
        }
    }
}
