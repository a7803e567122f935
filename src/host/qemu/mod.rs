// SPDX-License-Identifier: Apache-2.0
//! QEMU: a machine's description, its start, what comes from it, and its certain end.
//!
//! All is without a window and without privileges; the guest's network is `restrict=on` unless somebody asks for more.

mod accelerator;
mod arguments;
mod failure;
mod firmware;
mod guest;
mod lines;
mod monitor;
mod network;
mod probe;
mod process;

use std::path::PathBuf;
use std::process::ExitStatus;

use crate::error::{Error, Result};
use crate::host::programs;
use crate::host::scratch::Scratch;
use crate::host::tell::Teller;

pub use accelerator::{Accelerator, Preference};
pub use guest::{Console, Guest};
pub use lines::Lines;
pub use network::NetworkChoice;

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
    /// Where the serial console goes, all of it up to 64 MiB. Written anew at each start.
    pub serial_log: Option<PathBuf>,
    /// `-smbios` values.
    pub smbios: Vec<String>,
    /// What the firmware tries, in that order; empty: the disks, then the CDs.
    pub boot: Vec<Boot>,
    /// What shall run the guest's instructions.
    pub accelerator: Preference,
}

/// A device that the firmware can boot from, by its place in the machine's own list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boot {
    /// Of `disks`.
    Disk(usize),
    /// Of `networks`.
    Network(usize),
}

/// A drive.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    /// The file.
    pub path: PathBuf,
    /// `raw`, `qcow2`, …; never guessed by QEMU.
    pub format: String,
    /// The guest can't write.
    pub read_only: bool,
    /// A CD drive in place of a virtio disk; four of them at most.
    pub cdrom: bool,
    /// What the guest finds below /dev/disk/by-id/virtio-SERIAL: 20 letters at most.
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

impl Kernel {
    /// One that a person names, for a file system without partitions as the first disk.
    pub fn given(kernel: PathBuf, initrd: Option<PathBuf>) -> Self {
        Self { kernel, initrd, command_line: "root=/dev/vda console=ttyS0".to_owned() }
    }

    /// Lets `more` follow on the command line; where a kernel reads a word twice, the later one counts.
    pub fn append(&mut self, more: &str) {
        self.command_line = format!("{} {more}", self.command_line);
    }

    /// What to say where there is no kernel to append to.
    pub fn none_to_append_to() -> Error {
        Error::malformed("--append is for a kernel that is started directly, and this image has a boot loader")
            .help("name a kernel with --kernel")
    }
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
        /// Without its end; cut off at 4 MiB.
        line: String,
    },
    /// A line of the serial console, as it is; cut off at 4 KiB. Where nobody asks for events, later ones are left out: the
    /// log has them.
    Console(String),
    /// The guest's kernel panicked (pvpanic, or its words on the console).
    Panicked(String),
    /// The guest started again.
    Reset,
    /// The guest switched itself off.
    Shutdown,
    /// QEMU stopped the guest: its disk can't be written (no space), or its hardware failed.
    Stopped(String),
    /// QEMU has ended; nothing comes after it.
    Exited(ExitStatus, String),
    /// A signal asked this program to end.
    Interrupted,
}

impl Machine {
    /// What will run the guest's instructions on this machine, said as [`Machine::start`] does.
    ///
    /// # Errors
    /// Absent: there is no QEMU here. Fatal: KVM is asked for and does not run guests.
    pub fn accelerator(&self, scratch: &Scratch, teller: &Teller) -> Result<Accelerator> {
        accelerator::choose(self.accelerator, &programs::qemu()?, scratch, teller)
    }

    /// Finds QEMU, probes the accelerator (saying which it is, and why not the other) and starts.
    ///
    /// # Errors
    /// Absent: there is no QEMU here, or a file of the machine is missing. Fatal: an image is in use or is not what it
    /// should be, or QEMU does not start.
    pub fn start(&self, scratch: &Scratch, teller: &Teller) -> Result<Guest> {
        let accelerator = self.accelerator(scratch, teller)?;
        Guest::launch(&programs::qemu()?, self, accelerator, scratch)
    }
}
