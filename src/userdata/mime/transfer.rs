// SPDX-License-Identifier: Apache-2.0
//! Transfer encodings of MIME (RFC 2045, section 6).

use std::borrow::Cow;

use crate::encoding::base64;

/// The content of `body`; borrowed where the encoding (`7bit`, `8bit`, `binary`) leaves bytes and lines as they are.
///
/// Errors: why it cannot be decoded.
pub(super) fn decoded<'a>(body: &'a [u8], encoding: &str) -> Result<Cow<'a, [u8]>, String> {
    match encoding.trim().to_ascii_lowercase().as_str() {
        "" | "7bit" | "8bit" | "binary" => Ok(Cow::Borrowed(body)),
        "quoted-printable" => Ok(Cow::Owned(quoted_printable(body))),
        "base64" => match base64(body) {
            Some(content) => Ok(Cow::Owned(content)),
            None => Err("declared as base64, and it is not".to_owned()),
        },
        other => Err(format!("the transfer encoding `{other}` is not known")),
    }
}

/// As Python's `quopri`: what is no escape stands for itself.
fn quoted_printable(text: &[u8]) -> Vec<u8> {
    let mut content = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        // Blanks at the end of a line were added on the way.
        let bare = line.trim_ascii_end();
        let end = if line.ends_with(b"\r\n") { &b"\r\n"[..] } else { line.get(line.len() - 1..).unwrap_or_default() };
        let mut rest = bare;
        let mut soft = false;
        while let Some((byte, behind)) = rest.split_first() {
            rest = behind;
            if *byte != b'=' {
                content.push(*byte);
                continue;
            }
            let digits = behind.get(..2).and_then(|two| std::str::from_utf8(two).ok());
            let escape = digits.filter(|two| two.bytes().all(|digit| digit.is_ascii_hexdigit()));
            match escape.and_then(|two| u8::from_str_radix(two, 16).ok()) {
                Some(escaped) => {
                    content.push(escaped);
                    rest = behind.get(2..).unwrap_or_default();
                }
                None if behind.is_empty() => soft = true,
                None => content.push(b'='),
            }
        }
        if !soft && end.ends_with(b"\n") {
            content.extend_from_slice(end);
        }
    }
    content
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str, encoding: &str) -> Result<String, String> {
        decoded(body.as_bytes(), encoding).map(|content| String::from_utf8(content.into_owned()).unwrap())
    }

    #[test]
    fn every_encoding_gives_the_content() {
        for encoding in ["", "7bit", " 8BIT ", "binary"] {
            assert_eq!(read("a=3D \r\n", encoding).unwrap(), "a=3D \r\n");
        }
        for (text, content) in [
            ("echo =3D=c3=A9 \n=09x=20\n", "echo =é\n\tx \n"),
            ("one =\ntwo=  \r\nthree\r\n", "one twothree\r\n"),
            ("100%=zz =+1 =4", "100%=zz =+1 =4"),
            ("end=", "end"),
            ("", ""),
        ] {
            assert_eq!(read(text, "Quoted-Printable").unwrap(), content, "{text:?}");
        }
        for text in ["IyEvYmlu\r\nL3No\n", "IyEvYmluL3No", " IyEvYmlu\n L3No "] {
            assert_eq!(read(text, "BASE64").unwrap(), "#!/bin/sh", "{text:?}");
        }
        assert!(read("#!/bin/sh", "base64").is_err() && read("x", "x-uuencode").unwrap_err().contains("x-uuencode"));
    }
}
