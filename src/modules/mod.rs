// SPDX-License-Identifier: Apache-2.0
//! One file for each topic of cloud-config; the table of them all, in the order in which they run.

use crate::config::base::Settings;
use crate::config::document::Node;
use crate::config::read::Key;
use crate::finding::{Finding, Findings, Origin};
use crate::guest::Guest;
use crate::instance::Instance;
use crate::plan::step::{Frequency, Stage, Step};
use crate::userdata::Script;

mod timezone;

/// All modules in the order in which they run.
pub const MODULES: &[Module] = &[timezone::MODULE];

/// One topic: its keys, when it runs, and how it is planned.
pub struct Module {
    /// As in cloud-init's documentation.
    pub name: &'static str,
    /// When its steps run, unless a step says otherwise.
    pub stage: Stage,
    /// How often its steps run, unless a step says otherwise.
    pub frequency: Frequency,
    /// The top-level keys that it owns.
    pub keys: &'static [Key],
    /// From what is asked for to steps and findings; touches nothing.
    pub plan: fn(&Input, &mut Planner),
}

/// All that a module may know.
pub struct Input<'a> {
    /// The merged document: image, vendor, user.
    pub config: &'a Node,
    /// Scripts of the user-data and vendor-data.
    pub scripts: &'a [Script],
    /// Who this machine is.
    pub instance: &'a Instance,
    /// What this machine is.
    pub guest: &'a Guest,
    /// The image's own settings.
    pub settings: &'a Settings,
}

/// What a module adds its steps and findings to.
pub struct Planner {
    stage: Stage,
    frequency: Frequency,
    /// Steps so far, of all modules.
    pub steps: Vec<Step>,
    /// Findings so far, of all modules.
    pub findings: Findings,
}

impl Planner {
    /// A new step with the module's stage and frequency. `name` begins with the module's name and is unique and stable.
    pub fn step(&mut self, name: impl Into<String>, origin: &Origin) -> &mut Step {
        let step = Step {
            name: name.into(),
            stage: self.stage,
            frequency: self.frequency,
            origin: origin.clone(),
            actions: Vec::new(),
        };
        self.steps.push(step);
        let last = self.steps.len() - 1;
        #[allow(clippy::indexing_slicing)] // pushed just now
        &mut self.steps[last]
    }

    /// Something to say of the input.
    pub fn finding(&mut self, finding: Finding) {
        self.findings.push(finding);
    }
}

/// The steps of all modules, and what they have to say.
pub fn plan(input: &Input) -> (Vec<Step>, Findings) {
    let mut planner = Planner {
        stage: Stage::Local,
        frequency: Frequency::PerInstance,
        steps: Vec::new(),
        findings: Findings::default(),
    };
    for module in MODULES {
        planner.stage = module.stage;
        planner.frequency = module.frequency;
        (module.plan)(input, &mut planner);
    }
    (planner.steps, planner.findings)
}
