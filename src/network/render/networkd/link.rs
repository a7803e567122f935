// SPDX-License-Identifier: Apache-2.0
//! `.link` files (systemd.link(5)): what udev does to hardware when it appears, whichever manager then takes it.

use crate::finding::Findings;
use crate::guest::Nic;
use crate::network::model::{Link, NetworkConfig};
use crate::network::render::networkd::unit::Unit;
use crate::network::render::networkd::{file, unfit};
use crate::network::render::{RenderedFile, nic_of};

/// The files that give hardware its names, for guests whose manager is another but who have udev.
pub fn names(config: &NetworkConfig, nics: Option<&[Nic]>, findings: &mut Findings) -> Vec<RenderedFile> {
    let named = |link: &&Link| link.physical().is_some_and(|physical| physical.set_name.is_some());
    let mut files = Vec::new();
    for link in config.links.iter().filter(named).filter(|link| unfit(link).is_none()) {
        files.extend(of(link, nics).map(|unit| file(link, "link", unit, findings)));
    }
    files
}

/// The file of a link, where udev has something to do for it.
///
/// It takes the place of the distribution's own (`99-default.link`), which lets udev choose the name: one that only sets
/// wake-on-LAN must say that again, or the interface would be `eth0` from the next boot on.
pub fn of(link: &Link, nics: Option<&[Nic]>) -> Option<Unit> {
    let physical = link.physical()?;
    if physical.set_name.is_none() && physical.wake_on_lan.is_none() {
        return None;
    }
    let mut unit = Unit::new();
    unit.section("Match");
    let by = &physical.by;
    let nic = nics.and_then(|nics| nic_of(link, nics));
    let drivers: Vec<&str> = by.drivers.iter().map(|driver| driver.value.as_str()).collect();
    match (&by.mac, nic) {
        (Some(mac), _) => unit.set("MACAddress", &mac.value),
        // udev matches the kernel's name of this boot, which is not the one that the document saw.
        (None, Some(nic)) if !by.is_pattern() || physical.set_name.is_some() => unit.set("MACAddress", &nic.mac),
        (None, _) => {
            unit.list("Driver", &drivers);
            match &by.name {
                Some(name) => unit.set("OriginalName", &name.value),
                None if drivers.is_empty() => unit.set("OriginalName", &link.id),
                None => {}
            }
        }
    }
    unit.given("Type", (!physical.infiniband).then_some(&"ether"));
    unit.section("Link");
    match &physical.set_name {
        Some(name) => unit.set("Name", &name.value),
        None => {
            unit.set("NamePolicy", &"keep kernel database onboard slot path");
            unit.set("AlternativeNamesPolicy", &"database onboard slot path");
        }
    }
    if let Some(wakes) = physical.wake_on_lan {
        unit.set("WakeOnLan", if wakes { &"magic" } else { &"off" });
    }
    Some(unit)
}
