// SPDX-License-Identifier: Apache-2.0
//! Growing the partition of the root file system, or of others, to the end of its disk.

use crate::modules::{Input, Module, Planner};
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "growpart", stage: Stage::Local, frequency: Frequency::PerBoot, keys: &[], plan };

fn plan(_: &Input, _: &mut Planner) {}
