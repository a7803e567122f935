// SPDX-License-Identifier: Apache-2.0
//! A public key as OpenSSH writes it: one line of `authorized_keys`.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest as _, Sha256, Sha512};

/// A line of `authorized_keys` (sshd(8)): options, type, blob, comment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct PublicKey<'a> {
    /// As written, quotes and all; empty where there are none.
    pub options: &'a str,
    /// `ssh-ed25519` and the like.
    pub kind: &'a str,
    /// In Base64.
    pub blob: &'a str,
    pub comment: &'a str,
}

impl<'a> PublicKey<'a> {
    /// Type, blob and comment, without options.
    pub fn bare(&self) -> String {
        format!("{} {} {}", self.kind, self.blob, self.comment).trim_end().to_owned()
    }

    /// Reads a line; `None` where it is no key. The blob has to begin with the same type as the line says, so any type
    /// that sshd may learn is known, and a line that was cut off within the blob's beginning is not.
    pub fn parse(line: &'a str) -> Option<Self> {
        let line = line.trim();
        if line.starts_with('#') || line.contains(['\n', '\r', '\0']) {
            return None;
        }
        Self::without_options(line).or_else(|| {
            let (options, rest) = split_unquoted(line)?;
            Some(Self { options, ..Self::without_options(rest)? })
        })
    }

    fn without_options(text: &'a str) -> Option<Self> {
        let (kind, rest) = text.split_once([' ', '\t'])?;
        let rest = rest.trim_start();
        let (blob, comment) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        let bytes = STANDARD.decode(blob).ok()?;
        let (name, rest) = take_string(&bytes)?;
        let named = name == kind.as_bytes() && !rest.is_empty();
        named.then_some(Self { options: "", kind, blob, comment: comment.trim() })
    }

    /// As `ssh-keygen -l` shows it: bits, digest, comment and type, e.g. `256 SHA256:... ops (ED25519)`.
    pub fn fingerprint(&self, digest: Digest) -> String {
        let blob = STANDARD.decode(self.blob).unwrap_or_default();
        let digest = match digest {
            Digest::Sha256 => format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(&blob))),
            Digest::Sha512 => format!("SHA512:{}", STANDARD_NO_PAD.encode(Sha512::digest(&blob))),
        };
        let comment = if self.comment.is_empty() { "no comment" } else { self.comment };
        let name = self.kind.trim_start_matches("sk-").trim_start_matches("ssh-").split(['-', '@']).next();
        let name = name.unwrap_or_default().to_ascii_uppercase();
        let security_key = if self.kind.starts_with("sk-") { "-SK" } else { "" };
        format!("{} {digest} {comment} ({name}{security_key})", self.bits(&blob).unwrap_or_default())
    }

    /// The size of the key, where its type is one whose size is known.
    fn bits(&self, blob: &[u8]) -> Option<usize> {
        let kind = self.kind;
        if let Some((_, curve)) = kind.split_once("nistp") {
            return curve.split('@').next()?.parse().ok();
        }
        if kind.contains("ed25519") {
            return Some(256);
        }
        // The modulus is the third part of an RSA key; the second of a DSA key is as long as the key.
        let mut rest = blob;
        for _ in 0..if kind == "ssh-rsa" { 2 } else { 1 } {
            rest = take_string(rest)?.1;
        }
        let number = take_string(rest)?.0;
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let first = number.get(zeros)?;
        Some((number.len() - zeros) * 8 - first.leading_zeros() as usize)
    }

    /// Whether it is the same key, whatever its options and comment.
    pub fn is(&self, other: &PublicKey) -> bool {
        (self.kind, self.blob) == (other.kind, other.blob)
    }
}

/// What a fingerprint is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Digest {
    Sha256,
    Sha512,
}

/// A `string` of RFC 4251, its length before it, and what comes after it.
pub fn take_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// The text before the first blank that is outside of quotes, and the text after it.
fn split_unquoted(text: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let mut escaped = false;
    for (index, c) in text.char_indices() {
        match c {
            ' ' | '\t' if !quoted => return Some((text.get(..index)?, text.get(index..)?.trim_start())),
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // ssh-keygen -t ed25519 -C one@example and ssh-keygen -t ecdsa -C two@example.
    const ONE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDHjp+E0F3iw14xdX9VkA+BGOiRydt4RC84W3+iJB+P7 one@example";
    const TWO: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBB2Fs2BqA70FmbSOkls6Wl23zw9l/1cTvgEdpk+YmtEdQE8S8nZYB9SVIPoByEQ5H7ReC1eqYZv1jtWoH7hlFjQ= two@example";

    #[test]
    fn a_line_is_read_with_its_options_and_comment() {
        let plain = PublicKey::parse(ONE).unwrap();
        assert_eq!((plain.options, plain.kind, plain.comment), ("", "ssh-ed25519", "one@example"));
        let line = format!("command=\"echo \\\"a b\\\" \",no-pty  {TWO}");
        let key = PublicKey::parse(&line).unwrap();
        assert_eq!((key.options, key.kind), ("command=\"echo \\\"a b\\\" \",no-pty", "ecdsa-sha2-nistp256"));
        for line in ["", "# ssh-rsa AAAA", "ssh-rsa", "ssh-rsa AAAA", "ssh-rsa !!", &ONE.replace("ed25519", "rsa")] {
            assert_eq!(PublicKey::parse(line), None, "{line}");
        }
    }

    #[test]
    fn fingerprints_are_those_of_ssh_keygen() {
        // ssh-keygen -l -f, and with -E sha512.
        let print = |line: &str, digest| PublicKey::parse(line).unwrap().fingerprint(digest);
        assert_eq!(
            print(ONE, Digest::Sha256),
            "256 SHA256:1WrX+1hGvKxCfjGr0MQF4kU1+7OYzKPGKDAZTmegaNs one@example (ED25519)"
        );
        assert!(print(ONE, Digest::Sha512).starts_with("256 SHA512:5viS8UqeKl6YfJh6s5TKQm8PfwUBc"));
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key");
        for (kind, bits) in [("rsa", "2048"), ("rsa", "3072"), ("ecdsa", "384"), ("ecdsa", "521"), ("ed25519", "256")] {
            let _ = std::fs::remove_file(&file);
            let make = std::process::Command::new("ssh-keygen")
                .args(["-q", "-t", kind, "-b", bits, "-N", "", "-C", "a b", "-f"])
                .arg(&file)
                .status();
            if make.is_err() {
                return println!("SKIPPED: no ssh-keygen here");
            }
            let public = file.with_extension("pub");
            let shown = std::process::Command::new("ssh-keygen").arg("-lf").arg(&public).output().unwrap();
            let line = std::fs::read_to_string(&public).unwrap();
            assert_eq!(print(&line, Digest::Sha256), String::from_utf8(shown.stdout).unwrap().trim_end());
        }
    }

    proptest! {
        #[test]
        fn no_line_breaks_the_reader(line in "[ -~\"\\\\\n\té]{0,80}") {
            if let Some(key) = PublicKey::parse(&line) {
                prop_assert!(line.contains(key.blob) && line.contains(key.options));
                prop_assert!(key.fingerprint(Digest::Sha256).contains("SHA256:"));
            }
        }
    }
}
