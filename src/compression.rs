// SPDX-License-Identifier: Apache-2.0
//! Compressed documents, bounded.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;

use crate::error::{Error, Result};

/// The largest content, in bytes, that user-data may have once it is decompressed.
pub const LIMIT: u64 = 64 << 20;

/// Whether `bytes` begin like a gzip file.
pub fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

/// The content of a gzip file (all its members), at most `limit` bytes.
///
/// Errors: malformed where it is no whole gzip file, or holds more. Memory stays below `limit` whatever the ratio.
pub fn gunzip(bytes: &[u8], limit: u64) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    let read = MultiGzDecoder::new(bytes).take(limit.saturating_add(1)).read_to_end(&mut content);
    read.map_err(|error| Error::malformed("not a whole gzip file").because(error))?;
    if u64::try_from(content.len()).unwrap_or(u64::MAX) > limit {
        return Err(Error::malformed(format!("more than {limit} bytes when decompressed")));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write as _;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn all_members_are_read() {
        let two = [gzip(b"one "), gzip(b"two")].concat();
        assert!(is_gzip(&two));
        assert_eq!(gunzip(&two, 100).unwrap(), b"one two");
    }

    #[test]
    fn a_bomb_stops_at_the_bound_and_a_stump_is_refused() {
        let bomb = gzip(&vec![0; 10 << 20]);
        assert!(bomb.len() < 16 << 10);
        assert!(gunzip(&bomb, 1 << 20).unwrap_err().to_string().contains("more than 1048576 bytes"));
        let whole = gzip(b"content");
        assert!(gunzip(&whole[..whole.len() - 3], 100).is_err());
        assert!(gunzip(b"\x1f\x8b rubbish", 100).is_err());
    }
}
