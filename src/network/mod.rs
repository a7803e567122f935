// SPDX-License-Identifier: Apache-2.0
//! One neutral description of a guest's network, its readers and its renderers.

pub mod model;
pub mod online;
pub mod openstack;
pub mod prefix;
pub mod render;

mod json;

use crate::finding::Findings;
use crate::network::model::NetworkConfig;
use crate::seed::{Document, NetworkFormat};

/// Reads a network document; `None`, with findings, where nothing of it can be read.
pub fn read(format: NetworkFormat, document: &Document, findings: &mut Findings) -> Option<NetworkConfig> {
    match format {
        NetworkFormat::OpenStack => openstack::read(document, findings),
    }
}
