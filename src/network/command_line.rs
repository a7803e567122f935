// SPDX-License-Identifier: Apache-2.0
//! The network in the kernel's command line: `ip=` in the forms of klibc and dracut, `network-config=`.

use crate::finding::Findings;
use crate::network::network_config::Asked;

/// What the command line asks for; `None` where it says nothing of the network.
pub fn read(_command_line: &str, _findings: &mut Findings) -> Option<Asked> {
    None
}
