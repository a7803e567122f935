// SPDX-License-Identifier: Apache-2.0
//! Network: the platform's network, in the files of the guest's network manager.
//!
//! It has no keys: the platform's document says what, the image's settings (`firstlight: network:`) add to it. Written
//! in the local stage, before a manager is up, so that in a boot nothing has to be restarted.

mod files;
mod read_only;
mod running;
mod settings;
mod waiting;

use std::path::Path;

use crate::config::base::{Network as Settings, Updates};
use crate::finding::{Finding, Findings, Origin};
use crate::guest::Guest;
use crate::modules::{Input, Module, Planner};
use crate::network::model::{Dns, NetworkConfig};
use crate::network::render::choose::chosen;
use crate::network::render::{Renderer, ifupdown, kernel, netplan, networkd, render, resolv_conf};
use crate::plan::action::{Action, Write};
use crate::plan::step::{Frequency, NETWORK, Stage};

use files::{adapt_interfaces, adapt_netconfig, others, stale};
use running::{resolve_anew, take_up};
use settings::with_settings;

/// See the file's head.
pub const MODULE: Module =
    Module { name: NETWORK, stage: Stage::Local, frequency: Frequency::PerInstance, keys: &[], plan };

fn plan(input: &Input, planner: &mut Planner) {
    let nothing = Settings::default();
    let settings = input.settings.network.as_ref().unwrap_or(&nothing);
    if settings.enabled == Some(false) {
        return;
    }
    if settings.updates == Some(Updates::Boot) {
        planner.frequency = Frequency::PerBoot;
    }
    let guest = input.guest;
    // Without a link, what the image has is better than nothing at all; why there is none has been said.
    let Some(config) = input.network.filter(|config| !config.is_empty_for(true)) else {
        return forget(&input.instance.id.origin, guest, planner);
    };
    let nics = guest.nics.as_deref();
    let Some(renderer) = renderer(settings, guest, &config.origin, &mut planner.findings) else { return };
    if config.is_empty_for(renderer == Renderer::Netplan) {
        // What only netplan knows: that is said.
        render(renderer, config, nics, &mut planner.findings);
        return forget(&config.origin, guest, planner);
    }
    let config = with_settings(config, settings, &mut planner.findings);
    let config = match renderer {
        Renderer::Netplan if !settings::is_netplan_1(guest) => netplan::without_dummies(config, &mut planner.findings),
        _ => config,
    };
    rename(&config, guest, planner);
    let rendered = render(renderer, &config, nics, &mut planner.findings);
    let changes = read_only::without_settings(rendered.changes, guest, &mut planner.findings);
    let mut written = rendered.files;
    if !matches!(renderer, Renderer::Netplan | Renderer::Networkd) && guest.has_tool("udevadm") {
        written.extend(networkd::names(&config, nics, &mut planner.findings));
    }
    written.extend(resolv_conf::render(renderer, &config, guest));
    written.extend(waiting::file(renderer, &config, guest));
    written.extend(resolv_conf::resolved(renderer, &config, guest));
    others(renderer, &config, guest, &mut planner.findings);
    let step = planner.step(NETWORK, &config.origin);
    let stale = stale(guest, &written);
    let resolved = stale.iter().chain(written.iter().map(|file| &file.path)).any(|path| is_of_resolved(path));
    for path in stale {
        files::remove(step, path);
    }
    let paths: Vec<_> = written.iter().map(|file| file.path.clone()).collect();
    for file in written {
        // In place of a link to a resolver that does not run, not through it.
        if file.path == Path::new(resolv_conf::PATH) && guest.is_link(resolv_conf::PATH) {
            step.remove(resolv_conf::PATH);
        }
        step.write(Write::new(file.path, file.content).mode(file.mode));
    }
    match renderer {
        Renderer::Ifupdown => adapt_interfaces(step, ifupdown::names(&config, nics), guest),
        Renderer::SysconfigSuse if config.all_dns() != Dns::default() => adapt_netconfig(step, &config),
        _ => {}
    }
    if resolved && guest.is_live() {
        resolve_anew(step, guest);
    }
    if renderer == Renderer::Kernel {
        step.frequency = Frequency::PerBoot;
        step.action(Action::Interfaces(changes));
    } else if guest.is_live() {
        waiting::take_up(step, &paths, guest);
        take_up(step, renderer, Some(&config), guest);
    }
}

fn is_of_resolved(path: &Path) -> bool {
    path == Path::new(resolv_conf::RESOLVED)
}

/// Gives the interfaces their names at once, and in each boot where nobody else did: udev names what appears, and these
/// are there.
fn rename(config: &NetworkConfig, guest: &Guest, planner: &mut Planner) {
    let Some(nics) = guest.nics.as_deref() else { return };
    let changes = kernel::renames(config, nics);
    if !changes.is_empty() {
        let step = planner.step("network names", &config.origin);
        step.frequency = Frequency::PerBoot;
        step.action(Action::Interfaces(changes));
    }
}

/// What the settings choose, else what the guest runs.
fn renderer(settings: &Settings, guest: &Guest, origin: &Origin, findings: &mut Findings) -> Option<Renderer> {
    let name = settings.renderer.as_ref();
    match chosen(name.map(|name| name.value.0), guest) {
        Ok(renderer) => Some(renderer),
        Err(reason) => {
            let origin = name.map_or(origin, |name| &name.origin);
            let names = Renderer::ALL.map(Renderer::name).join(", ");
            let finding = Finding::error(origin, format!("the network is not configured: {reason}"));
            findings.push(finding.help(format!("`firstlight: network: renderer:` may be one of {names}")));
            None
        }
    }
}

/// Takes our files of an earlier instance away from one that says nothing of its network: its addresses are another
/// machine's by now. A step of the same name, so that what this instance was once given is kept; so it is the run's to
/// say that they go, where the step is due.
fn forget(instance: &Origin, guest: &Guest, planner: &mut Planner) {
    let stale = stale(guest, &[]);
    if stale.is_empty() {
        return;
    }
    let netplan = stale.iter().any(|path| path.as_path() == Path::new(netplan::PATH));
    let resolved = stale.iter().any(|path| is_of_resolved(path));
    let step = planner.step(NETWORK, instance);
    for path in stale {
        files::remove(step, path);
    }
    if resolved && guest.is_live() {
        resolve_anew(step, guest);
    }
    if netplan && guest.is_live() {
        // What it made of the old file at the beginning of this boot goes too.
        take_up(step, Renderer::Netplan, None, guest);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::config::base::RendererName;
    use crate::finding::Located;
    use crate::guest::Nic;
    use crate::modules::testing::Bench;
    use crate::network::model::Kind;
    use crate::plan::action::Action;
    use crate::plan::step::Step;
    use crate::scratch::Scratch;
    use crate::seed::Document;
    use std::os::unix::fs::{PermissionsExt, symlink};

    const STATIC: &str = r#"{"links": [{"id": "tap0", "type": "ovs", "ethernet_mac_address": "fa:16:3e:69:b0:58"}],
        "networks": [{"link": "tap0", "type": "ipv4", "ip_address": "172.24.4.23", "netmask": "255.255.255.0",
                      "gateway": "172.24.4.254", "services": [{"type": "dns", "address": "172.24.4.2"}]}]}"#;
    const NETWORKD: &str = "/etc/systemd/system/multi-user.target.wants/systemd-networkd.service";
    const RESOLVED: &str = "/etc/systemd/system/sysinit.target.wants/systemd-resolved.service";
    const NETWORKING: &str = "/etc/systemd/system/multi-user.target.wants/networking.service";

    pub fn guest(scratch: &Scratch) -> Guest {
        let mut guest = Guest::read(&scratch.root()).unwrap();
        guest.nics = Some(vec![Nic { name: "ens3".into(), mac: "fa:16:3e:69:b0:58".into(), ..Nic::default() }]);
        guest
    }

    pub fn config() -> NetworkConfig {
        let document = Document::new("network_data.json", STATIC);
        crate::network::openstack::read(&document, &mut Findings::default()).unwrap()
    }

    pub fn shown(step: &Step) -> Vec<String> {
        let shown = |action: &Action| match action {
            Action::Write(write) => format!("write {} {:o}", write.path.display(), write.mode),
            Action::Edit(edit) => format!("edit {}", edit.path.display()),
            Action::Remove { path } => format!("remove {}", path.display()),
            Action::Interfaces(changes) => format!("interfaces {changes:?}"),
            Action::Run(command) => format!("run {}", command.argv.join(" ")),
            _ => panic!("{action:?}"),
        };
        step.actions.iter().map(shown).collect()
    }

    /// What is done in a guest with one interface, and what is said.
    fn planned(scratch: &Scratch, settings: Settings) -> (Vec<String>, Vec<String>) {
        planned_for(Some(&config()), scratch, settings)
    }

    fn planned_for(
        network: Option<&NetworkConfig>,
        scratch: &Scratch,
        settings: Settings,
    ) -> (Vec<String>, Vec<String>) {
        let guest = guest(scratch);
        let mut bench = Bench::new("{}");
        bench.settings.network = Some(settings);
        let outcome = bench.plan(|input, planner| plan(&Input { guest: &guest, network, ..*input }, planner));
        let actions = outcome.steps.iter().flat_map(shown).collect();
        (actions, outcome.findings.iter().map(ToString::to_string).collect())
    }

    pub fn scratch(files: &[&str]) -> Scratch {
        let scratch = Scratch::new();
        files.iter().for_each(|path| scratch.file(path, ""));
        scratch
    }

    #[test]
    fn ifupdown_s_hook_is_not_relied_upon_where_resolved_is_the_resolver() {
        let files = ["/sbin/ifup", NETWORKING, RESOLVED, "/run/systemd/resolve/x", "/run/systemd/system/x"];
        let settings = || Settings {
            renderer: Some(Located::new(RendererName("ifupdown"), Origin::document("c"))),
            ..Settings::default()
        };
        let drop_in = format!("write {} 644", resolv_conf::RESOLVED);
        let (actions, _) = planned(&scratch(&files), settings());
        assert!(actions.contains(&drop_in), "{actions:?}");
        let (actions, _) = planned(&scratch(&["/sbin/ifup", NETWORKING]), settings());
        assert!(!actions.contains(&drop_in), "{actions:?}");
        let file = resolv_conf::resolved(Renderer::Ifupdown, &config(), &guest(&scratch(&files))).unwrap();
        assert!(file.content.ends_with("[Resolve]\nDNS=172.24.4.2\n"), "{}", file.content);
        // Gone with the next instance, and resolved is told.
        let earlier = scratch(&[NETWORKD, resolv_conf::RESOLVED]);
        let (actions, _) = planned(&earlier, Settings::default());
        assert!(actions.contains(&format!("remove {}", resolv_conf::RESOLVED)), "{actions:?}");
    }

    #[test]
    fn networkd_needs_a_file_only_and_an_earlier_instance_s_goes() {
        let stale = "/etc/systemd/network/10-firstlight-tap9.network";
        let kept = "/etc/systemd/network/20-wired.network";
        let scratch = scratch(&[NETWORKD, RESOLVED, stale, "/etc/netplan/50-firstlight.yaml", kept]);
        let (actions, findings) = planned(&scratch, Settings::default());
        assert_eq!(
            actions,
            [
                "remove /etc/systemd/network/10-firstlight-tap9.network",
                "remove /etc/netplan/50-firstlight.yaml",
                "write /etc/systemd/network/10-firstlight-tap0.network 644"
            ]
        );
        assert_eq!(findings, [""; 0]);
    }

    #[test]
    fn an_instance_without_network_data_does_not_keep_an_earlier_one_s() {
        let ours = [
            "/etc/systemd/network/10-firstlight-tap9.network",
            "/etc/netplan/50-firstlight.yaml",
            "/etc/network/interfaces.d/50-firstlight",
        ];
        let scratch = scratch(&[&ours[..], &["/etc/netplan/01-image.yaml", NETWORKD]].concat());
        let (actions, findings) = planned_for(None, &scratch, Settings::default());
        assert_eq!(actions, ours.map(|path| format!("remove {path}")));
        assert_eq!(findings, [""; 0], "whether they go is the journal's to say");
        let off = Settings { enabled: Some(false), ..Settings::default() };
        assert_eq!(planned_for(None, &scratch, off), (Vec::new(), Vec::new()));
        let none = self::scratch(&[NETWORKD]);
        assert_eq!(planned_for(None, &none, Settings::default()), (Vec::new(), Vec::new()));
    }

    #[test]
    fn what_only_netplan_knows_is_written_for_it_and_said_of_the_others() {
        let text = "version: 2\ntunnels: {gre1: {mode: gre, local: 192.0.2.1, remote: 192.0.2.2}}\n";
        let document = Document::new("network-config", text);
        let asked = crate::network::network_config::read(&document, &mut Findings::default());
        let Some(crate::network::network_config::Asked::Network(config)) = asked else { panic!("{asked:?}") };
        let ours = "/etc/netplan/50-firstlight.yaml";
        let netplan = scratch(&["/usr/libexec/netplan/generate", ours]);
        let (actions, findings) = planned_for(Some(&config), &netplan, Settings::default());
        assert_eq!((actions, findings), (vec![format!("write {ours} 600")], Vec::new()));
        let (actions, findings) = planned_for(Some(&config), &scratch(&[NETWORKD, ours]), Settings::default());
        assert_eq!(actions, [format!("remove {ours}")]);
        assert!(findings.len() == 1 && findings[0].contains("`tunnels`"), "{findings:?}");
    }

    #[test]
    fn wicked_has_its_name_servers_in_the_administrator_s_file() {
        let settings = Settings {
            renderer: Some(Located::new(RendererName("sysconfig-suse"), crate::finding::Origin::document("s"))),
            ..Settings::default()
        };
        let (actions, _) = planned(&scratch(&[]), settings);
        assert_eq!(
            actions,
            [
                "write /etc/sysconfig/network/ifcfg-ens3 644",
                "write /etc/sysconfig/network/ifroute-ens3 644",
                "write /etc/sysconfig/network/ifsysctl-ens3 644",
                "edit /etc/sysconfig/network/config"
            ]
        );
    }

    #[test]
    fn other_files_of_netplan_are_named() {
        let left = "/etc/netplan/50-cloud-init.yaml";
        let scratch = scratch(&["/usr/libexec/netplan/generate", left, NETWORKING, RESOLVED]);
        let (actions, findings) = planned(&scratch, Settings::default());
        assert_eq!(actions, ["write /etc/netplan/50-firstlight.yaml 600"]);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].starts_with("/etc/netplan/50-cloud-init.yaml: note: "), "{findings:?}");
    }

    #[test]
    fn ifupdown_is_told_of_our_file_and_name_servers_are_written_where_nobody_else_would() {
        let scratch = scratch(&[NETWORKING, "/usr/sbin/ifup"]);
        std::fs::set_permissions(scratch.path("/usr/sbin/ifup"), PermissionsExt::from_mode(0o755)).unwrap();
        scratch.file("/etc/network/interfaces", "auto ens3\niface ens3 inet dhcp\n");
        scratch.file("/etc/network/interfaces.d/eth", "iface ens3 inet6 auto\n");
        symlink("../run/systemd/resolve/stub-resolv.conf", scratch.path("/etc/resolv.conf")).unwrap();
        let (actions, findings) = planned(&scratch, Settings::default());
        assert_eq!(
            actions,
            [
                "write /etc/network/interfaces.d/50-firstlight 644",
                "remove /etc/resolv.conf",
                "write /etc/resolv.conf 644",
                "edit /etc/network/interfaces.d/eth",
                "edit /etc/network/interfaces"
            ]
        );
        assert_eq!(findings.len(), 2, "{findings:?}");
    }

    #[test]
    fn a_guest_without_a_manager_has_the_kernel_told_in_each_boot_and_one_with_another_is_left_alone() {
        let scratch = scratch(&[]);
        let guest = guest(&scratch);
        let bench = Bench::new("{}");
        let config = config();
        let outcome =
            bench.plan(|input, planner| plan(&Input { guest: &guest, network: Some(&config), ..*input }, planner));
        assert_eq!(outcome.steps[0].frequency, Frequency::PerBoot);
        assert!(shown(&outcome.steps[0])[0].starts_with("write /etc/resolv.conf"), "{:?}", outcome.steps);
        assert!(matches!(outcome.steps[0].actions.last(), Some(Action::Interfaces(_))), "{:?}", outcome.steps);
        let connman = self::scratch(&["/etc/systemd/system/multi-user.target.wants/connman.service"]);
        let (actions, findings) = planned(&connman, Settings::default());
        assert!(actions.is_empty() && findings[0].contains("connman, which is not written for"), "{findings:?}");
        let off = Settings { enabled: Some(false), ..Settings::default() };
        assert_eq!(planned(&connman, off), (Vec::new(), Vec::new()));
    }

    #[test]
    fn a_name_is_given_at_once_in_each_boot_and_by_udev_whoever_the_manager_is() {
        let scratch = scratch(&[NETWORKING, "/usr/sbin/ifup", "/usr/bin/udevadm", RESOLVED]);
        for tool in ["/usr/sbin/ifup", "/usr/bin/udevadm"] {
            std::fs::set_permissions(scratch.path(tool), PermissionsExt::from_mode(0o755)).unwrap();
        }
        let mut config = config();
        let Kind::Physical(physical) = &mut config.links[0].kind else { panic!("{config:?}") };
        physical.set_name = Some(at("lan".to_owned()));
        let guest = guest(&scratch);
        let outcome = Bench::new("{}")
            .plan(|input, planner| plan(&Input { guest: &guest, network: Some(&config), ..*input }, planner));
        let [names, files] = &outcome.steps[..] else { panic!("{:?}", outcome.steps) };
        assert_eq!((names.name.as_str(), names.frequency), ("network names", Frequency::PerBoot));
        assert!(matches!(&names.actions[..], [Action::Interfaces(changes)] if changes.len() == 1));
        assert!(shown(files).contains(&"write /etc/systemd/network/10-firstlight-tap0.link 644".to_owned()));
    }

    pub fn at<T>(value: T) -> Located<T> {
        Located::new(value, Origin::document("config.yaml"))
    }

    #[test]
    fn the_image_s_settings_choose_the_renderer() {
        let settings = |name| Settings { renderer: Some(at(RendererName(name))), ..Settings::default() };
        let (actions, _) = planned(&scratch(&[RESOLVED]), settings("networkd"));
        assert_eq!(actions, ["write /etc/systemd/network/10-firstlight-tap0.network 644"]);
        let (actions, findings) = planned(&scratch(&[NETWORKD]), settings("ifplugd"));
        assert!(actions.is_empty() && findings[0].contains("no renderer `ifplugd`"), "{findings:?}");
    }
}
