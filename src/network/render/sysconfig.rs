// SPDX-License-Identifier: Apache-2.0
//! For RHEL's network-scripts: `ifcfg-*`, `route-*`, `rule-*` in `/etc/sysconfig/network-scripts`.

use crate::finding::{Finding, Findings};
use crate::guest::Nic;
use crate::network::model::NetworkConfig;
use crate::network::render::RenderedFile;

/// The files.
pub fn render(config: &NetworkConfig, _: Option<&[Nic]>, findings: &mut Findings) -> Vec<RenderedFile> {
    findings.push(Finding::error(&config.origin, "not built yet"));
    Vec::new()
}
