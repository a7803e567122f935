// SPDX-License-Identifier: Apache-2.0
//! What to say of a part whose form is not known: what it looks like, and what to do about it.

use crate::compression;
use crate::encoding::base64;
use crate::finding::Finding;
use crate::userdata::form::{Form, sniff};

use crate::userdata::parts::Part;

/// Ways to pack user-data that are not read, by their first bytes.
const PACKED: [(&[u8], &str); 4] =
    [(b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"BZh", "bzip2"), (b"PK\x03\x04", "zip")];

/// What is wrong with `part`.
pub(super) fn finding(part: &Part) -> Finding {
    let text = std::str::from_utf8(part.bytes).ok().filter(|text| !text.contains('\0'));
    let first = text.unwrap_or_default().trim_start().lines().next().unwrap_or_default();
    let bare: String = first.to_ascii_lowercase().split_whitespace().collect();
    let packed = PACKED.iter().find(|(start, _)| part.bytes.starts_with(start));
    let (message, help) = match text {
        _ if let Some((_, name)) = packed => {
            (format!("compressed with {name}, which is not supported here; it is left out"), "use gzip")
        }
        None if part.bytes.starts_with(b"\xff\xfe") || part.bytes.starts_with(b"\xfe\xff") => {
            ("UTF-16; it is left out".to_owned(), "save it as UTF-8")
        }
        None => ("binary, and not gzip; it is left out".to_owned(), "user-data is text, MIME or gzip"),
        Some(_) if is_base64(part.bytes) => (
            "base64; it is left out".to_owned(),
            "the platform decodes base64 where its interface asks for it: give this to it once decoded",
        ),
        Some(_) if bare.starts_with("#cloud-config") => {
            ("the first line is not quite `#cloud-config`; it is left out".to_owned(), "write it without spaces")
        }
        Some(_) => (
            "the first line does not say what this is; it is left out".to_owned(),
            "begin with `#cloud-config`, or with `#!` for a script",
        ),
    };
    let origin = if text.is_some() { part.origin.at(1, 1) } else { part.origin.clone() };
    Finding::error(&origin, message).help(help)
}

/// Whether it is base64 of something that would be read.
fn is_base64(bytes: &[u8]) -> bool {
    let head: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).take(1024).collect();
    let content = base64(&head).unwrap_or_default();
    compression::is_gzip(&content) || !matches!(sniff(&content).0, Form::Empty | Form::Unknown)
}
