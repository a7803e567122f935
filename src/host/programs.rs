// SPDX-License-Identifier: Apache-2.0
//! Other people's programs that the host kit calls: where one is, or which package has it.

use std::env;
use std::path::PathBuf;

use nix::unistd::{AccessFlags, access};

use crate::error::{Error, Result};

/// The program of that name in PATH; `packages` are those that have it.
///
/// # Errors
/// Absent, with the packages.
pub fn find(name: &str, packages: &str) -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // An ordinary user's PATH need not have what root's has.
    let directories = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    // A relative one is another in each working directory.
    let candidates = directories.filter(|directory| directory.is_absolute()).map(|directory| directory.join(name));
    let mut found = candidates.filter(|file| file.is_file() && access(file, AccessFlags::X_OK).is_ok());
    found.next().ok_or_else(|| {
        Error::absent(format!("there is no {name} on this machine (looked for in PATH)"))
            .help(format!("install the package {packages}"))
    })
}

/// QEMU itself.
///
/// # Errors
/// As [`find`].
pub fn qemu() -> Result<PathBuf> {
    find("qemu-system-x86_64", "qemu-system-x86 (Debian), qemu-kvm (Fedora)")
}

/// What makes overlays and converts images.
///
/// # Errors
/// As [`find`].
pub fn qemu_img() -> Result<PathBuf> {
    find("qemu-img", "qemu-utils (Debian), qemu-img (Fedora)")
}

/// What speaks with libvirt.
///
/// # Errors
/// As [`find`].
pub fn virsh() -> Result<PathBuf> {
    find("virsh", "libvirt-clients (Debian), libvirt-client (Fedora)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_nowhere_is_told_with_its_package() {
        assert!(find("sh", "dash").unwrap().is_absolute());
        let error = find("qemu-system-none", "qemu-system-none (Debian)").unwrap_err();
        assert!(error.is_absent());
        assert!(error.to_string().contains("install the package qemu-system-none (Debian)"), "{error}");
    }
}
