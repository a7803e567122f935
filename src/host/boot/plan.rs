// SPDX-License-Identifier: Apache-2.0
//! What is to be booted, whoever described it: nothing of it made yet.

use std::path::PathBuf;

use crate::host::qemu::NetworkChoice;

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
    /// Its size in bytes, where that is not the image's own.
    pub size: Option<u64>,
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
