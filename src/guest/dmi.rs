// SPDX-License-Identifier: Apache-2.0
//! What the firmware says of the machine: DMI (SMBIOS), and [`super::firmware`] where there is no DMI.

use crate::guest::{firmware, text};
use crate::root::{Root, Tree as _};

const DIRECTORY: &str = "/sys/class/dmi/id";
/// Characters of one value. SMBIOS itself has no limit, and people put URLs into serial numbers.
const LIMIT: usize = 2048;

/// DMI strings under the kernel's names; empty where there are none, or where they are what firmware says that nobody has
/// told its name. In a container they are not read: they are the host's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Dmi {
    pub sys_vendor: String,
    pub product_name: String,
    pub product_version: String,
    /// Of the system; root alone may read it.
    pub product_serial: String,
    /// Of the system, in lower case; root alone may read it. Empty where it is not this machine's alone.
    pub product_uuid: String,
    pub chassis_asset_tag: String,
    pub chassis_vendor: String,
    pub chassis_serial: String,
    pub chassis_version: String,
    pub board_vendor: String,
    pub board_name: String,
    pub board_version: String,
    pub board_serial: String,
    pub board_asset_tag: String,
    pub bios_vendor: String,
    pub bios_version: String,
    pub bios_date: String,
}

impl Dmi {
    /// Looks once.
    pub(super) fn read(root: &Root) -> Self {
        if firmware::is_container(root) {
            return firmware::of_container(root);
        }
        let mut dmi = match root.exists(DIRECTORY.as_ref()) {
            true => Self::of_smbios(root),
            false => firmware::read(root),
        };
        if dmi.product_uuid.is_empty() {
            dmi.product_uuid = uuid(&text(root, "/sys/hypervisor/uuid").unwrap_or_default());
        }
        dmi
    }

    fn of_smbios(root: &Root) -> Self {
        let line = |name: &str| value(&text(root, &format!("{DIRECTORY}/{name}")).unwrap_or_default());
        Self {
            sys_vendor: line("sys_vendor"),
            product_name: line("product_name"),
            product_version: line("product_version"),
            product_serial: line("product_serial"),
            product_uuid: uuid(&line("product_uuid")),
            chassis_asset_tag: line("chassis_asset_tag"),
            chassis_vendor: line("chassis_vendor"),
            chassis_serial: line("chassis_serial"),
            chassis_version: line("chassis_version"),
            board_vendor: line("board_vendor"),
            board_name: line("board_name"),
            board_version: line("board_version"),
            board_serial: line("board_serial"),
            board_asset_tag: line("board_asset_tag"),
            bios_vendor: line("bios_vendor"),
            bios_version: line("bios_version"),
            bios_date: line("bios_date"),
        }
    }

    /// Whether `id` is the machine's uuid, be it written in its bytes' other order: before SMBIOS 2.6 firmware and kernels
    /// did not agree which one it is.
    pub fn has_uuid(&self, id: &str) -> bool {
        let own = &self.product_uuid;
        !own.is_empty()
            && (own.eq_ignore_ascii_case(id) || in_other_order(own).is_some_and(|it| it.eq_ignore_ascii_case(id)))
    }
}

/// A uuid with the bytes of its first three groups in the other order; `None` for what is none.
pub fn in_other_order(uuid: &str) -> Option<String> {
    if !is_uuid(uuid) {
        return None;
    }
    let swapped = |group: &str| -> String {
        let bytes: Vec<String> =
            group.chars().collect::<Vec<_>>().chunks(2).map(|pair| pair.iter().collect()).collect();
        bytes.into_iter().rev().collect()
    };
    let groups = uuid.split('-').enumerate().map(|(at, group)| if at < 3 { swapped(group) } else { group.to_owned() });
    Some(groups.collect::<Vec<_>>().join("-"))
}

/// What firmware says where nobody has told it more.
const FILLERS: [&str; 17] = [
    "to be filled by o.e.m.",
    "to be filled by oem",
    "default string",
    "not specified",
    "not applicable",
    "not available",
    "n/a",
    "none",
    "unknown",
    "empty",
    "system manufacturer",
    "system product name",
    "system version",
    "system serial number",
    "chassis serial number",
    "0123456789",
    "asset-1234567890",
];

/// Uuids that whole series of boards have, in both orders of their bytes.
const SHARED: [&str; 6] = [
    "03000200-0400-0500-0006-000700080009",
    "00020003-0004-0005-0006-000700080009",
    "12345678-1234-5678-90ab-cddeefaabbcc",
    "78563412-3412-7856-90ab-cddeefaabbcc",
    "4c4c4544-0000-2010-8020-80c04f202020",
    "11111111-2222-3333-4444-555555555555",
];

/// A value as it counts: without blanks and what a terminal would obey around it; nothing where it says nothing.
pub(super) fn value(text: &str) -> String {
    let bare = text.trim_matches(|c: char| c.is_whitespace() || c.is_control());
    let says_nothing = bare.chars().all(|c| matches!(c, '.' | ' ' | '-'))
        || FILLERS.iter().any(|filler| bare.eq_ignore_ascii_case(filler));
    if says_nothing { String::new() } else { bare.chars().take(LIMIT).collect() }
}

/// A uuid in lower case; empty where it is none, or one that other machines have too.
pub(super) fn uuid(text: &str) -> String {
    let uuid = text.trim().to_ascii_lowercase();
    let first = uuid.chars().next();
    let is_blank = uuid.chars().all(|c| c == '-' || Some(c) == first);
    if is_uuid(&uuid) && !is_blank && !SHARED.contains(&uuid.as_str()) { uuid } else { String::new() }
}

fn is_uuid(text: &str) -> bool {
    text.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn what_nobody_filled_in_counts_as_nothing() {
        for text in ["", "\n", "To be filled by O.E.M.\n", " Not Specified", "Default string", "None", "...", "\0"] {
            assert_eq!(value(text), "", "{text:?}");
        }
        for (text, kept) in [(" OpenStack Nova \n", "OpenStack Nova"), ("AHV\0", "AHV"), ("0", "0")] {
            assert_eq!(value(text), kept);
        }
        assert_eq!(value(&"x".repeat(100_000)).len(), LIMIT);
    }

    #[test]
    fn a_uuid_of_many_machines_is_no_uuid_of_this_one() {
        let own = "EC2AE145-D1DC-13B2-94ED-012345ABCDEF";
        assert_eq!(uuid(&format!("{own}\n")), own.to_ascii_lowercase());
        for shared in [
            "00000000-0000-0000-0000-000000000000",
            "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
            "03000200-0400-0500-0006-000700080009",
            "00020003-0004-0005-0006-000700080009",
            "Not Settable",
            "ec2ae145",
            "ec2ae145-d1dc-13b2-94ed-012345abcdeg",
        ] {
            assert_eq!(uuid(shared), "", "{shared}");
        }
    }

    #[test]
    fn a_uuid_is_known_in_either_order_of_its_bytes() {
        let dmi = Dmi { product_uuid: "45e12aec-dcd1-b213-94ed-012345abcdef".to_owned(), ..Dmi::default() };
        assert!(dmi.has_uuid("EC2AE145-D1DC-13B2-94ED-012345ABCDEF"));
        assert!(dmi.has_uuid("45E12AEC-dcd1-b213-94ed-012345abcdef"));
        assert!(!dmi.has_uuid("45e12aec-dcd1-b213-94ed-012345abcdee") && !dmi.has_uuid(""));
        assert!(!Dmi::default().has_uuid(""), "none is nobody's");
        assert_eq!(in_other_order("é2ae145-d1dc-13b2-94ed-012345abcdef"), None);
    }

    #[test]
    fn bytes_that_are_no_text_are_borne() {
        let scratch = Scratch::new();
        scratch.file("/sys/class/dmi/id/sys_vendor", "");
        std::fs::write(scratch.path("/sys/class/dmi/id/sys_vendor"), b"Acme\xff\n").unwrap();
        assert_eq!(Dmi::read(&scratch.root()).sys_vendor, "Acme\u{fffd}");
    }
}
