// SPDX-License-Identifier: Apache-2.0
//! What is to come after a run: the later stages, the network, the bootstrap loop.

use serde_json::Value;

use crate::apply::journal::Journal;
use crate::boot::network::may_come_online;
use crate::boot::{Decision, Extent, Options, settings_of_instance, settled};
use crate::bootstrap::{self, Bootstrap};
use crate::error::Result;
use crate::finding::{Findings, Origin};
use crate::plan::order::Record as _;
use crate::plan::step::{Stage, Step};
use crate::report;

/// Wants the later stages that have work, as the network stage has where documents are awaited, and marks those that have
/// none as completed: what is added to the user-data of a configured instance is left out, whichever its stage.
pub(super) fn want_later(
    options: &Options,
    decision: &Decision,
    stages: &[Stage],
    journal: &mut Journal,
) -> Result<()> {
    let awaits = |stage| stage == Stage::Network && decision.known.extent == Extent::Awaited;
    for stage in Stage::ALL.into_iter().filter(|stage| !stages.contains(stage)) {
        if decision.plan.has_work(stage) || awaits(stage) {
            report::want(&options.root, stage.name())?;
        } else if journal.completed(Stage::Local) {
            journal.complete(stage)?;
        }
    }
    Ok(())
}

/// Wants the network where somebody's scripts or a request in a later stage expect it, or documents are awaited. A static
/// one that stage waits for itself.
pub(super) fn want_network(options: &Options, decision: &Decision, stages: &[Stage]) -> Result<()> {
    let needed = decision.known.extent == Extent::Awaited || decision.plan.steps.iter().any(Step::is_for_the_network);
    let known = &decision.known;
    let expected = needed && known.static_network().is_none() && may_come_online(known);
    if expected && !stages.contains(&Stage::Final) { report::want(&options.root, report::ONLINE) } else { Ok(()) }
}

/// Wants the bootstrap loop where it is due and the settings are sound; what there is to say of them and of its record.
/// Without `data` of this run's instance those of the one that was known last count.
pub(super) fn want_bootstrap(options: &Options, data: Option<&Value>) -> Result<Findings> {
    let (settings, mut findings) = match data {
        Some(data) => settled(options, data)?,
        None => settings_of_instance(options)?,
    };
    match Bootstrap::from_settings(&settings).is_due(&options.root) {
        Ok(true) => match Bootstrap::from_sound(&settings, &findings) {
            Ok(_) => {
                report::want(&options.root, report::ONLINE)?;
                report::want(&options.root, bootstrap::UNIT)?;
            }
            Err(error) => log::error!("{error}"),
        },
        Ok(false) => {}
        Err(error) => findings.push(error.finding(&Origin::document("bootstrap"))),
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::boot::includes::Remote;
    use crate::boot::run::awaiting;
    use crate::plan::order::Plan;
    use crate::plan::step::Frequency;
    use crate::root::Tree as _;
    use crate::scratch::Scratch;
    use crate::state;

    #[test]
    fn a_later_stage_without_work_is_completed_with_the_local_one() {
        let scratch = Scratch::new();
        let options = Options { root: scratch.root(), source: None, config: None };
        let step = Step {
            name: "runcmd".into(),
            stage: Stage::Final,
            frequency: Frequency::PerInstance,
            origin: Origin::document("user_data"),
            actions: Vec::new(),
        };
        let mut decision = awaiting::decided(&options, None, Remote::Later);
        decision.plan = Plan { steps: vec![step], ..Plan::default() };
        let mut journal = Journal::read(&options.root, "i-1").unwrap();
        let completed = |journal: &Journal| -> BTreeSet<&str> {
            Stage::ALL.iter().filter(|stage| journal.completed(**stage)).map(|stage| stage.name()).collect()
        };
        // The next run may find more to do where the local stage is to be gone on with.
        want_later(&options, &decision, &[Stage::Local], &mut journal).unwrap();
        assert!(completed(&journal).is_empty());
        journal.complete(Stage::Local).unwrap();
        want_later(&options, &decision, &[Stage::Local], &mut journal).unwrap();
        assert_eq!(completed(&journal), BTreeSet::from(["local", "network"]));
        assert_eq!(options.root.list(state::WANTED.as_ref()).unwrap(), ["final"]);
    }
}
