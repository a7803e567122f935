// SPDX-License-Identifier: Apache-2.0
//! The machine that a job runs in.

use std::path::{Path, PathBuf};

use super::said;
use super::settings::Settings;
use crate::error::{Error, Result};
use crate::host::qemu::{Disk, Kernel, Machine};

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

/// As the settings have it; `found` is a kernel for an image that has no boot loader.
///
/// # Errors
/// Malformed: what is said of a kernel, and none is started directly.
pub fn machine(
    name: &str,
    settings: &Settings,
    found: Option<Kernel>,
    media: &Media,
    serial_log: &Path,
) -> Result<Machine> {
    if settings.initrd.is_some() && settings.kernel.is_none() {
        return Err(Error::malformed("--initrd wants a --kernel"));
    }
    let given = settings.kernel.clone().map(|kernel| Kernel::given(kernel, settings.initrd.clone()));
    let mut kernel = given.or(found);
    if let Some(more) = &settings.append {
        kernel.as_mut().ok_or_else(Kernel::none_to_append_to)?.append(more);
    }
    Ok(Machine {
        name: name.to_owned(),
        memory_mib: settings.memory.map_or(MEMORY, |size| size.mib()),
        processors: settings.processors.unwrap_or(1),
        disks: vec![
            disk(&media.root, "qcow2", false, None),
            // As virtio disks: kernels of cloud images have drivers for hardly anything else.
            disk(&media.seed, "raw", true, Some("fl-seed")),
            disk(&media.input, "raw", true, Some("fl-input")),
            disk(&media.results, "raw", false, Some("fl-results")),
        ],
        kernel,
        uefi: settings.uefi == Some(true),
        // With a card that gets an address at once nothing waits for the network.
        networks: settings.network.clone().unwrap_or_default().cards(),
        ports: vec![said::PORT.to_owned(), said::LOG_PORT.to_owned()],
        serial_log: Some(serial_log.to_owned()),
        ..Machine::default()
    })
}

fn disk(path: &Path, format: &str, read_only: bool, serial: Option<&str>) -> Disk {
    let serial = serial.map(str::to_owned);
    Disk { path: path.to_owned(), format: format.to_owned(), read_only, cdrom: false, serial }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_a_kernel_reach_the_one_that_is_started_or_are_refused() {
        let path = |name: &str| PathBuf::from(name);
        let media = Media { root: path("r"), seed: path("s"), input: path("i"), results: path("o") };
        let found = Kernel { kernel: path("found"), initrd: None, command_line: "root=/dev/vda".to_owned() };
        let settings = Settings { append: Some("quiet".to_owned()), ..Settings::default() };
        let started = machine("x", &settings, Some(found), &media, Path::new("log")).unwrap();
        assert_eq!(started.kernel.unwrap().command_line, "root=/dev/vda quiet");
        assert!(machine("x", &settings, None, &media, Path::new("log")).is_err());
        let settings = Settings { initrd: Some(path("initrd")), ..Settings::default() };
        assert!(machine("x", &settings, None, &media, Path::new("log")).is_err());
    }

    #[test]
    fn only_the_overlay_and_the_results_can_be_written_and_the_network_leads_nowhere_by_default() {
        let path = |name: &str| PathBuf::from(name);
        let media = Media { root: path("r"), seed: path("s"), input: path("i"), results: path("o") };
        let kernel = || Kernel { kernel: path("found"), initrd: None, command_line: String::new() };
        let plain = machine("x", &Settings::default(), Some(kernel()), &media, Path::new("log")).unwrap();
        let written: Vec<_> = plain.disks.iter().filter(|disk| !disk.read_only).map(|disk| &disk.path).collect();
        assert_eq!(written, [&media.root, &media.results]);
        assert_eq!(plain.networks.first().unwrap().netdev, "user,restrict=on");
        assert_eq!(plain.kernel.unwrap().kernel, path("found"));
        let settings =
            Settings { kernel: Some(path("given")), network: Some("user".parse().unwrap()), ..Settings::default() };
        let given = machine("x", &settings, Some(kernel()), &media, Path::new("log")).unwrap();
        assert_eq!(given.kernel.unwrap().command_line, "root=/dev/vda console=ttyS0");
        assert_eq!(given.networks.first().unwrap().netdev, "user");
    }
}
