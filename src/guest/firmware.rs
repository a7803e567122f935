// SPDX-License-Identifier: Apache-2.0
//! What a machine without DMI is: by the device tree (ARM, POWER), by `/proc/sysinfo` (s390); and containers.

use std::path::Path;

use super::dmi::{Dmi, uuid, value};
use crate::guest::text;
use crate::root::{Root, Tree as _};

/// Where the kernel shows the device tree; the second is the older name.
const TREES: [&str; 2] = ["/sys/firmware/devicetree/base", "/proc/device-tree"];

/// As far as it is told in other ways than by DMI.
pub(super) fn read(root: &Root) -> Dmi {
    match TREES.into_iter().find(|tree| root.exists(Path::new(tree))) {
        Some(tree) => of_tree(|name| text(root, &format!("{tree}/{name}")).unwrap_or_default()),
        None => of_sysinfo(&text(root, "/proc/sysinfo").unwrap_or_default()),
    }
}

/// By the properties of the tree's root. `vm,uuid` and `system-id` are what QEMU tells a pSeries guest,
/// `ibm,partition-uuid` what `PowerVM` does.
fn of_tree(property: impl Fn(&str) -> String) -> Dmi {
    let first = |names: &[&str]| names.iter().map(|name| value(&property(name))).find(|it| !it.is_empty());
    // The most exact of its names, `VENDOR,MODEL`, comes first.
    let compatible = property("compatible");
    let (vendor, model) = compatible.split('\0').next().and_then(|name| name.split_once(',')).unwrap_or_default();
    Dmi {
        sys_vendor: value(vendor),
        product_name: first(&["model"]).unwrap_or_else(|| value(model)),
        product_serial: first(&["serial-number", "system-id"]).unwrap_or_default(),
        product_uuid: uuid(&first(&["vm,uuid", "ibm,partition-uuid"]).unwrap_or_default()),
        ..Dmi::default()
    }
}

/// By what the machine and the innermost hypervisor (`VM00`) say there.
fn of_sysinfo(sysinfo: &str) -> Dmi {
    let line = |key: &str| {
        let lines = sysinfo.lines().filter_map(|line| line.split_once(':'));
        value({ lines }.find(|(name, _)| name.trim() == key).map_or("", |(_, text)| text))
    };
    Dmi {
        sys_vendor: line("Manufacturer"),
        product_name: line("VM00 Control Program"),
        product_version: line("Type"),
        product_uuid: uuid(&line("VM00 UUID")),
        ..Dmi::default()
    }
}

/// Whether this is a container.
pub(super) fn is_container(root: &Root) -> bool {
    let marks = ["/run/systemd/container", "/run/host/container-manager", "/run/.containerenv", "/.dockerenv"];
    marks.iter().any(|mark| root.exists(Path::new(mark))) || of_init(root, "container").is_some()
}

/// Nova's containers were told what they are by their init's environment, as cloud-init has it.
pub(super) fn of_container(root: &Root) -> Dmi {
    Dmi { product_name: value(&of_init(root, "product_name").unwrap_or_default()), ..Dmi::default() }
}

/// A variable of the environment that the first process was started in.
fn of_init(root: &Root, key: &str) -> Option<String> {
    let environment = text(root, "/proc/1/environ")?;
    let value = environment.split('\0').find_map(|entry| entry.strip_prefix(key)?.strip_prefix('='))?;
    Some(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn read_from(files: &[(&str, &str)]) -> Dmi {
        let scratch = Scratch::new();
        files.iter().for_each(|(path, text)| scratch.file(path, text));
        Dmi::read(&scratch.root())
    }

    #[test]
    fn a_device_tree_names_the_machine() {
        let pseries = read_from(&[
            ("/proc/device-tree/model", "IBM pSeries (emulated by qemu)\0"),
            ("/proc/device-tree/compatible", "qemu,pseries\0"),
            ("/proc/device-tree/vm,uuid", "9b2bd7b1-9d2c-4d1e-8a0f-6a2f6b1f0c11\0"),
        ]);
        assert_eq!(
            (pseries.sys_vendor.as_str(), pseries.product_name.as_str()),
            ("qemu", "IBM pSeries (emulated by qemu)")
        );
        assert_eq!(pseries.product_uuid, "9b2bd7b1-9d2c-4d1e-8a0f-6a2f6b1f0c11");
        let virt = read_from(&[("/sys/firmware/devicetree/base/compatible", "linux,dummy-virt\0")]);
        assert_eq!((virt.sys_vendor.as_str(), virt.product_name.as_str()), ("linux", "dummy-virt"));
    }

    #[test]
    fn where_there_is_dmi_nothing_else_is_asked() {
        let dmi = read_from(&[
            ("/sys/class/dmi/id/product_name", "KVM Virtual Machine"),
            ("/proc/device-tree/model", "linux,dummy-virt\0"),
        ]);
        assert_eq!((dmi.product_name.as_str(), dmi.sys_vendor.as_str()), ("KVM Virtual Machine", ""));
    }

    #[test]
    fn sysinfo_names_the_innermost_hypervisor() {
        let sysinfo = "Manufacturer:         IBM\nType:                 8561\n\nVM00 Name:            web\n\
            VM00 Control Program: KVM/Linux\nVM00 UUID:            82038f2a-1344-aaf7-1a85-2a7250be2076\n";
        let dmi = read_from(&[("/proc/sysinfo", sysinfo)]);
        assert_eq!((dmi.sys_vendor.as_str(), dmi.product_name.as_str()), ("IBM", "KVM/Linux"));
        assert_eq!(dmi.product_uuid, "82038f2a-1344-aaf7-1a85-2a7250be2076");
    }

    #[test]
    fn a_guest_of_xen_has_the_hypervisor_s_uuid_and_the_host_of_a_container_is_not_it() {
        let uuid = ("/sys/hypervisor/uuid", "ec2c6e2f-5fac-4fc7-9c82-74127ec14bbb\n");
        assert_eq!(read_from(&[uuid]).product_uuid, "ec2c6e2f-5fac-4fc7-9c82-74127ec14bbb");
        let host = ("/sys/class/dmi/id/product_name", "OpenStack Nova\n");
        assert_eq!(read_from(&[host]).product_name, "OpenStack Nova");
        for container in [("/run/systemd/container", "lxc\n"), ("/proc/1/environ", "PATH=/bin\0container=docker\0")] {
            assert_eq!(read_from(&[uuid, host, container]), Dmi::default());
        }
        let nova = ("/proc/1/environ", "container=lxc\0product_name=OpenStack Nova\0");
        assert_eq!(read_from(&[nova]).product_name, "OpenStack Nova");
    }
}
