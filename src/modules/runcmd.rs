// SPDX-License-Identifier: Apache-2.0
//! Run commands: run once for each instance, at the end of the boot.
//!
//! Key as cloud-init's `cc_runcmd`, where the list becomes a script that runs after the user's scripts.

use crate::config::document::Node;
use crate::modules::{Input, Module, Planner, shell};
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "runcmd", stage: Stage::Final, frequency: Frequency::PerInstance, keys: Keys::KEYS, plan };

crate::keys! {
    struct Keys {
        /// Commands: each entry a string for the shell, or a list of words.
        runcmd: Node,
    }
}

fn plan(input: &Input, planner: &mut Planner) {
    if let Some(list) = Keys::take(input.config, &mut planner.findings).runcmd {
        shell::step("runcmd", &list, input, planner);
    }
}
