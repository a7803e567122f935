// SPDX-License-Identifier: Apache-2.0
//! One neutral description of a guest's network, its readers and its renderers.

pub mod command_line;
pub mod ec2;
pub mod fallback;
pub mod initramfs;
pub mod interfaces;
pub mod model;
pub mod network_config;
pub mod online;
pub mod openstack;
pub mod own;
pub mod prefix;
pub mod render;

mod glob;
mod json;
mod settled;
mod v1;
mod v2;
pub mod words;

use crate::finding::Findings;
use crate::network::network_config::Asked;
use crate::seed::{Document, NetworkFormat};

/// Reads a network document; `None`, with findings, where nothing of it can be read.
pub fn read(format: NetworkFormat, document: &Document, findings: &mut Findings) -> Option<Asked> {
    match format {
        NetworkFormat::OpenStack => openstack::read(document, findings).map(Asked::Network),
        NetworkFormat::NetworkConfig => network_config::read(document, findings),
        NetworkFormat::Interfaces => interfaces::read(document, findings).map(Asked::Network),
        NetworkFormat::Ec2 => ec2::read(document, findings).map(Asked::Network),
    }
}
