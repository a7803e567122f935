// SPDX-License-Identifier: Apache-2.0
//! Reads the text of Debian's `/etc/network/interfaces` (interfaces(5)), which old config drives and Proxmox have.

use crate::finding::{Finding, Findings};
use crate::network::model::NetworkConfig;
use crate::seed::Document;

/// Reads the document; `None`, with findings, where nothing of it can be read.
pub fn read(document: &Document, findings: &mut Findings) -> Option<NetworkConfig> {
    findings.push(Finding::error(&document.origin(), "not built yet"));
    None
}
