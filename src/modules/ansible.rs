// SPDX-License-Identifier: Apache-2.0
//! Ansible: installed, and a playbook pulled.

use crate::modules::{Input, Module, Planner};
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "ansible", stage: Stage::Final, frequency: Frequency::PerInstance, keys: &[], plan };

fn plan(_: &Input, _: &mut Planner) {}
