// SPDX-License-Identifier: Apache-2.0
//! The managers' files: which are ours from an earlier instance, and which of others have a word in it.

use std::path::{Path, PathBuf};

use crate::finding::{Finding, Findings, Origin};
use crate::guest::{Guest, Nic};
use crate::modules::assignments::assign;
use crate::modules::network::waiting;
use crate::network::model::NetworkConfig;
use crate::network::render::{
    HEADER, RenderedFile, Renderer, ifupdown, interface_name, netplan, network_manager, networkd, resolv_conf,
    sysconfig, sysconfig_suse,
};
use crate::plan::action::{Edit, Write};
use crate::plan::step::Step;

/// What any renderer of ours writes: the directory, and how the file's name begins and ends. A name that is not ours
/// alone counts where the file begins with our first line.
const OURS: &[(&str, &str, &str, bool)] = &[
    (networkd::DIRECTORY, networkd::PREFIX, ".network", true),
    (networkd::DIRECTORY, networkd::PREFIX, ".netdev", true),
    (networkd::DIRECTORY, networkd::PREFIX, ".link", true),
    (networkd::DIRECTORY, networkd::PATTERN_PREFIX, ".network", true),
    (networkd::DIRECTORY, networkd::PATTERN_PREFIX, ".link", true),
    (waiting::DIRECTORY, waiting::PREFIX, waiting::ENDING, true),
    (netplan::DIRECTORY, "50-firstlight", ".yaml", true),
    (network_manager::DIRECTORY, network_manager::PREFIX, network_manager::ENDING, true),
    (ifupdown::DIRECTORY, "50-firstlight", "", true),
    ("/etc/network", "interfaces", "", false),
    (sysconfig::DIRECTORY, "", "", false),
    (sysconfig_suse::DIRECTORY, "", "", false),
    ("/etc", "resolv.conf", "", false),
    (resolv_conf::RESOLVED_DIRECTORY, "50-firstlight-network", ".conf", true),
];

/// Our files of an earlier instance, or for another manager, that are not written anew.
pub fn stale(guest: &Guest, files: &[RenderedFile]) -> Vec<PathBuf> {
    let mut stale = Vec::new();
    for (directory, prefix, ending, alone) in OURS {
        let names = guest.list(directory).into_iter();
        let paths = names
            .filter(|name| name.starts_with(prefix) && name.ends_with(ending))
            .map(|name| format!("{directory}/{name}"));
        let ours = |path: &String| *alone || guest.read_text(path).is_some_and(|text| text.starts_with(HEADER));
        stale.extend(paths.filter(ours).map(PathBuf::from));
    }
    stale.retain(|path| files.iter().all(|file| file.path != *path));
    stale
}

/// Takes a file of ours away. The one file of Alpine's ifupdown stays, with `lo` alone.
pub fn remove(step: &mut Step, path: PathBuf) {
    if path == Path::new(ifupdown::INTERFACES) {
        step.write(Write::new(path, [HEADER, "\nauto lo\niface lo inet loopback\n"].concat()));
    } else {
        step.remove(path);
    }
}

/// Says which files of others have a word in it.
pub fn others(renderer: Renderer, config: &NetworkConfig, guest: &Guest, findings: &mut Findings) {
    let nics = guest.nics.as_deref();
    let (paths, message, help): (Vec<String>, &str, &str) = match renderer {
        Renderer::Netplan => (
            neighbours(guest, netplan::DIRECTORY, netplan::PATH).filter(|path| path.ends_with(".yaml")).collect(),
            "netplan merges this file with the instance's network",
            "where it is left over from an earlier instance, remove it from the image",
        ),
        // The first file that matches wins.
        Renderer::Networkd => (
            neighbours(guest, networkd::DIRECTORY, "")
                .filter(|path| path.ends_with(".network") && path.as_str() < EARLIEST)
                .collect(),
            "where this file matches an interface of the instance's network, it takes the place of that",
            "give it a name behind `11-firstlight-`, or remove it from the image",
        ),
        Renderer::Ifupdown => (
            interfaces_with(&ifupdown::names(config, nics), guest),
            "its stanzas of the instance's interfaces become comments",
            "",
        ),
        Renderer::NetworkManager => (
            connections_of(config, nics, guest),
            "this connection is for an interface of the instance's network, which has priority over it",
            "where it is left over from an earlier instance, remove it from the image",
        ),
        Renderer::IfupdownAlpine | Renderer::Sysconfig | Renderer::SysconfigSuse | Renderer::Kernel => return,
    };
    for path in paths {
        let note = Finding::note(&Origin::document(path), message);
        findings.push(if help.is_empty() { note } else { note.help(help) });
    }
}

/// Before the first file of ours.
const EARLIEST: &str = "/etc/systemd/network/10-firstlight-";

/// The other files in the directory of ours.
fn neighbours(guest: &Guest, directory: &str, ours: &str) -> impl Iterator<Item = String> + use<> {
    let paths: Vec<String> = guest.list(directory).iter().map(|name| format!("{directory}/{name}")).collect();
    let ours = ours.to_owned();
    paths.into_iter().filter(move |path| *path != ours)
}

/// Others' connections of `NetworkManager` that name an interface of ours.
fn connections_of(config: &NetworkConfig, nics: Option<&[Nic]>, guest: &Guest) -> Vec<String> {
    let names = config
        .links
        .iter()
        .filter_map(|link| interface_name(link, nics))
        .map(|name| ["interface-name=", &name].concat());
    let macs = config.macs().map(|mac| format!("mac-address={mac}"));
    let lines: Vec<String> = names.chain(macs).collect();
    let named =
        |text: String| text.lines().any(|line| lines.iter().any(|other| other.eq_ignore_ascii_case(line.trim())));
    let ours = [network_manager::DIRECTORY, "/", network_manager::PREFIX].concat();
    let paths = neighbours(guest, network_manager::DIRECTORY, "").filter(|path| !path.starts_with(&ours));
    paths.filter(|path| guest.read_text(path).is_some_and(named)).collect()
}

/// The files of `/etc/network` that have stanzas of `names` beside ours.
fn interfaces_with(names: &[String], guest: &Guest) -> Vec<String> {
    let has_stanza =
        |path: &String| guest.read_text(path).is_some_and(|text| ifupdown::without_stanzas(&text, names) != text);
    let pieces = neighbours(guest, ifupdown::DIRECTORY, ifupdown::PATH);
    pieces.chain([ifupdown::INTERFACES.to_owned()]).filter(has_stanza).collect()
}

/// Lets `/etc/network/interfaces` include ours, and no file beside it speak of the same interfaces.
pub fn adapt_interfaces(step: &mut Step, names: Vec<String>, guest: &Guest) {
    for path in interfaces_with(&names, guest).into_iter().filter(|path| path != ifupdown::INTERFACES) {
        let names = names.clone();
        step.edit(Edit::new(path, move |old| ifupdown::without_stanzas(old, &names)).only_existing());
    }
    step.edit(Edit::new(ifupdown::INTERFACES, move |old| ifupdown::adapt(old, &names)));
}

/// Tells SUSE's netconfig the servers, which no `ifcfg` names.
pub fn adapt_netconfig(step: &mut Step, config: &NetworkConfig) {
    let servers = sysconfig_suse::servers(config);
    step.edit(Edit::new(sysconfig_suse::CONFIG, move |old| {
        servers.iter().fold(old.to_owned(), |text, (key, value)| assign(&text, key, value))
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::network::tests::{config, guest, scratch};

    #[test]
    fn what_an_earlier_instance_was_given_is_known_by_its_name_or_its_first_line() {
        let scratch = scratch(&[
            "/etc/systemd/network/10-firstlight-bond0.netdev",
            "/etc/systemd/network/11-firstlight-a.link",
            "/etc/systemd/network/20-firstlight.network",
            "/etc/NetworkManager/system-connections/firstlight-a.nmconnection",
            "/etc/NetworkManager/system-connections/other.nmconnection",
            "/etc/sysconfig/network-scripts/ifcfg-lo",
        ]);
        scratch.file("/etc/sysconfig/network-scripts/ifcfg-eth0", &format!("{HEADER}DEVICE=eth0\n"));
        scratch.file("/etc/resolv.conf", &format!("{HEADER}nameserver 192.0.2.1\n"));
        let content = String::new();
        let kept = RenderedFile { path: "/etc/resolv.conf".into(), content, mode: 0o644 };
        assert_eq!(
            stale(&guest(&scratch), &[kept]).iter().map(|path| path.to_str().unwrap()).collect::<Vec<_>>(),
            [
                "/etc/systemd/network/10-firstlight-bond0.netdev",
                "/etc/systemd/network/11-firstlight-a.link",
                "/etc/NetworkManager/system-connections/firstlight-a.nmconnection",
                "/etc/sysconfig/network-scripts/ifcfg-eth0",
            ]
        );
    }

    #[test]
    fn a_file_that_comes_before_ours_is_named_and_one_behind_it_not() {
        let connections = "/etc/NetworkManager/system-connections";
        let scratch = scratch(&["/etc/systemd/network/05-image.network", "/etc/systemd/network/80-dhcp.network"]);
        scratch.file(&format!("{connections}/wired.nmconnection"), "[connection]\ninterface-name=ens3\n");
        scratch.file(&format!("{connections}/else.nmconnection"), "[connection]\ninterface-name=ens31\n");
        let named = |renderer| {
            let mut findings = Findings::default();
            others(renderer, &config(), &guest(&scratch), &mut findings);
            findings.iter().map(|finding| finding.origin.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(named(Renderer::Networkd), ["/etc/systemd/network/05-image.network"]);
        assert_eq!(named(Renderer::NetworkManager), [format!("{connections}/wired.nmconnection")]);
        assert_eq!(named(Renderer::Kernel), [""; 0]);
    }
}
