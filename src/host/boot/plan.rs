// SPDX-License-Identifier: Apache-2.0
//! What is to be booted, whoever described it: nothing of it made yet.

use std::path::PathBuf;
use std::str::FromStr;

use crate::error::Error;
use crate::host::qemu::Network;

/// A guest to be made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// Its name.
    pub name: String,
    /// MiB.
    pub memory_mib: u64,
    /// How many.
    pub processors: u32,
    /// In the guest's order.
    pub disks: Vec<Disk>,
    /// Discs to install from.
    pub cdroms: Vec<Cdrom>,
    /// What it is configured with.
    pub seed: Option<Seed>,
    /// Its card.
    pub network: NetworkChoice,
    /// UEFI in place of BIOS.
    pub uefi: bool,
    /// What the firmware tries, kind by kind; empty: disks, then discs.
    pub boot_order: Vec<Device>,
}

/// A disk.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Disk {
    /// The image beneath; none: an empty disk.
    pub base: Option<PathBuf>,
    /// Its size, where that is not the image's own.
    pub size_gib: Option<u64>,
    /// The firmware looks at others only where none is.
    pub bootable: bool,
}

/// A disc.
#[derive(Debug, Clone, PartialEq)]
pub struct Cdrom {
    /// The medium.
    pub path: PathBuf,
    /// As a disk's.
    pub bootable: bool,
}

/// Kinds of devices to boot from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// Disks.
    Disk,
    /// Discs.
    Cdrom,
    /// The card.
    Network,
}

/// What a guest is configured with.
#[derive(Clone, PartialEq)]
pub enum Seed {
    /// A medium, a directory or user-data.
    Path(PathBuf),
    /// NoCloud's documents.
    Documents(Documents),
}

/// Not shown where a plan is: user-data holds secrets.
impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed")
    }
}

/// NoCloud's documents.
#[derive(Clone, Default, PartialEq)]
pub struct Documents {
    pub user_data: Option<String>,
    pub meta_data: Option<String>,
    pub network_config: Option<String>,
    pub vendor_data: Option<String>,
}

/// The guest's network card.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum NetworkChoice {
    /// None at all.
    None,
    /// One that leads nowhere.
    #[default]
    Restricted,
    /// One that leads out through this machine.
    User,
    /// On this bridge.
    Bridge(String),
}

/// The kernel's bound for the name of an interface.
const INTERFACE_NAME: usize = 15;

impl FromStr for NetworkChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match (text, text.strip_prefix("bridge=")) {
            ("none", _) => Ok(Self::None),
            ("restricted", _) => Ok(Self::Restricted),
            ("user", _) => Ok(Self::User),
            (_, Some(name))
                if (1..=INTERFACE_NAME).contains(&name.len())
                    && name.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'/' | b',')) =>
            {
                Ok(Self::Bridge(name.to_owned()))
            }
            (_, Some(_)) => Err(Error::malformed("that is no name of a bridge")),
            _ => Err(Error::malformed("one of: restricted, user, none, bridge=NAME")),
        }
    }
}

impl NetworkChoice {
    /// As QEMU has it.
    pub fn cards(&self) -> Vec<Network> {
        let netdev = match self {
            NetworkChoice::None => return Vec::new(),
            NetworkChoice::Restricted => "user,restrict=on".to_owned(),
            NetworkChoice::User => "user".to_owned(),
            NetworkChoice::Bridge(name) => format!("bridge,br={name}"),
        };
        vec![Network { netdev, mac: None }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_told_by_name() {
        let netdev = |text: &str| Some(text.parse::<NetworkChoice>().ok()?.cards().pop()?.netdev);
        assert_eq!(netdev("restricted").unwrap(), "user,restrict=on");
        assert_eq!(netdev("bridge=br0").unwrap(), "bridge,br=br0");
        assert!("none".parse::<NetworkChoice>().unwrap().cards().is_empty());
        for wrong in ["", "bridge=", "bridge=a,b", "bridge=../x", "bridge=a-name-of-16-let", "nat"] {
            assert!(wrong.parse::<NetworkChoice>().is_err(), "{wrong}");
        }
    }
}
