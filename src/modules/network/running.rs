// SPDX-License-Identifier: Apache-2.0
//! What a running system needs besides the files.
//!
//! In a boot that is netplan's generator alone, as the managers start later; one that is up already (a drive that came
//! late, a run by hand) reads its files again.

use crate::guest::Guest;
use crate::network::model::NetworkConfig;
use crate::network::render::choose::netplan_generator;
use crate::network::render::{Renderer, nic_of};
use crate::plan::action::Command;
use crate::plan::step::Step;

/// By what a manager is known to be up, and how it is told to read its files again: `try`, as nothing must happen where
/// the sign is a left-over of the initramfs, and `no-block`, as in a boot a job that waits for us must not be waited for.
const SIGNS: &[(Renderer, &str, &[&str])] = &[
    (Renderer::Netplan, "/run/systemd/netif/state", &RELOAD_NETWORKD),
    (Renderer::Networkd, "/run/systemd/netif/state", &RELOAD_NETWORKD),
    (Renderer::NetworkManager, "/run/NetworkManager", &["nmcli", "connection", "reload"]),
    (
        Renderer::Ifupdown,
        "/run/network/ifstate",
        &["systemctl", "--no-block", "try-reload-or-restart", "networking.service"],
    ),
    (Renderer::IfupdownAlpine, "/run/openrc/started/networking", &["rc-service", "networking", "restart"]),
    (Renderer::Sysconfig, "/run/lock/subsys/network", &["systemctl", "--no-block", "try-restart", "network.service"]),
    (Renderer::SysconfigSuse, "/run/wicked", &["systemctl", "--no-block", "try-reload-or-restart", "wicked.service"]),
];

const RELOAD_NETWORKD: [&str; 4] = ["systemctl", "--no-block", "try-reload-or-restart", "systemd-networkd.service"];

/// Lets a systemd-resolved that runs already read its file of ours, which is another one now or gone.
pub fn resolve_anew(step: &mut Step, guest: &Guest) {
    if guest.exists("/run/systemd/resolve") && guest.exists("/run/systemd/system") {
        step.run(Command::tool(["systemctl", "--no-block", "try-restart", "systemd-resolved.service"]));
    }
}

/// Lets the manager take up the new files.
pub fn take_up(step: &mut Step, renderer: Renderer, config: Option<&NetworkConfig>, guest: &Guest) {
    if let Some(generator) = netplan_generator(guest).filter(|_| renderer == Renderer::Netplan) {
        step.run(Command::tool([generator]));
    }
    let running = |sign: &str, argv: &[&str]| {
        guest.exists(sign) && (argv.first() != Some(&"systemctl") || guest.exists("/run/systemd/system"))
    };
    let Some((_, _, argv)) = SIGNS.iter().find(|(whose, sign, argv)| *whose == renderer && running(sign, argv)) else {
        return;
    };
    step.run(Command::tool(argv.iter().copied()));
    if renderer == Renderer::NetworkManager {
        // It keeps what is up already by another connection, whatever the priorities say.
        let nics = guest.nics.as_deref().unwrap_or_default();
        for link in config.into_iter().flat_map(|config| &config.links).filter(|link| nic_of(link, nics).is_some()) {
            step.run(Command::tool([
                "nmcli",
                "--wait",
                "0",
                "connection",
                "up",
                "id",
                &format!("firstlight {}", link.id),
            ]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Origin;
    use crate::modules::Planner;
    use crate::modules::network::tests::{config, guest, scratch, shown};

    #[test]
    fn only_a_manager_that_runs_already_is_told_to_read_its_files_again() {
        let told = |files: &[&str], renderer| {
            let mut planner = Planner::default();
            let step = planner.step("network", &Origin::document("d"));
            take_up(step, renderer, Some(&config()), &guest(&scratch(files)));
            shown(step)
        };
        let running = ["/run/systemd/netif/state", "/run/systemd/system/x", "/usr/libexec/netplan/generate"];
        let reload = "run systemctl --no-block try-reload-or-restart systemd-networkd.service";
        assert_eq!(told(&running, Renderer::Networkd), [reload]);
        assert_eq!(told(&running, Renderer::Netplan), ["run /usr/libexec/netplan/generate", reload]);
        assert_eq!(told(&running, Renderer::Ifupdown), [""; 0]);
        assert_eq!(told(&["/run/systemd/system/x"], Renderer::Networkd), [""; 0]);
        assert_eq!(told(&["/run/systemd/netif/state"], Renderer::Networkd), [""; 0], "in an initramfs without systemd");
        assert_eq!(
            told(&["/run/NetworkManager/conf.d/x"], Renderer::NetworkManager),
            ["run nmcli connection reload", "run nmcli --wait 0 connection up id firstlight tap0"]
        );
        let alpine = ["/run/openrc/started/networking"];
        assert_eq!(told(&alpine, Renderer::IfupdownAlpine), ["run rc-service networking restart"]);
    }
}
