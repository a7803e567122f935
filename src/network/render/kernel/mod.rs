// SPDX-License-Identifier: Apache-2.0
//! For guests without a network manager: what the kernel itself shall have, thing by thing.

mod change;
mod renames;

pub use change::{Change, Make, Task, number};
pub use renames::{is_name, renames};

use crate::finding::{Finding, Findings};
use crate::guest::Nic;
use crate::network::model::NetworkConfig;

/// What the kernel shall have, in the order in which it can be made.
pub fn render(config: &NetworkConfig, _: Option<&[Nic]>, findings: &mut Findings) -> Vec<Change> {
    findings.push(Finding::error(&config.origin, "not built yet"));
    Vec::new()
}
