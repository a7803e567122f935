// SPDX-License-Identifier: Apache-2.0
//! A plan as a machine: overlays, the seed's medium and a kernel, all in the scratch directory.

use std::path::{Path, PathBuf};

use super::arguments::Arguments;
use super::plan::{Device, Plan};
use super::ssh::Access;
use super::{overlay, seed};
use crate::error::{Error, Kind, Result};
use crate::host::image::{self, Starts};
use crate::host::qemu::{Boot, Disk, Kernel, Machine};
use crate::host::scratch::Scratch;
use crate::host::tell::Teller;
use crate::report::port;

/// Makes it.
///
/// # Errors
/// As what it is made of: an image that is absent, in use or none, a seed that can't be read, no space.
pub fn machine(
    plan: &Plan,
    arguments: &Arguments,
    access: Option<&Access>,
    scratch: &Scratch,
    teller: &Teller,
) -> Result<Machine> {
    let mut disks = Vec::new();
    for (number, disk) in plan.disks.iter().enumerate() {
        disks.push(overlay::make(disk, &scratch.path().join(format!("disk{number}.qcow2")))?);
    }
    let from_discs = plan.cdroms.iter().any(|disc| disc.bootable);
    let mut kernel = arguments.kernel();
    let mut uefi = plan.uefi;
    if let (None, false, Some(base)) = (&kernel, from_discs, plan.disks.first().and_then(|disk| disk.base.as_deref())) {
        match image::starts_by(base)? {
            Starts::Firmware => {}
            Starts::Uefi if uefi => {}
            Starts::Uefi => {
                teller.event("uefi", "the image starts by UEFI alone: so it is started");
                uefi = true;
            }
            Starts::Kernel => kernel = Some(own_kernel(base, scratch, teller)?),
        }
    }
    append(&mut kernel, arguments.append())?;
    disks.extend(plan.cdroms.iter().map(|disc| disc_drive(disc.path.clone())));
    disks.extend(seed::drive(plan.seed.as_ref(), access.map(|access| access.public_key.as_str()), scratch)?);
    let mut networks = plan.network.cards();
    if let Some(access) = access {
        access.forward(&mut networks)?;
    }
    Ok(Machine {
        name: plan.name.clone(),
        memory_mib: plan.memory_mib,
        processors: plan.processors,
        boot: boot_order(plan),
        disks,
        kernel,
        uefi,
        networks,
        ports: vec![port::NAME.to_owned()],
        serial_log: arguments.serial_log().map(Path::to_owned),
        accelerator: arguments.accelerator(),
        ..Machine::default()
    })
}

/// A disc that is read.
pub fn disc_drive(path: PathBuf) -> Disk {
    Disk { path, format: "raw".to_owned(), read_only: true, cdrom: true, serial: None }
}

/// Kind by kind; within a kind those that are marked as bootable, or all where none is. Empty: the machine's own order.
fn boot_order(plan: &Plan) -> Vec<Boot> {
    let marked = |all: Vec<(usize, bool)>| {
        let some = all.iter().any(|(_, bootable)| *bootable);
        all.into_iter().filter(move |(_, bootable)| *bootable || !some).map(|(number, _)| Boot::Disk(number))
    };
    let first_disc = plan.disks.len();
    let disks = plan.disks.iter().enumerate().map(|(number, disk)| (number, disk.bootable)).collect();
    let discs = plan.cdroms.iter().enumerate().map(|(number, disc)| (first_disc + number, disc.bootable)).collect();
    let (disks, discs): (Vec<Boot>, Vec<Boot>) = (marked(disks).collect(), marked(discs).collect());
    let order = match &plan.boot_order[..] {
        [] => &[Device::Disk, Device::Cdrom][..],
        order => order,
    };
    let mut boot = Vec::new();
    for device in order {
        let devices = match device {
            Device::Disk => disks.clone(),
            Device::Cdrom => discs.clone(),
            Device::Network => (0..plan.network.cards().len()).map(Boot::Network).collect(),
        };
        boot.extend(devices.into_iter().filter(|device| !boot.contains(device)).collect::<Vec<_>>());
    }
    boot
}

fn own_kernel(image: &Path, scratch: &Scratch, teller: &Teller) -> Result<Kernel> {
    let nothing = || {
        Error::malformed(format!("{} has neither a boot loader nor a kernel that can be found", image.display()))
            .help("name a kernel with --kernel and --initrd")
    };
    let kernel = match image::boot_files(image, scratch) {
        Err(error) if error.kind() == Kind::Malformed => return Err(nothing().because(error.without_advice())),
        found => found?.ok_or_else(nothing)?,
    };
    teller.event("kernel", "the image has no boot loader: its own kernel is started directly");
    Ok(kernel)
}

fn append(kernel: &mut Option<Kernel>, more: Option<&str>) -> Result<()> {
    match (kernel, more) {
        (Some(kernel), Some(more)) => kernel.append(more),
        (None, Some(_)) => return Err(Kernel::none_to_append_to()),
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::plan;
    use super::*;

    fn plan(disks: &[bool], discs: &[bool], boot_order: &[Device]) -> Plan {
        Plan {
            disks: disks.iter().map(|&bootable| plan::Disk { bootable, ..plan::Disk::default() }).collect(),
            cdroms: discs.iter().map(|&bootable| plan::Cdrom { path: "x".into(), bootable }).collect(),
            boot_order: boot_order.to_vec(),
            ..Plan::default()
        }
    }

    #[test]
    fn the_order_is_that_of_the_kinds_and_marks() {
        use Boot::{Disk, Network};
        assert_eq!(boot_order(&plan(&[false, false], &[], &[])), [Disk(0), Disk(1)]);
        assert_eq!(boot_order(&plan(&[false, true], &[true, false], &[])), [Disk(1), Disk(2)]);
        let order = [Device::Cdrom, Device::Network, Device::Disk, Device::Cdrom];
        assert_eq!(boot_order(&plan(&[true], &[false, true], &order)), [Disk(2), Network(0), Disk(0)]);
    }
}
