// SPDX-License-Identifier: Apache-2.0
//! Network: the platform's network, in the files of the guest's network manager.
//!
//! It has no keys: the platform's document says what, the image's settings (`firstlight: network:`) add to it. Written
//! in the local stage, before a manager is up, so that in a boot nothing has to be restarted.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::config::base::{self, Settings};
use crate::finding::{Finding, Findings, Located, Origin};
use crate::guest::Nic;
use crate::modules::{Input, Module, Planner};
use crate::network::model::{NetworkConfig, Route};
use crate::network::prefix::Prefix;
use crate::network::render::{RenderedFile, Renderer, choose, ifupdown, netplan, networkd, render, resolv_conf};
use crate::plan::action::{Command, Edit, Write};
use crate::plan::step::{Frequency, Stage, Step};
use crate::root::Tree;

/// See the file's head.
pub const MODULE: Module =
    Module { name: "network", stage: Stage::Local, frequency: Frequency::PerInstance, keys: &[], plan };

fn plan(input: &Input, planner: &mut Planner) {
    let leave_alone = input.settings.network.as_ref().is_some_and(|settings| settings.enabled == Some(false));
    if let (Some(config), false) = (input.network, leave_alone) {
        configure(config, &Wishes::of(input.settings), input.guest.tree(), input.guest.nics.as_deref(), planner);
    }
}

fn configure(config: &NetworkConfig, wishes: &Wishes, guest: &dyn Tree, nics: Option<&[Nic]>, planner: &mut Planner) {
    if config.links.is_empty() {
        // What the image has is better than nothing at all; why there is no link has been said.
        return;
    }
    let Some(renderer) = wishes.renderer(guest, &config.origin, &mut planner.findings) else { return };
    let config = wishes.applied_to(config, &mut planner.findings);
    let files = render(renderer, &config, nics, &mut planner.findings);
    others(renderer, &config, nics, guest, &mut planner.findings);
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
        if matches!(guest.read_link(&file.path), Ok(Some(_))) {
            step.remove(&file.path);
        }
        write(step, file);
    }
    if guest.is_live() {
        take_up(step, renderer, guest);
    }
}

fn write(step: &mut Step, file: RenderedFile) {
    step.write(Write::new(file.path, file.content).mode(file.mode));
}

/// Our files of an earlier instance that this one does not write anew.
fn stale<'a>(guest: &'a dyn Tree, files: &'a [RenderedFile]) -> impl Iterator<Item = PathBuf> + use<'a> {
    let networkd = guest.list(Path::new(networkd::DIRECTORY)).unwrap_or_default().into_iter();
    let networkd = networkd.filter(|name| name.starts_with(networkd::PREFIX) && name.ends_with(".network"));
    let ours = networkd.map(|name| Path::new(networkd::DIRECTORY).join(name));
    let ours = ours.chain([netplan::PATH.into(), ifupdown::PATH.into()]);
    ours.filter(|path| guest.exists(path) && files.iter().all(|file| file.path != *path))
}

/// Says which files of others have a word in it.
fn others(renderer: Renderer, config: &NetworkConfig, nics: Option<&[Nic]>, guest: &dyn Tree, findings: &mut Findings) {
    match renderer {
        Renderer::Netplan => {
            for path in neighbours(guest, netplan::PATH).filter(|path| path.extension().is_some_and(|e| e == "yaml")) {
                let message = "netplan merges this file with the instance's network";
                let note = Finding::note(&Origin::document(path.display().to_string()), message);
                findings.push(note.help("where it is left over from an earlier instance, remove it from the image"));
            }
        }
        Renderer::Ifupdown => {
            for path in interfaces_with(&ifupdown::names(config, nics), guest) {
                let message = "its stanzas of the instance's interfaces become comments";
                findings.push(Finding::note(&Origin::document(path.display().to_string()), message));
            }
        }
        // The first file that matches wins, and that is ours.
        Renderer::Networkd => {}
    }
}

/// The other files in the directory of `path`.
fn neighbours<'a>(guest: &dyn Tree, path: &'a str) -> impl Iterator<Item = PathBuf> + use<'a> {
    let path = Path::new(path);
    let directory = path.parent().unwrap_or(path);
    let names = guest.list(directory).unwrap_or_default().into_iter();
    names.map(|name| directory.join(name)).filter(move |other| other != path)
}

/// The files of `/etc/network` that have stanzas of `names` beside ours.
fn interfaces_with(names: &[String], guest: &dyn Tree) -> Vec<PathBuf> {
    let has_stanza = |path: &PathBuf| match guest.read_text(path) {
        Ok(Some(text)) => ifupdown::without_stanzas(&text, names) != text,
        _ => false,
    };
    neighbours(guest, ifupdown::PATH).chain([ifupdown::INTERFACES.into()]).filter(has_stanza).collect()
}

fn adapt_interfaces(step: &mut Step, names: Vec<String>, guest: &dyn Tree) {
    for path in interfaces_with(&names, guest).into_iter().filter(|path| path != Path::new(ifupdown::INTERFACES)) {
        let names = names.clone();
        step.edit(Edit::new(path, move |old| ifupdown::without_stanzas(old, &names)).only_existing());
    }
    step.edit(Edit::new(ifupdown::INTERFACES, move |old| ifupdown::adapt(old, &names)));
}

/// What a running system needs besides the files. In a boot that is netplan's generator alone, as the managers start
/// later; one that is up already (a drive that came late, a run by hand) reads its files again.
fn take_up(step: &mut Step, renderer: Renderer, guest: &dyn Tree) {
    let exists = |path: &str| guest.exists(Path::new(path));
    if renderer == Renderer::Netplan {
        let generator = choose::NETPLAN_GENERATORS.into_iter().find(|path| exists(path));
        if let Some(generator) = generator {
            step.run(Command::tool([generator]));
        }
    }
    let (sign, service) = match renderer {
        Renderer::Netplan | Renderer::Networkd => ("/run/systemd/netif/state", "systemd-networkd.service"),
        Renderer::Ifupdown => ("/run/network/ifstate", "networking.service"),
    };
    if exists(sign) && exists("/run/systemd/system") {
        // `try`: nothing happens where the sign is a left-over of the initramfs. `no-block`: in a boot a job that waits
        // for us must not be waited for.
        step.run(Command::tool(["systemctl", "--no-block", "try-reload-or-restart", service]));
    }
}

/// What the image's settings want of the network.
#[derive(Default)]
struct Wishes {
    /// In place of what the guest seems to run.
    renderer: Option<Located<String>>,
    /// In place of the default route of static networks.
    gateway: Option<Located<String>>,
    /// Besides the platform's: destination and gateway.
    routes: Vec<(Located<String>, Located<String>)>,
}

impl Wishes {
    fn of(settings: &Settings) -> Self {
        let Some(told) = settings.network.clone() else { return Self::default() };
        // An entry whose half is a property that the instance does not have is no route.
        let route = |route: Located<base::Route>| Some((route.value.to?, route.value.via?));
        Self {
            renderer: told.renderer.map(|name| name.map(|name| name.0.to_owned())),
            gateway: told.gateway,
            routes: told.routes.into_iter().flatten().filter_map(route).collect(),
        }
    }

    fn renderer(&self, guest: &dyn Tree, origin: &Origin, findings: &mut Findings) -> Option<Renderer> {
        let help = || {
            format!("set `firstlight: network: renderer:` to one of {}", Renderer::ALL.map(Renderer::name).join(", "))
        };
        match &self.renderer {
            Some(name) => name.parse().map_err(|error: String| (&name.origin, error)),
            None => choose::choose(guest).map_err(|error| (origin, format!("the network is not configured: {error}"))),
        }
        .map_err(|(origin, message)| findings.push(Finding::error(origin, message).help(help())))
        .ok()
    }

    fn applied_to(&self, config: &NetworkConfig, findings: &mut Findings) -> NetworkConfig {
        let gateway = self.gateway.as_ref().and_then(|gateway| parsed::<IpAddr>(gateway, findings));
        let routes = self.routes.iter().filter_map(|(to, via)| route(to, via, findings)).collect();
        let mut config = config.clone();
        config.override_routes(gateway, routes);
        config
    }
}

fn route(to: &Located<String>, via: &Located<String>, findings: &mut Findings) -> Option<Located<Route>> {
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
    Some(via.map(|via| Route { to, via, metric: None }))
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
    use crate::plan::action::Action;
    use crate::root::{Root, Stat};
    use crate::scratch::Scratch;
    use crate::seed::Document;

    const MAC: &str = "fa:16:3e:69:b0:58";
    const STATIC: &str = r#"{"links": [{"id": "tap0", "type": "ovs", "ethernet_mac_address": "fa:16:3e:69:b0:58"}],
        "networks": [{"link": "tap0", "type": "ipv4", "ip_address": "172.24.4.23", "netmask": "255.255.255.0",
                      "gateway": "172.24.4.254", "services": [{"type": "dns", "address": "172.24.4.2"}]}]}"#;

    /// A guest in a scratch directory that runs.
    struct Live(Root);

    impl Tree for Live {
        fn stat(&self, path: &Path) -> crate::error::Result<Option<Stat>> {
            self.0.stat(path)
        }
        fn read(&self, path: &Path) -> crate::error::Result<Option<Vec<u8>>> {
            self.0.read(path)
        }
        fn read_link(&self, path: &Path) -> crate::error::Result<Option<PathBuf>> {
            self.0.read_link(path)
        }
        fn list(&self, path: &Path) -> crate::error::Result<Vec<String>> {
            self.0.list(path)
        }
        fn is_live(&self) -> bool {
            true
        }
        fn owners(&self) -> bool {
            self.0.owners()
        }
    }

    /// What is done in a guest with these files and one interface, a line an action.
    fn planned(files: &[(&str, &str)], document: &str, wishes: &Wishes) -> (Vec<String>, Vec<String>) {
        let scratch = Scratch::new();
        files.iter().for_each(|(path, content)| scratch.file(path, content));
        let mut planner = Planner::default();
        let document = Document::new("network_data.json", document);
        let config = crate::network::openstack::read(&document, &mut planner.findings).unwrap();
        let nics = [Nic { name: "ens3".into(), mac: MAC.into() }];
        configure(&config, wishes, &Live(scratch.root()), Some(&nics), &mut planner);
        let shown = |action: &Action| match action {
            Action::Write(write) => format!("write {} {:o}", write.path.display(), write.mode),
            Action::Edit(edit) => format!("edit {}", edit.path.display()),
            Action::Remove { path } => format!("remove {}", path.display()),
            Action::Run(command) => format!("run {}", command.argv.join(" ")),
            _ => panic!("{action:?}"),
        };
        let actions = planner.steps.iter().flat_map(|step| &step.actions).map(shown).collect();
        (actions, planner.findings.iter().map(ToString::to_string).collect())
    }

    const NETWORKD: (&str, &str) = ("/etc/systemd/system/multi-user.target.wants/systemd-networkd.service", "");
    const RESOLVED: (&str, &str) = ("/etc/systemd/system/sysinit.target.wants/systemd-resolved.service", "");
    const NETWORKING: (&str, &str) = ("/etc/systemd/system/multi-user.target.wants/networking.service", "");

    #[test]
    fn networkd_needs_a_file_only_and_an_earlier_instance_s_goes() {
        let stale = [("/etc/systemd/network/10-firstlight-tap9.network", ""), ("/etc/netplan/50-firstlight.yaml", "")];
        let kept = ("/etc/systemd/network/20-wired.network", "");
        let (actions, findings) = planned(&[NETWORKD, RESOLVED, stale[0], stale[1], kept], STATIC, &Wishes::default());
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
    fn a_manager_that_runs_already_reads_its_files_again() {
        let running = [("/run/systemd/netif/state", ""), ("/run/systemd/system/x", "")];
        let (actions, _) = planned(&[NETWORKD, RESOLVED, running[0], running[1]], STATIC, &Wishes::default());
        assert_eq!(actions[1], "run systemctl --no-block try-reload-or-restart systemd-networkd.service");
    }

    #[test]
    fn netplan_is_translated_by_its_own_generator_and_other_files_of_it_are_named() {
        let generator = ("/usr/libexec/netplan/generate", "");
        let left = ("/etc/netplan/50-cloud-init.yaml", "");
        let (actions, findings) = planned(&[generator, left, NETWORKING, RESOLVED], STATIC, &Wishes::default());
        assert_eq!(actions, ["write /etc/netplan/50-firstlight.yaml 600", "run /usr/libexec/netplan/generate"]);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].starts_with("/etc/netplan/50-cloud-init.yaml: note: "), "{findings:?}");
    }

    #[test]
    fn ifupdown_is_told_of_our_file_and_name_servers_are_written_where_nobody_else_would() {
        let own = ("/etc/network/interfaces", "auto ens3\niface ens3 inet dhcp\n");
        let old = ("/etc/network/interfaces.d/eth", "iface ens3 inet6 auto\n");
        let (actions, findings) = planned(&[NETWORKING, ("/usr/sbin/ifup", ""), own, old], STATIC, &Wishes::default());
        assert_eq!(
            actions,
            [
                "write /etc/network/interfaces.d/50-firstlight 644",
                "edit /etc/network/interfaces.d/eth",
                "edit /etc/network/interfaces",
                "write /etc/resolv.conf 644"
            ]
        );
        assert_eq!(findings.len(), 2, "{findings:?}");
    }

    #[test]
    fn a_guest_without_a_known_manager_is_left_alone_and_says_so() {
        let (actions, findings) = planned(&[], STATIC, &Wishes::default());
        assert!(actions.is_empty());
        assert!(findings[0].contains("none of netplan, systemd-networkd and ifupdown is enabled"), "{findings:?}");
    }

    #[test]
    fn the_image_s_settings_choose_and_a_bad_address_among_them_costs_only_itself() {
        let at = |text: &str| Located::new(text.to_owned(), Origin::document("config.yaml"));
        let wishes = Wishes {
            renderer: Some(at("networkd")),
            gateway: Some(at("172.24.4.1")),
            routes: vec![(at("10.0.0.0/33"), at("172.24.4.9")), (at("10.1.0.0/16"), at("172.24.4.9"))],
        };
        let mut findings = Findings::default();
        let document = Document::new("network_data.json", STATIC);
        let config = crate::network::openstack::read(&document, &mut findings).unwrap();
        let config = wishes.applied_to(&config, &mut findings);
        let routes: Vec<String> = config.links[0].routes.iter().map(|r| format!("{} via {}", r.to, r.via)).collect();
        assert_eq!(routes, ["0.0.0.0/0 via 172.24.4.1", "10.1.0.0/16 via 172.24.4.9"]);
        assert_eq!(findings.iter().count(), 1);
        let (actions, _) = planned(&[RESOLVED], STATIC, &wishes);
        assert_eq!(actions, ["write /etc/systemd/network/10-firstlight-tap0.network 644"]);
    }
}
