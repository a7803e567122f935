// SPDX-License-Identifier: Apache-2.0
//! Where RPM packages come from: yum and dnf.

use crate::modules::{Input, Module, Planner};
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "yum_repos", stage: Stage::Local, frequency: Frequency::PerInstance, keys: &[], plan };

fn plan(_: &Input, _: &mut Planner) {}
