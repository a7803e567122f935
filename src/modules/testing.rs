// SPDX-License-Identifier: Apache-2.0
//! A bench for modules' tests: a guest in a scratch directory, one module's plan on it, and what that comes to.

use std::path::Path;

use crate::config::base::Settings;
use crate::config::document::{Node, parse};
use crate::finding::{Findings, Located, Origin};
use crate::guest::Guest;
use crate::instance::Instance;
use crate::modules::{Input, Planner};
use crate::plan::action::{Action, Command, Password};
use crate::plan::day::Day;
use crate::plan::expand::changes;
use crate::plan::overlay::Overlay;
use crate::plan::step::Step;
use crate::root::{Root, Tree};
use crate::userdata::{Run, Script};

/// What a module is given.
pub struct Bench {
    directory: tempfile::TempDir,
    config: Node,
    instance: Instance,
    pub settings: Settings,
    scripts: Vec<Script>,
}

/// What a module made of it.
pub struct Outcome {
    directory: tempfile::TempDir,
    pub steps: Vec<Step>,
    pub findings: Findings,
}

/// A script of the user's.
pub fn script(name: &str, run: Run) -> Script {
    let (content, prefix) = (b"#!/bin/sh\n".to_vec(), Vec::new());
    Script { name: name.to_owned(), content, run, vendor: false, prefix, origin: Origin::document("user_data") }
}

impl Bench {
    /// A guest with root only, and this cloud-config.
    pub fn new(config: &str) -> Self {
        let mut findings = Findings::default();
        let config = parse(config, &Origin::document("user_data"), &mut findings).expect("the test's document");
        let directory = tempfile::tempdir().expect("a scratch directory");
        let bench = Self {
            directory,
            config,
            instance: Instance::testing("i-1"),
            settings: Settings::default(),
            scripts: Vec::new(),
        };
        bench
            .file("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n")
            .file("/etc/group", "root:x:0:\n")
            .file("/etc/shadow", "root:*:19000:0:99999:7:::\n")
    }

    /// With this file in the guest.
    pub fn file(self, path: &str, content: &str) -> Self {
        let path = self.directory.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, content).expect("a file");
        self
    }

    /// With this program in the guest.
    pub fn program(self, path: &str) -> Self {
        let bench = self.file(path, "#!/bin/sh\n");
        let path = bench.directory.path().join(path.trim_start_matches('/'));
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a mode");
        bench
    }

    /// With these scripts in the user-data.
    pub fn scripts(mut self, scripts: impl IntoIterator<Item = Script>) -> Self {
        self.scripts.extend(scripts);
        self
    }

    /// With this program.
    pub fn tool(self, name: &str) -> Self {
        self.program(&format!("/usr/sbin/{name}"))
    }

    /// With this block device: its place in sysfs (`vda`, `vda/vda1`) and facts there; its node is empty.
    pub fn block(self, place: &str, facts: &[(&str, &str)]) -> Self {
        let name = place.rsplit('/').next().expect("a name").to_owned();
        let class = self.directory.path().join("sys/class/block");
        let bench = facts.iter().fold(self, |bench, (fact, text)| {
            bench.file(&format!("/sys/devices/{place}/{fact}"), &format!("{text}\n"))
        });
        std::fs::create_dir_all(&class).expect("a directory");
        std::os::unix::fs::symlink(format!("../../devices/{place}"), class.join(&name)).expect("a link");
        bench.device(&name, b"")
    }

    /// With these bytes on a device.
    pub fn device(self, name: &str, content: &[u8]) -> Self {
        let path = self.directory.path().join("dev").join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, content).expect("a file");
        self
    }

    /// With a symbolic link in the guest.
    pub fn link(self, path: &str, target: &str) -> Self {
        let place = self.directory.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(place.parent().expect("a parent")).expect("a directory");
        std::os::unix::fs::symlink(target, place).expect("a link");
        self
    }

    /// With this host name from the platform.
    pub fn hostname(mut self, name: &str) -> Self {
        self.instance.hostname = Some(Located::new(name.into(), Origin::document("meta_data.json").key("hostname")));
        self
    }

    /// With this key from the platform.
    pub fn public_key(mut self, line: &str) -> Self {
        self.instance
            .public_keys
            .push(Located::new(line.into(), Origin::document("meta_data.json").key("public_keys")));
        self
    }

    /// What `plan` makes of it.
    pub fn plan(self, plan: impl Fn(&Input, &mut Planner)) -> Outcome {
        let guest = Guest::read(&Root::open(self.directory.path()).expect("a root")).expect("a guest");
        let mut planner = Planner::default();
        let input = Input {
            config: &self.config,
            scripts: &self.scripts,
            datasource: "testing",
            instance: &self.instance,
            guest: &guest,
            settings: &self.settings,
            network: None,
        };
        plan(&input, &mut planner);
        Outcome { directory: self.directory, steps: planner.steps, findings: planner.findings }
    }
}

impl Outcome {
    /// The steps' names in order.
    pub fn steps(&self) -> Vec<&str> {
        self.steps.iter().map(|step| step.name.as_str()).collect()
    }

    /// The step of that name.
    pub fn step(&self, name: &str) -> &Step {
        self.steps.iter().find(|step| step.name == name).expect("the step")
    }

    fn actions(&self) -> impl Iterator<Item = &Action> {
        self.steps.iter().flat_map(|step| &step.actions)
    }

    /// The programs of all steps.
    pub fn commands(&self) -> impl Iterator<Item = &Command> {
        self.actions().filter_map(|action| if let Action::Run(command) = action { Some(command) } else { None })
    }

    /// Why steps cannot be done here.
    pub fn refusals(&self) -> Vec<&str> {
        self.actions()
            .filter_map(|action| if let Action::Refuse(why) = action { Some(why.as_str()) } else { None })
            .collect()
    }

    /// The guest.
    pub fn root(&self) -> Root {
        Root::open(self.directory.path()).expect("a root")
    }

    /// A file's content after all steps; `None` where no step touches it.
    pub fn content(&self, path: &str) -> Option<String> {
        let root = Root::open(self.directory.path()).expect("a root");
        let mut overlay = Overlay::new(&root);
        for action in self.actions() {
            let changes = changes(action, &overlay, Day(20_000)).expect("changes");
            changes.iter().for_each(|change| overlay.apply(change).expect("an overlay"));
        }
        let new = overlay.read_text(Path::new(path)).expect("the file");
        if new == root.read_text(Path::new(path)).expect("the file") { None } else { new }
    }

    /// The host name that is set.
    pub fn hostname(&self) -> Option<String> {
        self.actions().find_map(|action| match action {
            Action::Hostname(name) => Some(name.clone()),
            _ => None,
        })
    }

    /// The programs that are run, each as its words in one line.
    pub fn programs(&self) -> Vec<String> {
        let programs = self.actions().filter_map(|action| match action {
            Action::Run(command) => Some(command.argv.join(" ")),
            _ => None,
        });
        programs.collect()
    }

    /// The findings, each in one line.
    pub fn said(&self) -> Vec<String> {
        self.findings.iter().map(ToString::to_string).collect()
    }

    /// The keys that a user gets.
    pub fn keys_of(&self, user: &str) -> Vec<String> {
        let keys = self.actions().filter_map(|action| match action {
            Action::AuthorizedKeys(keys) if keys.user == user => Some(keys.keys.clone()),
            _ => None,
        });
        keys.flatten().collect()
    }

    /// What becomes of passwords.
    pub fn passwords(&self) -> Vec<&Password> {
        self.actions()
            .filter_map(|action| if let Action::Password(password) = action { Some(password) } else { None })
            .collect()
    }
}
