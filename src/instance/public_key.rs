// SPDX-License-Identifier: Apache-2.0
//! What is a line of OpenSSH's `authorized_keys`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Whether the line holds a public key: a type and, after it, a blob that says of itself that it is of that type.
///
/// So a key of a type that is not invented yet passes too, whatever options stand before it; and a private key, a
/// truncated one or a link to one does not.
pub fn is_public_key(line: &str) -> bool {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    words.windows(2).any(|pair| matches!(pair, [kind, blob] if of_kind(blob, kind)))
}

/// RFC 4253, 6.6: a blob begins with its type, and that with its length.
fn of_kind(blob: &str, kind: &str) -> bool {
    let Ok(bytes) = STANDARD.decode(blob) else { return false };
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return false };
    let Ok(length) = usize::try_from(u32::from_be_bytes(*length)) else { return false };
    rest.split_at_checked(length).is_some_and(|(own, key)| own == kind.as_bytes() && !own.is_empty() && !key.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made by `ssh-keygen -t ed25519`; the private half was never kept.
    const BLOB: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIDlZrvrghHGLBOqnwHms/gi1daP5AElq0hZC0etyIHr0";

    #[test]
    fn a_key_is_known_by_its_blob() {
        assert!(is_public_key(&format!("ssh-ed25519 {BLOB} me@example.org")));
        assert!(is_public_key(&format!("command=\"echo a b\",no-pty ssh-ed25519 {BLOB}")));
        assert!(!is_public_key(&format!("ssh-rsa {BLOB} of another type")));
        assert!(!is_public_key(&format!("ssh-ed25519 {}", &BLOB[..20])));
        assert!(!is_public_key(BLOB));
        for line in ["", "ssh-ed25519", "-----BEGIN OPENSSH PRIVATE KEY-----", "https://example.org/me.keys"] {
            assert!(!is_public_key(line), "{line}");
        }
    }
}
