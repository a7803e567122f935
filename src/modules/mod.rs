// SPDX-License-Identifier: Apache-2.0
//! One file for each topic of cloud-config; the table of them all, in the order in which they run.

use crate::config::base::Settings;
use crate::config::document::{Data, Node};
use crate::config::read::Key;
use crate::fault;
use crate::finding::{Finding, Findings, Origin};
use crate::guest::Guest;
use crate::instance::Instance;
use crate::network::model::NetworkConfig;
use crate::plan::step::{Frequency, Stage, Step};
use crate::userdata::{self, Script};

mod ansible;
mod apk_repos;
mod apt;
mod assignments;
mod bootcmd;
mod boothook;
mod ca_certs;
pub(crate) mod crypt;
mod devices;
mod disk_setup;
mod files;
mod final_message;
mod fingerprints;
mod fs_setup;
mod growpart;
mod guestinfo;
mod hostname;
mod hosts;
mod keyboard;
mod keys;
mod locale;
mod mounts;
mod network;
mod ntp;
mod packages;
mod passwords;
mod phone_home;
mod power_state;
mod random_seed;
mod repository;
mod resizefs;
mod resolv_conf;
mod rh_subscription;
mod rsyslog;
mod runcmd;
mod scripts;
mod service;
mod shell;
mod snap;
mod ssh;
mod ssh_import_id;
mod swap;
#[cfg(test)]
mod testing;
mod timezone;
mod unsupported;
mod users;
mod wireguard;
mod write_files;
mod yum_repos;
mod zypper;

/// The name of the step that makes the network, by which the journal knows it.
pub const NETWORK: &str = network::MODULE.name;

/// All modules in the order in which they run within a stage.
pub const MODULES: &[Module] = &[
    random_seed::MODULE,
    boothook::MODULE,
    bootcmd::MODULE,
    hostname::MODULE,
    hosts::MODULE,
    network::MODULE,
    resolv_conf::MODULE,
    timezone::MODULE,
    locale::MODULE,
    keyboard::MODULE,
    growpart::MODULE,
    resizefs::MODULE,
    disk_setup::MODULE,
    fs_setup::MODULE,
    mounts::MODULE,
    swap::MODULE,
    files::MODULE,
    write_files::MODULE,
    ca_certs::MODULE,
    apt::MODULE,
    yum_repos::MODULE,
    zypper::MODULE,
    apk_repos::MODULE,
    users::MODULE,
    rh_subscription::MODULE,
    packages::MODULE,
    ntp::MODULE,
    rsyslog::MODULE,
    wireguard::MODULE,
    write_files::OWNED,
    passwords::MODULE,
    ssh::MODULE,
    ssh_import_id::MODULE,
    snap::MODULE,
    ansible::MODULE,
    runcmd::IMAGE,
    scripts::MODULE,
    runcmd::MODULE,
    scripts::AFTER_RUNCMD,
    guestinfo::MODULE,
    fingerprints::MODULE,
    phone_home::MODULE,
    final_message::MODULE,
    packages::REBOOT,
    power_state::MODULE,
];

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
    /// Name of the datasource.
    pub datasource: &'a str,
    /// Who this machine is.
    pub instance: &'a Instance,
    /// What this machine is.
    pub guest: &'a Guest,
    /// The image's own settings.
    pub settings: &'a Settings,
    /// The platform's description of the network.
    pub network: Option<&'a NetworkConfig>,
}

impl Input<'_> {
    /// Whether `packages` asks for the package, in whichever of its forms.
    pub fn installs(&self, package: &str) -> bool {
        self.config.get("packages").is_some_and(|list| asks_for(list, package))
    }
}

fn asks_for(list: &Node, package: &str) -> bool {
    match &list.data {
        Data::Scalar(scalar) => scalar.text == package,
        Data::Sequence(items) => items.iter().any(|item| asks_for(item, package)),
        Data::Mapping(entries) => entries.iter().any(|(_, list)| asks_for(list, package)),
    }
}

/// What a module adds its steps and findings to.
#[derive(Debug)]
pub struct Planner {
    stage: Stage,
    frequency: Frequency,
    /// Steps so far, of all modules.
    pub steps: Vec<Step>,
    /// Findings so far, of all modules.
    pub findings: Findings,
}

impl Default for Planner {
    fn default() -> Self {
        Self {
            stage: Stage::Local,
            frequency: Frequency::PerInstance,
            steps: Vec::new(),
            findings: Findings::default(),
        }
    }
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

    /// Says that `old` still works, and what is written in its place.
    pub fn deprecated(&mut self, origin: &Origin, old: &str, new: &str) {
        self.finding(Finding::warning(origin, format!("`{old}` is deprecated")).help(format!("write `{new}`")));
    }

    /// Something to say of the input.
    pub fn finding(&mut self, finding: Finding) {
        self.findings.push(finding);
    }
}

/// The steps of all modules, and what they have to say; keys that no module owns are said too.
///
/// A module that panics on some input costs its own steps only, and is said.
pub fn plan(input: &Input) -> (Vec<Step>, Findings) {
    let mut planner = Planner::default();
    unsupported::report(input.config, &known_keys(), &mut planner.findings);
    run(MODULES, input, &mut planner);
    (planner.steps, planner.findings)
}

/// The name of the step that names the machine before the user-data could be asked.
const NAME_FOR_NOW: &str = "hostname (for now)";

/// The steps that need nothing of the user-data: for a run that does not know it whole. `fresh` tells whether a step was
/// never begun.
///
/// Whose keys and files there are is the user-data's to say; how the machine is reached, and by which name the DHCP server
/// knows it, can't wait. The name is the platform's until the whole document has been read: it goes by another step.
pub fn plan_for_now(input: &Input, fresh: impl Fn(&Step) -> bool) -> (Vec<Step>, Findings) {
    let mut planner = Planner::default();
    run(&[hostname::MODULE, network::MODULE, files::MODULE], input, &mut planner);
    planner.steps.retain(|step| step.name != hostname::MODULE.name || fresh(step));
    for step in planner.steps.iter_mut().filter(|step| step.name == hostname::MODULE.name) {
        (step.name, step.frequency) = (NAME_FOR_NOW.to_owned(), Frequency::PerBoot);
    }
    (planner.steps, planner.findings)
}

fn run(modules: &[Module], input: &Input, planner: &mut Planner) {
    for module in modules {
        let planned = fault::apart(&format!("module {}", module.name), || {
            let mut own = Planner { stage: module.stage, frequency: module.frequency, ..Planner::default() };
            (module.plan)(input, &mut own);
            own
        });
        match planned {
            Some(own) => {
                planner.steps.extend(own.steps);
                planner.findings.extend(own.findings);
            }
            None => planner.finding(
                Finding::error(&input.config.origin, format!("the module `{}` failed on this input", module.name))
                    .help("a defect of firstlight: please report it with the input"),
            ),
        }
    }
}

/// The top-level keys that a module, or the layering of the documents, owns.
fn known_keys() -> Vec<&'static str> {
    MODULES.iter().flat_map(|module| module.keys).chain(userdata::Layers::KEYS).map(|key| key.name).collect()
}
