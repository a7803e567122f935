// SPDX-License-Identifier: Apache-2.0
//! WireGuard: tunnels, brought up once the network is there.
//!
//! Keys as cloud-init's `cc_wireguard`, on every distribution that has `wg-quick`. The files are in place before the
//! network; what is to wait for a tunnel comes after `readinessprobe` has run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::document::Node;
use crate::finding::{Finding, Findings, Located};
use crate::modules::{Input, Module, Planner, shell};
use crate::plan::action::{Command, Write};
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "wireguard", stage: Stage::Network, frequency: Frequency::PerInstance, keys: Keys::KEYS, plan };

/// How long the probes may take together.
const PROBES: Duration = Duration::from_secs(10 * 60);

crate::keys! {
    struct Keys {
        /// Tunnels.
        wireguard: Located<Wireguard>,
    }
}

crate::keys! {
    /// Tunnels.
    struct Wireguard {
        /// One for each interface.
        interfaces: Vec<Located<Interface>>,
        /// Commands for the shell that succeed once the tunnels carry something.
        readinessprobe: Node,
    }
}

crate::keys! {
    /// A tunnel.
    struct Interface {
        /// Its interface, e.g. `wg0`.
        name: Located<String>,
        /// Its file; `/etc/wireguard/NAME.conf` unless given.
        config_path: Located<PathBuf>,
        /// The file's text, as wg-quick(8) reads it.
        content: Located<String>,
    }
}

const TOOL: &str = "wg-quick";

/// The package of the tool, where this guest has none.
pub fn requires(input: &Input) -> Vec<Located<String>> {
    let asked = Keys::take(input.config, &mut Findings::default()).wireguard;
    let asked = asked.filter(|_| !input.guest.has_tool(TOOL) && !input.installs("wireguard"));
    asked.map(|asked| Located::new("wireguard-tools".to_owned(), asked.origin)).into_iter().collect()
}

fn plan(input: &Input, planner: &mut Planner) {
    let Some(asked) = Keys::take(input.config, &mut planner.findings).wireguard else { return };
    let installed = input.guest.has_tool(TOOL);
    // What `packages` installs is there in the final stage.
    let stage = if installed { Stage::Network } else { Stage::Final };
    let mut any = false;
    for interface in asked.interfaces.iter().flatten() {
        let Some((name, write)) = tunnel(interface, &mut planner.findings) else { continue };
        planner.step(format!("wireguard {name}"), &interface.origin).stage(Stage::Local).write(write);
        bring_up(name, interface, stage, input, planner);
        any = true;
    }
    if let (true, Some(probes)) = (any, &asked.readinessprobe) {
        shell::step("wireguard readinessprobe", "wireguard-readinessprobe", probes, PROBES, input, planner);
        if let Some(step) = planner.steps.last_mut().filter(|step| step.name == "wireguard readinessprobe") {
            step.stage(stage);
        }
    }
}

/// A tunnel's name and its file, which holds its private key.
fn tunnel<'a>(interface: &'a Located<Interface>, findings: &mut Findings) -> Option<(&'a str, Write)> {
    let (Some(name), Some(content)) = (&interface.name, &interface.content) else {
        let missing = if interface.name.is_none() { "name" } else { "content" };
        findings.push(Finding::error(&interface.origin, format!("this tunnel has no `{missing}`; it is left out")));
        return None;
    };
    // As wg-quick takes it, and no directory of its own.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_=+.-".contains(c);
    if name.is_empty() || name.len() > 15 || !name.chars().all(is_plain) || name.starts_with(['.', '-']) {
        let wrong = format!("`{}` is no name of an interface; this tunnel is left out", name.escape_debug());
        findings.push(Finding::error(&name.origin, wrong).help("at most 15 letters, digits and _=+.-"));
        return None;
    }
    let own = PathBuf::from(format!("/etc/wireguard/{}.conf", name.value));
    let path = match &interface.config_path {
        Some(path) if path.value != own => {
            let unread = format!("`wg-quick` reads {} for this tunnel, not {}", own.display(), path.display());
            findings.push(Finding::warning(&path.origin, unread).help("leave `config_path` out"));
            &path.value
        }
        _ => &own,
    };
    Some((name, Write::new(path, content.as_bytes()).mode(0o600).secret()))
}

fn bring_up(name: &str, interface: &Located<Interface>, stage: Stage, input: &Input, planner: &mut Planner) {
    let step = planner.step(format!("wireguard {name} up"), &interface.origin).stage(stage);
    let guest = input.guest;
    let command = if guest.is_systemd() {
        Command::tool(["systemctl".to_owned(), "enable".to_owned(), "--now".to_owned(), format!("wg-quick@{name}")])
    } else if guest.has_tool("openrc-run") {
        // OpenRC tells the interface by the name of the link to the service.
        let service = format!("wg-quick.{name}");
        step.link(Path::new("/etc/init.d").join(&service), "/etc/init.d/wg-quick");
        step.link(Path::new("/etc/runlevels/default").join(&service), format!("/etc/init.d/{service}"));
        Command::tool(["rc-service", &service, "start"])
    } else {
        Command::tool(["wg-quick", "up", name])
    };
    step.run(Command { waits_for_boot: true, ..command });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::{Bench, Outcome};
    use crate::plan::action::Action;

    const ASKED: &str = "wireguard:\n  interfaces:\n    - {name: wg0, config_path: /etc/wireguard/wg0.conf, content: \"key\\n\"}\n  \
                         readinessprobe: [ping -c1 10.0.0.1]\n";

    fn systemd(config: &str) -> Outcome {
        Bench::new(config).program("/usr/bin/wg-quick").program("/usr/lib/systemd/systemd").plan(plan)
    }

    #[test]
    fn a_tunnel_is_written_before_the_network_and_brought_up_after() {
        let outcome = systemd(ASKED);
        assert_eq!(outcome.steps(), ["wireguard wg0", "wireguard wg0 up", "wireguard readinessprobe"]);
        let stages: Vec<_> = outcome.steps.iter().map(|step| step.stage).collect();
        assert_eq!(stages, [Stage::Local, Stage::Network, Stage::Network]);
        let Action::Write(write) = &outcome.step("wireguard wg0").actions[0] else { panic!() };
        assert_eq!((write.mode, write.secret, write.content.as_slice()), (0o600, true, b"key\n".as_slice()));
        assert_eq!(outcome.programs()[0], "systemctl enable --now wg-quick@wg0");
        assert!(outcome.findings.is_empty());
    }

    #[test]
    fn openrc_has_a_service_for_each_tunnel() {
        let outcome = Bench::new(ASKED).program("/usr/bin/wg-quick").program("/sbin/openrc-run").plan(plan);
        assert_eq!(outcome.programs()[0], "rc-service wg-quick.wg0 start");
        let Action::Link { path, .. } = &outcome.step("wireguard wg0 up").actions[1] else { panic!() };
        assert_eq!(path, Path::new("/etc/runlevels/default/wg-quick.wg0"));
    }

    #[test]
    fn what_is_to_be_installed_comes_up_in_the_final_stage() {
        let outcome = Bench::new(ASKED).plan(plan);
        assert_eq!(outcome.step("wireguard wg0 up").stage, Stage::Final);
        assert_eq!(outcome.step("wireguard readinessprobe").stage, Stage::Final);
    }

    #[test]
    fn a_bad_tunnel_costs_only_itself() {
        let outcome = systemd(concat!(
            "wireguard: {interfaces: [{name: ../x, content: a}, {content: a}, {name: wg1}, {name: a-very-long-name-indeed, content: a},",
            " {name: wg2, config_path: /srv/wg2.conf, content: a}]}"
        ));
        assert_eq!(outcome.steps(), ["wireguard wg2", "wireguard wg2 up"]);
        assert_eq!(outcome.said().len(), 5);
        assert!(outcome.said()[4].contains("reads /etc/wireguard/wg2.conf for this tunnel, not /srv/wg2.conf"));
    }
}
