// SPDX-License-Identifier: Apache-2.0
//! What is written where: the form of a medium as its file's name tells it, where nobody said.

use std::path::Path;

use crate::error::{Error, Result};
use crate::host::medium::{Disk, Form};

/// The form and the disk format for `output`.
///
/// # Errors
/// Malformed where the two do not go together.
pub fn form(output: &Path, form: Option<Form>, disk: Option<Disk>) -> Result<(Form, Disk)> {
    let name = output.to_string_lossy();
    let ending = output.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let by_name = match ending.as_str() {
        _ if name.ends_with('/') || output.is_dir() => Form::Directory,
        "vfat" | "fat" => Form::Vfat,
        "tar" => Form::Tar,
        // As cloud-localds: `.img` says nothing of what is in it.
        _ => Form::Iso,
    };
    if disk.is_none() && by_name == Form::Iso {
        // A disk of that format is wanted, and a raw one by its name would be found out by the guest.
        let not_written = matches!(ending.as_str(), "vmdk" | "vdi" | "vpc" | "vhd" | "vhdx" | "qed" | "qcow");
        if not_written {
            let format = if ending == "vhd" { "vpc" } else { ending.as_str() };
            return Err(Error::malformed(format!("{name}: a disk of the format `{format}` is not written"))
                .help(format!("write a raw one, then: qemu-img convert -f raw -O {format} SEED {name}")));
        }
    }
    let (form, disk) = match (form, disk) {
        (Some(form), Some(disk)) => (form, disk),
        (form, None) if ending == "qcow2" => (form.unwrap_or(by_name), Disk::Qcow2),
        (form, disk) => (form.unwrap_or(by_name), disk.unwrap_or(Disk::Raw)),
    };
    if form == Form::Directory && name == "-" {
        return Err(Error::malformed("a directory can't be written to standard output").help("take the form tar"));
    }
    Ok((form, disk))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_unless_somebody_says_otherwise() {
        let told =
            |name: &str, form: Option<Form>, disk: Option<Disk>| super::form(Path::new(name), form, disk).unwrap();
        for (name, expected) in [
            ("seed.iso", (Form::Iso, Disk::Raw)),
            ("seed.img", (Form::Iso, Disk::Raw)),
            ("seed", (Form::Iso, Disk::Raw)),
            ("-", (Form::Iso, Disk::Raw)),
            ("seed.VFAT", (Form::Vfat, Disk::Raw)),
            ("seed.tar", (Form::Tar, Disk::Raw)),
            ("seed.qcow2", (Form::Iso, Disk::Qcow2)),
            ("seed/", (Form::Directory, Disk::Raw)),
            ("/tmp", (Form::Directory, Disk::Raw)),
        ] {
            assert_eq!(told(name, None, None), expected, "{name}");
        }
        assert_eq!(told("seed.iso", Some(Form::Vfat), Some(Disk::Qcow2)), (Form::Vfat, Disk::Qcow2));
        assert_eq!(told("seed.qcow2", Some(Form::Vfat), None), (Form::Vfat, Disk::Qcow2));
        assert_eq!(told("seed.qcow2", None, Some(Disk::Raw)), (Form::Iso, Disk::Raw));
        assert_eq!(told("seed.vmdk", None, Some(Disk::Raw)), (Form::Iso, Disk::Raw));
        let error = super::form(Path::new("a.vhd"), None, None).unwrap_err().to_string();
        assert!(error.contains("qemu-img convert -f raw -O vpc SEED a.vhd"), "{error}");
        assert!(super::form(Path::new("-"), Some(Form::Directory), None).is_err());
    }
}
