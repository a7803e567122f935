// SPDX-License-Identifier: Apache-2.0
//! Ways to the network: which interface a connection is bound to.

use std::fmt;

/// A way to the network.
///
/// Two cards may both lead to an address such as 169.254.169.254, and of an IPv6 link-local one the interface is a part:
/// so a metadata service is asked by one card after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Way {
    /// What connections are bound to; `None` where the routing table decides.
    pub interface: Option<Interface>,
}

/// An interface that connections are bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its number: the zone of link-local addresses.
    pub index: u32,
    /// Whether it has an IPv4 address.
    pub has_ipv4: bool,
    /// Whether it has an IPv6 link-local address that can be used.
    pub has_ipv6: bool,
}

impl Way {
    /// As the routing table says.
    pub fn routed() -> Self {
        Self::default()
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.interface {
            Some(interface) => f.write_str(&interface.name),
            None => f.write_str("the network"),
        }
    }
}
