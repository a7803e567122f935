// SPDX-License-Identifier: Apache-2.0
//! Host keys of sshd, made in process: starting ssh-keygen twice costs a first boot more than all else that is done
//! before login.
//!
//! Formats as OpenSSH's PROTOCOL.key (`openssh-key-v1`) and RFC 5656, 8709 have them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};

use crate::error::{Error, Result};
use crate::random;

/// The types that are made here. RSA is left to ssh-keygen: finding primes takes it seconds too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    Ed25519,
    Ecdsa,
}

/// A new pair of keys, as the contents of sshd's two files.
pub struct HostKey {
    /// `ssh_host_TYPE_key`, 0600.
    pub private: String,
    /// `ssh_host_TYPE_key.pub`, 0644.
    pub public: String,
}

/// The length of a line of base64 in a private key.
const LINE: usize = 70;

impl Kind {
    /// As in the files' names and in `ssh_genkeytypes`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Ed25519 => "ed25519",
            Kind::Ecdsa => "ecdsa",
        }
    }

    /// The type of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Kind::Ed25519, Kind::Ecdsa].into_iter().find(|kind| kind.name() == name)
    }

    /// Makes a pair.
    ///
    /// # Errors
    /// Fatal: the kernel gives no random bytes.
    pub fn make(self) -> Result<HostKey> {
        let (algorithm, public, secret) = match self {
            Kind::Ed25519 => ed25519()?,
            Kind::Ecdsa => ecdsa()?,
        };
        let check = random::bytes::<4>()?;
        let mut private = [check, check].concat();
        private.extend([&public[..], &secret].concat());
        put(&mut private, b""); // no comment
        // Filled up to the block size of "no cipher", eight, with 1, 2, 3 ...
        private.extend((1..=8).take((8 - private.len() % 8) % 8));

        let mut whole = b"openssh-key-v1\0".to_vec();
        [b"none".as_slice(), b"none", b""].iter().for_each(|word| put(&mut whole, word));
        whole.extend(1u32.to_be_bytes());
        put(&mut whole, &public);
        put(&mut whole, &private);
        let text = STANDARD.encode(whole);
        let lines: String =
            text.as_bytes().chunks(LINE).map(|line| format!("{}\n", String::from_utf8_lossy(line))).collect();
        Ok(HostKey {
            private: format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{lines}-----END OPENSSH PRIVATE KEY-----\n"),
            public: format!("{algorithm} {}\n", STANDARD.encode(public)),
        })
    }
}

/// Algorithm, public blob, and what the private part has after it.
type Parts = (&'static str, Vec<u8>, Vec<u8>);

fn ed25519() -> Result<Parts> {
    let seed = random::bytes::<32>()?;
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|error| unmade(&error.to_string()))?;
    let point = pair.public_key().as_ref();
    let algorithm = "ssh-ed25519";
    let (mut public, mut secret) = (Vec::new(), Vec::new());
    put(&mut public, algorithm.as_bytes());
    put(&mut public, point);
    put(&mut secret, &[&seed, point].concat());
    Ok((algorithm, public, secret))
}

fn ecdsa() -> Result<Parts> {
    let kernel = SystemRandom::new();
    let signing = &ECDSA_P256_SHA256_ASN1_SIGNING;
    let document = EcdsaKeyPair::generate_pkcs8(signing, &kernel).map_err(|_| unmade("no random bytes"))?;
    let pair =
        EcdsaKeyPair::from_pkcs8(signing, document.as_ref(), &kernel).map_err(|error| unmade(&error.to_string()))?;
    let point = pair.public_key().as_ref();
    let scalar = scalar(document.as_ref()).ok_or_else(|| unmade("its encoding is not as expected"))?;
    let algorithm = "ecdsa-sha2-nistp256";
    let (mut public, mut secret) = (Vec::new(), Vec::new());
    put(&mut public, algorithm.as_bytes());
    put(&mut public, b"nistp256");
    put(&mut public, point);
    put(&mut secret, &multiple_precision(scalar));
    Ok((algorithm, public, secret))
}

/// The private number in a PKCS#8 document of P-256: RFC 5915's `version 1, OCTET STRING of 32 bytes`.
fn scalar(document: &[u8]) -> Option<&[u8]> {
    const HEAD: [u8; 5] = [0x02, 0x01, 0x01, 0x04, 0x20];
    let start = document.windows(HEAD.len()).position(|window| window == HEAD)? + HEAD.len();
    document.get(start..start + 32)
}

/// As RFC 4251's `mpint`: no needless zeros, but one where the first bit would be taken for a sign.
fn multiple_precision(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let number = number.get(zeros..).unwrap_or_default();
    let sign = number.first().is_some_and(|byte| byte & 0x80 != 0);
    if sign { [&[0], number].concat() } else { number.to_vec() }
}

/// A `string` of RFC 4251: its length and its bytes. Nothing here is near the length's limit.
fn put(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    to.extend(bytes);
}

fn unmade(why: &str) -> Error {
    Error::fatal(format!("cannot make a host key: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    #[test]
    fn ssh_keygen_reads_them() {
        let directory = tempfile::tempdir().unwrap();
        // Some numbers begin with zeros or with a one bit: each form is met sooner or later.
        for (round, kind) in [Kind::Ed25519, Kind::Ecdsa].into_iter().cycle().take(20).enumerate() {
            let key = kind.make().unwrap();
            let file = directory.path().join(round.to_string());
            std::fs::write(&file, &key.private).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
            let Ok(output) = Command::new("ssh-keygen").arg("-y").arg("-f").arg(&file).output() else {
                println!("SKIPPED: no ssh-keygen here");
                return;
            };
            let derived = String::from_utf8_lossy(&output.stdout).into_owned();
            assert_eq!(derived.trim_end(), key.public.trim_end(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }

    #[test]
    fn no_two_are_the_same() {
        assert_ne!(Kind::Ed25519.make().unwrap().public, Kind::Ed25519.make().unwrap().public);
    }

    #[test]
    fn numbers_are_written_as_rfc_4251_has_them() {
        assert_eq!(multiple_precision(&[0, 0, 0x12]), [0x12]);
        assert_eq!(multiple_precision(&[0x80]), [0, 0x80]);
        assert!(multiple_precision(&[0]).is_empty());
    }
}
