// SPDX-License-Identifier: Apache-2.0
//! What holds for the documents of a seed whatever medium they are on.

use crate::error::{Error, Result};
use crate::finding::{Finding, Findings, Located, Origin};
use crate::guest::Guest;
use crate::instance::Instance;
use crate::seed::{Document, Seed};

/// Bytes of meta-data, a network document, and each vendor document.
pub(crate) const DOCUMENT_LIMIT: u64 = 4 << 20;
/// Bytes of user-data, and of one file that goes with a seed.
pub(crate) const FILE_LIMIT: u64 = 16 << 20;

/// Whether a document is more than an empty object, which is what some platforms write where they know nothing.
pub(super) fn says_something(document: &Document) -> bool {
    let bare: Vec<u8> = document.bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    !matches!(bare.as_slice(), b"" | b"{}" | b"null")
}

/// What to say of a document that can't be read.
pub(super) fn left_out(name: &str, error: Error) -> Finding {
    error.while_doing("left out").finding(&Origin::document(name))
}

/// A document that a seed may lack, as it was read. One that can't be read is said and left out. One that may still come is
/// waited for: without it the instance would count as configured.
pub(super) fn optional(name: &str, read: Result<Option<Vec<u8>>>, findings: &mut Findings) -> Result<Option<Document>> {
    match read {
        Err(error) if error.is_transient() => Err(error),
        read => Ok(dispensable(name, read, findings)),
    }
}

/// A document that is left out, and said, wherever it can't be read.
pub(super) fn dispensable(name: &str, read: Result<Option<Vec<u8>>>, findings: &mut Findings) -> Option<Document> {
    match read {
        Ok(bytes) => bytes.map(|bytes| Document::new(name, bytes)),
        Err(error) => {
            findings.push(left_out(name, error));
            None
        }
    }
}

/// Which instance the seed is for. One that does not say it is unusable: the search goes on, and a known instance keeps
/// what it has.
pub(super) fn instance_id(seed: &Seed) -> Result<Located<String>> {
    // What there is to say of its entries is said when the seed is understood.
    let instance = Instance::from_seed(seed, &mut Findings::default());
    instance.map(|instance| instance.id).map_err(|error| error.while_doing(&seed.place))
}

/// Who an instance is that nobody named: the machine that it runs on. Another user-data for the same machine is an edit then,
/// as it is on platforms with ids of their own. `None` where the firmware does not say which machine this is: then the
/// content tells.
pub(super) fn by_firmware(guest: &Guest) -> Option<Document> {
    let uuid = guest.dmi.product_uuid.as_str();
    let meta_data = serde_json::json!({ "instance-id": uuid });
    (!uuid.is_empty()).then(|| Document::new("the firmware's uuid", meta_data.to_string()))
}
