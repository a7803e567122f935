// SPDX-License-Identifier: Apache-2.0
//! The fingerprints of host keys and authorized keys, on the console.

use crate::modules::{Input, Module, Planner};
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "fingerprints", stage: Stage::Final, frequency: Frequency::PerInstance, keys: &[], plan };

fn plan(_: &Input, _: &mut Planner) {}
