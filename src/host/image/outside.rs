// SPDX-License-Identifier: Apache-2.0
//! What else an image would have read: a backing file, a file of its data, a parent. Whoever made the image chose that name, and
//! so could have this machine's files, or a server's answer, copied into what is published.

use std::path::Path;

use super::disk::Format;
use super::{qcow2, tool};
use crate::error::Result;
use crate::input;
use crate::media::Bytes as _;

/// How the form of VMDK begins that is only a text with the names of other files.
const TEXT: &[u8] = b"# Disk DescriptorFile";
/// Where the other form has its size; where that is 0, such a text within it counts.
const SIZE_AT: u64 = 12;

/// What the image at `path` names beside itself; `None` where all of it is in its one file.
///
/// # Errors
/// As the system says; fatal where qemu-img refuses the image, or it is in use.
pub fn named(path: &Path, format: Format) -> Result<Option<String>> {
    match format {
        // Read here, so that no other program has opened what is named before it was looked at.
        Format::Qcow2 => qcow2::named(&input::open(path)?),
        Format::Vmdk => {
            let file = input::open(path)?;
            let head = file.take(0, 512)?;
            let size = file.take(SIZE_AT, 8)?;
            if head.starts_with(TEXT) || size.iter().all(|byte| *byte == 0) {
                return Ok(Some("other files for its content".to_owned()));
            }
            tool::backing(path, format)
        }
        Format::Raw | Format::Vpc | Format::Vhdx | Format::Vdi => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn an_image_that_has_others_read_is_known_before_they_are() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("image");
        let of = |content: &[u8], format| {
            fs::write(&path, content).unwrap();
            named(&path, format).unwrap()
        };
        let mut head = vec![0; 1024];
        head[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
        assert_eq!(of(&head, Format::Qcow2), None);
        head[15] = 200;
        head[19] = 11;
        head[200..211].copy_from_slice(b"/etc/shadow");
        assert_eq!(of(&head, Format::Qcow2).as_deref(), Some("/etc/shadow"));
        head[19] = 0;
        head[79] = 4;
        assert_eq!(of(&head, Format::Qcow2).as_deref(), Some("a file of its own for its data"));
        let mut text = b"# Disk DescriptorFile\nRW 8 FLAT \"/etc/shadow\" 0\n".to_vec();
        text.resize(1024, b'\n');
        let mut empty = b"KDMV\x01\0\0\0\x03\0\0\0".to_vec();
        empty.resize(1024, 0);
        for content in [text, empty] {
            assert_eq!(of(&content, Format::Vmdk).as_deref(), Some("other files for its content"));
        }
        assert_eq!(of(&[0; 512], Format::Raw), None);
    }
}
