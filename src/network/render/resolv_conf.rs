// SPDX-License-Identifier: Apache-2.0
//! `/etc/resolv.conf`, for guests in which nobody else writes it.
//!
//! ifupdown and networkd hand name servers to resolvconf or systemd-resolved. A minimal guest has neither, and would
//! silently resolve nothing.

use std::fmt::Write as _;

use crate::guest::Guest;
use crate::network::model::NetworkConfig;
use crate::network::render::{HEADER, RenderedFile};

/// The resolver's file.
pub const PATH: &str = "/etc/resolv.conf";

/// The file, where there are servers to name and nobody who would.
pub fn render(config: &NetworkConfig, guest: &Guest) -> Option<RenderedFile> {
    let dns = config.all_dns();
    if dns.servers.is_empty() || has_resolver(guest) {
        return None;
    }
    let mut content = HEADER.to_owned();
    if !dns.search.is_empty() {
        let _ = writeln!(content, "search {}", dns.search.join(" "));
    }
    for server in &dns.servers {
        let _ = writeln!(content, "nameserver {server}");
    }
    Some(RenderedFile { path: PATH.into(), content, mode: 0o644 })
}

fn has_resolver(guest: &Guest) -> bool {
    guest.has_tool("resolvconf") || guest.service_enabled("systemd-resolved.service")
}
