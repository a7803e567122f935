// SPDX-License-Identifier: Apache-2.0
//! Public keys that a user keeps at Launchpad or GitHub.

use crate::modules::{Input, Module, Planner};
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "ssh_import_id", stage: Stage::Network, frequency: Frequency::PerInstance, keys: &[], plan };

fn plan(_: &Input, _: &mut Planner) {}
