// SPDX-License-Identifier: Apache-2.0
//! The secret that several servers share.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::error::{At, Error, Result};
use crate::input;

/// Bytes: what is shorter can be guessed.
const SHORTEST: usize = 16;

/// Reads it; white space around it is not part of it.
///
/// # Errors
/// Malformed where it is short, or others than its owner and group can read it.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let mode = std::fs::metadata(path).at("read", path)?.permissions().mode();
    if mode & 0o007 != 0 {
        return Err(Error::malformed(format!("{} is open to everybody (mode {:o})", path.display(), mode & 0o7777))
            .help(format!("chmod 600 {}, and draw another secret", path.display())));
    }
    let secret = input::read(path, 1 << 20)?;
    let secret = secret.trim_ascii();
    if secret.len() < SHORTEST {
        return Err(Error::malformed(format!("{}: a secret has {SHORTEST} bytes or more", path.display()))
            .help("draw one: head -c 32 /dev/urandom | base64"));
    }
    Ok(secret.to_vec())
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};

    use super::*;

    #[test]
    fn a_secret_is_long_and_nobody_elses() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("secret");
        let read_with = |content: &str, mode| {
            write(&path, content).unwrap();
            set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            read(&path)
        };
        assert_eq!(read_with("0123456789abcdef\n", 0o600).unwrap(), b"0123456789abcdef");
        assert!(read_with("0123456789abcdef", 0o644).unwrap_err().to_string().contains("is open to everybody (mode 644)"));
        assert!(read_with("0123456789abcde \n", 0o600).unwrap_err().to_string().contains("16 bytes or more"));
    }
}
