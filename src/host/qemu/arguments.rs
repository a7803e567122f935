// SPDX-License-Identifier: Apache-2.0
//! A machine as QEMU's command line.

use std::ffi::{OsStr, OsString};
use std::os::fd::RawFd;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Accelerator, Boot, Disk, Machine};
use crate::error::{Error, Result};

/// The IDE controller of `-M pc` has two buses of two drives.
const CD_DRIVES: usize = 4;
/// As QEMU's limits for one controller.
const PORTS: usize = 30;
/// What virtio-blk has room for.
const SERIAL: usize = 20;
/// A guess at what QEMU's and the firmware's own tables bear; nobody starts more.
const PROCESSORS: u32 = 255;

/// Sockets that QEMU inherits, by their numbers.
pub struct Sockets {
    /// The monitor.
    pub monitor: RawFd,
    /// The serial console.
    pub console: RawFd,
    /// The machine's ports, in their order.
    pub ports: Vec<RawFd>,
}

/// UEFI: its code, and its variables, which the guest writes.
pub struct Firmware {
    /// Shared, never written.
    pub code: PathBuf,
    /// This guest's own.
    pub variables: PathBuf,
}

/// The command line without the program.
///
/// # Errors
/// Malformed: the machine can't be built (too many drives, a serial number too long), or a path is not UTF-8.
pub fn arguments(
    machine: &Machine,
    accelerator: Accelerator,
    firmware: Option<&Firmware>,
    sockets: &Sockets,
) -> Result<Vec<OsString>> {
    check(machine)?;
    let mut line = Line::default();
    line.option("-name", option(&machine.name));
    line.words(["-nodefaults", "-no-user-config", "-display", "none"]);
    // The oldest machine: its CD drive is the one that small kernels have a driver for.
    let mut board = "pc,usb=off".to_owned();
    if let Some(firmware) = firmware {
        line.block(
            json!({"driver": "raw", "node-name": "code", "read-only": true, "file": file(&firmware.code, true)?}),
        );
        line.block(json!({"driver": "raw", "node-name": "variables", "file": file(&firmware.variables, false)?}));
        board += ",pflash0=code,pflash1=variables";
    }
    line.option("-M", board);
    line.option("-accel", accelerator.to_string());
    // Emulated as full as can be: distributions begin to ask for x86-64-v2 and v3.
    line.option("-cpu", if accelerator == Accelerator::Kvm { "host" } else { "max" });
    line.option("-m", format!("{}M", machine.memory_mib));
    line.option("-smp", machine.processors.to_string());
    // The guest waits until the monitor is read.
    line.words(["-S"]);
    line.socket("monitor", sockets.monitor);
    line.option("-mon", "chardev=monitor,mode=control");
    line.socket("console", sockets.console);
    line.option("-serial", "chardev:console");
    line.words(["-object", "rng-builtin,id=rng", "-device", "virtio-rng-pci,rng=rng", "-device", "pvpanic"]);
    for (number, disk) in machine.disks.iter().enumerate() {
        line.disk(number, disk, place(machine, Boot::Disk(number)))?;
    }
    for (number, network) in machine.networks.iter().enumerate() {
        line.option("-netdev", format!("{},id=net{number}", network.netdev));
        let mac = network.mac.as_ref().map_or_else(String::new, |mac| format!(",mac={}", option(mac)));
        // Without its own firmware where nobody boots from it: that takes its time.
        let boot = match place(machine, Boot::Network(number)) {
            Some(place) => format!(",bootindex={place}"),
            None => ",romfile=".to_owned(),
        };
        line.option("-device", format!("virtio-net-pci,netdev=net{number}{mac}{boot}"));
    }
    if !machine.ports.is_empty() {
        line.option("-device", "virtio-serial-pci");
    }
    for (number, (name, socket)) in machine.ports.iter().zip(&sockets.ports).enumerate() {
        line.socket(&format!("port{number}"), *socket);
        line.option("-device", format!("virtserialport,chardev=port{number},name={}", option(name)));
    }
    if let Some(kernel) = &machine.kernel {
        line.option("-kernel", &kernel.kernel);
        if let Some(initrd) = &kernel.initrd {
            line.option("-initrd", initrd);
        }
        line.option("-append", &kernel.command_line);
    }
    for value in &machine.smbios {
        line.option("-smbios", value);
    }
    Ok(line.words)
}

fn check(machine: &Machine) -> Result<()> {
    let cannot = |why: String| Err(Error::malformed(format!("the machine {} can't be built: {why}", machine.name)));
    let drives = machine.disks.iter().filter(|disk| disk.cdrom).count();
    if drives > CD_DRIVES {
        return cannot(format!("{drives} CD drives, and there is room for {CD_DRIVES}"));
    }
    if machine.ports.len() > PORTS {
        return cannot(format!("{} ports, and there is room for {PORTS}", machine.ports.len()));
    }
    if machine.memory_mib == 0 || !(1..=PROCESSORS).contains(&machine.processors) {
        return cannot(format!("{} processors with {} MiB of memory", machine.processors, machine.memory_mib));
    }
    match machine.disks.iter().filter_map(|disk| disk.serial.as_ref()).find(|serial| serial.len() > SERIAL) {
        Some(serial) => cannot(format!("the serial number {serial} has more than {SERIAL} letters")),
        None => Ok(()),
    }
}

/// Where the firmware tries it: as asked for, else the disks and then the CDs. The first place is a kernel's that is
/// started directly.
fn place(machine: &Machine, device: Boot) -> Option<usize> {
    if !machine.boot.is_empty() {
        return machine.boot.iter().position(|it| *it == device).map(|place| place + 1);
    }
    let Boot::Disk(number) = device else { return None };
    let is_cd = machine.disks.get(number)?.cdrom;
    Some(1 + if is_cd { machine.disks.len() + number } else { number })
}

#[derive(Default)]
struct Line {
    words: Vec<OsString>,
}

impl Line {
    fn words<const N: usize>(&mut self, words: [&str; N]) {
        self.words.extend(words.map(OsString::from));
    }

    fn option(&mut self, name: &str, value: impl AsRef<OsStr>) {
        self.words.extend([name.into(), value.as_ref().to_owned()]);
    }

    fn block(&mut self, node: Value) {
        self.option("-blockdev", node.to_string());
    }

    fn socket(&mut self, id: &str, number: RawFd) {
        self.option("-chardev", format!("socket,id={id},fd={number}"));
    }

    fn disk(&mut self, number: usize, disk: &Disk, boot: Option<usize>) -> Result<()> {
        self.block(json!({
            "driver": disk.format,
            "node-name": format!("disk{number}"),
            "read-only": disk.read_only,
            // What the guest trims takes no room here.
            "discard": "unmap",
            // A disk that is written is thrown away after the boot, or finished by this program: the guest's own syncs
            // need not reach the plates.
            "cache": {"no-flush": !disk.read_only},
            "file": file(&disk.path, disk.read_only)?,
        }));
        let kind = if disk.cdrom { "ide-cd" } else { "virtio-blk-pci" };
        let serial = disk.serial.as_ref().map_or_else(String::new, |serial| format!(",serial={}", option(serial)));
        let boot = boot.map_or_else(String::new, |boot| format!(",bootindex={boot}"));
        self.option("-device", format!("{kind},drive=disk{number}{serial}{boot}"));
        Ok(())
    }
}

fn file(path: &std::path::Path, read_only: bool) -> Result<Value> {
    let name = path.to_str().ok_or_else(|| {
        Error::malformed(format!("the path {} is not UTF-8", path.display()))
            .help("rename it: QEMU takes only such paths")
    })?;
    Ok(json!({"driver": "file", "filename": name, "read-only": read_only, "discard": "unmap"}))
}

/// A value within an option: commas are doubled.
pub fn option(value: impl AsRef<OsStr>) -> String {
    let mut bytes = Vec::new();
    for byte in value.as_ref().as_bytes() {
        bytes.push(*byte);
        if *byte == b',' {
            bytes.push(b',');
        }
    }
    OsString::from_vec(bytes).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::qemu::{Kernel, Network};

    fn line(machine: &Machine) -> Result<String> {
        let sockets = Sockets { monitor: 3, console: 4, ports: (5..).take(machine.ports.len()).collect() };
        let words = arguments(machine, Accelerator::Tcg, None, &sockets)?;
        Ok(words.iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" "))
    }

    fn machine() -> Machine {
        let disk = |path: &str, cdrom| Disk {
            path: path.into(),
            format: "raw".to_owned(),
            read_only: cdrom,
            cdrom,
            serial: None,
        };
        Machine {
            name: "one".to_owned(),
            memory_mib: 256,
            processors: 1,
            disks: vec![disk("/seed,1.iso", true), disk("/root.img", false)],
            ports: vec!["org.firstlight.report".to_owned()],
            networks: vec![Network { netdev: "user,restrict=on".to_owned(), mac: None }],
            ..Machine::default()
        }
    }

    #[test]
    fn formats_are_told_and_commas_bear_no_meaning() {
        let text = line(&Machine { name: "a,b=c".to_owned(), ..machine() }).unwrap();
        assert!(text.contains("-name a,,b=c "), "{text}");
        assert!(text.contains(r#""filename":"/seed,1.iso""#), "{text}");
        assert!(text.contains(r#""driver":"raw""#) && !text.contains("-drive"), "{text}");
        assert!(text.contains("-chardev socket,id=port0,fd=5"), "{text}");
        assert!(text.contains("virtserialport,chardev=port0,name=org.firstlight.report"), "{text}");
        assert!(text.contains("-netdev user,restrict=on,id=net0"), "{text}");
    }

    #[test]
    fn the_firmware_tries_disks_first_unless_told() {
        let text = line(&machine()).unwrap();
        assert!(text.contains("ide-cd,drive=disk0,bootindex=3 "), "{text}");
        assert!(text.contains("virtio-blk-pci,drive=disk1,bootindex=2 "), "{text}");
        assert!(text.contains("romfile="), "{text}");
        let text = line(&Machine { boot: vec![Boot::Network(0), Boot::Disk(0)], ..machine() }).unwrap();
        assert!(text.contains("virtio-net-pci,netdev=net0,bootindex=1"), "{text}");
        assert!(text.contains("ide-cd,drive=disk0,bootindex=2 "), "{text}");
        assert!(!text.contains("drive=disk1,bootindex"), "{text}");
    }

    #[test]
    fn a_kernel_is_started_directly() {
        let kernel = Kernel { kernel: "/vmlinuz".into(), initrd: None, command_line: "a=b, c".to_owned() };
        let text = line(&Machine { kernel: Some(kernel), ..machine() }).unwrap();
        assert!(text.ends_with("-kernel /vmlinuz -append a=b, c"), "{text}");
    }

    #[test]
    fn what_can_t_be_built_is_said_before_qemu_is_asked() {
        let five = Machine { disks: vec![machine().disks.swap_remove(0); 5], ..machine() };
        assert!(line(&five).unwrap_err().to_string().contains("5 CD drives"));
        let mut long = machine();
        long.disks.iter_mut().for_each(|disk| disk.serial = Some("s".repeat(21)));
        assert!(line(&long).unwrap_err().to_string().contains("20 letters"));
        assert!(line(&Machine { processors: 0, ..machine() }).is_err());
    }
}
