// SPDX-License-Identifier: Apache-2.0
//! Packages: updated, upgraded, installed.

use crate::modules::{Input, Module, Planner};
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "packages", stage: Stage::Final, frequency: Frequency::PerInstance, keys: &[], plan };

fn plan(_: &Input, _: &mut Planner) {}
