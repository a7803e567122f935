// SPDX-License-Identifier: Apache-2.0
//! QEMU: a machine's description, its start, what comes from it, and its certain end.
//!
//! All is without a window and without privileges; the guest's network is `restrict=on` unless somebody asks for more.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Instant;

use crate::error::{Error, Result};
use crate::host::scratch::Scratch;
use crate::host::tell::Teller;

/// What runs the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accelerator {
    /// The hardware; only after a probe guest has really run under it.
    Kvm,
    /// Emulation: ten to twenty times slower.
    Tcg,
}

/// A machine to be started.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    /// For messages and the window of `ps`.
    pub name: String,
    /// MiB.
    pub memory_mib: u64,
    /// How many processors.
    pub processors: u32,
    /// In the order of the guest's `vda`, `vdb`…
    pub disks: Vec<Disk>,
    /// A kernel to start at once in place of the disk's boot loader.
    pub kernel: Option<Kernel>,
    /// UEFI in place of BIOS.
    pub uefi: bool,
    /// `-netdev` and `-device` pairs; none: no network card.
    pub networks: Vec<Network>,
    /// Names of virtio-serial ports (`org.firstlight.report`) whose lines come as [`Event::Line`].
    pub ports: Vec<String>,
    /// Where the serial console goes, all of it.
    pub serial_log: Option<PathBuf>,
    /// `-smbios` values.
    pub smbios: Vec<String>,
    /// The firmware's order: `c` disk, `d` cdrom, `n` network.
    pub boot_order: Option<String>,
}

/// A drive.
#[derive(Debug, Clone)]
pub struct Disk {
    /// The file.
    pub path: PathBuf,
    /// `raw`, `qcow2`, …; never guessed by QEMU.
    pub format: String,
    /// The guest can't write.
    pub read_only: bool,
    /// A CD drive in place of a virtio disk.
    pub cdrom: bool,
    /// What the guest finds below /dev/disk/by-id/virtio-SERIAL.
    pub serial: Option<String>,
}

/// A kernel started directly.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// vmlinuz.
    pub kernel: PathBuf,
    /// initrd.
    pub initrd: Option<PathBuf>,
    /// Command line.
    pub command_line: String,
}

/// A network card of the guest.
#[derive(Debug, Clone)]
pub struct Network {
    /// The value of `-netdev` without its id: `user,restrict=on`.
    pub netdev: String,
    /// MAC address.
    pub mac: Option<String>,
}

/// What comes from a running guest.
#[derive(Debug)]
pub enum Event {
    /// A line of a port.
    Line {
        /// The port's name.
        port: String,
        /// Without its end.
        line: String,
    },
    /// A line of the serial console, as it is.
    Console(String),
    /// The guest's kernel panicked (pvpanic, or its words on the console).
    Panicked(String),
    /// The guest started again.
    Reset,
    /// The guest switched itself off.
    Shutdown,
    /// QEMU has ended; nothing comes after it.
    Exited(ExitStatus, String),
    /// A signal asked this program to end.
    Interrupted,
}

/// A running guest; ended when it is dropped, and when this program is killed.
pub struct Guest {}

impl Machine {
    /// Finds QEMU, probes the accelerator (saying which it is, and why not the other) and starts.
    pub fn start(&self, _scratch: &Scratch, _teller: &Teller) -> Result<Guest> {
        Err(Error::fatal("qemu is not built yet"))
    }
}

impl Guest {
    /// The next event, or none by that time.
    pub fn next(&mut self, _until: Instant) -> Result<Option<Event>> {
        Err(Error::fatal("qemu is not built yet"))
    }

    /// Asks the guest to switch off (ACPI); [`Event::Shutdown`] tells when it did.
    pub fn power_down(&mut self) -> Result<()> {
        Ok(())
    }

    /// Ends QEMU now.
    pub fn quit(self) -> Result<()> {
        Ok(())
    }
}
