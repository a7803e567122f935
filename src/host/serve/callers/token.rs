// SPDX-License-Identifier: Apache-2.0
//! Tokens in URLs, for guests that nothing else tells apart: `NAME.SEAL`, the seal being HMAC-SHA256 of the name in
//! hexadecimal digits. So there is no list of tokens, and several servers that share the secret take each other's.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use ring::hmac::{HMAC_SHA256, Key, sign, verify};

use crate::error::{At as _, Error, Result};
use crate::input;

/// Bytes of the secret at least: what nobody tries out.
const LEAST: usize = 16;
/// Bytes of the secret's file at most.
const MOST: u64 = 1 << 20;
/// What is sealed before the name, so that the secret's other uses, if there are any, say nothing of tokens.
const PURPOSE: &str = "firstlight-host serve token 1\n";
/// The longest name of a guest.
const LONGEST: usize = 255;

/// The maker of tokens, and their judge.
pub struct Tokens {
    key: Key,
}

impl Tokens {
    /// With the secret in that file.
    ///
    /// # Errors
    /// As [`secret`].
    pub fn read(path: &Path) -> Result<Self> {
        Ok(Self::new(&secret(path)?))
    }

    fn new(secret: &[u8]) -> Self {
        Self { key: Key::new(HMAC_SHA256, secret) }
    }

    /// The token of the guest of that name.
    ///
    /// # Errors
    /// Malformed: the name has characters that mean something in a URL.
    pub fn token(&self, name: &str) -> Result<String> {
        if !is_plain(name) {
            let message = format!("`{name}` is no name for a token: letters, digits and `-_.:` alone");
            return Err(Error::malformed(message));
        }
        let seal = sign(&self.key, sealed(name).as_bytes());
        let digits: String = seal.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(format!("{name}.{digits}"))
    }

    /// The name that a token says, where it is one of ours. How long it takes says nothing of how wrong the seal is.
    pub fn name<'a>(&self, token: &'a str) -> Option<&'a str> {
        let (name, digits) = token.rsplit_once('.')?;
        let seal = bytes(digits)?;
        (is_plain(name) && verify(&self.key, sealed(name).as_bytes(), &seal).is_ok()).then_some(name)
    }
}

/// The secret in that file, without white space at its ends.
///
/// # Errors
/// It can't be read, is too short, or everybody may read it.
pub fn secret(path: &Path) -> Result<Vec<u8>> {
    let open = std::fs::metadata(path).at("read", path)?.mode() & 0o004 != 0;
    if open {
        let message = format!("everybody on this machine may read the secret in {}", path.display());
        return Err(Error::fatal(message).help(format!("chmod o-r {}", path.display())));
    }
    let secret = input::read(path, MOST)?.trim_ascii().to_vec();
    if secret.len() < LEAST {
        let message = format!("the secret in {} is shorter than {LEAST} bytes", path.display());
        return Err(Error::malformed(message).help("make one: head -c 32 /dev/urandom | base64"));
    }
    Ok(secret)
}

fn sealed(name: &str) -> String {
    format!("{PURPOSE}{name}")
}

fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    (1..=LONGEST).contains(&name.len()) && !name.starts_with('.') && name.chars().all(plain)
}

/// A seal's bytes.
fn bytes(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if digits.len() != 2 * bytes.len() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use proptest::prelude::*;

    use super::*;

    fn tokens() -> Tokens {
        Tokens::new(b"sixteen bytes or more")
    }

    #[test]
    fn a_token_says_its_guest_and_nobody_elses_does() {
        let token = tokens().token("web.1").unwrap();
        assert_eq!(tokens().name(&token), Some("web.1"));
        let others = Tokens::new(b"another secret of that length");
        assert_eq!(others.name(&token), None);
        let seal = token.strip_prefix("web.1").unwrap();
        for forged in
            [format!("web.2{seal}"), format!("web{seal}"), seal.to_owned(), format!("{token}0"), "web.1".to_owned()]
        {
            assert_eq!(tokens().name(&forged), None, "{forged}");
        }
        for name in ["", "a/b", "a b", "../a", "a%2e", "ä"] {
            assert!(tokens().token(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_secret_that_is_short_or_that_everybody_reads_is_refused() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("secret");
        let read = |secret: &str, mode| {
            std::fs::write(&path, secret).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            Tokens::read(&path).map(|tokens| tokens.token("a").unwrap())
        };
        let token = read("0123456789abcdef\n", 0o600).unwrap();
        assert_eq!(read("0123456789abcdef", 0o640).unwrap(), token, "the line's end is no part of it");
        let error = read("0123456789abcde\n", 0o600).unwrap_err().to_string();
        assert!(error.contains("shorter than 16 bytes") && !error.contains("0123"), "{error}");
        assert!(read("0123456789abcdef", 0o644).unwrap_err().to_string().contains("chmod o-r"));
    }

    proptest! {
        #[test]
        fn whatever_a_url_says_is_no_token(text in ".{0,200}") {
            prop_assert_eq!(tokens().name(&text), None);
        }

        #[test]
        fn one_digit_changed_is_no_token(at in 0usize..64) {
            let mut token = tokens().token("web").unwrap().into_bytes();
            token[4 + at] = if token[4 + at] == b'0' { b'1' } else { b'0' };
            prop_assert_eq!(tokens().name(std::str::from_utf8(&token).unwrap()), None);
        }
    }
}
