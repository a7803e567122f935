// SPDX-License-Identifier: Apache-2.0
//! Boot hooks: scripts of the user-data (`#cloud-boothook`) that run at each boot, before everything else.
//!
//! As cloud-init's boothooks, with `INSTANCE_ID` in the environment; and like `bootcmd` before the network is up. One
//! that fails keeps nothing else from running.

use std::time::Duration;

use crate::modules::{Input, Module, Planner, scripts};
use crate::plan::step::{Frequency, Stage};
use crate::userdata::Run;

/// See the file's head.
pub const MODULE: Module =
    Module { name: "boothook", stage: Stage::Local, frequency: Frequency::PerBoot, keys: &[], plan };

/// How long they may take together: with `bootcmd` below the 5 minutes after which systemd would end the local stage as a
/// whole.
const LIMIT: Duration = Duration::from_secs(90);

fn plan(input: &Input, planner: &mut Planner) {
    let hooks: Vec<_> = input.scripts.iter().filter(|script| script.run == Run::Boothook).collect();
    let share = LIMIT / u32::try_from(hooks.len()).unwrap_or(u32::MAX).max(1);
    for hook in hooks {
        scripts::step("boothook", hook, share, input, planner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::{Bench, script};
    use crate::plan::action::Action;

    #[test]
    fn hooks_run_at_each_boot_within_one_limit() {
        let scripts = [script("a", Run::Boothook), script("b", Run::User), script("c", Run::Boothook)];
        let outcome = Bench::new("{}").scripts(scripts).plan(plan);
        assert_eq!(outcome.steps(), ["boothook a", "boothook c"]);
        let step = outcome.step("boothook a");
        assert_eq!(step.frequency, Frequency::PerBoot);
        let [Action::Write(write), Action::Run(command)] = &step.actions[..] else { panic!("{step:?}") };
        assert_eq!(write.mode, 0o700);
        assert_eq!(command.argv, ["/var/lib/firstlight/instances/i-1/scripts/boothook/a"]);
        assert_eq!(command.env, [("INSTANCE_ID".to_owned(), "i-1".to_owned())]);
        assert_eq!(command.timeout, Some(LIMIT / 2));
    }
}
