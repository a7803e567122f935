// SPDX-License-Identifier: Apache-2.0
//! Which guest is asking.

use std::net::IpAddr;

use crate::error::{Error, Result};

/// Where a request came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// None on standard input and output, where there is one guest.
    pub address: Option<IpAddr>,
    /// The interface's index, where the address is link-local.
    pub link: Option<u32>,
    /// What the URL says (`/t/TOKEN/…`), already taken off the path.
    pub token: Option<String>,
}

/// Who that is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// Names to look for in the store, best first, without ending: `foo.internal`, `foo`, the uuid, the MAC, the address;
    /// `default` is tried after them.
    pub names: Vec<String>,
    /// Its card.
    pub mac: Option<String>,
    /// libvirt's name of it.
    pub domain: Option<String>,
    /// libvirt's uuid of it.
    pub uuid: Option<String>,
    /// Where it asked from.
    pub address: Option<IpAddr>,
}

/// What tells guests apart.
pub struct Callers {}

impl Callers {
    /// Who asks; an error only where nothing may be answered (a token that is not ours).
    pub async fn identify(&self, _peer: &Peer) -> Result<Identity> {
        Err(Error::fatal("callers are not built yet"))
    }
}
