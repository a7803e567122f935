// SPDX-License-Identifier: Apache-2.0
//! The status page: which guests asked, what for, and when they reported done.

use crate::host::serve::callers::Identity;

/// What guests did, for the page; bounded.
#[derive(Default)]
pub struct Activity {}

impl Activity {
    /// A request was answered. `what` is the path without tokens and query.
    pub fn asked(&self, _who: &Identity, _method: &str, _what: &str, _status: u16) {}

    /// The guest phoned home: the form's fields without keys of hosts or secrets.
    pub fn reported(&self, _who: &Identity, _fields: &[(String, String)]) {}
}
