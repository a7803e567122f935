// SPDX-License-Identifier: Apache-2.0
//! Power off, reboot or halt when all is done.

use crate::modules::{Input, Module, Planner};
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "power_state", stage: Stage::Final, frequency: Frequency::PerInstance, keys: &[], plan };

fn plan(_: &Input, _: &mut Planner) {}
