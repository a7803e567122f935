// SPDX-License-Identifier: Apache-2.0
//! Growing the root file system to the end of its partition.

use crate::modules::{Input, Module, Planner};
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "resizefs", stage: Stage::Local, frequency: Frequency::PerBoot, keys: &[], plan };

fn plan(_: &Input, _: &mut Planner) {}
