// SPDX-License-Identifier: Apache-2.0
//! User-data that somebody encoded once more than EC2 asks for: base64 as a whole.
//!
//! cloud-init decodes whatever can be decoded, and so makes rubbish of a word such as `true`. Here it has to come to
//! something.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The user-data itself: decoded where they are base64 from the first byte to the last, line breaks aside, and come to a
/// form that user-data have.
pub(super) fn plain(bytes: Vec<u8>) -> Vec<u8> {
    let encoded: Vec<u8> = bytes.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    match STANDARD.decode(encoded) {
        Ok(decoded) if has_a_form(&decoded) => decoded,
        _ => bytes,
    }
}

/// Whether this begins as user-data do: gzip, a line that says what it is, a mapping, or the head of a MIME message.
fn has_a_form(bytes: &[u8]) -> bool {
    const HEADS: [&[u8]; 4] = [b"content-type:", b"mime-version:", b"content-transfer-encoding:", b"from:"];
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    let begins = |head: &&[u8]| text.get(..head.len()).is_some_and(|start| start.eq_ignore_ascii_case(head));
    bytes.starts_with(&[0x1f, 0x8b]) || [&b"#"[..], b"{", b"---"].iter().any(begins) || HEADS.iter().any(begins)
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
            // Words of four letters are base64 too.
            ("true", "true"),
            ("cm9sZTogd2Vi", "cm9sZTogd2Vi"),
            ("eyJhIjogMX0=", "{\"a\": 1}"),
            ("TUlNRS1WZXJzaW9uOiAxLjAK", "MIME-Version: 1.0\n"),
        ] {
            assert_eq!(plain(given.as_bytes().to_vec()), expected.as_bytes(), "{given}");
        }
        assert_eq!(plain(vec![0x1f, 0x8b, 8, 0]), [0x1f, 0x8b, 8, 0], "gzip");
        assert_eq!(plain(b"H4sIAA==".to_vec()), [0x1f, 0x8b, 8, 0], "gzip, encoded");
    }
}
