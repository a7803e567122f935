// SPDX-License-Identifier: Apache-2.0
//! The system's log: where rsyslog sends it.
//!
//! Keys as cloud-init's `cc_rsyslog`, the old list included. rsyslog is restarted where the peer reloads it: the signal
//! that its unit sends only makes it open its files again, and the new settings would wait for the next boot.

use std::net::Ipv6Addr;
use std::path::{Component, Path, PathBuf};

use crate::config::document::{Data, Node};
use crate::config::read::{Kind, Read};
use crate::config::types::OneOrMany;
use crate::finding::{Finding, Findings, Located, Origin};
use crate::modules::{Input, Module, Planner};
use crate::plan::action::{Command, Write};
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "rsyslog", stage: Stage::Local, frequency: Frequency::PerInstance, keys: Keys::KEYS, plan };

crate::keys! {
    struct Keys {
        /// Where the log goes.
        rsyslog: Located<Form>,
        /// Deprecated: `config_filename` of the old list.
        rsyslog_filename: Located<String>,
        /// Deprecated: `config_dir` of the old list.
        rsyslog_dir: Located<PathBuf>,
    }
}

crate::keys! {
    /// Where the log goes.
    struct Rsyslog {
        /// Settings in rsyslog's own words, each a text or a mapping.
        configs: Vec<Config>,
        /// Servers by a name of your own: `[SELECTOR] [@|@@]HOST[:PORT]`, where `@@` is TCP.
        remotes: Node,
        /// Directory of the files; `/etc/rsyslog.d` unless given.
        config_dir: Located<PathBuf>,
        /// File of what names none; `20-cloud-config.conf` unless given.
        config_filename: Located<String>,
        /// How rsyslog takes the settings up: `auto`, or a command.
        service_reload_command: Located<OneOrMany<String>>,
        /// Whether rsyslog is to be installed.
        install_rsyslog: Located<bool>,
        /// What it comes from.
        packages: OneOrMany<String>,
        /// Its program, by which it is known to be there.
        check_exe: String,
    }
}

crate::keys! {
    /// Settings in a file of their own.
    struct Named {
        /// The settings.
        content: Located<String>,
        /// The file.
        filename: Located<String>,
    }
}

/// Settings, with or without a file.
#[derive(Debug, Clone)]
struct Config(Named);

impl Read for Config {
    fn kind() -> Kind {
        Kind::OneOf(vec![String::kind(), Named::kind()])
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        match node.data {
            Data::Scalar(_) => Some(Self(Named { content: Located::read(node, findings), filename: None })),
            _ => Named::read(node, findings).map(Self),
        }
    }
}

/// The mapping, or the old list of settings alone.
#[derive(Debug, Clone)]
struct Form {
    keys: Rsyslog,
    is_list: bool,
}

impl Read for Form {
    fn kind() -> Kind {
        Kind::OneOf(vec![Rsyslog::kind(), Vec::<Config>::kind()])
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        let is_list = node.items().is_some();
        let keys = if is_list {
            Rsyslog { configs: Vec::read(node, findings), ..Rsyslog::default() }
        } else {
            Rsyslog::read(node, findings)?
        };
        Some(Self { keys, is_list })
    }
}

impl Rsyslog {
    fn installs(&self) -> bool {
        self.install_rsyslog.as_ref().is_some_and(|wanted| wanted.value)
    }

    fn packages(&self) -> Vec<String> {
        self.packages.clone().map_or_else(|| vec!["rsyslog".to_owned()], |packages| packages.0)
    }
}

fn is_installed(asked: &Rsyslog, input: &Input) -> bool {
    let program = asked.check_exe.as_deref().unwrap_or("rsyslogd");
    input.guest.has_program(program)
}

/// Its packages, where they are to be installed and this guest has none.
pub fn requires(input: &Input) -> Vec<Located<String>> {
    let Some(Located { value: form, origin }) = Keys::take(input.config, &mut Findings::default()).rsyslog else {
        return Vec::new();
    };
    let packages =
        if form.keys.installs() && !is_installed(&form.keys, input) { form.keys.packages() } else { Vec::new() };
    packages.into_iter().map(|name| Located::new(name, origin.clone())).collect()
}

fn plan(input: &Input, planner: &mut Planner) {
    let keys = Keys::take(input.config, &mut planner.findings);
    let Some(Located { value: Form { keys: mut asked, is_list }, origin }) = keys.rsyslog else { return };
    if is_list {
        let old = "a list is the old form of `rsyslog`; it is read as its `configs`";
        planner.finding(Finding::warning(&origin, old).help("rsyslog: {configs: […]}"));
        asked.config_filename = keys.rsyslog_filename;
        asked.config_dir = keys.rsyslog_dir;
    }
    let files = files(&asked, &origin, &mut planner.findings);
    if files.is_empty() {
        return;
    }
    let late = !is_installed(&asked, input);
    let comes = asked.installs() || asked.packages().iter().any(|package| input.installs(package));
    if late && !comes {
        let missing = "no rsyslog in this guest: nobody reads what is written";
        planner.finding(Finding::warning(&origin, missing).help("rsyslog: {install_rsyslog: true}"));
    }
    let step = planner.step("rsyslog", &origin);
    if late && comes {
        // What is installed is there in the final stage.
        step.stage(Stage::Final);
    }
    for (path, content) in files {
        step.write(Write::new(path, content));
    }
    // Systemd fails for a unit that is not there.
    if late && !comes {
        return;
    }
    match asked.service_reload_command.map(|command| command.value.0).as_deref() {
        None | Some([]) => step.restart("rsyslog", input.guest),
        Some([auto]) if auto == "auto" => step.restart("rsyslog", input.guest),
        Some([command]) => step.run(Command::tool(["/bin/sh", "-c", command])),
        Some(words) => step.run(Command::tool(words)),
    };
}

/// Each file once, with all that goes into it, in the order in which they are named.
fn files(asked: &Rsyslog, origin: &Origin, findings: &mut Findings) -> Vec<(PathBuf, String)> {
    let directory = asked.config_dir.as_ref().map_or(Path::new("/etc/rsyslog.d"), |directory| directory);
    let default = asked.config_filename.clone();
    let default = default.unwrap_or_else(|| Located::new("20-cloud-config.conf".to_owned(), origin.clone()));
    let mut files: Vec<(PathBuf, String)> = Vec::new();
    let mut add = |name: &Located<String>, content: &str, findings: &mut Findings| {
        let path = directory.join(name.trim());
        let climbs = path.components().any(|part| part == Component::ParentDir) || name.contains('\0');
        if name.trim().is_empty() || name.ends_with('/') || climbs {
            let wrong = format!("`{}` is no file name; these settings are left out", name.escape_debug());
            return findings.push(Finding::error(&name.origin, wrong));
        }
        let line = if content.ends_with('\n') { "" } else { "\n" };
        match files.iter_mut().find(|(known, _)| *known == path) {
            Some((_, text)) => text.extend([content, line]),
            None => files.push((path, format!("{content}{line}"))),
        }
    };
    for Config(config) in asked.configs.iter().flatten() {
        match &config.content {
            Some(content) => add(config.filename.as_ref().unwrap_or(&default), content, findings),
            None => {
                let place = config.filename.as_ref().map_or(origin, |name| &name.origin);
                findings.push(Finding::error(place, "these settings have no `content`; they are left out"));
            }
        }
    }
    let remotes = remotes(asked.remotes.as_ref(), findings);
    if !remotes.is_empty() {
        add(&default, &format!("# begin remotes\n{remotes}# end remotes\n"), findings);
    }
    files
}

/// A line for each server.
fn remotes(asked: Option<&Node>, findings: &mut Findings) -> String {
    let Some(asked) = asked else { return String::new() };
    if !asked.is_null() && !matches!(asked.data, Data::Mapping(_)) {
        findings.push(Finding::error(&asked.origin, format!("expected servers by name, found {}", asked.described())));
    }
    let mut lines = String::new();
    for (name, line) in asked.entries() {
        match line.text().map(|text| (text, remote(text))) {
            _ if line.is_null() => {}
            Some((_, Some(rule))) => {
                let name: String = name.text().unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
                lines.extend([&rule, " # ", &name, "\n"]);
            }
            Some((text, None)) => {
                let wrong = format!("`{}` is no server for the log; it is left out", text.escape_debug());
                findings.push(
                    Finding::error(&line.origin, wrong).help("`[SELECTOR] [@|@@]HOST[:PORT]`: *.* @@[fd00::1]:514"),
                );
            }
            None => {
                let wrong = format!("expected a server for the log, found {}; it is left out", line.described());
                findings.push(Finding::error(&line.origin, wrong));
            }
        }
    }
    lines
}

/// The rule that sends what `line` selects to its server; UDP unless it says `@@`.
fn remote(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split('#').next()?.split_whitespace().collect();
    let (selector, host) = match words[..] {
        [host] => ("*.*", host),
        [selector, host] => (selector, host),
        _ => return None,
    };
    let bare = host.trim_start_matches('@');
    let protocol = match host.len() - bare.len() {
        0 | 1 => "@",
        2 => "@@",
        _ => return None,
    };
    let (address, port) = if bare.parse::<Ipv6Addr>().is_ok() {
        (bare, "")
    } else if let Some(rest) = bare.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        address.parse::<Ipv6Addr>().ok()?;
        (address, port)
    } else {
        bare.split_at(bare.find(':').unwrap_or(bare.len()))
    };
    if address.is_empty() || !(port.is_empty() || port.strip_prefix(':')?.parse::<u16>().is_ok()) {
        return None;
    }
    let address = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
    Some(format!("{selector} {protocol}{address}{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::{Bench, Outcome};

    fn plans(config: &str) -> Outcome {
        Bench::new(config).program("/usr/sbin/rsyslogd").program("/usr/lib/systemd/systemd").plan(plan)
    }

    #[test]
    fn settings_and_servers_go_to_their_files() {
        let outcome = plans(concat!(
            "rsyslog:\n  configs:\n    - '*.* @@192.0.2.1'\n    - {content: \"a\", filename: 01.conf}\n    - {content: \"b\"}\n",
            "    - {content: c, filename: 01.conf}\n  remotes: {maas: 10.0.0.1, six: 'mail.* @@[fd00::1]:10514', none: }\n"
        ));
        assert_eq!(outcome.content("/etc/rsyslog.d/01.conf").as_deref(), Some("a\nc\n"));
        assert_eq!(
            outcome.content("/etc/rsyslog.d/20-cloud-config.conf").as_deref(),
            Some(
                "*.* @@192.0.2.1\nb\n# begin remotes\n*.* @10.0.0.1 # maas\nmail.* @@[fd00::1]:10514 # six\n# end remotes\n"
            )
        );
        assert_eq!(outcome.programs(), ["systemctl --no-block try-restart rsyslog"]);
        assert!(outcome.findings.is_empty(), "{:?}", outcome.said());
    }

    #[test]
    fn the_old_list_is_read_and_said() {
        let outcome =
            plans("rsyslog: [a, {content: b, filename: x.conf}]\nrsyslog_filename: own.conf\nrsyslog_dir: /etc/r\n");
        assert_eq!(outcome.content("/etc/r/own.conf").as_deref(), Some("a\n"));
        assert_eq!(outcome.content("/etc/r/x.conf").as_deref(), Some("b\n"));
        assert!(outcome.said().len() == 1 && outcome.said()[0].contains("old form"));
    }

    #[test]
    fn rsyslog_is_told_as_asked_and_missed_where_it_is_not_there() {
        let programs =
            |command: &str| plans(&format!("rsyslog: {{configs: [a], service_reload_command: {command}}}")).programs();
        assert_eq!(programs("auto"), ["systemctl --no-block try-restart rsyslog"]);
        assert_eq!(programs("[kick, it]"), ["kick it"]);
        assert_eq!(programs("kick it"), ["/bin/sh -c kick it"]);
        let said = |config: &str| Bench::new(config).plan(plan).said();
        assert!(said("rsyslog: {configs: [a]}")[0].contains("warning: no rsyslog in this guest"));
        let unheard = Bench::new("rsyslog: {configs: [a]}").program("/usr/lib/systemd/systemd").plan(plan);
        assert!(unheard.content("/etc/rsyslog.d/20-cloud-config.conf").is_some() && unheard.programs().is_empty());
        assert!(said("rsyslog: {configs: [a], install_rsyslog: true}").is_empty());
        assert!(said("rsyslog: {configs: [a]}\npackages: [rsyslog]").is_empty());
    }

    #[test]
    fn a_bad_entry_costs_only_itself() {
        let outcome = plans(concat!(
            "rsyslog:\n  configs: [{filename: x}, {content: a, filename: ../x}, {content: a, filename: ''}, b]\n",
            "  remotes: {one: 'a b c', two: 'host:port', three: '@@@h', four: '[::1', five: [x], six: h}\n"
        ));
        assert_eq!(outcome.said().len(), 8, "{:?}", outcome.said());
        assert_eq!(
            outcome.content("/etc/rsyslog.d/20-cloud-config.conf").as_deref(),
            Some("b\n# begin remotes\n*.* @h # six\n# end remotes\n")
        );
    }
}
