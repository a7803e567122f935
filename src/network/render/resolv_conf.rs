// SPDX-License-Identifier: Apache-2.0
//! `/etc/resolv.conf`, for guests in which nobody else writes it.
//!
//! ifupdown and networkd hand name servers to resolvconf or systemd-resolved. A minimal guest has neither, and would
//! silently resolve nothing.

use std::net::IpAddr;

use crate::guest::Guest;
use crate::network::model::NetworkConfig;
use crate::network::render::{HEADER, RenderedFile, Renderer};

/// The resolver's file.
pub const PATH: &str = "/etc/resolv.conf";

/// The file, where there are servers to name and nobody who would.
pub fn render(renderer: Renderer, config: &NetworkConfig, guest: &Guest) -> Option<RenderedFile> {
    let dns = config.all_dns();
    if dns.servers.is_empty() || is_written(renderer, guest) {
        return None;
    }
    let content = format!("{HEADER}{}", lines(&dns.search, &dns.servers));
    Some(RenderedFile { path: PATH.into(), content, mode: 0o644 })
}

/// What systemd-resolved reads besides its own file.
pub const RESOLVED_DIRECTORY: &str = "/etc/systemd/resolved.conf.d";
/// Our file there.
pub const RESOLVED: &str = "/etc/systemd/resolved.conf.d/50-firstlight-network.conf";

/// For a guest in which ifupdown is to tell systemd-resolved: the hook that would (`/etc/network/if-up.d/resolved`) fails
/// in Debian 12, so resolved is told itself.
pub fn resolved(renderer: Renderer, config: &NetworkConfig, guest: &Guest) -> Option<RenderedFile> {
    let dns = config.all_dns();
    let is_ours = renderer == Renderer::Ifupdown && guest.service_enabled("systemd-resolved.service");
    if !is_ours || dns.servers.is_empty() {
        return None;
    }
    let servers: Vec<String> = dns.servers.iter().map(ToString::to_string).collect();
    let mut content = format!("{HEADER}[Resolve]\nDNS={}\n", servers.join(" "));
    if !dns.search.is_empty() {
        content.extend(["Domains=", &dns.search.join(" "), "\n"]);
    }
    Some(RenderedFile { path: RESOLVED.into(), content, mode: 0o644 })
}

/// The lines of resolv.conf(5) for search domains and servers.
pub fn lines(search: &[String], servers: &[IpAddr]) -> String {
    let mut lines = String::new();
    if !search.is_empty() {
        lines.extend(["search ", &search.join(" "), "\n"]);
    }
    lines.extend(servers.iter().map(|server| format!("nameserver {server}\n")));
    lines
}

/// Whether the manager writes it, or hands its servers to somebody who does. The kernel knows of no servers; a
/// systemd-resolved beside it takes those of the file.
fn is_written(renderer: Renderer, guest: &Guest) -> bool {
    let resolver = || guest.has_tool("resolvconf") || guest.service_enabled("systemd-resolved.service");
    match renderer {
        Renderer::NetworkManager | Renderer::Sysconfig | Renderer::SysconfigSuse => true,
        Renderer::Netplan => resolver() || guest.service_enabled("NetworkManager.service"),
        Renderer::Networkd | Renderer::Ifupdown | Renderer::IfupdownAlpine => resolver(),
        Renderer::Kernel => false,
    }
}
