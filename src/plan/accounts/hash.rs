// SPDX-License-Identifier: Apache-2.0
//! Password hashes that every libc of a guest can check: crypt(3)'s SHA-512.

/// The alphabet of crypt(3).
const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `$6$SALT$HASH` with the usual 5000 rounds.
///
/// `salt` is random bytes; twelve of them are the sixteen characters that libcrypt takes at most.
pub fn sha512_crypt(password: &str, salt: &[u8; 12]) -> String {
    let salt = encode(salt.iter().copied());
    let digest = sha_crypt::sha512_crypt(password.as_bytes(), salt.as_bytes(), sha_crypt::Params::RECOMMENDED);
    format!("$6${salt}${}", encode(in_crypt_order(&digest)))
}

/// The bytes of a digest in the order in which the format's definition mixes them: three columns of 21, each row
/// turned by one place from the row before, then the last byte.
fn in_crypt_order(digest: &[u8; 64]) -> impl Iterator<Item = u8> {
    let columns = (0..21usize).flat_map(|row| {
        let turned = |column: usize| row + 21 * ((column + row) % 3);
        [turned(2), turned(1), turned(0)]
    });
    columns.chain([63]).filter_map(|index| digest.get(index).copied())
}

/// Three bytes, the lowest first, as four characters, the lowest first.
fn encode(bytes: impl Iterator<Item = u8>) -> String {
    let mut text = String::new();
    let (mut bits, mut held) = (0u32, 0);
    let mut put = |six: u32| text.extend(ALPHABET.get((six & 63) as usize).map(|byte| char::from(*byte)));
    for byte in bytes {
        bits |= u32::from(byte) << held;
        held += 8;
        while held >= 6 {
            put(bits);
            bits >>= 6;
            held -= 6;
        }
    }
    if held > 0 {
        put(bits);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_openssl_s() {
        // openssl passwd -6 -salt aZaQnF5PdR4Oo3G6 'pass word'
        let salt = *b"firstlight!!";
        let hash = sha512_crypt("pass word", &salt);
        assert_eq!(hash, EXPECTED);
    }

    #[test]
    fn twelve_bytes_are_sixteen_characters() {
        for salt in [[0; 12], [255; 12], *b"abcdefghijkl"] {
            assert_eq!(encode(salt.into_iter()).len(), 16);
        }
    }

    const EXPECTED: &str =
        "$6$aZaQnF5PdR4Oo3G6$R.1Nc3re/uWWSHdgBV7jrfPEsxh3ZVRLzUJ/y.zQklC5hc2KwC8GJqJ1PBCYSheAdq3o9a8FoqZ6fpk4qtp9Q0";
}
