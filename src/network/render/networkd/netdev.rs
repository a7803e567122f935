// SPDX-License-Identifier: Apache-2.0
//! `.netdev` files (systemd.netdev(5)): the interfaces that are made.

use crate::finding::{Findings, Located};
use crate::network::model::options::{Form, Setting};
use crate::network::model::{Kind, Link};
use crate::network::render::networkd::no_word;
use crate::network::render::networkd::unit::Unit;

/// The file of an interface that networkd makes; `None` for hardware and `lo`.
pub fn of(link: &Link, findings: &mut Findings) -> Option<Unit> {
    let kind = match &link.kind {
        Kind::Physical(_) | Kind::Loopback => return None,
        Kind::Bond { .. } => "bond",
        Kind::Bridge { .. } => "bridge",
        Kind::Vlan { .. } => "vlan",
        Kind::Vrf { .. } => "vrf",
        Kind::Dummy => "dummy",
    };
    let mut unit = Unit::new();
    unit.section("NetDev");
    unit.set("Name", &link.id);
    unit.set("Kind", &kind);
    unit.given("MACAddress", link.mac.as_ref().map(|mac| &mac.value as _));
    match &link.kind {
        Kind::Bond { settings: all, .. } => settings(&mut unit, "Bond", all, findings),
        Kind::Bridge { settings: all, .. } => settings(&mut unit, "Bridge", all, findings),
        Kind::Vlan { id, .. } => {
            unit.section("VLAN");
            unit.set("Id", id);
        }
        Kind::Vrf { table, .. } => {
            unit.section("VRF");
            unit.set("Table", table);
        }
        Kind::Physical(_) | Kind::Dummy | Kind::Loopback => {}
    }
    Some(unit)
}

/// What concerns one member stands in that member's file.
fn settings(unit: &mut Unit, section: &'static str, settings: &[Located<Setting>], findings: &mut Findings) {
    unit.section(section);
    for setting in settings.iter().filter(|setting| !is_for_a_member(setting)) {
        let (option, value) = (setting.option, setting.value.value.as_str());
        if option.networkd.is_empty() || unknown(option.kernel, value) {
            findings.push(no_word(&setting.origin, &format!("`{}: {value}`", option.kernel)));
            continue;
        }
        match option.form {
            Form::Milliseconds(_) => unit.set(option.networkd, &[value, "ms"].concat()),
            Form::Seconds(_) => unit.set(option.networkd, &[value, "s"].concat()),
            Form::Flag => unit.flag(option.networkd, value == "1"),
            Form::Addresses => unit.set(option.networkd, &value.replace(',', " ")),
            _ => unit.set(option.networkd, &value),
        }
    }
}

/// Whether it stands in the file of the member that it is about.
pub fn is_for_a_member(setting: &Setting) -> bool {
    matches!(setting.option.form, Form::Member | Form::PerMember(_))
}

/// Values of later kernels that networkd has not learnt.
fn unknown(option: &str, value: &str) -> bool {
    match option {
        "arp_validate" => value.starts_with("filter"),
        "xmit_hash_policy" => value == "vlan+srcmac",
        _ => false,
    }
}
