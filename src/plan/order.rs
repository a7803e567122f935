// SPDX-License-Identifier: Apache-2.0
//! Which steps are due, and in which order.

use std::collections::BTreeSet;

use crate::finding::{Finding, Findings};
use crate::plan::step::{Frequency, Stage, Step};

/// What is known of a step from earlier runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Never begun.
    Fresh,
    /// Begun, and its end is not known: the program or the machine was stopped in the middle.
    Interrupted,
    /// Ended in an error.
    Failed,
    /// Done.
    Done,
}

/// What earlier runs have done, by the journals.
pub trait Record {
    /// How far `step` came.
    fn progress(&self, step: &Step) -> Progress;
    /// Whether all of `stage` was worked through for this instance before.
    fn completed(&self, stage: Stage) -> bool;
}

/// The steps that are due, in the order in which they run.
#[derive(Debug, Default)]
pub struct Plan {
    /// What to do.
    pub steps: Vec<Step>,
    /// Steps that must not be repeated and were stopped in the middle: reported, not run.
    pub interrupted: Vec<Step>,
}

impl Plan {
    /// Whether anything is to be done or said in `stage`.
    pub fn has_work(&self, stage: Stage) -> bool {
        self.steps.iter().chain(&self.interrupted).any(|step| step.stage == stage)
    }
}

/// Sorts by stage (the modules' order within a stage stays) and leaves out what needs no doing.
///
/// - Done stays done; an interrupted or failed step that can be repeated is repeated; somebody's commands never are.
/// - A per-instance step that appears only after its stage was completed for this instance comes from user-data that
///   was edited since: it is left out and said, as instances are configured once.
pub fn due(steps: Vec<Step>, record: &dyn Record, findings: &mut Findings) -> Plan {
    let mut plan = Plan::default();
    let mut seen = BTreeSet::new();
    for stage in Stage::ALL {
        for step in steps.iter().filter(|step| step.stage == stage) {
            if !seen.insert(step.name.clone()) {
                let again = format!("`{}` is asked for twice; the first one counts", step.name);
                findings.push(Finding::warning(&step.origin, again));
                continue;
            }
            match record.progress(step) {
                Progress::Done => {}
                Progress::Failed if step.at_most_once() => {}
                Progress::Interrupted if step.at_most_once() => plan.interrupted.push(step.clone()),
                Progress::Fresh if step.frequency == Frequency::PerInstance && record.completed(stage) => {
                    let late = format!("`{}` is new since this instance was configured; it is left out", step.name);
                    findings.push(
                        Finding::note(&step.origin, late)
                            .help("`firstlight clean` and a reboot configure the instance anew"),
                    );
                }
                Progress::Fresh | Progress::Interrupted | Progress::Failed => plan.steps.push(step.clone()),
            }
        }
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Origin;
    use crate::plan::action::Command;

    struct Told(Progress, bool);

    impl Record for Told {
        fn progress(&self, _: &Step) -> Progress {
            self.0
        }
        fn completed(&self, _: Stage) -> bool {
            self.1
        }
    }

    fn step(name: &str, stage: Stage, command: bool) -> Step {
        let mut step = Step {
            name: name.into(),
            stage,
            frequency: Frequency::PerInstance,
            origin: Origin::document("user_data"),
            actions: Vec::new(),
        };
        if command {
            step.run(Command::script(["true"]));
        }
        step
    }

    fn names(progress: Progress, completed: bool) -> (Vec<String>, Vec<String>) {
        let steps = vec![step("b", Stage::Final, true), step("a", Stage::Local, false)];
        let plan = due(steps, &Told(progress, completed), &mut Findings::default());
        let names = |steps: Vec<Step>| steps.into_iter().map(|step| step.name).collect();
        (names(plan.steps), names(plan.interrupted))
    }

    #[test]
    fn stages_run_in_the_order_of_the_boot() {
        assert_eq!(names(Progress::Fresh, false), (vec!["a".into(), "b".into()], vec![]));
    }

    #[test]
    fn an_interrupted_command_is_reported_and_never_repeated() {
        assert_eq!(names(Progress::Interrupted, false), (vec!["a".into()], vec!["b".into()]));
        assert_eq!(names(Progress::Failed, false), (vec!["a".into()], vec![]));
    }

    #[test]
    fn a_configured_instance_takes_no_new_steps() {
        assert_eq!(names(Progress::Fresh, true), (vec![], vec![]));
        assert_eq!(names(Progress::Failed, true), (vec!["a".into()], vec![]));
    }

    #[test]
    fn the_same_step_twice_is_said() {
        let mut findings = Findings::default();
        let twice = vec![step("a", Stage::Local, false), step("a", Stage::Local, false)];
        assert_eq!(due(twice, &Told(Progress::Fresh, false), &mut findings).steps.len(), 1);
        assert_eq!(findings.iter().count(), 1);
    }
}
