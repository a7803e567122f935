// SPDX-License-Identifier: Apache-2.0
//! Which steps are due, and in which order.

use std::collections::BTreeSet;
use std::path::PathBuf;

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
    /// More may be asked for in the same stages, once all of the user-data is known: none of them is completed by this.
    pub incomplete: bool,
}

impl Plan {
    /// Whether anything is to be done or said in `stage`.
    pub fn has_work(&self, stage: Stage) -> bool {
        self.steps.iter().chain(&self.interrupted).any(|step| step.stage == stage)
    }
}

/// Sorts by stage (the modules' order within a stage stays) and leaves out what needs no doing.
///
/// - Each step has a name of its own in the journal: of several that ask for the same thing the later ones are numbered,
///   and all are done in their order.
/// - Done stays done; an interrupted or failed step that can be repeated is repeated; somebody's commands never are.
/// - A per-instance step that appears only after its stage was completed for this instance comes from user-data that
///   was edited since: it is left out and said, as instances are configured once. The network's is no such step.
pub fn due(steps: Vec<Step>, record: &dyn Record, findings: &mut Findings) -> Plan {
    let is_new = |step: &Step| step.frequency == Frequency::PerInstance && !step.may_come_late();
    let mut plan = Plan::default();
    let mut names = BTreeSet::new();
    let mut files = BTreeSet::new();
    for stage in Stage::ALL {
        for step in steps.iter().filter(|step| step.stage == stage) {
            let step = &Step { name: own_name(&step.name, &mut names), ..step.clone() };
            replaced(step, &mut files, findings);
            match record.progress(step) {
                Progress::Done => {}
                Progress::Failed if step.at_most_once() => {}
                Progress::Interrupted if step.at_most_once() => plan.interrupted.push(step.clone()),
                Progress::Fresh if is_new(step) && record.completed(stage) => {
                    let late = format!("`{}` is new since this instance was configured; it is left out", step.name);
                    findings.push(
                        Finding::note(&step.origin, late)
                            .help("`firstlight clean` and a reboot configure the instance anew"),
                    );
                }
                Progress::Fresh => plan.steps.push(step.clone()),
                Progress::Interrupted | Progress::Failed => plan.steps.push(step.clone().begun()),
            }
        }
    }
    plan
}

/// `name`, numbered where another step has it: `write_files /etc/motd (2)`.
fn own_name(name: &str, names: &mut BTreeSet<String>) -> String {
    let numbered = (2..).map(|number| format!("{name} ({number})"));
    let own = std::iter::once(name.to_owned()).chain(numbered).find(|name| !names.contains(name)).unwrap_or_default();
    names.insert(own.clone());
    own
}

/// Says of a file that an earlier step wrote too: the last one wins, which is hardly what both were asked for.
fn replaced(step: &Step, files: &mut BTreeSet<PathBuf>, findings: &mut Findings) {
    for path in step.overwrites().filter(|path| !files.insert(path.to_path_buf())) {
        let again = format!("{} is written more than once; this one replaces what came before", path.display());
        findings.push(Finding::note(&step.origin, again));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Origin, Severity};
    use crate::plan::action::{Action, Command, Write};

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
    fn a_configured_instance_may_get_its_network_late() {
        let steps = vec![step(crate::plan::step::NETWORK, Stage::Local, false)];
        let mut findings = Findings::default();
        assert_eq!(due(steps, &Told(Progress::Fresh, true), &mut findings).steps.len(), 1);
        assert!(findings.is_empty());
    }

    #[test]
    fn what_is_asked_for_twice_is_done_twice_under_names_of_their_own() {
        let asked = |name: &str, append: bool| {
            let mut step = step(name, Stage::Local, false);
            step.write(Write { append, ..Write::new("/a", "") });
            step
        };
        let mut findings = Findings::default();
        let steps = vec![asked("a", true), asked("a (2)", true), asked("a", true), asked("a", false)];
        let plan = due(steps, &Told(Progress::Fresh, false), &mut findings);
        let names: Vec<&str> = plan.steps.iter().map(|step| step.name.as_str()).collect();
        assert_eq!(names, ["a", "a (2)", "a (3)", "a (4)"]);
        assert!(findings.is_empty(), "appends add up");
        due(vec![asked("a", false), asked("b", false)], &Told(Progress::Done, true), &mut findings);
        assert_eq!(findings.iter().map(|finding| finding.severity).collect::<Vec<_>>(), [Severity::Note]);
    }

    #[test]
    fn a_step_that_is_repeated_knows_it() {
        let mut append = step("a", Stage::Local, false);
        append.write(Write { append: true, ..Write::new("/a", "") });
        for (progress, expected) in [(Progress::Fresh, false), (Progress::Interrupted, true), (Progress::Failed, true)]
        {
            let plan = due(vec![append.clone()], &Told(progress, false), &mut Findings::default());
            assert!(matches!(&plan.steps[0].actions[..], [Action::Write(write)] if write.begun == expected));
        }
    }
}
