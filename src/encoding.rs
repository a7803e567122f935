// SPDX-License-Identifier: Apache-2.0
//! Base64 as people's tools write it.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Padded or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What base64 over any number of lines stands for; `None` where it is none.
pub fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let dense: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    BASE64.decode(dense).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_padding_are_as_their_tool_wants_them() {
        for text in ["aGVsbG8=", "aGVsbG8", "aGVs\r\nbG8=\n", " aGVs bG8 "] {
            assert_eq!(base64(text.as_bytes()).as_deref(), Some(&b"hello"[..]), "{text}");
        }
        for text in ["#cloud-config", "aGVsbG8==="] {
            assert_eq!(base64(text.as_bytes()), None, "{text}");
        }
    }
}
