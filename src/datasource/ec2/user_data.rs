// SPDX-License-Identifier: Apache-2.0
//! User-data that somebody encoded once more than EC2 asks for: base64 as a whole.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The user-data itself. As with cloud-init, what is base64 from its first byte to its last was meant to be decoded: every
/// form of user-data has a character that base64 has not. Here the line breaks that `base64` writes are borne, too.
pub(super) fn plain(bytes: Vec<u8>) -> Vec<u8> {
    let encoded: Vec<u8> = bytes.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    match STANDARD.decode(encoded) {
        Ok(decoded) => decoded,
        Err(_) => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_base64_as_a_whole_is_decoded() {
        for (given, expected) in [
            ("IyEvYmluL3NoCg==", "#!/bin/sh\n"),
            ("IyEvYmlu\r\nL3NoCg==\n", "#!/bin/sh\n"),
            ("#!/bin/sh\n", "#!/bin/sh\n"),
            ("IyEvYmluL3NoCg== ", "IyEvYmluL3NoCg== "),
            ("IyEvYmluL3NoCg", "IyEvYmluL3NoCg"),
            ("#include\nhttp://192.0.2.1/", "#include\nhttp://192.0.2.1/"),
            ("Content-Type: text/plain\n\nx", "Content-Type: text/plain\n\nx"),
            ("", ""),
        ] {
            assert_eq!(plain(given.as_bytes().to_vec()), expected.as_bytes(), "{given}");
        }
        assert_eq!(plain(vec![0x1f, 0x8b, 8, 0]), [0x1f, 0x8b, 8, 0], "gzip");
    }
}
