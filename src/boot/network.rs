// SPDX-License-Identifier: Apache-2.0
//! Whose word on the network counts: the kernel's command line, the image's settings, the platform's document.

use crate::finding::Findings;
use crate::network;
use crate::network::model::NetworkConfig;
use crate::network::network_config::Asked;
use crate::seed::Seed;

/// The network that this guest shall have; `None` where nobody asks for one, or somebody wants it left alone.
pub fn asked(seed: &Seed, findings: &mut Findings) -> Option<NetworkConfig> {
    let (format, document) = seed.network.as_ref()?;
    match network::read(*format, document, findings)? {
        Asked::Network(network) => Some(network),
        Asked::Disabled(_) => None,
    }
}
