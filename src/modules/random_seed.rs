// SPDX-License-Identifier: Apache-2.0
//! Random seed: the platform's random bytes are mixed into the kernel's pool.
//!
//! As cloud-init's `cc_seed_random` does with a datasource's `random_seed`; the kernel credits no entropy for it.

use crate::modules::{Input, Module, Planner};
use crate::plan::action::Action;
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "random_seed", stage: Stage::Local, frequency: Frequency::PerInstance, keys: &[], plan };

fn plan(input: &Input, planner: &mut Planner) {
    if let Some(seed) = &input.instance.random_seed {
        planner.step("random_seed", &seed.origin).action(Action::Entropy(seed.value.clone()));
    }
}
