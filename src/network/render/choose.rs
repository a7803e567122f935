// SPDX-License-Identifier: Apache-2.0
//! Which network manager a guest really runs: not which tools lie about, but whose service is enabled.

use crate::guest::{Family, Guest};
use crate::network::render::Renderer;

/// The program that turns netplan's files into those of networkd. The Python command `netplan generate` calls it, ten
/// times slower.
pub fn netplan_generator(guest: &Guest) -> Option<&'static str> {
    let places = ["/usr/libexec/netplan/generate", "/usr/lib/netplan/generate", "/lib/netplan/generate"];
    places.into_iter().find(|path| guest.exists(path))
}

/// Whose service it is, in the order in which they are asked. Of several that are enabled, networkd is never so by
/// chance, while Debian enables `networking` with the package.
const SERVICES: &[(&str, Renderer)] = &[
    ("systemd-networkd.service", Renderer::Networkd),
    ("NetworkManager.service", Renderer::NetworkManager),
    // OpenRC's name for it.
    ("networkmanager.service", Renderer::NetworkManager),
    ("wicked.service", Renderer::SysconfigSuse),
    ("networking.service", Renderer::Ifupdown),
    ("network.service", Renderer::Sysconfig),
];

/// What the network scripts of RHEL leave in the runlevels where they are enabled.
const NETWORK_SCRIPTS: [&str; 2] = ["/etc/rc.d/rc3.d/S10network", "/etc/rc3.d/S10network"];

/// Managers that are not written for.
const OTHERS: &[&str] = &["connman", "dhcpcd", "dhcpcd5", "netctl-auto"];

/// The renderer that the image's settings name, as this guest's distribution has it; else that of [`choose`].
pub fn chosen(name: Option<&str>, guest: &Guest) -> Result<Renderer, String> {
    name.map_or_else(|| choose(guest), |name| name.parse().map(|renderer| dialect(renderer, guest)))
}

/// The renderer for this guest: netplan first, as it brings its own back end up; then by the enabled service; without
/// any the kernel itself. `Err` names a manager that is not written for.
pub fn choose(guest: &Guest) -> Result<Renderer, String> {
    if netplan_generator(guest).is_some() {
        return Ok(Renderer::Netplan);
    }
    // Both are left behind where the tools themselves have been taken away.
    let is_there = |renderer| match renderer {
        Renderer::Ifupdown => guest.has_tool("ifup"),
        Renderer::Sysconfig => guest.exists("/etc/sysconfig/network-scripts"),
        _ => true,
    };
    let enabled = |(service, renderer): &&(&str, Renderer)| {
        (guest.service_enabled(service) || *renderer == Renderer::Sysconfig && has_network_scripts(guest))
            && is_there(*renderer)
    };
    if let Some((_, renderer)) = SERVICES.iter().find(enabled) {
        return Ok(dialect(*renderer, guest));
    }
    match OTHERS.iter().find(|name| guest.service_enabled(&[name, ".service"].concat())) {
        Some(name) => Err(format!("the guest's network manager is {name}, which is not written for")),
        None => Ok(Renderer::Kernel),
    }
}

/// The same manager as this guest's distribution has it.
pub fn dialect(renderer: Renderer, guest: &Guest) -> Renderer {
    match (renderer, guest.family()) {
        (Renderer::Ifupdown, Family::Alpine) => Renderer::IfupdownAlpine,
        (Renderer::Sysconfig, Family::Suse) => Renderer::SysconfigSuse,
        _ => renderer,
    }
}

fn has_network_scripts(guest: &Guest) -> bool {
    NETWORK_SCRIPTS.iter().any(|path| guest.is_link(path) || guest.exists(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use std::os::unix::fs::PermissionsExt;

    fn chosen(files: &[&str], distribution: &str) -> Result<Renderer, String> {
        let scratch = Scratch::new();
        scratch.file("/etc/os-release", &format!("ID={distribution}\n"));
        for path in files {
            scratch.file(path, "");
            std::fs::set_permissions(scratch.path(path), PermissionsExt::from_mode(0o755)).unwrap();
        }
        choose(&Guest::read(&scratch.root()).unwrap())
    }

    #[test]
    fn the_enabled_service_decides() {
        let wants = |unit: &str| format!("/etc/systemd/system/multi-user.target.wants/{unit}.service");
        let [networkd, manager, networking] = ["systemd-networkd", "NetworkManager", "networking"].map(wants);
        let [wicked, network, connman] = ["wicked", "network", "connman"].map(wants);
        let ifup = "/usr/sbin/ifup";
        for (files, distribution, expected) in [
            (&["/usr/libexec/netplan/generate", &networkd][..], "ubuntu", Renderer::Netplan),
            (&[&networkd, &networking, ifup], "debian", Renderer::Networkd),
            (&[&manager, &networking, ifup], "debian", Renderer::NetworkManager),
            (&[&networking, ifup], "debian", Renderer::Ifupdown),
            (&["/etc/runlevels/boot/networking", "/sbin/ifup"], "alpine", Renderer::IfupdownAlpine),
            (&[&wicked], "opensuse", Renderer::SysconfigSuse),
            (&[&network, "/etc/sysconfig/network-scripts/ifcfg-lo"], "centos", Renderer::Sysconfig),
            (&["/etc/rc.d/rc3.d/S10network", "/etc/sysconfig/network-scripts/ifcfg-lo"], "centos", Renderer::Sysconfig),
            (&["/usr/bin/nmcli", "/usr/bin/networkctl"], "fedora", Renderer::Kernel),
            (&[&networking], "debian", Renderer::Kernel),
        ] {
            assert_eq!(chosen(files, distribution), Ok(expected), "{files:?}");
        }
        assert!(chosen(&[&connman], "debian").unwrap_err().contains("connman"));
    }

    #[test]
    fn a_manager_that_the_settings_name_is_this_distribution_s() {
        let scratch = Scratch::new();
        scratch.file("/etc/os-release", "ID=opensuse-leap\nID_LIKE=suse\n");
        let guest = Guest::read(&scratch.root()).unwrap();
        let renderer = |name| super::chosen(Some(name), &guest);
        assert_eq!(renderer("sysconfig"), Ok(Renderer::SysconfigSuse));
        assert_eq!(renderer("networkd"), Ok(Renderer::Networkd));
        assert!(renderer("bind").is_err());
    }
}
