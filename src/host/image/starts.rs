// SPDX-License-Identifier: Apache-2.0
//! How a guest starts from an image: by a boot loader of its own, or only by a kernel that is handed to it.

use std::path::Path;

use super::disk::{Disk, Format};
use super::partitions;
use crate::error::{At as _, Result};
use crate::media::Bytes as _;

/// GPT's type of the partition that UEFI starts from, and MBR's.
const EFI_SYSTEM: [&str; 2] = ["c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "ef"];
/// Before it a boot record is code.
const BOOT_CODE: usize = 440;

/// How an image starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Starts {
    /// By the code in its boot record (and perhaps UEFI).
    Firmware,
    /// By what is on its EFI system partition.
    Uefi,
    /// Not by itself.
    Kernel,
}

/// How a guest over the image at `path` starts. One that only qemu-img reads is taken for a whole disk.
///
/// # Errors
/// Absent or malformed, as the image; fatal where it can't be read.
pub fn starts_by(path: &Path) -> Result<Starts> {
    let format = Format::of(path)?;
    if !matches!(format, Format::Raw | Format::Qcow2) {
        return Ok(Starts::Firmware);
    }
    let disk = Disk::open_as(path, format)?;
    let mut record = [0; 512];
    disk.read_at(0, &mut record).at("read", path)?;
    let signed = record.ends_with(&[0x55, 0xaa]);
    if signed && record.iter().take(BOOT_CODE).any(|byte| *byte != 0) {
        return Ok(Starts::Firmware);
    }
    let partitions = partitions::read(&disk, disk.size())?;
    let has_system = partitions.iter().any(|it| EFI_SYSTEM.iter().any(|kind| it.kind.eq_ignore_ascii_case(kind)));
    Ok(if has_system { Starts::Uefi } else { Starts::Kernel })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(parts: &[(usize, &[u8])]) -> Starts {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut bytes = vec![0; 1 << 20];
        parts.iter().for_each(|(at, part)| bytes[*at..*at + part.len()].copy_from_slice(part));
        std::fs::write(file.path(), bytes).unwrap();
        starts_by(file.path()).unwrap()
    }

    #[test]
    fn it_is_told_by_the_first_sector_and_the_partitions() {
        let signature = (510, &[0x55, 0xaa][..]);
        // One partition of a table in the boot record: its type, first sector and length.
        let partition = |kind| [0, 0, 0, 0, kind, 0, 0, 0, 64, 0, 0, 0, 64, 0, 0, 0];
        assert_eq!(starts(&[(0, &[0xeb]), signature]), Starts::Firmware);
        assert_eq!(starts(&[(0, &[0xeb])]), Starts::Kernel, "without its signature no firmware takes it");
        assert_eq!(starts(&[]), Starts::Kernel);
        assert_eq!(starts(&[(446, &partition(0xef)), signature]), Starts::Uefi);
        assert_eq!(starts(&[(446, &partition(0x83)), signature]), Starts::Kernel);
    }
}
