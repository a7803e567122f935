// SPDX-License-Identifier: Apache-2.0
//! What proves that a script is the one that was meant: a digest, a signature, both or neither.

use minisign_verify::{PublicKey, Signature};

use crate::digest;
use crate::error::{Error, Result};

/// What the settings ask for.
pub struct Seal {
    /// Lower case hex.
    sha256: Option<String>,
    key: Option<PublicKey>,
}

impl Seal {
    /// From the settings' text.
    ///
    /// # Errors
    /// Malformed: a digest that is not 64 hex digits, a key that is none of minisign's.
    pub fn parse(sha256: Option<&str>, public_key: Option<&str>) -> Result<Self> {
        Ok(Self { sha256: sha256.map(hex).transpose()?, key: public_key.map(key).transpose()? })
    }

    /// Whether a signature is needed.
    pub fn is_signed(&self) -> bool {
        self.key.is_some()
    }

    /// Whether the script is the one that was meant.
    ///
    /// # Errors
    /// Malformed, saying which proof fails.
    pub fn check(&self, script: &[u8], signature: Option<&[u8]>) -> Result<()> {
        if let Some(expected) = &self.sha256 {
            let found = digest::sha256(script);
            if found != *expected {
                return Err(Error::malformed(format!("the script's SHA-256 is {found}, not {expected}")).help(
                    "the script was changed or cut: put the new digest into the settings if the change was meant",
                ));
            }
        }
        let Some(key) = &self.key else { return Ok(()) };
        let wrong = |error: minisign_verify::Error| Error::malformed("the script's signature is wrong").because(error);
        let text = String::from_utf8_lossy(signature.unwrap_or_default());
        let signature =
            Signature::decode(&text).map_err(|e| Error::malformed("this is no minisign signature").because(e))?;
        // The older form signs the script itself and not its hash: as good where the whole script is in memory.
        key.verify(script, &signature, true).map_err(wrong)
    }
}

fn hex(text: &str) -> Result<String> {
    let digest = text.trim().to_ascii_lowercase();
    if digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(digest);
    }
    Err(Error::malformed("bootstrap sha256: not 64 hex digits").help("print it by `sha256sum FILE`"))
}

fn key(text: &str) -> Result<PublicKey> {
    let text = text.trim();
    let key = if text.contains('\n') { PublicKey::decode(text) } else { PublicKey::from_base64(text) };
    key.map_err(|error| {
        Error::malformed("bootstrap public_key: not a public key of minisign")
            .because(error)
            .help("it is the second line of minisign.pub, and begins with RW")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &[u8] = include_bytes!("../../tests/fixtures/bootstrap/script");
    const SIGNATURE: &[u8] = include_bytes!("../../tests/fixtures/bootstrap/script.minisig");
    const LEGACY: &[u8] = include_bytes!("../../tests/fixtures/bootstrap/script.legacy.minisig");
    const SUMS: &str = include_str!("../../tests/fixtures/bootstrap/SHA256SUMS");
    const KEY: &str = include_str!("../../tests/fixtures/bootstrap/minisign.pub");
    const OTHER_KEY: &str = include_str!("../../tests/fixtures/bootstrap/other.pub");

    #[test]
    fn a_digest_is_compared_as_sha256sum_prints_it() {
        let sum = SUMS.split(' ').next().unwrap();
        for text in [sum.to_owned(), sum.to_uppercase(), format!(" {sum}\n")] {
            let seal = Seal::parse(Some(&text), None).unwrap();
            assert!(!seal.is_signed());
            seal.check(SCRIPT, None).unwrap();
            let error = seal.check(b"other", None).unwrap_err().to_string();
            assert!(error.contains(sum), "{error}");
        }
        for text in ["", "abc", &"g".repeat(64)] {
            assert!(Seal::parse(Some(text), None).is_err(), "{text}");
        }
    }

    #[test]
    fn only_the_owner_of_the_key_can_sign() {
        for key in [KEY, KEY.lines().last().unwrap()] {
            let seal = Seal::parse(None, Some(key)).unwrap();
            assert!(seal.is_signed());
            seal.check(SCRIPT, Some(SIGNATURE)).unwrap();
            seal.check(SCRIPT, Some(LEGACY)).unwrap();
            let changed = [SCRIPT, b"\nrm -rf /"].concat();
            for (script, signature) in
                [(changed.as_slice(), Some(SIGNATURE)), (SCRIPT, Some(b"garbage".as_slice())), (SCRIPT, None)]
            {
                assert!(seal.check(script, signature).is_err());
            }
        }
        let other = Seal::parse(None, Some(OTHER_KEY)).unwrap();
        assert!(other.check(SCRIPT, Some(SIGNATURE)).is_err());
        assert!(Seal::parse(None, Some("RWnonsense")).is_err());
    }
}
