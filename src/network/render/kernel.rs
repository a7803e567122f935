// SPDX-License-Identifier: Apache-2.0
//! For guests without a network manager: what the kernel itself shall have, thing by thing.

use std::fmt;

use crate::finding::{Finding, Findings};
use crate::guest::Nic;
use crate::network::model::NetworkConfig;

/// One thing that the kernel shall have. Shown as the arguments of ip(8) that would do it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Change {
    /// An interface's name.
    Rename { from: String, to: String },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Rename { from, to } => write!(f, "link set dev {from} name {to}"),
        }
    }
}

/// What the kernel shall have, in the order in which it can be made.
pub fn render(config: &NetworkConfig, _: Option<&[Nic]>, findings: &mut Findings) -> Vec<Change> {
    findings.push(Finding::error(&config.origin, "not built yet"));
    Vec::new()
}
