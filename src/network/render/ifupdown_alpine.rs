// SPDX-License-Identifier: Apache-2.0
//! For Alpine's ifupdown-ng (interfaces(5) of that), in a form that busybox's ifup reads too: the one file of the guest.
//!
//! What differs from Debian's: `address` and `netmask` apart, `requires` for what a bond, a bridge or a VLAN is made of,
//! settings of IPv6 and of bridges by `/proc` and `/sys`, no resolvconf.

use crate::finding::Findings;
use crate::guest::Nic;
use crate::network::model::NetworkConfig;
use crate::network::render::ifupdown::{INTERFACES, Writer};
use crate::network::render::{RenderedFile, Renderer};

/// The one file, in place of the image's. It includes no directory: busybox's ifup dies of one that is not there.
pub fn render(config: &NetworkConfig, nics: Option<&[Nic]>, findings: &mut Findings) -> Vec<RenderedFile> {
    let content = Writer { renderer: Renderer::IfupdownAlpine, config, nics, findings, left_out: Vec::new() }.file();
    vec![RenderedFile { path: INTERFACES.into(), content, mode: 0o644 }]
}
