// SPDX-License-Identifier: Apache-2.0
//! SELinux labels carried from a file to the one that replaces it.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::libc;

const SELINUX: &CStr = c"security.selinux";
/// Labels are short; the kernel's own are below 256 bytes.
const LENGTH: usize = 4096;

/// Gives `new` the label of `old`, should it have one. Where it cannot be given (an ordinary user, a file system
/// without labels), the kernel's own choice stays.
pub(super) fn carry(old: impl AsFd, new: impl AsFd) -> nix::Result<()> {
    let mut label = [0u8; LENGTH];
    let Some(length) = get(old, SELINUX, &mut label)? else { return Ok(()) };
    match set(new, SELINUX, label.get(..length).unwrap_or_default()) {
        Err(Errno::EPERM | Errno::ENOTSUP) => Ok(()),
        result => result,
    }
}

#[allow(unsafe_code)]
fn get(file: impl AsFd, name: &CStr, value: &mut [u8]) -> nix::Result<Option<usize>> {
    // SAFETY: the descriptor is open, the name ends with NUL, and the kernel writes at most `len` bytes to `value`.
    let length =
        unsafe { libc::fgetxattr(file.as_fd().as_raw_fd(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    match Errno::result(length) {
        Ok(length) => Ok(usize::try_from(length).ok()),
        Err(Errno::ENODATA | Errno::ENOTSUP) => Ok(None),
        Err(error) => Err(error),
    }
}

#[allow(unsafe_code)]
fn set(file: impl AsFd, name: &CStr, value: &[u8]) -> nix::Result<()> {
    // SAFETY: the descriptor is open, the name ends with NUL, and the kernel reads `len` bytes from `value`.
    let result =
        unsafe { libc::fsetxattr(file.as_fd().as_raw_fd(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
    Errno::result(result).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use std::fs::File;

    #[test]
    fn a_label_goes_from_the_old_file_to_the_new_one() {
        let scratch = Scratch::new();
        let (old, new) = (scratch.path("/old"), scratch.path("/new"));
        let (old, new) = (File::create(old).unwrap(), File::create(new).unwrap());
        carry(&old, &new).unwrap();
        let label = b"system_u:object_r:shadow_t:s0\0";
        if set(&old, SELINUX, label).is_err() {
            return eprintln!("skipped: no labels without root, or on this file system");
        }
        carry(&old, &new).unwrap();
        let mut read = [0; LENGTH];
        let length = get(&new, SELINUX, &mut read).unwrap().unwrap();
        assert_eq!(&read[..length], label);
    }
}
