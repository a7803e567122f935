// SPDX-License-Identifier: Apache-2.0
//! The firmware's table: the strings that a hypervisor hands in ("OEM strings", type 11 of the SMBIOS specification).

/// Type of a structure with such strings, and of the one that ends the table.
const OEM_STRINGS: u8 = 11;
const END: u8 = 127;

/// All OEM strings of the table, as the kernel has it in `/sys/firmware/dmi/tables/DMI`. A table that is cut ends early.
///
/// A structure is a header (type, length of the fixed part with the header, a handle of two bytes), the rest of the fixed
/// part, and strings, each with a zero after it; another zero ends them, two where there are none.
pub fn oem_strings(table: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let mut rest = table;
    while let [kind, length, _, _, ..] = *rest {
        let Some(mut strings) = rest.get(usize::from(length).max(4)..) else { break };
        if kind == END {
            break;
        }
        if strings.first() == Some(&0) {
            strings = strings.get(1..).unwrap_or_default();
        }
        while let Some(end) = strings.iter().position(|byte| *byte == 0).filter(|end| *end > 0) {
            let (string, after) = strings.split_at(end);
            if kind == OEM_STRINGS {
                found.push(string);
            }
            strings = after.get(1..).unwrap_or_default();
        }
        rest = strings.get(1..).unwrap_or_default();
    }
    found
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A structure of that type with these strings, as QEMU writes it.
    pub fn structure(kind: u8, strings: &[&[u8]]) -> Vec<u8> {
        let mut bytes = vec![kind, 5, 0, 14, strings.len() as u8];
        strings.iter().for_each(|string| bytes.extend([string, &b"\0"[..]].concat()));
        bytes.extend(if strings.is_empty() { &b"\0\0"[..] } else { b"\0" });
        bytes
    }

    #[test]
    fn strings_of_that_type_alone_and_only_before_the_end() {
        let table = [
            structure(1, &[b"QEMU", b"Standard PC"]),
            structure(32, &[]),
            structure(11, &[b"a=1", b"b=\xff"]),
            structure(17, &[]),
            structure(11, &[b"c"]),
            structure(127, &[]),
            structure(11, &[b"late"]),
        ]
        .concat();
        assert_eq!(oem_strings(&table), [&b"a=1"[..], b"b=\xff", b"c"]);
        assert_eq!(oem_strings(&structure(11, &[b"cut"])[..8]), [&b""[..]; 0], "a string without its end is none");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn whatever_the_table_holds_the_reading_ends(table in prop::collection::vec(any::<u8>(), 0..200)) {
            let length: usize = oem_strings(&table).iter().map(|string| string.len() + 1).sum();
            prop_assert!(length <= table.len());
        }
    }
}
