// SPDX-License-Identifier: Apache-2.0
//! A password of which the seed gets nothing but the hash: asked for on the terminal, or from a file.

use std::path::Path;

use clap::ValueEnum;
use yescrypt::{PasswordHasher as _, Yescrypt};

use crate::error::{Error, Result};
use crate::host::seed::inputs::Inputs;
use crate::modules::crypt::is_modular_hash;
use crate::plan::accounts::hash::sha512_crypt;
use crate::random;

/// The longest password that libcrypt takes (`CRYPT_MAX_PASSPHRASE_SIZE`).
const LENGTH: usize = 512;

/// How it is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Hash {
    /// Every guest can check it
    Sha512,
    /// Costs who steals it more; for guests with libxcrypt (Debian 11, RHEL 9 and later), not for musl's
    Yescrypt,
}

/// Asks for it twice, without an echo.
///
/// # Errors
/// Absent where there is no terminal; malformed where the two differ, or it is none.
pub fn prompt(hash: Hash) -> Result<String> {
    let ask = |prompt: &str| {
        rpassword::prompt_password(prompt).map_err(|error| {
            let nobody = Error::absent("there is no terminal to ask for a password on").because(error);
            nobody.help("write it to a file for --password-file; `-` there is standard input")
        })
    };
    let password = ask("Password: ")?;
    check(&password).map_err(|error| error.while_doing("the password"))?;
    if ask("Once more: ")? != password {
        return Err(Error::malformed("the two passwords differ; nothing is written"));
    }
    hashed(&password, hash)
}

/// The first line of a file. A hash of crypt(5) there is taken as it is.
pub fn from_file(path: &Path, hash: Hash, inputs: &mut Inputs) -> Result<String> {
    let of = |error: Error| error.while_doing(format_args!("the password in {}", path.display()));
    let bytes = inputs.read(path, "a password")?;
    let text = std::str::from_utf8(&bytes).map_err(|_| of(Error::malformed("it is not UTF-8 text")))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    check(text).map_err(of)?;
    let is_hash = is_modular_hash(text) && text.len() > 20 && !text.contains([' ', ':']);
    if is_hash { Ok(text.to_owned()) } else { hashed(text, hash).map_err(of) }
}

fn check(password: &str) -> Result<()> {
    if password.is_empty() {
        return Err(
            Error::malformed("it is empty, and would let anybody in").help("a user without one needs no option")
        );
    }
    if password.len() > LENGTH {
        return Err(Error::malformed(format!("it is longer than the {LENGTH} bytes of crypt(3)")));
    }
    if password.contains(char::is_control) {
        return Err(Error::malformed("it is more than one line, or has a control character in it"));
    }
    Ok(())
}

fn hashed(password: &str, hash: Hash) -> Result<String> {
    match hash {
        Hash::Sha512 => Ok(sha512_crypt(password, &random::bytes()?)),
        Hash::Yescrypt => {
            let salt = random::bytes::<16>()?;
            let hashed = Yescrypt::default().hash_password_with_salt(password.as_bytes(), &salt);
            let hashed = hashed.map_err(|_| Error::fatal("yescrypt can't hash this password"))?;
            Ok(hashed.as_str().to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Result<String> {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("password");
        std::fs::write(&path, text).unwrap();
        from_file(&path, Hash::Sha512, &mut Inputs::default())
    }

    #[test]
    fn the_same_password_never_hashes_twice_the_same() {
        for (hash, start) in [(Hash::Sha512, "$6$"), (Hash::Yescrypt, "$y$")] {
            let (one, two) = (hashed("sesame", hash).unwrap(), hashed("sesame", hash).unwrap());
            assert!(one.starts_with(start) && one != two && is_modular_hash(&one), "{one}");
        }
    }

    #[test]
    fn a_file_has_a_password_or_its_hash() {
        assert!(file("sesame\r\n").unwrap().starts_with("$6$"));
        let hash = "$y$j9T$abcdefgh$0123456789012345678901234567890123456789012";
        assert_eq!(file(&format!("{hash}\n")).unwrap(), hash);
        assert!(file("$6$short").unwrap().len() > 60, "a password may begin like a hash");
    }

    #[test]
    fn what_is_no_password_is_refused_and_never_shown() {
        for (text, expected) in
            [("", "empty"), ("\n", "empty"), ("sesame\nopen", "more than one line"), (&"x".repeat(513), "512")]
        {
            let error = file(text).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("sesame") && !error.contains("xxx"), "{error}");
        }
    }
}
