// SPDX-License-Identifier: Apache-2.0
//! What nobody may guess, from the kernel's generator.

use ring::rand::{SecureRandom as _, SystemRandom};

use crate::error::{Error, Result};

/// Random bytes.
///
/// # Errors
/// Fatal: the kernel gives none.
pub fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Error::fatal("the kernel gives no random bytes"))?;
    Ok(bytes)
}

/// Letters and digits that nobody takes for each other when they are read from a console: 55 of them.
const ALPHABET: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ23456789";
/// As the peers' random passwords: here 115 bits.
const LENGTH: usize = 20;

/// A password of 20 characters with small and capital letters and digits among them, as password policies ask for: each
/// such one as likely as any other.
///
/// # Errors
/// As [`bytes`].
pub fn password() -> Result<String> {
    loop {
        let mut password = String::new();
        while password.len() < LENGTH {
            // A byte of 0 to 255 falls onto one of 64 evenly; what is past the alphabet is drawn again.
            let drawn = bytes::<64>()?;
            let characters = drawn.iter().filter_map(|byte| ALPHABET.get(usize::from(byte & 63)));
            password.extend(characters.take(LENGTH - password.len()).map(|byte| char::from(*byte)));
        }
        let kinds =
            [char::is_ascii_lowercase, char::is_ascii_uppercase, char::is_ascii_digit] as [fn(&char) -> bool; 3];
        if kinds.iter().all(|kind| password.chars().any(|c| kind(&c))) {
            return Ok(password);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn passwords_use_the_alphabet_evenly_and_never_repeat() {
        let mut counts = BTreeMap::<char, usize>::new();
        let passwords: std::collections::BTreeSet<_> = (0..2000).map(|_| password().unwrap()).collect();
        assert_eq!(passwords.len(), 2000);
        for password in &passwords {
            assert_eq!(password.len(), LENGTH);
            password.chars().for_each(|c| *counts.entry(c).or_default() += 1);
        }
        assert_eq!(counts.len(), ALPHABET.len());
        // 40 000 draws are about 730 for each; ten standard deviations are 270. Digits are a little more likely, as each
        // password has one.
        assert!(counts.values().all(|count| (460..1100).contains(count)), "{counts:?}");
    }
}
