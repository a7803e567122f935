// SPDX-License-Identifier: Apache-2.0
//! For Alpine's ifupdown-ng: the one `/etc/network/interfaces`.

use crate::finding::{Finding, Findings};
use crate::guest::Nic;
use crate::network::model::NetworkConfig;
use crate::network::render::RenderedFile;

/// The files.
pub fn render(config: &NetworkConfig, _: Option<&[Nic]>, findings: &mut Findings) -> Vec<RenderedFile> {
    findings.push(Finding::error(&config.origin, "not built yet"));
    Vec::new()
}
