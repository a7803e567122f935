// SPDX-License-Identifier: Apache-2.0
//! What the firmware says of the machine: DMI (SMBIOS), or the device tree where there is no DMI.

use crate::guest::text;
use crate::root::Root;

const DIRECTORY: &str = "/sys/class/dmi/id";

/// DMI strings under the kernel's names; empty where there are none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Dmi {
    pub sys_vendor: String,
    pub product_name: String,
    pub product_version: String,
    /// Of the system; root alone may read it.
    pub product_serial: String,
    /// Of the system, in lower case; root alone may read it.
    pub product_uuid: String,
    pub chassis_asset_tag: String,
    pub chassis_vendor: String,
    pub chassis_serial: String,
    pub chassis_version: String,
    pub board_vendor: String,
    pub board_name: String,
    pub board_version: String,
    pub board_serial: String,
    pub board_asset_tag: String,
    pub bios_vendor: String,
    pub bios_version: String,
    pub bios_date: String,
}

impl Dmi {
    /// Looks once.
    pub(super) fn read(root: &Root) -> Self {
        let line = |name: &str| text(root, &format!("{DIRECTORY}/{name}")).unwrap_or_default().trim().to_owned();
        Self {
            sys_vendor: line("sys_vendor"),
            product_name: line("product_name"),
            product_version: line("product_version"),
            product_serial: line("product_serial"),
            product_uuid: line("product_uuid").to_ascii_lowercase(),
            chassis_asset_tag: line("chassis_asset_tag"),
            chassis_vendor: line("chassis_vendor"),
            chassis_serial: line("chassis_serial"),
            chassis_version: line("chassis_version"),
            board_vendor: line("board_vendor"),
            board_name: line("board_name"),
            board_version: line("board_version"),
            board_serial: line("board_serial"),
            board_asset_tag: line("board_asset_tag"),
            bios_vendor: line("bios_vendor"),
            bios_version: line("bios_version"),
            bios_date: line("bios_date"),
        }
    }
}
