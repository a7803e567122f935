// SPDX-License-Identifier: Apache-2.0
//! Which network manager a guest really runs: not which tools lie about, but whose service is enabled.

use std::path::Path;

use crate::network::render::Renderer;
use crate::root::Tree;

/// Where netplan keeps the program that turns its files into those of networkd. The Python command `netplan generate`
/// calls it, ten times slower.
pub const NETPLAN_GENERATORS: [&str; 3] =
    ["/usr/libexec/netplan/generate", "/usr/lib/netplan/generate", "/lib/netplan/generate"];

/// The renderer for this guest; `Err` says what was seen instead.
///
/// Netplan first, as it brings its own back end up; then the enabled service. Both enabled: networkd, as that is never
/// so by chance, while Debian enables `networking` with the package.
pub fn choose(guest: &dyn Tree) -> Result<Renderer, String> {
    let exists = |path: &&str| guest.exists(Path::new(path));
    if NETPLAN_GENERATORS.iter().any(exists) {
        return Ok(Renderer::Netplan);
    }
    if is_enabled(guest, "systemd-networkd.service") {
        return Ok(Renderer::Networkd);
    }
    let ifup = ["/usr/sbin/ifup", "/sbin/ifup"].iter().any(exists);
    if ifup && is_enabled(guest, "networking.service") {
        return Ok(Renderer::Ifupdown);
    }
    Err(if is_enabled(guest, "NetworkManager.service") {
        "the guest's network manager is NetworkManager, which is not built yet".to_owned()
    } else {
        "none of netplan, systemd-networkd and ifupdown is enabled in this guest".to_owned()
    })
}

/// Whether a target wants `unit`: an enabled unit is a link in a directory of that name.
pub fn is_enabled(guest: &dyn Tree, unit: &str) -> bool {
    ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"].iter().any(|directory| {
        let directory = Path::new(directory);
        let names = guest.list(directory).unwrap_or_default();
        names.iter().filter(|name| name.ends_with(".wants")).any(|wants| {
            let link = directory.join(wants).join(unit);
            // The link itself: its target may be one that only the running guest can see.
            matches!(guest.read_link(&link), Ok(Some(_))) || guest.exists(&link)
        })
    })
}
