// SPDX-License-Identifier: Apache-2.0
//! Which layers of configuration count: what the image and the user say of vendor-data, and the image of user-data.

use crate::config::document::Node;
use crate::config::types::{OneOrMany, OrFalse};

crate::keys! {
    /// Which layers count.
    pub struct Layers {
        /// `false` in the image's settings leaves user-data out.
        allow_userdata: bool,
        /// What becomes of vendor-data; `false` leaves it out.
        vendor_data: OrFalse<VendorData>,
        /// What becomes of the platform's second vendor-data; `false` leaves it out.
        vendor_data2: OrFalse<VendorData>,
        /// How this part is merged with those before it, e.g. `list(append)+dict(no_replace,recurse_list)+str()`.
        merge_how: Node,
        /// The same as `merge_how`, which counts where both are given.
        merge_type: Node,
    }
}

crate::keys! {
    /// What becomes of vendor-data.
    pub struct VendorData {
        /// `false` leaves it out.
        enabled: bool,
        /// A program that runs each of its scripts, with arguments of its own: `[timeout, "30"]`.
        prefix: OneOrMany<String>,
        /// MIME types of parts that are left out, e.g. `text/x-shellscript`.
        disabled_handlers: OneOrMany<String>,
    }
}

impl Layers {
    /// What is said of the vendor-data in the document of that name.
    pub(super) fn of_vendor(&self, document: &str) -> VendorData {
        let second = document.starts_with("vendor_data2") || document.starts_with("vendor-data2");
        match if second { &self.vendor_data2 } else { &self.vendor_data } {
            None => VendorData::default(),
            Some(OrFalse(None)) => VendorData { enabled: Some(false), ..VendorData::default() },
            Some(OrFalse(Some(said))) => said.clone(),
        }
    }
}
