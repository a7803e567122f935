// SPDX-License-Identifier: Apache-2.0
//! Which platform the firmware says that this machine is on: tables of what clouds write there.

use crate::guest::{Dmi, Guest};

/// A field of DMI, and values that each name the platform.
type Names = (fn(&Dmi) -> &str, &'static [&'static str]);

/// OpenStack, as ds-identify knows it.
const OPENSTACK: &[Names] = &[
    (|dmi| &dmi.product_name, &["OpenStack Nova", "OpenStack Compute"]),
    (|dmi| &dmi.sys_vendor, &["OpenStack Foundation"]),
    (
        |dmi| &dmi.chassis_asset_tag,
        &[
            "OpenStack Nova",
            "OpenStack Compute",
            "OpenTelekomCloud",
            "HUAWEICLOUD",
            "SAP CCloud VM",
            "Samsung Cloud Platform",
        ],
    ),
];

/// Why this is OpenStack; `None` where nothing says so.
pub(super) fn openstack(guest: &Guest) -> Option<String> {
    named(guest, OPENSTACK)
}

fn named(guest: &Guest, names: &[Names]) -> Option<String> {
    let name = names.iter().find_map(|(field, known)| Some(field(&guest.dmi)).filter(|name| known.contains(name)))?;
    Some(format!("the firmware names `{name}`"))
}
