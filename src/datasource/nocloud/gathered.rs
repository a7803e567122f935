// SPDX-License-Identifier: Apache-2.0
//! What the places of a NoCloud seed come to: of meta-data the first that has a key counts, of the rest the last.

use crate::config::base::NoCloud;
use crate::datasource::Drive;
use crate::datasource::documents::says_something;
use crate::datasource::nocloud::seedfrom::Reader;
use crate::datasource::nocloud::tree::Documents;
use crate::datasource::nocloud::{COMMAND_LINE, SERIAL, is_inline};
use crate::error::{Error, Result};
use crate::finding::{Finding, Findings, Located, Origin};
use crate::instance::nocloud::{self, NAME};
use crate::seed::{Document, MetaFormat, NetworkFormat, Seed};

/// What the places give, in their order.
#[derive(Default)]
pub(super) struct Gathered {
    /// Those with documents; the one that others add to comes first.
    pub(super) places: Vec<String>,
    meta_data: Vec<Document>,
    user_data: Option<Document>,
    vendor_data: Option<Document>,
    network: Option<Document>,
    pub(super) drive: Option<Drive>,
}

impl Gathered {
    /// A line: one that only says which datasource it is gives nothing.
    pub(super) fn line(&mut self, line: Document) {
        let says = nocloud::parse(&line, &mut Findings::default()).is_ok_and(|keys| !keys.entries().is_empty());
        self.meta_data.extend(says.then_some(line));
    }

    pub(super) fn add(&mut self, documents: Documents, place: String) {
        self.places.push(place);
        self.meta_data.extend(documents.meta_data);
        self.user_data = documents.user_data.or(self.user_data.take());
        self.vendor_data = documents.vendor_data.or(self.vendor_data.take());
        self.network = documents.network.or(self.network.take());
    }

    /// The seed within the image's settings.
    pub(super) fn settings(&mut self, settings: &NoCloud, findings: &mut Findings) {
        let there = "the image's settings";
        let document = |name: &str, text: &str| Document::new(format!("{name} in {there}"), text);
        if is_inline(settings) {
            let documents = Documents {
                meta_data: settings.meta_data.as_ref().map(|text| document("meta-data", &text.0)),
                user_data: settings.user_data.as_ref().map(|text| document("user-data", text)),
                vendor_data: settings.vendor_data.as_ref().map(|text| document("vendor-data", text)),
                network: settings.network_config.as_ref().map(|text| document("network-config", &text.0)),
            };
            self.add(documents, there.to_owned());
        } else if settings.meta_data.is_some() || settings.user_data.is_some() {
            let text = "a NoCloud seed in the settings has `meta_data` and `user_data`; one alone is left out";
            findings.push(Finding::error(&Origin::document(there), text));
        }
    }

    /// Adds what `seedfrom` names, in the settings or in the meta-data so far.
    pub(super) fn follow(
        &mut self,
        settled: Option<&Located<String>>,
        reader: &Reader,
        findings: &mut Findings,
    ) -> Result<()> {
        let meta = nocloud::merged(&self.meta_data, findings)?;
        let said = nocloud::text(&meta, "seedfrom", &mut Findings::default());
        if let Some(from) = settled.or(said.as_ref()).filter(|from| !from.trim().is_empty()) {
            let (documents, place) = reader.read(from, findings)?;
            self.add(documents, place);
        }
        Ok(())
    }

    /// All of it as one seed; `None` where no place had one.
    pub(super) fn seed(self, findings: &mut Findings) -> Result<Option<Seed>> {
        // Who it is, and nothing else, may stand on the line alone.
        let mut places = self.places;
        let named: Vec<&str> = self.meta_data.iter().map(|document| document.name.as_str()).collect();
        let lines = [SERIAL, COMMAND_LINE].into_iter().filter(|line| named.contains(line));
        // The medium before what stands in the image, as it is what people look for.
        if self.drive.is_some() && places.len() > 1 {
            let medium = places.iter().position(|place| place.starts_with("/dev/")).unwrap_or(0);
            places.swap(0, medium);
        }
        places.extend(lines.map(str::to_owned));
        let mut meta_data = self.meta_data.into_iter();
        let Some(first) = meta_data.next() else { return Ok(None) };
        let mut seed = Seed {
            datasource: NAME.to_owned(),
            place: places.join(" and "),
            meta_format: MetaFormat::NoCloud,
            meta_data: first,
            more_meta_data: meta_data.collect(),
            network: None,
            user_data: self.user_data.filter(|document| !document.bytes.is_empty()),
            vendor_data: self.vendor_data.filter(says_something).into_iter().collect(),
            content: Default::default(),
        };
        let meta = nocloud::merged(seed.all_meta_data(), findings)?;
        if nocloud::value(&meta, "dsmode").and_then(|mode| mode.text()) == Some("disabled") {
            return Err(Error::absent(format!("{}: its meta-data says `dsmode: disabled`", seed.place)));
        }
        let network = self.network.filter(says_something).map(|document| (NetworkFormat::NetworkConfig, document));
        seed.network = network.or_else(|| {
            let text = nocloud::text(&meta, "network-interfaces", findings)?;
            Some((NetworkFormat::Interfaces, Document::new("network-interfaces", text.value)))
        });
        Ok(Some(seed))
    }
}
