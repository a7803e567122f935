// SPDX-License-Identifier: Apache-2.0
//! VMware: `guestinfo` variables of the virtual machine.

use crate::datasource::{Certainty, Context, Datasource, Fetched, Probe, Service};
use crate::error::{Error, Result};
use crate::finding::Findings;

/// See the file's head.
pub const DATASOURCE: Datasource = Datasource { name: NAME, is_remote: false, probe, fetch };

/// The datasource's name.
pub const NAME: &str = "vmware";

fn probe(_: &Context) -> Probe {
    Probe { certainty: Certainty::Unlikely, reason: "not built yet".to_owned() }
}

fn fetch(_: &Context, _: Option<&Service>, _: &mut Findings) -> Result<Fetched> {
    Err(Error::absent("not built yet"))
}
