// SPDX-License-Identifier: Apache-2.0
//! The few words that some of the image's settings may be.

use crate::config::document::Node;
use crate::config::read::{Kind, Read, one_of};
use crate::finding::Findings;

/// Names of datasources.
pub const DATASOURCES: &[&str] =
    &["config-drive", "nocloud", "credentials", "ovf", "vmware", "lxd", "openstack", "ec2", "none"];

/// One of [`DATASOURCES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatasourceName(pub &'static str);

impl Read for DatasourceName {
    fn kind() -> Kind {
        Kind::Word(DATASOURCES)
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        one_of(node, DATASOURCES, findings).map(Self)
    }
}

/// Which name of the instance is its host name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HostnameFrom {
    /// What the platform calls the host name, often fully qualified.
    #[default]
    Hostname,
    /// The name that the instance was given.
    Name,
}

impl Read for HostnameFrom {
    fn kind() -> Kind {
        Kind::Word(&["hostname", "name"])
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        one_of(node, &["hostname", "name"], findings).map(|word| match word {
            "name" => Self::Name,
            _ => Self::Hostname,
        })
    }
}
