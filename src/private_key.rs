// SPDX-License-Identifier: Apache-2.0
//! What a private key of OpenSSH tells without being used: OpenSSH's PROTOCOL.key, whose public half stands in the clear.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::public_key::take_string;

const BEGIN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";
const END: &str = "-----END OPENSSH PRIVATE KEY-----";

/// Whether a private key is within: PEM (RFC 7468), OpenSSH's own form, or PuTTY's.
pub fn is_within(text: &str) -> bool {
    text.contains("PRIVATE KEY-----") || text.contains("PuTTY-User-Key-File")
}

/// A private key in OpenSSH's own form.
#[derive(Debug, PartialEq, Eq)]
pub struct PrivateKey {
    /// Type and blob, as in a `.pub` file.
    pub public: String,
    /// Wants a passphrase.
    pub encrypted: bool,
}

impl PrivateKey {
    /// Reads one; `None` where it is none, or in another form (PEM), which has no public half to be read without
    /// cryptography.
    pub fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once(BEGIN)?;
        let (body, _) = rest.split_once(END)?;
        let bytes = STANDARD.decode(body.split_whitespace().collect::<String>()).ok()?;
        let (cipher, rest) = take_string(bytes.strip_prefix(b"openssh-key-v1\0")?)?;
        let (_derivation, rest) = take_string(rest)?;
        let (_options, rest) = take_string(rest)?;
        let blob = take_string(rest.strip_prefix(&[0, 0, 0, 1])?)?.0;
        let kind = std::str::from_utf8(take_string(blob)?.0).ok()?;
        Some(Self { public: format!("{kind} {}", STANDARD.encode(blob)), encrypted: cipher != b"none" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host_key::Kind;
    use proptest::prelude::*;

    #[test]
    fn the_public_half_is_read() {
        for kind in [Kind::Ed25519, Kind::Ecdsa] {
            let key = kind.make().unwrap();
            let read = PrivateKey::parse(&key.private).unwrap();
            assert_eq!((read.public.as_str(), read.encrypted), (key.public.trim_end(), false));
            let windows = key.private.replace('\n', "\r\n");
            assert_eq!(PrivateKey::parse(&windows).unwrap().public, key.public.trim_end());
        }
    }

    #[test]
    fn a_passphrase_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key");
        let make = std::process::Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "sesame", "-f"])
            .arg(&file)
            .status();
        if make.is_err() {
            return println!("SKIPPED: no ssh-keygen here");
        }
        let read = PrivateKey::parse(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let public = std::fs::read_to_string(file.with_extension("pub")).unwrap();
        assert!(read.encrypted && public.starts_with(&read.public));
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..80), head in any::<bool>()) {
            let magic: &[u8] = if head { b"openssh-key-v1\0" } else { b"" };
            let text = format!("{BEGIN}\n{}\n{END}\n", STANDARD.encode([magic, &bytes].concat()));
            prop_assert!(PrivateKey::parse(&text).is_none_or(|key| !key.public.is_empty()));
        }
    }
}
