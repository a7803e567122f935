// SPDX-License-Identifier: Apache-2.0
//! Scripts of the user-data: run once for each instance, in the order of their names, before `runcmd`.
//!
//! As cloud-init's `cc_scripts_user`: all are run, also after one has failed.

use crate::modules::{Input, Module, Planner};
use crate::plan::action::{Command, Write};
use crate::plan::step::{Frequency, Stage};
use crate::state;

/// See the file's head.
pub const MODULE: Module =
    Module { name: "scripts", stage: Stage::Final, frequency: Frequency::PerInstance, keys: &[], plan };

fn plan(input: &Input, planner: &mut Planner) {
    for script in input.scripts {
        let path = state::scripts(&input.instance.id).join(&script.name);
        let mut command = Command::script([path.to_string_lossy()]);
        command.env.push(("INSTANCE_ID".to_owned(), input.instance.id.value.clone()));
        planner
            .step(format!("scripts {}", script.name), &script.origin)
            .write(Write::new(path, script.content.clone()).mode(0o700).secret())
            .run(command);
    }
}
