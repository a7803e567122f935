// SPDX-License-Identifier: Apache-2.0
//! Boot commands: run at each boot, before everything else that the user asks for.
//!
//! Key as cloud-init's `cc_bootcmd`, with `INSTANCE_ID` in the environment. They run before the network is up, as
//! files, users and mounts of the same document may depend on what they do.

use std::time::Duration;

use crate::config::read::Raw;
use crate::config::types::Commands;
use crate::modules::{Input, Module, Planner, shell};
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "bootcmd", stage: Stage::Local, frequency: Frequency::PerBoot, keys: Keys::KEYS, plan };

/// How long they may take together: below the 5 minutes after which systemd would end the local stage as a whole, users,
/// keys and files with it.
const LIMIT: Duration = Duration::from_secs(3 * 60);

crate::keys! {
    struct Keys {
        /// Commands: each entry a string for the shell, or a list of words.
        bootcmd: Raw<Commands>,
    }
}

fn plan(input: &Input, planner: &mut Planner) {
    if let Some(list) = Keys::take(input.config, &mut planner.findings).bootcmd {
        shell::step("bootcmd", "bootcmd", &list, LIMIT, input, planner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::runcmd;
    use crate::modules::testing::Bench;
    use crate::plan::action::{Action, SCRIPT_LIMIT};

    /// The time limit of the only program that `module` runs for `config`, and that of systemd for its stage.
    fn limits(config: &str, module: &Module, unit: &str) -> (Duration, Duration) {
        let outcome = Bench::new(config).plan(module.plan);
        let actions = outcome.steps.iter().flat_map(|step| &step.actions);
        let mut limits = actions.filter_map(|action| if let Action::Run(run) = action { run.timeout } else { None });
        let unit = unit.lines().find_map(|line| line.strip_prefix("TimeoutStartSec=")).unwrap();
        let (minutes, unit) = match unit.strip_suffix("min") {
            Some(minutes) => (minutes, 60),
            None => (unit.strip_suffix('h').unwrap(), 60 * 60),
        };
        (limits.next().unwrap(), Duration::from_secs(minutes.parse::<u64>().unwrap() * unit))
    }

    #[test]
    fn a_command_that_hangs_fails_before_systemd_ends_the_stage() {
        let local = include_str!("../../units/firstlight-local.service");
        let (limit, unit) = limits("bootcmd: [sleep infinity]", &MODULE, local);
        assert!(limit == LIMIT && limit < unit);
        let last = include_str!("../../units/firstlight-final.service");
        let (limit, unit) = limits("runcmd: [sleep infinity]", &runcmd::MODULE, last);
        assert!(limit == SCRIPT_LIMIT && limit < unit);
    }
}
