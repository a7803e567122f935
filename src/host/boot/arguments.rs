// SPDX-License-Identifier: Apache-2.0
//! The command line of `boot`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, value_parser};

use super::plan::{Disk, Plan};
use super::specification;
use crate::error::Result;
use crate::host::qemu::{Kernel, NetworkChoice, Preference};
use crate::host::units::{DiskSize, Memory, Time};

/// Boot an image and wait for what the agent in it reports
///
/// The image is never written: the guest gets an overlay, which is gone afterwards. Stages are told on standard error as
/// they end, the report is printed, and the exit code is the guest's outcome: 0 done, 2 done with recoverable errors,
/// 1 failed, panicked, switched off, or silent until the deadline (which of these is said, with the console's last
/// lines). Needs no privileges. Without a boot loader in the image its own kernel is taken out of it and started.
#[derive(Args)]
pub struct Arguments {
    /// The image, of any format that qemu-img reads; told by its content
    #[arg(long, value_name = "FILE", required_unless_present = "spec")]
    image: Option<PathBuf>,
    /// Boot the VM that FILE describes: JSON with `name` and `spec` {cpu_cores, memory_mib, disks, cloud_init, cdroms,
    /// firmware, boot_order}
    #[arg(long, value_name = "FILE", conflicts_with_all = ["image", "seed", "memory", "processors", "disk_size", "uefi"])]
    spec: Option<PathBuf>,
    /// What the guest is configured with: a medium (ISO or FAT, attached as it is), a directory of NoCloud or config
    /// drive files, or user-data
    #[arg(long, value_name = "FILE|DIR")]
    seed: Option<PathBuf>,
    /// The guest's card. `restricted`: with DHCP, and no way out. `user`: out through this machine. `none`: no card; many
    /// systems then wait for one. `bridge=NAME`: on a bridge of this machine, by QEMU's bridge helper. `netdev=VALUE`: as
    /// QEMU's -netdev has it
    #[arg(long, value_name = "WHICH", default_value = "restricted")]
    network: NetworkChoice,
    /// Memory of the guest, e.g. `512M`, `2G`, or a number of MiB
    #[arg(long, value_name = "SIZE", default_value = "1G")]
    memory: Memory,
    /// Processors of the guest
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = value_parser!(u32).range(1..=255))]
    processors: u32,
    /// Grow the guest's disk to this, e.g. `20G`; its agent grows the file system
    #[arg(long, value_name = "SIZE")]
    disk_size: Option<DiskSize>,
    /// Give the guest up when its final report has not come by then, e.g. `90s`, `10m`
    #[arg(long, value_name = "TIME", default_value = "10m")]
    deadline: Time,
    /// Keep the log of the guest's serial console in FILE
    #[arg(long, value_name = "FILE")]
    serial_log: Option<PathBuf>,
    /// Firmware of the guest: UEFI in place of BIOS
    #[arg(long)]
    uefi: bool,
    /// Start this kernel in place of the image's boot loader
    #[arg(long, value_name = "FILE")]
    kernel: Option<PathBuf>,
    /// The initrd of --kernel
    #[arg(long, value_name = "FILE", requires = "kernel")]
    initrd: Option<PathBuf>,
    /// More for the command line of a kernel that is started directly
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true)]
    append: Option<String>,
    /// Leave the overlay, and all else that was made for this boot, and say where
    #[arg(long)]
    keep: bool,
    /// Log into the guest when it has reported: with a key made for this boot, through a port of the loopback. The guest
    /// runs until you leave. Where standard input is no terminal, the command is told and the guest runs until a signal
    #[arg(long)]
    ssh: bool,
    /// The user that --ssh logs in as
    #[arg(long, value_name = "NAME", default_value = "root")]
    ssh_user: String,
    /// Connect this terminal to the guest's serial console; Ctrl-] leaves, and ends the guest once it has reported
    #[arg(long, conflicts_with_all = ["ssh", "json"])]
    console: bool,
    /// Run the guest as a domain of the libvirt at URI (qemu:///system, qemu:///session); it goes afterwards, and with this
    /// program. With --keep it stays, running
    #[arg(long, value_name = "URI", conflicts_with_all = ["ssh", "console"])]
    libvirt: Option<String>,
    /// Only show the domain's XML
    #[arg(long, conflicts_with_all = ["ssh", "console", "json"])]
    print_xml: bool,
    /// What runs the guest's instructions
    #[arg(long, value_enum, value_name = "WHICH", default_value_t)]
    accelerator: Preference,
    /// Where the overlay is made until it is dropped; default: TMPDIR
    #[arg(long, value_name = "DIR")]
    work_dir: Option<PathBuf>,
}

impl Arguments {
    /// What is to be booted.
    pub(super) fn plan(&self) -> Result<Plan> {
        let mut plan = match &self.spec {
            Some(path) => specification::read(path)?,
            None => self.of_image(),
        };
        plan.network = self.network.clone();
        Ok(plan)
    }

    fn of_image(&self) -> Plan {
        let image = self.image.clone().unwrap_or_default();
        Plan {
            name: image.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            memory_mib: self.memory.mib(),
            processors: self.processors,
            disks: vec![Disk { base: Some(image), size: self.disk_size.map(|size| size.0), ..Disk::default() }],
            seed: self.seed.clone().map(super::plan::Seed::Path),
            uefi: self.uefi,
            ..Plan::default()
        }
    }

    /// The kernel to start in place of a boot loader.
    pub(super) fn kernel(&self) -> Option<Kernel> {
        Some(Kernel::given(self.kernel.clone()?, self.initrd.clone()))
    }

    pub(super) fn append(&self) -> Option<&str> {
        self.append.as_deref()
    }

    pub(super) fn deadline_from(&self, start: Instant) -> Instant {
        start + self.deadline.0
    }

    pub(super) fn serial_log(&self) -> Option<&Path> {
        self.serial_log.as_deref()
    }

    pub(super) fn accelerator(&self) -> Preference {
        self.accelerator
    }

    /// The user to log in as, where somebody wants to.
    pub(super) fn ssh(&self) -> Option<&str> {
        self.ssh.then_some(&self.ssh_user)
    }

    pub(super) fn console(&self) -> bool {
        self.console
    }

    pub(super) fn libvirt(&self) -> Option<&str> {
        self.libvirt.as_deref()
    }

    pub(super) fn print_xml(&self) -> bool {
        self.print_xml
    }

    pub(super) fn keep(&self) -> bool {
        self.keep
    }

    pub(super) fn work_dir(&self) -> Option<&Path> {
        self.work_dir.as_deref()
    }
}
