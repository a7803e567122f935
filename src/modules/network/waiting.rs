// SPDX-License-Identifier: Apache-2.0
//! What waits for networkd to be online, where there is nothing to wait for.
//!
//! systemd-networkd-wait-online wants at least one interface that is required and online. Where the document says of each
//! that nobody waits for it, the boot would wait for the program's own limit, two minutes. netplan, since 1.0, sees to
//! that itself.

use std::path::{Path, PathBuf};

use crate::guest::Guest;
use crate::network::model::NetworkConfig;
use crate::network::own;
use crate::network::render::{HEADER, RenderedFile, Renderer, networkd, nic_of};
use crate::plan::action::Command;
use crate::plan::step::Step;

/// Where the file stands, and how its name begins and ends.
pub const DIRECTORY: &str = "/etc/systemd/system/systemd-networkd-wait-online.service.d";
pub const PREFIX: &str = "10-firstlight";
pub const ENDING: &str = ".conf";
const PATH: &str = "/etc/systemd/system/systemd-networkd-wait-online.service.d/10-firstlight.conf";

/// Lets nobody wait where nothing is required: not of ours, and no card that the image configures.
///
/// The condition is on the file itself: once that is taken away, the unit waits again, though systemd has not been told.
pub fn file(renderer: Renderer, config: &NetworkConfig, guest: &Guest) -> Option<RenderedFile> {
    let nics = guest.nics.as_deref().unwrap_or_default();
    let ours: Vec<_> = config.links.iter().filter_map(|link| nic_of(link, nics)).map(|nic| &nic.name).collect();
    let mut others = nics.iter().filter(|nic| !ours.contains(&&nic.name));
    if renderer != Renderer::Networkd
        || config.links.iter().any(|link| networkd::is_required(link, config))
        || others.any(|nic| own::configuration(guest, renderer, nic).is_some())
    {
        return None;
    }
    let content = [HEADER, "# No interface is required for the network to be online.\n[Unit]\nConditionPathExists=!"];
    Some(RenderedFile { path: PathBuf::from(PATH), content: content.concat() + PATH + "\n", mode: 0o644 })
}

/// In a boot systemd has read the unit already.
pub fn take_up(step: &mut Step, files: &[PathBuf], guest: &Guest) {
    let is_new = files.iter().any(|path| path == Path::new(PATH)) && !guest.exists(PATH);
    if is_new && guest.exists("/run/systemd/system") {
        step.run(Command::tool(["systemctl", "daemon-reload"]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Origin;
    use crate::modules::Planner;
    use crate::modules::network::tests::{config, guest, scratch, shown};

    #[test]
    fn only_where_no_link_is_required_nobody_waits() {
        let scratch = scratch(&["/run/systemd/system/x"]);
        let mut guest = guest(&scratch);
        let mut config = config();
        let written = |config: &NetworkConfig, guest: &Guest| file(Renderer::Networkd, config, guest).is_some();
        assert!(!written(&config, &guest));
        config.links[0].optional = true;
        assert!(written(&config, &guest) && file(Renderer::Netplan, &config, &guest).is_none());
        let mut step = Planner::default().step("network", &Origin::document("d")).clone();
        take_up(&mut step, &["/etc/resolv.conf".into()], &guest);
        assert!(step.actions.is_empty());
        take_up(&mut step, &[PATH.into()], &guest);
        assert_eq!(shown(&step), ["run systemctl daemon-reload"]);
        scratch.file(PATH, "");
        take_up(&mut step, &[PATH.into()], &guest);
        assert_eq!(step.actions.len(), 1, "it has been read");
        // Another card is the image's.
        let other = crate::guest::Nic { name: "ens4".into(), ..crate::guest::Nic::default() };
        guest.nics.as_mut().unwrap().push(other);
        assert!(written(&config, &guest));
        scratch.file("/usr/lib/systemd/network/80-all.network", "[Match]\nName=en*\n[Network]\nDHCP=yes\n");
        assert!(!written(&config, &guest));
    }
}
