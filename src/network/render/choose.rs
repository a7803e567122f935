// SPDX-License-Identifier: Apache-2.0
//! Which network manager a guest really runs: not which tools lie about, but whose service is enabled.

use crate::guest::Guest;
use crate::network::render::Renderer;

/// The program that turns netplan's files into those of networkd. The Python command `netplan generate` calls it, ten
/// times slower.
pub fn netplan_generator(guest: &Guest) -> Option<&'static str> {
    let places = ["/usr/libexec/netplan/generate", "/usr/lib/netplan/generate", "/lib/netplan/generate"];
    places.into_iter().find(|path| guest.exists(path))
}

/// The renderer for this guest; `Err` says what was seen instead.
///
/// Netplan first, as it brings its own back end up; then the enabled service. Both enabled: networkd, as that is never
/// so by chance, while Debian enables `networking` with the package.
pub fn choose(guest: &Guest) -> Result<Renderer, String> {
    if netplan_generator(guest).is_some() {
        return Ok(Renderer::Netplan);
    }
    if guest.service_enabled("systemd-networkd.service") {
        return Ok(Renderer::Networkd);
    }
    if guest.has_tool("ifup") && guest.service_enabled("networking.service") {
        return Ok(Renderer::Ifupdown);
    }
    Err(if guest.service_enabled("NetworkManager.service") {
        "the guest's network manager is NetworkManager, which is not built yet".to_owned()
    } else {
        "none of netplan, systemd-networkd and ifupdown is enabled in this guest".to_owned()
    })
}
