// SPDX-License-Identifier: Apache-2.0
//! No platform: an instance with nothing but the image's settings, for images that bring all they need.
//!
//! Only where the settings name it, and only where no other datasource has anything; its id is that of cloud-init's
//! `DataSourceNone`. A known instance of another datasource is never taken for this one.

use crate::datasource::{Certainty, Context, Datasource, Fetched, Probe, Service};
use crate::error::Result;
use crate::finding::Findings;
use crate::seed::{Document, MetaFormat, Seed};

/// See the file's head.
pub const DATASOURCE: Datasource = Datasource { name: NAME, is_remote: false, probe, fetch };

/// The datasource's name.
pub const NAME: &str = "none";

fn probe(_: &Context) -> Probe {
    let reason = "the image's settings name it for the case that nothing else is there".to_owned();
    Probe { certainty: Certainty::Fallback, reason }
}

fn fetch(_: &Context, _: Option<&Service>, _: &mut Findings) -> Result<Fetched> {
    let seed = Seed {
        datasource: NAME.to_owned(),
        place: "the image's settings alone".to_owned(),
        meta_format: MetaFormat::NoCloud,
        meta_data: Document::new(NAME, "instance-id: iid-datasource-none\n"),
        more_meta_data: Vec::new(),
        network: None,
        user_data: None,
        vendor_data: Vec::new(),
        content: Default::default(),
    };
    Ok(Fetched { seed, drive: None })
}
