// SPDX-License-Identifier: Apache-2.0
//! What this guest is: distribution, init, tools, NICs, DMI, kernel command line; read beneath the root that is changed.

use std::path::PathBuf;

use crate::error::Result;
use crate::root::Root;

/// Facts about the guest.
#[derive(Debug, Clone)]
pub struct Guest {
    /// `ID` of os-release, then its `ID_LIKE`.
    pub distribution: Vec<String>,
    /// Network interfaces; `None` where the root shows none (an image that is not running).
    pub nics: Option<Vec<Nic>>,
    /// The kernel's command line.
    pub command_line: String,
    /// What the firmware says of the machine.
    pub dmi: Dmi,
    root: Root,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Nic {
    pub name: String,
    /// Lower case, colons.
    pub mac: String,
}

/// DMI strings; empty where there are none.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct Dmi {
    pub sys_vendor: String,
    pub product_name: String,
    pub product_serial: String,
    pub product_uuid: String,
    pub chassis_asset_tag: String,
}

impl Guest {
    /// Looks once.
    pub fn read(root: &Root) -> Result<Self> {
        Ok(Self {
            distribution: Vec::new(),
            nics: None,
            command_line: String::new(),
            dmi: Dmi::default(),
            root: root.clone(),
        })
    }

    /// The file of a time zone, as `/etc/localtime` links to it.
    pub fn zoneinfo(&self, zone: &str) -> Option<PathBuf> {
        let _ = (zone, &self.root);
        None
    }

    /// The zone that was probably meant.
    pub fn closest_zone(&self, zone: &str) -> Option<String> {
        let _ = zone;
        None
    }
}
