// SPDX-License-Identifier: Apache-2.0
//! UEFI firmware where distributions put it.

use std::fs;
use std::path::{Path, PathBuf};

use super::arguments::Firmware;
use crate::error::{At as _, Error, Result};
use crate::host::scratch::Scratch;

/// Code and variables, without secure boot; Debian and Ubuntu, older ones, Fedora, openSUSE, Arch.
const PLACES: &[(&str, &str)] = &[
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    ("/usr/share/qemu/ovmf-x86_64-code.bin", "/usr/share/qemu/ovmf-x86_64-vars.bin"),
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
];

/// The firmware with variables of the guest's own.
///
/// # Errors
/// Absent, with the packages that have it.
pub fn prepare(name: &str, scratch: &Scratch) -> Result<Firmware> {
    let (code, template) = PLACES
        .iter()
        .find(|(code, variables)| Path::new(code).is_file() && Path::new(variables).is_file())
        .ok_or_else(|| {
            Error::absent("there is no UEFI firmware for guests on this machine")
                .help("install the package ovmf (Debian) or edk2-ovmf (Fedora), or leave --uefi out")
        })?;
    let variables = scratch.path().join(format!("{}.variables", name.replace('/', "_")));
    fs::copy(template, &variables).at("write", &variables)?;
    Ok(Firmware { code: PathBuf::from(code), variables })
}
