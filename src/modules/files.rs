// SPDX-License-Identifier: Apache-2.0
//! Files that the platform hands in with the meta-data (`openstack server create --file`).
//!
//! Root's, 0660 and once for each instance, as cloud-init's config drive has it.

use crate::modules::{Input, Module, Planner};
use crate::plan::action::Write;
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "files", stage: Stage::Local, frequency: Frequency::PerInstance, keys: &[], plan };

fn plan(input: &Input, planner: &mut Planner) {
    for file in &input.instance.files {
        planner
            .step(format!("files {}", file.path.display()), &file.origin)
            .write(Write::new(&file.path, file.content.clone()).mode(0o660));
    }
}
