// SPDX-License-Identifier: Apache-2.0
//! What is compressed in an image: a cluster of it, a kernel module. Bounded.

use std::io::{self, Read};

use flate2::read::{DeflateDecoder, MultiGzDecoder};
use liblzma::read::XzDecoder;
use ruzstd::decoding::StreamingDecoder;

/// The largest window, in bytes, that a zstd frame may ask for; its own tools make none larger unless told to.
const WINDOW: u64 = 128 << 20;

/// How something is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Without gzip's header, as a qcow2 file has it.
    Deflate,
    /// gzip, `.gz`.
    Gzip,
    /// xz, `.xz`.
    Xz,
    /// zstd, `.zst`.
    Zstd,
}

impl Method {
    /// By the ending of a file's name.
    pub fn of(name: &str) -> Option<Self> {
        match name.rsplit_once('.')?.1 {
            "gz" => Some(Method::Gzip),
            "xz" => Some(Method::Xz),
            "zst" => Some(Method::Zstd),
            _ => None,
        }
    }
}

/// The content, up to `limit` bytes of it; what follows is left.
pub fn up_to(limit: u64, method: Method, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let reader: Box<dyn Read + '_> = match method {
        Method::Deflate => Box::new(DeflateDecoder::new(bytes)),
        Method::Gzip => Box::new(MultiGzDecoder::new(bytes)),
        Method::Xz => Box::new(XzDecoder::new(bytes)),
        Method::Zstd => Box::new(StreamingDecoder::new_with_max_window_size(bytes, WINDOW).map_err(io::Error::other)?),
    };
    reader.take(limit).read_to_end(&mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use liblzma::read::XzEncoder;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    #[test]
    fn each_method_gives_the_content_back_and_no_more_than_the_bound() {
        let content = b"module ".repeat(10_000);
        let mut xz = Vec::new();
        XzEncoder::new(content.as_slice(), 1).read_to_end(&mut xz).unwrap();
        let mut gzip = Vec::new();
        flate2::read::GzEncoder::new(content.as_slice(), flate2::Compression::fast()).read_to_end(&mut gzip).unwrap();
        let zstd = compress_to_vec(content.as_slice(), CompressionLevel::Fastest);
        for (name, packed) in [("a.ko.xz", xz), ("a.ko.gz", gzip), ("a.ko.zst", zstd)] {
            let method = Method::of(name).unwrap();
            assert!(up_to(1 << 20, method, &packed).unwrap() == content, "{name}");
            assert_eq!(up_to(100, method, &packed).unwrap().len(), 100, "{name}");
            assert!(up_to(1 << 20, method, b"rubbish").is_err(), "{name}");
        }
        assert_eq!(Method::of("a.ko"), None);
    }
}
