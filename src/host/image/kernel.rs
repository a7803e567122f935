// SPDX-License-Identifier: Apache-2.0
//! The image's own kernel, taken out of it without mounting.

use std::fs;
use std::path::Path;
use std::rc::Rc;

use ext4_view::Ext4;

use super::disk::{Disk, Format};
use super::window::{names, read};
use super::{roots, versions};
use crate::error::{At as _, Result};
use crate::host::qemu;
use crate::host::scratch::Scratch;

/// Bytes of a kernel or of its initrd.
const LIMIT: u64 = 512 << 20;
/// Names in /boot that are looked at.
const ENTRIES: usize = 10_000;
/// How a kernel's file begins, before its version.
const KERNELS: [&str; 3] = ["vmlinuz-", "vmlinux-", "Image-"];

/// The newest kernel of the image at `path` with its initrd, copied into `scratch`, and the command line that boots the
/// image's root as the machine's first disk, its console the first serial port.
///
/// `None` where the root can't be read here (it is not ext4, or the format is not raw or qcow2), or has no kernel.
///
/// # Errors
/// Malformed where the image has no root, or is damaged; fatal where it can't be read or there is no space.
pub fn boot_files(path: &Path, scratch: &Scratch) -> Result<Option<qemu::Kernel>> {
    if !matches!(Format::of(path)?, Format::Raw | Format::Qcow2) {
        return Ok(None);
    }
    let disk = Rc::new(Disk::open(path)?);
    let Some(root) = roots::candidates(&disk)?.into_iter().find(|one| one.file_system.starts_with("ext")) else {
        return Ok(None);
    };
    let Some(found) = Found::newest(&root.window.ext4()?)? else { return Ok(None) };
    let kernel = scratch.path().join("vmlinuz");
    fs::write(&kernel, found.kernel).at("write", &kernel)?;
    let initrd = found.initrd.map(|content| {
        let place = scratch.path().join("initrd");
        fs::write(&place, content).at("write", &place).map(|()| place)
    });
    let command_line = format!("root={} rootfstype={} rw console=ttyS0", root.device(), root.file_system);
    Ok(Some(qemu::Kernel { kernel, initrd: initrd.transpose()?, command_line }))
}

/// A kernel of an image.
pub struct Found {
    /// As `uname -r` has it.
    pub version: String,
    /// Its bytes.
    pub kernel: Vec<u8>,
    /// What it begins with, where the image has that.
    pub initrd: Option<Vec<u8>>,
}

impl Found {
    /// The newest one in /boot.
    pub fn newest(files: &Ext4) -> Result<Option<Self>> {
        let names = names(files, "/boot", ENTRIES);
        let versioned = names.iter().filter_map(|name| {
            let version = KERNELS.iter().find_map(|start| name.strip_prefix(start))?;
            // Fedora's is one of all drivers, for a person who repairs.
            (!version.contains("rescue")).then_some((name, version))
        });
        let Some((name, version)) = versioned.max_by(|left, right| versions::compare(left.1, right.1)) else {
            return Ok(None);
        };
        let Some(kernel) = read(files, &format!("/boot/{name}"), LIMIT)? else { return Ok(None) };
        // Debian; Fedora, Arch and Alpine; SUSE.
        let initrds =
            [format!("initrd.img-{version}"), format!("initramfs-{version}.img"), format!("initrd-{version}")];
        let initrd = initrds.iter().find(|name| names.contains(name));
        let initrd = initrd.map(|name| read(files, &format!("/boot/{name}"), LIMIT)).transpose()?.flatten();
        Ok(Some(Self { version: version.to_owned(), kernel, initrd }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// A bare ext4 image with these files.
    fn image(directory: &Path, files: &[(&str, &str)]) -> std::path::PathBuf {
        let tree = directory.join("tree");
        for (path, content) in files {
            let path = tree.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let image = directory.join("image");
        let mut made = Command::new("/usr/sbin/mke2fs");
        made.args(["-q", "-t", "ext4", "-d"]).args([&tree, &image]).arg("8M");
        assert!(made.output().unwrap().status.success());
        image
    }

    #[test]
    fn the_newest_kernel_comes_with_its_own_initrd() {
        let directory = tempfile::tempdir().unwrap();
        let path = image(
            directory.path(),
            &[
                ("etc/os-release", "ID=debian"),
                ("boot/vmlinuz-6.1.0-9-amd64", "old"),
                ("boot/initrd.img-6.1.0-9-amd64", "old initrd"),
                ("boot/vmlinuz-6.1.0-28-amd64", "new"),
                ("boot/initrd.img-6.1.0-28-amd64", "new initrd"),
                ("boot/vmlinuz-9-rescue", "rescue"),
            ],
        );
        let disk = Rc::new(Disk::open(&path).unwrap());
        let [root] = &roots::candidates(&disk).unwrap()[..] else { panic!("one root") };
        assert_eq!((root.device().as_str(), root.file_system), ("/dev/vda", "ext4"));
        let found = Found::newest(&root.window.ext4().unwrap()).unwrap().unwrap();
        assert_eq!((found.version.as_str(), found.kernel.as_slice()), ("6.1.0-28-amd64", &b"new"[..]));
        assert_eq!(found.initrd.as_deref(), Some(&b"new initrd"[..]));
    }
}
