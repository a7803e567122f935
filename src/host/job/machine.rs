// SPDX-License-Identifier: Apache-2.0
//! The machine that a job runs in.

use std::path::{Path, PathBuf};

use super::said;
use super::settings::Settings;
use crate::host::qemu::{Disk, Kernel, Machine, Network};

/// Files that are its disks.
pub struct Media {
    /// The overlay over the base image.
    pub root: PathBuf,
    /// The seed.
    pub seed: PathBuf,
    /// The job's tar.
    pub input: PathBuf,
    /// Room for its results.
    pub results: PathBuf,
}

/// MiB without `--memory`.
const MEMORY: u64 = 1024;
/// DHCP answers, and nothing else.
const ISOLATED: &str = "user,restrict=on";
/// Command line of a kernel that is given without one.
const COMMAND_LINE: &str = "root=/dev/vda console=ttyS0";

/// As the settings have it; `found` is a kernel for an image that has no boot loader.
pub fn machine(name: &str, settings: &Settings, found: Option<Kernel>, media: &Media, serial_log: &Path) -> Machine {
    let given = settings.kernel.as_ref().map(|kernel| Kernel {
        kernel: kernel.clone(),
        initrd: settings.initrd.clone(),
        command_line: settings.append.clone().unwrap_or_else(|| COMMAND_LINE.to_owned()),
    });
    let netdev = match settings.network.as_deref() {
        // With a card that gets an address at once nothing waits for the network.
        None | Some("isolated") => Some(ISOLATED),
        Some("none") => None,
        netdev => netdev,
    };
    let network = netdev.map(|netdev| Network { netdev: netdev.to_owned(), mac: None });
    Machine {
        name: name.to_owned(),
        memory_mib: settings.memory.map_or(MEMORY, |size| size.0 >> 20),
        processors: settings.processors.unwrap_or(1),
        disks: vec![
            disk(&media.root, "qcow2", false, None),
            // As virtio disks: kernels of cloud images have drivers for hardly anything else.
            disk(&media.seed, "raw", true, Some("fl-seed")),
            disk(&media.input, "raw", true, Some("fl-input")),
            disk(&media.results, "raw", false, Some("fl-results")),
        ],
        kernel: given.or(found),
        uefi: settings.uefi == Some(true),
        networks: network.into_iter().collect(),
        ports: vec![said::PORT.to_owned(), said::LOG_PORT.to_owned()],
        serial_log: Some(serial_log.to_owned()),
        ..Machine::default()
    }
}

fn disk(path: &Path, format: &str, read_only: bool, serial: Option<&str>) -> Disk {
    let serial = serial.map(str::to_owned);
    Disk { path: path.to_owned(), format: format.to_owned(), read_only, cdrom: false, serial }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_overlay_and_the_results_can_be_written_and_the_network_leads_nowhere_by_default() {
        let path = |name: &str| PathBuf::from(name);
        let media = Media { root: path("r"), seed: path("s"), input: path("i"), results: path("o") };
        let kernel = || Kernel { kernel: path("found"), initrd: None, command_line: String::new() };
        let plain = machine("x", &Settings::default(), Some(kernel()), &media, Path::new("log"));
        let written: Vec<_> = plain.disks.iter().filter(|disk| !disk.read_only).map(|disk| &disk.path).collect();
        assert_eq!(written, [&media.root, &media.results]);
        assert_eq!(plain.networks.first().unwrap().netdev, ISOLATED);
        assert_eq!(plain.kernel.unwrap().kernel, path("found"));
        let settings =
            Settings { kernel: Some(path("given")), network: Some("user".to_owned()), ..Settings::default() };
        let given = machine("x", &settings, Some(kernel()), &media, Path::new("log"));
        assert_eq!(given.kernel.unwrap().command_line, COMMAND_LINE);
        assert_eq!(given.networks.first().unwrap().netdev, "user");
    }
}
