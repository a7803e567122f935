// SPDX-License-Identifier: Apache-2.0
//! Which platform with EC2's metadata service this machine is on, by its firmware.

use crate::datasource::platform::{Field, is};
use crate::guest::Guest;

/// Amazon's own name for itself, as cloud-init has it.
const AWS: &str = "aws";

/// Who says what there, in lower case. As cloud-init's `DataSourceEc2` and ds-identify know them, and Amazon's Nitro by its
/// plain names.
const NAMES: [(&str, Field, &str); 7] = [
    (AWS, |dmi| &dmi.sys_vendor, "amazon ec2"),
    (AWS, |dmi| &dmi.chassis_asset_tag, "amazon ec2"),
    ("brightbox", |dmi| &dmi.product_serial, "*.brightbox.com"),
    ("zstack", |dmi| &dmi.chassis_asset_tag, "*.zstack.io"),
    ("e24cloud", |dmi| &dmi.sys_vendor, "e24cloud"),
    ("outscale", |dmi| &dmi.product_name, "3ds outscale vm"),
    ("tilaa", |dmi| &dmi.sys_vendor, "tilaa"),
];

/// A platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Platform {
    /// Its name, as `cloud_name` has it.
    pub(super) name: &'static str,
    /// What says so, as a clause.
    pub(super) why: String,
}

impl Platform {
    pub(super) fn is_amazon(&self) -> bool {
        self.name == AWS
    }
}

/// The platform; `None` where the firmware names none of them.
pub(super) fn of(guest: &Guest) -> Option<Platform> {
    let dmi = &guest.dmi;
    let says = |field: Field, known: &str| is(&field(dmi).to_ascii_lowercase(), known);
    if let Some((name, field, _)) = NAMES.into_iter().find(|(_, field, known)| says(*field, known)) {
        return Some(Platform { name, why: format!("the firmware names `{}`", field(dmi)) });
    }
    // Amazon's machines have one uuid for both.
    let by_firmware = begins_with_ec2(&dmi.product_serial) && dmi.has_uuid(&dmi.product_serial);
    // Xen tells it to guests that have no DMI; to a container it would tell its host's.
    let by_xen =
        || !guest.is_container() && guest.read_text("/sys/hypervisor/uuid").is_some_and(|it| begins_with_ec2(&it));
    (by_firmware || by_xen()).then(|| Platform { name: AWS, why: "the machine's uuid begins with `ec2`".to_owned() })
}

fn begins_with_ec2(uuid: &str) -> bool {
    uuid.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("ec2"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn name(files: &[(&str, &str)]) -> Option<&'static str> {
        let scratch = Scratch::new();
        let place =
            |name: &str| if name.starts_with('/') { name.to_owned() } else { format!("/sys/class/dmi/id/{name}") };
        files.iter().for_each(|(path, text)| scratch.file(&place(path), text));
        of(&Guest::read(&scratch.root()).unwrap()).map(|platform| platform.name)
    }

    #[test]
    fn amazon_s_machines_are_known_in_every_generation() {
        let uuid = "EC2AE145-D1DC-13B2-94ED-012345ABCDEF\n";
        let serial = "ec2ae145-d1dc-13b2-94ed-012345abcdef\n";
        assert_eq!(name(&[("sys_vendor", "Amazon EC2\n")]), Some(AWS));
        assert_eq!(name(&[("sys_vendor", "Xen"), ("product_uuid", uuid), ("product_serial", serial)]), Some(AWS));
        let swapped = "45E12AEC-DCD1-B213-94ED-012345ABCDEF\n";
        assert_eq!(name(&[("product_uuid", swapped), ("product_serial", serial)]), Some(AWS));
        assert_eq!(name(&[("/sys/hypervisor/uuid", serial)]), Some(AWS));
    }

    #[test]
    fn a_uuid_that_begins_so_by_chance_is_not_amazon_s() {
        let uuid = "ec2ae145-d1dc-13b2-94ed-012345abcdef";
        assert_eq!(name(&[("product_uuid", uuid)]), None);
        assert_eq!(name(&[("product_uuid", uuid), ("product_serial", "ec2-lab-7")]), None);
        assert_eq!(name(&[("product_uuid", uuid), ("product_serial", &uuid.replace("cdef", "cdee"))]), None);
        assert_eq!(name(&[("/sys/hypervisor/uuid", uuid), ("/run/systemd/container", "lxc")]), None);
        assert_eq!(name(&[("sys_vendor", "QEMU"), ("product_name", "Standard PC (Q35 + ICH9, 2009)")]), None);
        assert_eq!(name(&[("product_uuid", "ecé"), ("product_serial", "ecé")]), None, "no boundary of bytes");
    }

    #[test]
    fn those_who_took_the_service_over_are_known_by_name() {
        for (field, text, expected) in [
            ("product_serial", "srv-abcde.gb1.brightbox.com", "brightbox"),
            ("chassis_asset_tag", "123456.zstack.io", "zstack"),
            ("sys_vendor", "e24cloud", "e24cloud"),
            ("product_name", "3DS Outscale VM", "outscale"),
            ("sys_vendor", "Tilaa", "tilaa"),
        ] {
            assert_eq!(name(&[(field, text)]), Some(expected));
        }
        assert_eq!(name(&[("product_serial", "brightbox.com.example")]), None);
        assert_eq!(name(&[("sys_vendor", "not e24cloud")]), None);
    }
}
