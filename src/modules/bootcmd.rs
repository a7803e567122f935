// SPDX-License-Identifier: Apache-2.0
//! Boot commands: run at each boot, before everything else that the user asks for.
//!
//! Key as cloud-init's `cc_bootcmd`, with `INSTANCE_ID` in the environment. They run before the network is up, as
//! files, users and mounts of the same document may depend on what they do.

use crate::config::document::Node;
use crate::modules::{Input, Module, Planner, shell};
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "bootcmd", stage: Stage::Local, frequency: Frequency::PerBoot, keys: Keys::KEYS, plan };

crate::keys! {
    struct Keys {
        /// Commands: each entry a string for the shell, or a list of words.
        bootcmd: Node,
    }
}

fn plan(input: &Input, planner: &mut Planner) {
    if let Some(list) = Keys::take(input.config, &mut planner.findings).bootcmd {
        shell::step("bootcmd", "bootcmd", &list, input, planner);
    }
}
