// SPDX-License-Identifier: Apache-2.0
//! What holds for the documents of a seed whatever medium they are on.

use crate::error::Error;
use crate::finding::{Finding, Origin};
use crate::seed::Document;

/// Bytes of meta-data, a network document, and each vendor document.
pub(super) const DOCUMENT_LIMIT: u64 = 4 << 20;
/// Bytes of user-data, and of one file that goes with a seed.
pub(super) const FILE_LIMIT: u64 = 16 << 20;

/// Whether a document is more than an empty object, which is what some platforms write where they know nothing.
pub(super) fn says_something(document: &Document) -> bool {
    let bare: Vec<u8> = document.bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    !matches!(bare.as_slice(), b"" | b"{}" | b"null")
}

/// What to say of a document that can't be read.
pub(super) fn left_out(name: &str, error: Error) -> Finding {
    error.while_doing("left out").finding(&Origin::document(name))
}
