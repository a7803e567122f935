// SPDX-License-Identifier: Apache-2.0
//! Ansible: a playbook that the machine pulls and runs on itself, at the end of the boot.
//!
//! Keys as cloud-init's `cc_ansible`, but for `setup_controller`. By `install_method: distro` the package is installed
//! with those of `packages`; `pip` installs it here.

use crate::config::document::{Data, Node, Value};
use crate::config::read::one_of;
use crate::finding::{Finding, Findings, Located};
use crate::modules::shell::quoted;
use crate::modules::{Input, Module, Planner};
use crate::plan::action::Command;
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "ansible", stage: Stage::Final, frequency: Frequency::PerInstance, keys: Keys::KEYS, plan };

crate::keys! {
    struct Keys {
        /// What Ansible does to this machine.
        ansible: Located<Ansible>,
    }
}

crate::keys! {
    /// What Ansible does to this machine.
    struct Ansible {
        /// The package: `ansible`, `ansible-core`.
        package_name: Located<String>,
        /// Where it comes from: `distro` (the default) or `pip`.
        install_method: Node,
        /// The user whose it is and who runs it; root unless given.
        run_user: Located<String>,
        /// Its settings' file.
        ansible_config: Located<String>,
        /// What is fetched before.
        galaxy: Galaxy,
        /// What is pulled and run: one mapping or a list of them.
        pull: Node,
        /// Not supported.
        setup_controller: Node,
    }
}

crate::keys! {
    /// What is fetched before.
    struct Galaxy {
        /// Commands, each a list of words: `[ansible-galaxy, collection, install, community.general]`.
        actions: Vec<Node>,
    }
}

/// Options of `ansible-pull` that have no value.
const FLAGS: [&str; 5] = ["accept_host_key", "clean", "diff", "full", "force"];
/// Those that have one.
const OPTIONS: [&str; 19] = [
    "url",
    "checkout",
    "connection",
    "inventory",
    "limit",
    "module_name",
    "module_path",
    "private_key",
    "scp_extra_args",
    "sftp_extra_args",
    "skip_tags",
    "sleep",
    "ssh_common_args",
    "ssh_extra_args",
    "tags",
    "timeout",
    "vault_id",
    "vault_password_file",
    "directory",
];
/// The playbooks, which stand at the end of the command.
const PLAYBOOKS: [&str; 2] = ["playbook_name", "playbook_names"];

/// The package of the distribution, where it is to be used and this guest lacks it.
pub fn requires(input: &Input) -> Vec<Located<String>> {
    let asked = Keys::take(input.config, &mut Findings::default()).ansible;
    let by_pip = |asked: &Ansible| asked.install_method.as_ref().is_some_and(|method| method.text() == Some("pip"));
    let is_there = input.guest.has_tool("ansible-pull") || input.installs("ansible-core");
    let asked = asked.filter(|asked| !is_there && !by_pip(asked));
    let name = |asked: Located<Ansible>| {
        asked.value.package_name.unwrap_or_else(|| Located::new("ansible".to_owned(), asked.origin))
    };
    asked.map(name).into_iter().collect()
}

fn plan(input: &Input, planner: &mut Planner) {
    let Some(asked) = Keys::take(input.config, &mut planner.findings).ansible else { return };
    if let Some(controller) = &asked.setup_controller {
        let text = "`setup_controller` is not supported: the playbooks of a controller are not this machine's";
        planner.finding(Finding::error(&controller.origin, text).help("run them from runcmd"));
    }
    let mut method = "distro";
    if let Some(node) = &asked.install_method {
        let Some(known) = one_of(node, &["distro", "pip"], &mut planner.findings) else { return };
        method = known;
    }
    let user = asked.run_user.as_ref().filter(|user| user.value != "root");
    if let Some(user) =
        user.filter(|user| user.starts_with('-') || user.contains(|c: char| c.is_whitespace() || c == '\0'))
    {
        let wrong = format!("`{}` is no user; nothing of `ansible` is done", user.escape_debug());
        return planner.finding(Finding::error(&user.origin, wrong));
    }
    let user = user.map(|user| user.value.as_str());
    if method == "pip" {
        let package = asked.package_name.as_ref().map_or("ansible", |name| name.as_str());
        let mut words = vec!["python3", "-m", "pip", "install", "--upgrade"];
        words.extend(user.map(|_| "--user"));
        words.push(package);
        if !input.guest.has_tool("python3") && !input.installs("python3-pip") && !input.installs("py3-pip") {
            let missing = "no `python3` in this guest to install Ansible with";
            planner.finding(Finding::error(&asked.origin, missing).help("add `packages: [python3-pip]`"));
        }
        planner.step("ansible install", &asked.origin).run(command(&words, user, &asked));
    }
    let actions = asked.galaxy.as_ref().and_then(|galaxy| galaxy.actions.as_deref()).unwrap_or_default();
    for (number, action) in actions.iter().enumerate() {
        let words: Option<Vec<&str>> = action.items().and_then(|words| words.iter().map(Node::text).collect());
        match words.filter(|words| !words.is_empty()) {
            Some(words) => {
                let command = command(&words, user, &asked);
                planner.step(format!("ansible galaxy {}", number + 1), &action.origin).run(command);
            }
            None => planner.finding(
                Finding::error(&action.origin, format!("expected a list of words, found {}", action.described()))
                    .help("[ansible-galaxy, collection, install, NAME]"),
            ),
        }
    }
    let pulls = asked.pull.iter().flat_map(|pull| pull.items().unwrap_or(std::slice::from_ref(pull)));
    for (number, pull) in pulls.enumerate() {
        let Some(words) = pull_words(pull, &mut planner.findings) else { continue };
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let name = if number == 0 { "ansible pull".to_owned() } else { format!("ansible pull {}", number + 1) };
        planner.step(name, &pull.origin).run(command(&words, user, &asked));
    }
}

/// `ansible-pull` with its options in the order in which they are written.
fn pull_words(pull: &Node, findings: &mut Findings) -> Option<Vec<String>> {
    if !matches!(pull.data, Data::Mapping(_)) {
        findings.push(Finding::error(&pull.origin, format!("expected a mapping, found {}", pull.described())));
        return None;
    }
    let (mut words, mut playbooks) = (vec!["ansible-pull".to_owned()], Vec::new());
    for (key, value) in pull.entries() {
        let written = key.text().unwrap_or_default();
        let name = written.replace('-', "_");
        let option = format!("--{}", name.replace('_', "-"));
        match (value.value(), value.text()) {
            (Some(Value::Null | Value::Bool(false)), _) => {}
            (Some(Value::Bool(true)), _) if FLAGS.contains(&name.as_str()) => words.push(option),
            (_, Some(text)) if OPTIONS.contains(&name.as_str()) => words.push(format!("{option}={text}")),
            (_, Some(text)) if PLAYBOOKS.contains(&name.as_str()) => playbooks.push(text.to_owned()),
            (None, None) if PLAYBOOKS.contains(&name.as_str()) && value.items().is_some() => {
                playbooks.extend(value.items().into_iter().flatten().filter_map(Node::text).map(str::to_owned));
            }
            _ if [&FLAGS[..], &OPTIONS, &PLAYBOOKS].concat().contains(&name.as_str()) => {
                let wrong = format!("expected a value for `{name}`, found {}; it is left out", value.described());
                findings.push(Finding::error(&value.origin, wrong));
            }
            _ => findings.push(
                Finding::error(&key.origin, format!("unknown key `{written}`; it is left out"))
                    .did_you_mean(&name, FLAGS.into_iter().chain(OPTIONS).chain(PLAYBOOKS)),
            ),
        }
    }
    for (missing, is_there) in [
        ("url", words.iter().any(|word| word.starts_with("--url="))),
        ("playbook_name", playbooks.iter().any(|name| !name.starts_with('-'))),
    ] {
        if !is_there {
            findings.push(Finding::error(&pull.origin, format!("this pull has no `{missing}`; it is left out")));
            return None;
        }
    }
    words.extend(playbooks);
    Some(words)
}

/// The command as its user runs it, who finds what `pip --user` has installed.
fn command(words: &[&str], user: Option<&str>, asked: &Ansible) -> Command {
    let config = asked.ansible_config.as_ref().map(|file| ("ANSIBLE_CONFIG".to_owned(), file.value.clone()));
    let Some(user) = user else {
        return Command { env: config.into_iter().collect(), ..Command::script(words.iter().copied()) };
    };
    let mut script = "PATH=\"$PATH:$HOME/.local/bin\"".to_owned();
    if let Some((name, value)) = config {
        script += &format!(" {name}={}", quoted(&value));
    }
    script += " exec";
    for word in words {
        script += &format!(" {}", quoted(word));
    }
    Command::script(["su", "-", user, "-c", &script])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::{Bench, Outcome};
    use crate::plan::step::Step;

    fn plans(config: &str) -> Outcome {
        Bench::new(config).program("/usr/bin/ansible-pull").program("/usr/bin/python3").plan(plan)
    }

    #[test]
    fn a_playbook_is_pulled_with_its_options_as_written() {
        let outcome = plans(concat!(
            "ansible:\n  package_name: ansible-core\n  install_method: distro\n  ansible_config: /etc/a.cfg\n",
            "  galaxy: {actions: [[ansible-galaxy, collection, install, a.b]]}\n",
            "  pull: {url: 'https://x/y.git', playbook_name: site.yml, full: true, clean: false, vault-id: a}\n"
        ));
        assert_eq!(
            outcome.programs(),
            [
                "ansible-galaxy collection install a.b",
                "ansible-pull --url=https://x/y.git --full --vault-id=a site.yml"
            ]
        );
        assert!(outcome.findings.is_empty(), "{:?}", outcome.said());
        assert!(outcome.steps.iter().all(Step::at_most_once));
    }

    #[test]
    fn another_user_runs_it_in_a_shell_of_its_own() {
        let outcome = plans(concat!(
            "ansible: {install_method: pip, package_name: ansible, run_user: ops, ansible_config: \"it's\",",
            " pull: [{url: u, playbook_names: [a.yml, b.yml]}, {url: v, playbook_name: c.yml}]}"
        ));
        let path = "su - ops -c PATH=\"$PATH:$HOME/.local/bin\" ANSIBLE_CONFIG='it'\\''s' exec";
        assert_eq!(
            outcome.programs(),
            [
                format!("{path} 'python3' '-m' 'pip' 'install' '--upgrade' '--user' 'ansible'"),
                format!("{path} 'ansible-pull' '--url=u' 'a.yml' 'b.yml'"),
                format!("{path} 'ansible-pull' '--url=v' 'c.yml'"),
            ]
        );
        assert_eq!(outcome.steps(), ["ansible install", "ansible pull", "ansible pull 2"]);
    }

    #[test]
    fn what_is_missing_or_wrong_is_said() {
        for (config, said) in [
            ("{pull: {url: u}}", "no `playbook_name`"),
            ("{pull: {playbook_name: a}}", "no `url`"),
            ("{pull: [x]}", "expected a mapping, found a string"),
            ("{install_method: snap}", "`snap` is not known here"),
            ("{run_user: -x}", "`-x` is no user"),
            ("{setup_controller: {}}", "not supported"),
            ("{galaxy: {actions: [x]}}", "expected a list of words"),
        ] {
            let outcome = plans(&format!("ansible: {config}"));
            assert!(outcome.steps().is_empty() && outcome.said()[0].contains(said), "{:?}", outcome.said());
        }
        let unknown = plans("ansible: {pull: {url: u, playbook_name: p, tag: t}}");
        assert!(unknown.steps().len() == 1 && unknown.said()[0].contains("did you mean `tags`?"));
    }
}
