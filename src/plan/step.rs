// SPDX-License-Identifier: Apache-2.0
//! A step: what one module wants done, when, how often, and who asked for it.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::finding::Origin;
use crate::plan::action::{Action, Command, Edit, Owner, Write};

/// The name of the step that gives an instance its network.
pub const NETWORK: &str = "network";

/// When in the boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Before the network.
    Local,
    /// Once the network is up.
    Network,
    /// After everything that login waits for.
    Final,
}

impl Stage {
    /// In the order of the boot.
    pub const ALL: [Stage; 3] = [Stage::Local, Stage::Network, Stage::Final];

    /// Its name, as in `run --stage`.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Local => "local",
            Stage::Network => "network",
            Stage::Final => "final",
        }
    }
}

/// How often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Frequency {
    /// Once for each instance id.
    PerInstance,
    /// Once in each boot.
    PerBoot,
    /// Once on this disk.
    Once,
}

/// What a module wants.
#[derive(Debug, Clone)]
pub struct Step {
    /// Unique and the same at each run: `write_files /etc/motd`. The journal knows the step by it.
    pub name: String,
    /// When.
    pub stage: Stage,
    /// How often.
    pub frequency: Frequency,
    /// Who asked for it.
    pub origin: Origin,
    /// What to do, in this order.
    pub actions: Vec<Action>,
}

impl Step {
    /// Whether a step that was interrupted must not be repeated: it runs somebody's commands, or ends
    /// the boot.
    pub fn at_most_once(&self) -> bool {
        self.runs_scripts() || self.actions.iter().any(|action| matches!(action, Action::PowerState(_)))
    }

    fn runs_scripts(&self) -> bool {
        self.actions.iter().any(|action| matches!(action, Action::Run(command) if !command.repeatable))
    }

    /// Whether it may come to an instance that is configured already: only a later boot may have the card or the manager
    /// for its network, and without one nobody gets in to mend that.
    pub fn may_come_late(&self) -> bool {
        self.name == NETWORK
    }

    /// Whether it asks a server, or runs somebody's commands so late in the boot that they may expect the network.
    pub fn is_for_the_network(&self) -> bool {
        self.stage > Stage::Local && (self.runs_scripts() || self.asks_a_server())
    }

    fn asks_a_server(&self) -> bool {
        self.actions.iter().any(|action| match action {
            Action::Request(_) => true,
            Action::Run(command) => command.fetches,
            _ => false,
        })
    }

    /// Whether the next run must know that it was begun, also after a power cut: the tree alone does not tell how far it
    /// came.
    pub fn must_be_remembered(&self) -> bool {
        self.at_most_once() || self.actions.iter().any(Action::appends)
    }

    /// Whether it can only be done on a running system: a program asks for one, a server is asked, or nothing of
    /// it concerns a tree.
    pub fn waits_for_boot(&self) -> bool {
        self.asks_a_server()
            || self.actions.iter().any(|action| matches!(action, Action::Run(command) if command.waits_for_boot))
            || (!self.actions.is_empty() && self.actions.iter().all(Action::needs_live_system))
    }

    /// The same step as one that an earlier run began.
    #[must_use]
    pub fn begun(mut self) -> Self {
        self.actions.iter_mut().filter_map(Action::written_mut).for_each(|write| write.begun = true);
        self
    }

    /// The files that it writes whole.
    pub fn overwrites(&self) -> impl Iterator<Item = &Path> {
        let written = self.actions.iter().filter_map(Action::written);
        written.filter(|write| !write.append).map(|write| write.path.as_path())
    }

    /// In another stage than the module's.
    pub fn stage(&mut self, stage: Stage) -> &mut Self {
        self.stage = stage;
        self
    }

    /// Any action.
    pub fn action(&mut self, action: Action) -> &mut Self {
        self.actions.push(action);
        self
    }

    /// A whole file.
    pub fn write(&mut self, write: Write) -> &mut Self {
        self.action(Action::Write(write))
    }

    /// A change of a file's text.
    pub fn edit(&mut self, edit: Edit) -> &mut Self {
        self.action(Action::Edit(edit))
    }

    /// A directory; its missing parents are made with mode 0755 and root's.
    pub fn directory(&mut self, path: impl Into<PathBuf>, mode: u32, owner: Owner) -> &mut Self {
        self.action(Action::Directory { path: path.into(), mode, owner })
    }

    /// A symbolic link in place of whatever is there.
    pub fn link(&mut self, path: impl Into<PathBuf>, target: impl Into<PathBuf>) -> &mut Self {
        self.action(Action::Link { path: path.into(), target: target.into() })
    }

    /// A file or a link away, where it is there.
    pub fn remove(&mut self, path: impl Into<PathBuf>) -> &mut Self {
        self.action(Action::Remove { path: path.into() })
    }

    /// What this machine rules out, and why.
    pub fn refuse(&mut self, why: impl Into<String>) -> &mut Self {
        self.action(Action::Refuse(why.into()))
    }

    /// A program.
    pub fn run(&mut self, command: Command) -> &mut Self {
        self.action(Action::Run(command))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::plan::request::{Purpose, Request};

    fn step(actions: Vec<Action>) -> Step {
        let origin = Origin::document("user_data");
        Step { name: "a".into(), stage: Stage::Local, frequency: Frequency::PerInstance, origin, actions }
    }

    #[test]
    fn what_no_tree_can_take_waits_for_the_boot() {
        let name = || Action::Hostname("vm1".to_owned());
        let file = || Action::Write(Write::new("/etc/hostname", "vm1\n"));
        assert!(step(vec![name()]).waits_for_boot());
        assert!(step(vec![Action::Entropy(vec![1])]).waits_for_boot());
        assert!(step(vec![Action::Run(Command::tool(["netplan", "generate"]))]).waits_for_boot());
        assert!(!step(vec![file(), name()]).waits_for_boot(), "the file is what the boot reads the name from");
        assert!(step(vec![file(), Action::Run(Command::script(["true"]))]).waits_for_boot());
        assert!(!step(Vec::new()).waits_for_boot());
        assert!(step(vec![file(), Action::Request(request())]).waits_for_boot());
    }

    fn request() -> Request {
        let write = Write { append: true, ..Write::new("/etc/x", "") };
        let purpose = Purpose::File { write, fallback: true };
        Request { url: "http://h/".into(), headers: Vec::new(), tries: 1, limit: Duration::ZERO, purpose }
    }

    #[test]
    fn a_request_needs_the_network_and_may_be_repeated() {
        let mut step = step(vec![Action::Request(request())]);
        step.stage(Stage::Network);
        assert!(step.is_for_the_network() && !step.at_most_once());
        assert!(step.must_be_remembered(), "it appends");
        assert!(step.begun().actions[0].written().unwrap().begun);
    }
}
