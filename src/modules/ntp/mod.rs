// SPDX-License-Identifier: Apache-2.0
//! Time from the network: which servers the guest's client asks.
//!
//! Keys as cloud-init's `cc_ntp`. The peer writes a client's whole file from a template of its own; here the sources in it
//! are replaced, in a drop-in where the client heeds one, and all else that the distribution says there stays. A client
//! that `packages` is yet to install is set up after that, in the final stage.

use std::path::PathBuf;

use serde_json::json;

use crate::config::template::{Purpose, render, split_header};
use crate::config::types::OneOrMany;
use crate::finding::{Finding, Findings, Located};
use crate::modules::{Input, Module, Planner};
use crate::plan::action::{Action, Write};
use crate::plan::step::{Frequency, Stage};

mod client;
mod sources;

use client::{CLIENTS, Client, Style};
use sources::Sources;

/// See the file's head.
pub const MODULE: Module =
    Module { name: "ntp", stage: Stage::Local, frequency: Frequency::PerInstance, keys: Keys::KEYS, plan };

crate::keys! {
    struct Keys {
        /// Where the time comes from; `{}` are the distribution's pools.
        ntp: Located<Ntp>,
    }
}

crate::keys! {
    /// Where the time comes from.
    struct Ntp {
        /// `false` leaves everything as it is.
        enabled: bool,
        /// Servers, by name or address.
        servers: OneOrMany<Located<String>>,
        /// Names that stand for many servers.
        pools: OneOrMany<Located<String>>,
        /// Servers that also ask this one.
        peers: OneOrMany<Located<String>>,
        /// Networks that may ask this machine: `10.0.0.0/8` (chrony).
        allow: OneOrMany<Located<String>>,
        /// `auto` (what is installed, the default), `chrony`, `systemd-timesyncd`, `ntp`, `ntpdate`, `openntpd`, or a
        /// client that `config` describes.
        ntp_client: Located<String>,
        /// What is different about the client.
        config: Config,
    }
}

crate::keys! {
    /// A client, or what is different about one that is known.
    struct Config {
        /// Its file.
        confpath: Located<PathBuf>,
        /// Its program, by which it is known to be installed.
        check_exe: Located<String>,
        /// Packages that it comes from.
        packages: OneOrMany<Located<String>>,
        /// Its service.
        service_name: Located<String>,
        /// The whole file as a Jinja template of `servers`, `pools`, `peers` and `allow`.
        template: Located<String>,
        /// A template of cloud-init's; not supported.
        template_name: Located<String>,
    }
}

/// The packages of the client, where this guest has none.
pub fn requires(input: &Input) -> Vec<Located<String>> {
    let mut unsaid = Findings::default();
    let Some(asked) = asked(input, &mut unsaid) else { return Vec::new() };
    let client = client(&asked, input, &mut unsaid).filter(|client| !client.is_installed(input.guest));
    let packages = client.map_or_else(Vec::new, |client| client.packages);
    packages.into_iter().map(|name| Located::new(name, asked.origin.clone())).collect()
}

/// What is asked for; nothing where it is switched off.
fn asked(input: &Input, findings: &mut Findings) -> Option<Located<Ntp>> {
    let asked = match input.config.entries().iter().rev().find(|(key, _)| key.text() == Some("ntp")) {
        None => return None,
        // As `{}`, for the peer too.
        Some((key, value)) if value.is_null() => Located::new(Ntp::default(), key.origin.clone()),
        Some(_) => Keys::take(input.config, findings).ntp?,
    };
    (asked.enabled != Some(false)).then_some(asked)
}

fn plan(input: &Input, planner: &mut Planner) {
    let Some(asked) = asked(input, &mut planner.findings) else { return };
    let Some(client) = client(&asked, input, &mut planner.findings) else { return };
    let Some(sources) = sources(&asked, &client, input, &mut planner.findings) else { return };
    let late = !client.is_installed(input.guest);
    if late && client.packages.is_empty() {
        let missing = format!("no `{}` in this guest; its time stays as it is", client.program);
        return planner.finding(
            Finding::error(&asked.origin, missing).help("name its `config: packages:`, or a client that is there"),
        );
    }
    let template = asked.config.as_ref().and_then(|config| config.template.as_ref());
    let whole = match template.map(|template| rendered(template, &sources, &mut planner.findings)) {
        Some(None) => return,
        Some(Some(text)) => Some(text),
        None => None,
    };
    let actions = match whole {
        Some(text) => vec![Action::Write(Write::new(&client.file, text))],
        None => client.edits(&sources, input.guest),
    };
    let step = planner.step("ntp", &asked.origin);
    step.actions = actions;
    if late {
        // One step: on an image all of it waits for the package, which brings the file that is edited.
        for action in &mut step.actions {
            if let Action::Edit(edit) = action {
                edit.only_existing = true;
            }
        }
        step.stage(Stage::Final).enable(&client.service, input.guest).restart(&client.service, input.guest);
        return;
    }
    step.restart(&client.service, input.guest);
    if client.style != Style::Once && !input.guest.service_enabled(&format!("{}.service", client.service)) {
        planner.step("ntp service", &asked.origin).enable(&client.service, input.guest);
    }
}

/// The client that is meant: the one that is asked for, else the first that is installed, else the one to install.
fn client(asked: &Located<Ntp>, input: &Input, findings: &mut Findings) -> Option<Client> {
    let guest = input.guest;
    let name = asked.ntp_client.as_ref().filter(|name| name.value != "auto");
    let mut client = match name {
        Some(name) => Client::named(name, guest),
        None => {
            let known = || CLIENTS.iter().filter_map(|name| Client::named(name, guest));
            let wanted = |client: &Client| client.packages.iter().any(|package| input.installs(package));
            known()
                .find(|client| client.is_installed(guest))
                .or_else(|| known().find(wanted))
                .or_else(|| known().next())
        }
    };
    let config = asked.config.clone().unwrap_or_default();
    if let (None, Some(name)) = (&client, name) {
        let complete = config.confpath.is_some() && config.check_exe.is_some() && config.template.is_some();
        let (true, Some(service)) = (complete, &config.service_name) else {
            let unknown = format!("`{}` is no client that is known here; the time stays as it is", name.escape_debug());
            let help = format!("{}; or `config` with confpath, check_exe, service_name, template", CLIENTS.join(", "));
            findings.push(Finding::error(&name.origin, unknown).help(help).did_you_mean(name, CLIENTS));
            return None;
        };
        client = Some(Client::custom(service));
    }
    let mut client = client?;
    if let (Some(named), None) = (&config.template_name, &config.template) {
        let text = "templates are not looked for by name; the client's own form is written";
        findings.push(Finding::warning(&named.origin, text).help("give the text as `template`"));
    }
    if let Some(service) = config.service_name.filter(|name| is_host(name, findings)) {
        client.service = service.value;
    }
    client.file = config.confpath.map_or(client.file, |path| path.value);
    client.program = config.check_exe.map_or(client.program, |program| program.value);
    client.packages = config.packages.map_or(client.packages, |names| names.0.into_iter().map(|it| it.value).collect());
    Some(client)
}

/// What is to be asked; `None` where nothing of it is fit.
fn sources(asked: &Ntp, client: &Client, input: &Input, findings: &mut Findings) -> Option<Sources> {
    let mut fit = |list: &Option<OneOrMany<Located<String>>>| -> Vec<String> {
        let names = list.iter().flat_map(|list| &list.0);
        names.filter(|name| is_host(name, findings)).map(|name| name.value.clone()).collect()
    };
    let mut sources = Sources {
        servers: fit(&asked.servers),
        pools: fit(&asked.pools),
        peers: fit(&asked.peers),
        allow: fit(&asked.allow),
    };
    let lists = [&asked.servers, &asked.pools, &asked.peers];
    if sources.is_empty() {
        if lists.into_iter().flatten().any(|list| !list.0.is_empty()) {
            return None;
        }
        sources.pools = default_pools(input.guest.distribution.first().map_or("", String::as_str));
    }
    for (list, allowed, what) in [
        (&asked.peers, client.style.has_peers(), "peers"),
        (&asked.allow, client.style == Style::Chrony || client.style == Style::Template, "allow"),
    ] {
        if let (false, Some(first)) = (allowed, list.as_ref().and_then(|list| list.0.first())) {
            let name = client.program.rsplit('/').next().unwrap_or_default();
            let text = format!("`{name}` knows no `{what}`; they are left out");
            findings.push(Finding::warning(&first.origin, text));
        }
    }
    Some(sources)
}

/// Pools of the distribution's own zone. Some have none, and SLES takes openSUSE's, as the peer does.
fn default_pools(distribution: &str) -> Vec<String> {
    let zone = match distribution {
        "" | "alpine" | "eurolinux" => String::new(),
        "sles" => "opensuse.".to_owned(),
        name if name.starts_with("opensuse") => "opensuse.".to_owned(),
        name => format!("{name}."),
    };
    (0..4).map(|number| format!("{number}.{zone}pool.ntp.org")).collect()
}

/// Whether it is a word that can stand in a client's file: a name, an address, a network.
fn is_host(name: &Located<String>, findings: &mut Findings) -> bool {
    let fit = name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == ':')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || ".-_:/%@".contains(c));
    if !fit {
        let wrong = format!("`{}` is no name and no address; it is left out", name.escape_debug());
        findings.push(Finding::error(&name.origin, wrong));
    }
    fit
}

fn rendered(template: &Located<String>, sources: &Sources, findings: &mut Findings) -> Option<String> {
    let Sources { servers, pools, peers, allow } = sources;
    let context = json!({ "servers": servers, "pools": pools, "peers": peers, "allow": allow });
    let text = render(template, &template.origin, &context, Purpose::UserData, findings)?;
    // The header's line, which is kept as an empty one.
    let headed = split_header(template).is_some();
    Some(text.strip_prefix('\n').filter(|_| headed).unwrap_or(&text).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::{Bench, Outcome};

    const DEBIAN: &str = "pool 2.debian.pool.ntp.org iburst\nconfdir /etc/chrony/conf.d\nmakestep 1 3\n";

    fn debian(config: &str) -> Outcome {
        let bench = Bench::new(config).file("/etc/os-release", "ID=debian\n").program("/usr/sbin/chronyd");
        let bench = bench.program("/usr/lib/systemd/systemd-timesyncd").program("/usr/lib/systemd/systemd");
        let bench = bench.link("/etc/systemd/system/multi-user.target.wants/chrony.service", "/usr/lib/chrony.service");
        bench.file("/etc/chrony/chrony.conf", DEBIAN).plan(plan)
    }

    #[test]
    fn what_is_installed_is_told_and_taken_up() {
        let outcome =
            debian("ntp: {servers: [a.example, 10.0.0.1], pools: p.example, peers: [c], allow: [10.0.0.0/8]}");
        assert_eq!(
            outcome.content("/etc/chrony/conf.d/firstlight.conf").as_deref(),
            Some(
                "# Written by firstlight (ntp).\nserver a.example iburst\nserver 10.0.0.1 iburst\npool p.example iburst\npeer c\nallow 10.0.0.0/8\n"
            )
        );
        assert_eq!(
            outcome.content("/etc/chrony/chrony.conf").as_deref(),
            Some("#pool 2.debian.pool.ntp.org iburst\nconfdir /etc/chrony/conf.d\nmakestep 1 3\n")
        );
        assert_eq!(outcome.programs(), ["systemctl --no-block try-restart chrony"], "it is enabled already");
        assert!(outcome.findings.is_empty());
    }

    #[test]
    fn nothing_said_is_the_distribution_s_pools() {
        for empty in ["ntp: {}", "ntp:", "ntp: {enabled: true}"] {
            let content = debian(empty).content("/etc/chrony/conf.d/firstlight.conf").unwrap();
            assert!(content.contains("pool 0.debian.pool.ntp.org iburst\n") && content.lines().count() == 5, "{empty}");
        }
        assert!(debian("ntp: {enabled: false}").steps().is_empty() && debian("").steps().is_empty());
        assert_eq!(default_pools("alpine")[3], "3.pool.ntp.org");
        assert_eq!(default_pools("opensuse-leap")[0], "0.opensuse.pool.ntp.org");
    }

    #[test]
    fn another_client_may_be_asked_for() {
        let outcome = debian("ntp: {ntp_client: systemd-timesyncd, servers: [a], pools: [b], peers: [c]}");
        let file = "/etc/systemd/timesyncd.conf.d/firstlight.conf";
        assert_eq!(outcome.content(file).as_deref(), Some("# Written by firstlight (ntp).\n[Time]\nNTP=\nNTP=a b\n"));
        assert_eq!(outcome.programs().last().unwrap(), "systemctl --no-block enable --now systemd-timesyncd");
        assert!(outcome.said()[0].contains("knows no `peers`"));
        let unknown = debian("ntp: {ntp_client: chronny}");
        assert!(unknown.steps().is_empty() && unknown.said()[0].contains("did you mean `chrony`?"));
    }

    #[test]
    fn a_client_that_is_missing_is_set_up_after_its_package() {
        let outcome = debian("ntp: {ntp_client: ntp, servers: [a]}");
        assert!(outcome.steps.iter().all(|step| step.stage == Stage::Final));
        assert_eq!(
            outcome.programs(),
            ["systemctl --no-block enable --now ntp", "systemctl --no-block try-restart ntp"]
        );
        let edited = outcome.step("ntp").actions.iter().filter_map(|action| match action {
            Action::Edit(edit) if edit.only_existing => edit.path.to_str(),
            _ => None,
        });
        assert_eq!(
            edited.collect::<Vec<_>>(),
            ["/etc/ntp.conf", "/etc/ntpsec/ntp.conf"],
            "which of them is not known yet"
        );
        assert!(outcome.findings.is_empty());
    }

    #[test]
    fn a_client_that_nobody_knows_is_described() {
        let outcome = debian(concat!(
            "ntp:\n  ntp_client: mine\n  servers: [a, b]\n  config:\n    confpath: /etc/mine.conf\n",
            "    check_exe: chronyd\n    service_name: mined\n    packages: [mine]\n    template: |\n",
            "      ## template:jinja\n      {% for s in servers %}\n      ask {{ s }}\n      {% endfor %}\n      end\n"
        ));
        assert_eq!(outcome.content("/etc/mine.conf").as_deref(), Some("ask a\nask b\nend\n"));
        assert_eq!(outcome.programs()[0], "systemctl --no-block try-restart mined");
    }

    #[test]
    fn a_server_that_can_be_none_is_left_out() {
        let outcome = debian("ntp: {servers: ['a b', \"c\\nallow all\", ok, '']}");
        assert_eq!(outcome.said().len(), 3);
        let content = outcome.content("/etc/chrony/conf.d/firstlight.conf").unwrap();
        assert_eq!(content, "# Written by firstlight (ntp).\nserver ok iburst\n");
        assert!(debian("ntp: {servers: ['a b']}").steps().is_empty());
    }
}
