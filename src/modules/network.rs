// SPDX-License-Identifier: Apache-2.0
//! Network: the platform's network, in the files of the guest's network manager.
//!
//! It has no keys: the platform's document says what, the image's settings (`firstlight: network:`) add to it. Written
//! in the local stage, before a manager is up, so that in a boot nothing has to be restarted.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::config::base::{self, Network as Settings, Updates};
use crate::finding::{Finding, Findings, Located, Origin};
use crate::guest::Guest;
use crate::modules::{Input, Module, Planner};
use crate::network::model::{NetworkConfig, Route};
use crate::network::prefix::Prefix;
use crate::network::render::choose::{choose, netplan_generator};
use crate::network::render::{RenderedFile, Renderer, ifupdown, netplan, networkd, render, resolv_conf};
use crate::plan::action::{Command, Edit, Write};
use crate::plan::step::{Frequency, Stage, Step};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "network", stage: Stage::Local, frequency: Frequency::PerInstance, keys: &[], plan };

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
    let Some(config) = input.network.filter(|config| !config.links.is_empty()) else {
        return forget(&input.instance.id.origin, guest, planner);
    };
    let nics = guest.nics.as_deref();
    let Some(renderer) = renderer(settings, guest, &config.origin, &mut planner.findings) else { return };
    let config = with_settings(config, settings, &mut planner.findings);
    let files = render(renderer, &config, nics, &mut planner.findings).files;
    others(renderer, &config, guest, &mut planner.findings);
    let step = planner.step("network", &config.origin);
    for path in stale(guest, &files) {
        step.remove(path);
    }
    files.into_iter().for_each(|file| write(step, file));
    if renderer == Renderer::Ifupdown {
        adapt_interfaces(step, ifupdown::names(&config, nics), guest);
    }
    if let Some(file) = resolv_conf::render(&config, guest) {
        // In place of a link to a resolver that does not run, not through it.
        if guest.is_link(resolv_conf::PATH) {
            step.remove(resolv_conf::PATH);
        }
        write(step, file);
    }
    if guest.is_live() {
        take_up(step, renderer, guest);
    }
}

/// What the settings choose, else what the guest runs.
fn renderer(settings: &Settings, guest: &Guest, origin: &Origin, findings: &mut Findings) -> Option<Renderer> {
    let chosen = match &settings.renderer {
        Some(name) => name.value.0.parse().map_err(|error| (&name.origin, error)),
        None => choose(guest).map_err(|error| (origin, error)),
    };
    match chosen {
        Ok(renderer) => Some(renderer),
        Err((origin, reason)) => {
            let names = Renderer::ALL.map(Renderer::name).join(", ");
            let finding = Finding::error(origin, format!("the network is not configured: {reason}"));
            findings.push(finding.help(format!("`firstlight: network: renderer:` may be one of {names}")));
            None
        }
    }
}

fn with_settings(config: &NetworkConfig, settings: &Settings, findings: &mut Findings) -> NetworkConfig {
    let gateway = settings.gateway.as_ref().and_then(|gateway| parsed::<IpAddr>(gateway, findings));
    let routes = settings.routes.iter().flatten().filter_map(|entry| route(entry, findings)).collect();
    let mut config = config.clone();
    for gateway in config.override_routes(gateway, routes) {
        let unused = format!("no static network of the instance reaches {}; the route is left out", gateway.value);
        let note = Finding::note(&gateway.origin, unused);
        findings.push(note.help("a network that gets its addresses by DHCP keeps the gateway that DHCP names"));
    }
    config
}

fn write(step: &mut Step, file: RenderedFile) {
    step.write(Write::new(file.path, file.content).mode(file.mode));
}

/// Takes our files of an earlier instance away from one that says nothing of its network: its addresses are another
/// machine's by now. A step of the same name, so that what this instance was once given is kept.
fn forget(instance: &Origin, guest: &Guest, planner: &mut Planner) {
    let stale = stale(guest, &[]);
    if stale.is_empty() {
        return;
    }
    let gone = "this instance has no network data; the network files that Firstlight wrote for an earlier one go";
    planner.finding(Finding::note(instance, gone));
    let netplan = stale.iter().any(|path| path.as_path() == Path::new(netplan::PATH));
    let step = planner.step("network", instance);
    for path in stale {
        step.remove(path);
    }
    if netplan && guest.is_live() {
        // What it made of the old file at the beginning of this boot goes too.
        take_up(step, Renderer::Netplan, guest);
    }
}

/// Our files of an earlier instance that this one does not write anew.
fn stale(guest: &Guest, files: &[RenderedFile]) -> Vec<PathBuf> {
    let networkd = guest.list(networkd::DIRECTORY).into_iter();
    let networkd = networkd.filter(|name| name.starts_with(networkd::PREFIX) && name.ends_with(".network"));
    let ours = networkd.map(|name| format!("{}/{name}", networkd::DIRECTORY));
    let single = [netplan::PATH, ifupdown::PATH].into_iter().filter(|path| guest.exists(path)).map(str::to_owned);
    ours.chain(single).map(PathBuf::from).filter(|path| files.iter().all(|file| file.path != *path)).collect()
}

/// Says which files of others have a word in it.
fn others(renderer: Renderer, config: &NetworkConfig, guest: &Guest, findings: &mut Findings) {
    match renderer {
        Renderer::Netplan => {
            for path in neighbours(guest, netplan::DIRECTORY, netplan::PATH).filter(|path| path.ends_with(".yaml")) {
                let note =
                    Finding::note(&Origin::document(path), "netplan merges this file with the instance's network");
                findings.push(note.help("where it is left over from an earlier instance, remove it from the image"));
            }
        }
        Renderer::Ifupdown => {
            for path in interfaces_with(&ifupdown::names(config, guest.nics.as_deref()), guest) {
                let message = "its stanzas of the instance's interfaces become comments";
                findings.push(Finding::note(&Origin::document(path), message));
            }
        }
        // The first file that matches wins, and that is ours.
        _ => {}
    }
}

/// The other files in the directory of ours.
fn neighbours(guest: &Guest, directory: &str, ours: &str) -> impl Iterator<Item = String> + use<> {
    let paths: Vec<String> = guest.list(directory).iter().map(|name| format!("{directory}/{name}")).collect();
    let ours = ours.to_owned();
    paths.into_iter().filter(move |path| *path != ours)
}

/// The files of `/etc/network` that have stanzas of `names` beside ours.
fn interfaces_with(names: &[String], guest: &Guest) -> Vec<String> {
    let has_stanza =
        |path: &String| guest.read_text(path).is_some_and(|text| ifupdown::without_stanzas(&text, names) != text);
    let pieces = neighbours(guest, ifupdown::DIRECTORY, ifupdown::PATH);
    pieces.chain([ifupdown::INTERFACES.to_owned()]).filter(has_stanza).collect()
}

fn adapt_interfaces(step: &mut Step, names: Vec<String>, guest: &Guest) {
    for path in interfaces_with(&names, guest).into_iter().filter(|path| path != ifupdown::INTERFACES) {
        let names = names.clone();
        step.edit(Edit::new(path, move |old| ifupdown::without_stanzas(old, &names)).only_existing());
    }
    step.edit(Edit::new(ifupdown::INTERFACES, move |old| ifupdown::adapt(old, &names)));
}

/// What a running system needs besides the files. In a boot that is netplan's generator alone, as the managers start
/// later; one that is up already (a drive that came late, a run by hand) reads its files again.
fn take_up(step: &mut Step, renderer: Renderer, guest: &Guest) {
    if let Some(generator) = netplan_generator(guest).filter(|_| renderer == Renderer::Netplan) {
        step.run(Command::tool([generator]));
    }
    let (sign, service) = match renderer {
        Renderer::Netplan | Renderer::Networkd => ("/run/systemd/netif/state", "systemd-networkd.service"),
        Renderer::Ifupdown => ("/run/network/ifstate", "networking.service"),
        _ => return,
    };
    if guest.exists(sign) && guest.exists("/run/systemd/system") {
        // `try`: nothing happens where the sign is a left-over of the initramfs. `no-block`: in a boot a job that waits
        // for us must not be waited for.
        step.run(Command::tool(["systemctl", "--no-block", "try-reload-or-restart", service]));
    }
}

fn route(entry: &Located<base::Route>, findings: &mut Findings) -> Option<Located<Route>> {
    let (Some(to), Some(via)) = (&entry.to, &entry.via) else {
        findings.push(Finding::error(&entry.origin, "a route needs `to` and `via`; it is left out"));
        return None;
    };
    let destination = match to.trim() {
        "default" => None,
        _ => Some(parsed::<Prefix>(to, findings)?),
    };
    let via = parsed::<IpAddr>(via, findings)?;
    let to = destination.map_or(Prefix::default_of(via.value), |to| to.network());
    if !to.same_family(via.value) {
        let message = format!("{to} cannot be reached via {}, of another family; the route is left out", via.value);
        findings.push(Finding::error(&via.origin, message));
        return None;
    }
    Some(via.map(|via| Route::new(to, via)))
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
    text: &Located<String>,
    findings: &mut Findings,
) -> Option<Located<T>> {
    match text.trim().parse() {
        Ok(value) => Some(Located::new(value, text.origin.clone())),
        Err(error) => {
            findings.push(Finding::error(&text.origin, format!("`{}` is left out: {error}", **text)));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::base::RendererName;
    use crate::guest::Nic;
    use crate::modules::testing::Bench;
    use crate::plan::action::Action;
    use crate::scratch::Scratch;
    use crate::seed::Document;
    use std::os::unix::fs::{PermissionsExt, symlink};

    const STATIC: &str = r#"{"links": [{"id": "tap0", "type": "ovs", "ethernet_mac_address": "fa:16:3e:69:b0:58"}],
        "networks": [{"link": "tap0", "type": "ipv4", "ip_address": "172.24.4.23", "netmask": "255.255.255.0",
                      "gateway": "172.24.4.254", "services": [{"type": "dns", "address": "172.24.4.2"}]}]}"#;
    const NETWORKD: &str = "/etc/systemd/system/multi-user.target.wants/systemd-networkd.service";
    const RESOLVED: &str = "/etc/systemd/system/sysinit.target.wants/systemd-resolved.service";
    const NETWORKING: &str = "/etc/systemd/system/multi-user.target.wants/networking.service";

    fn guest(scratch: &Scratch) -> Guest {
        let mut guest = Guest::read(&scratch.root()).unwrap();
        guest.nics = Some(vec![Nic { name: "ens3".into(), mac: "fa:16:3e:69:b0:58".into(), ..Nic::default() }]);
        guest
    }

    fn config() -> NetworkConfig {
        let document = Document::new("network_data.json", STATIC);
        crate::network::openstack::read(&document, &mut Findings::default()).unwrap()
    }

    fn shown(step: &Step) -> Vec<String> {
        let shown = |action: &Action| match action {
            Action::Write(write) => format!("write {} {:o}", write.path.display(), write.mode),
            Action::Edit(edit) => format!("edit {}", edit.path.display()),
            Action::Remove { path } => format!("remove {}", path.display()),
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

    fn scratch(files: &[&str]) -> Scratch {
        let scratch = Scratch::new();
        files.iter().for_each(|path| scratch.file(path, ""));
        scratch
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
        assert!(findings.len() == 1 && findings[0].contains("note: this instance has no network data"), "{findings:?}");
        let off = Settings { enabled: Some(false), ..Settings::default() };
        assert_eq!(planned_for(None, &scratch, off), (Vec::new(), Vec::new()));
        let none = self::scratch(&[NETWORKD]);
        assert_eq!(planned_for(None, &none, Settings::default()), (Vec::new(), Vec::new()));
    }

    #[test]
    fn only_a_manager_that_runs_already_is_told_to_read_its_files_again() {
        let told = |files: &[&str], renderer| {
            let mut planner = Planner::default();
            let step = planner.step("network", &Origin::document("d"));
            take_up(step, renderer, &guest(&scratch(files)));
            shown(step)
        };
        let running = ["/run/systemd/netif/state", "/run/systemd/system/x", "/usr/libexec/netplan/generate"];
        let reload = "run systemctl --no-block try-reload-or-restart systemd-networkd.service";
        assert_eq!(told(&running, Renderer::Networkd), [reload]);
        assert_eq!(told(&running, Renderer::Netplan), ["run /usr/libexec/netplan/generate", reload]);
        assert_eq!(told(&running, Renderer::Ifupdown), [""; 0]);
        assert_eq!(told(&["/run/systemd/system/x"], Renderer::Networkd), [""; 0]);
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
                "edit /etc/network/interfaces.d/eth",
                "edit /etc/network/interfaces",
                "remove /etc/resolv.conf",
                "write /etc/resolv.conf 644"
            ]
        );
        assert_eq!(findings.len(), 2, "{findings:?}");
    }

    #[test]
    fn a_guest_without_a_known_manager_is_left_alone_and_says_so() {
        let (actions, findings) = planned(&scratch(&[]), Settings::default());
        assert!(actions.is_empty());
        assert!(findings[0].contains("none of netplan, systemd-networkd and ifupdown is enabled"), "{findings:?}");
        let off = Settings { enabled: Some(false), ..Settings::default() };
        assert_eq!(planned(&scratch(&[]), off), (Vec::new(), Vec::new()));
    }

    fn at<T>(value: T) -> Located<T> {
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

    #[test]
    fn a_bad_address_among_the_settings_costs_only_its_entry() {
        let text = |text: &str| Some(at(text.to_owned()));
        let route = |to, via| at(base::Route { to: text(to), via: text(via) });
        let routes = vec![
            route("10.0.0.0/33", "172.24.4.9"),
            at(base::Route { to: text("10.0.0.0/8"), via: None }),
            route("10.1.0.0/16", "fd00::1"),
            route("10.1.2.3/16", "172.24.4.9"),
        ];
        let settings = Settings { gateway: text("172.24.4.1"), routes: Some(routes), ..Settings::default() };
        let mut findings = Findings::default();
        let config = with_settings(&config(), &settings, &mut findings);
        let routes: Vec<String> =
            config.links[0].routes.iter().map(|r| format!("{} via {}", r.to, r.via.unwrap())).collect();
        assert_eq!(routes, ["0.0.0.0/0 via 172.24.4.1", "10.1.0.0/16 via 172.24.4.9"]);
        assert_eq!(findings.iter().count(), 3);
    }
}
