// SPDX-License-Identifier: Apache-2.0
//! What there is for a guest: in the store at its names, else at `default`; or one seed for whoever asks.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::config::base::Settings;
use crate::datasource;
use crate::error::{Error, Result};
use crate::finding::{Findings, Origin};
use crate::host::serve::callers::Identity;
use crate::host::serve::store::{Cache, Key, Store};
use crate::instance::nocloud;
use crate::json;
use crate::root::Root;
use crate::seed::{Document, MetaFormat, NetworkFormat, Seed};

/// Where the data is.
pub enum Data {
    /// A store with data for many.
    Store(Box<Store>, Parsed),
    /// One seed, and its meta-data read.
    Seed(Box<Seed>, Arc<Map<String, Value>>),
    /// For tests: places and what is there.
    #[cfg(test)]
    Memory(std::collections::HashMap<String, Bytes>),
}

/// Meta-data that were parsed, with the bytes that they were.
pub type Parsed = Cache<(Bytes, Arc<Map<String, Value>>)>;
/// What a parsed value takes for each byte of its text.
const PARSED: usize = 8;

/// One of a guest's documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `NAME.json`
    Meta,
    /// `NAME.data`
    User,
    /// `NAME.vendor`
    Vendor,
    /// `NAME.network`
    Network,
    /// `NAME.bootstrap`
    Bootstrap,
}

impl Kind {
    fn ending(self) -> &'static str {
        match self {
            Self::Meta => "json",
            Self::User => "data",
            Self::Vendor => "vendor",
            Self::Network => "network",
            Self::Bootstrap => "bootstrap",
        }
    }
}

/// Where a guest that has nothing of its own finds something.
const DEFAULT: &str = "default";

impl Data {
    /// The seed at `path`: a directory, or an ISO or FAT image, with NoCloud's files or a config drive's tree. What is
    /// wrong with it but not fatal is in `findings`.
    ///
    /// # Errors
    /// Absent; malformed where there is no seed.
    pub fn seed(path: &Path, findings: &mut Findings) -> Result<Self> {
        let Some(spec) = path.to_str() else {
            return Err(Error::malformed(format!("the path {} is no text", path.display())));
        };
        // Nothing of this machine is in the seed: what it is read for is another one.
        let elsewhere = tempfile::tempdir().map_err(|error| Error::fatal("cannot make a directory").because(error))?;
        let root = Root::open(elsewhere.path())?;
        let seed = datasource::from_source(spec, &root, &Settings::default(), findings)?;
        let meta = match seed.meta_format {
            MetaFormat::NoCloud => nocloud::merged(seed.all_meta_data(), findings)?.to_json(),
            MetaFormat::OpenStack | MetaFormat::Ec2 => {
                json::parse(&seed.meta_data.bytes, &seed.meta_data.origin(), findings)?
            }
        };
        Ok(Self::Seed(Box::new(seed), Arc::new(object(meta, "its meta-data")?)))
    }

    /// What the guest's meta-data has beside the defaults.
    ///
    /// # Errors
    /// Malformed, with the place; else as [`Self::document`].
    pub async fn meta(&self, who: &Identity) -> Result<Arc<Map<String, Value>>> {
        if let Self::Seed(_, meta) = self {
            return Ok(Arc::clone(meta));
        }
        let Some((key, bytes)) = self.named(who, Kind::Meta).await? else { return Ok(Arc::default()) };
        let parsed = match self {
            Self::Store(_, parsed) => Some(parsed),
            _ => None,
        };
        // The same bytes mean the same, whenever they were read.
        if let Some((known, meta)) = parsed.and_then(|parsed| parsed.get(&key))
            && known == bytes
        {
            return Ok(meta);
        }
        let value = json::parse(&bytes, &Origin::document(key.as_str()), &mut Findings::default())?;
        let meta = Arc::new(object(value, key.as_str())?);
        if let Some(parsed) = parsed {
            parsed.put(&key, Some((bytes.clone(), Arc::clone(&meta))), bytes.len().saturating_mul(PARSED));
        }
        Ok(meta)
    }

    /// A document of the guest, of its own or the default.
    ///
    /// # Errors
    /// Transient where the store does not answer.
    pub async fn document(&self, who: &Identity, kind: Kind) -> Result<Option<Bytes>> {
        if let Self::Seed(seed, _) = self {
            let document = match kind {
                Kind::Meta => Some(&seed.meta_data),
                Kind::User => seed.user_data.as_ref(),
                Kind::Vendor => seed.vendor_data.first(),
                Kind::Network => seed.network.as_ref().map(|(_, document)| document),
                Kind::Bootstrap => None,
            };
            return Ok(document.map(|document| Bytes::copy_from_slice(&document.bytes)));
        }
        Ok(self.named(who, kind).await?.map(|(_, bytes)| bytes))
    }

    /// The guest's network data and how they are written.
    pub async fn network(&self, who: &Identity) -> Result<Option<(NetworkFormat, Document)>> {
        if let Self::Seed(seed, _) = self {
            return Ok(seed.network.clone());
        }
        let Some((key, bytes)) = self.named(who, Kind::Network).await? else { return Ok(None) };
        // Only OpenStack's is JSON with one of these at its top.
        let value = json::quietly(&bytes);
        let is_openstack = ["links", "networks", "services"].iter().any(|key| value.get(key).is_some());
        let format = if is_openstack { NetworkFormat::OpenStack } else { NetworkFormat::NetworkConfig };
        Ok(Some((format, Document::new(key.as_str(), bytes))))
    }

    /// What is at that place for everybody.
    pub async fn at(&self, place: &str) -> Result<Option<Bytes>> {
        let Some(key) = Key::new(place) else { return Ok(None) };
        match self {
            Self::Store(store, _) => store.get(&key).await,
            Self::Seed(..) => Ok(None),
            #[cfg(test)]
            Self::Memory(places) => Ok(places.get(key.as_str()).cloned()),
        }
    }

    /// The seed, where there is but one.
    pub fn only(&self) -> Option<&Seed> {
        match self {
            Self::Seed(seed, _) => Some(seed),
            _ => None,
        }
    }

    async fn named(&self, who: &Identity, kind: Kind) -> Result<Option<(Key, Bytes)>> {
        let names = who.names.iter().map(String::as_str).chain([DEFAULT]);
        let keys = names.filter_map(|name| Key::new(&format!("{name}.{}", kind.ending()))).collect();
        match self {
            Self::Store(store, _) => store.first(keys).await,
            Self::Seed(..) => Ok(None),
            #[cfg(test)]
            Self::Memory(places) => {
                Ok(keys.into_iter().find_map(|key| places.get(key.as_str()).cloned().map(|bytes| (key, bytes))))
            }
        }
    }
}

fn object(value: Value, name: &str) -> Result<Map<String, Value>> {
    match value {
        Value::Object(entries) => Ok(entries),
        Value::Null => Ok(Map::new()),
        other => Err(Error::malformed(format!("{name}: expected an object, found {}", json::described(&other)))),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Places and what is there.
    pub fn memory(places: &[(&str, &str)]) -> Data {
        let owned = |(place, text): &(&str, &str)| ((*place).to_owned(), Bytes::copy_from_slice(text.as_bytes()));
        Data::Memory(places.iter().map(owned).collect())
    }

    /// A guest of these names.
    pub fn guest(names: &[&str]) -> Identity {
        Identity { names: names.iter().map(|name| (*name).to_owned()).collect(), ..Identity::default() }
    }

    #[tokio::test]
    async fn the_first_name_that_has_it_counts_and_then_the_default() {
        let data = memory(&[("web.data", "web"), ("default.data", "any"), ("web.internal.vendor", "v")]);
        let text = async |names: &[&str], kind| data.document(&guest(names), kind).await.unwrap();
        assert_eq!(text(&["web.internal", "web"], Kind::User).await.unwrap(), "web");
        assert_eq!(text(&["db.internal", "db"], Kind::User).await.unwrap(), "any");
        assert_eq!(text(&["web.internal", "web"], Kind::Vendor).await.unwrap(), "v");
        assert_eq!(text(&["web"], Kind::Vendor).await, None);
    }

    #[tokio::test]
    async fn broken_meta_data_says_where() {
        let data = memory(&[("web.json", "{\n  \"a\": 1,\n}"), ("list.json", "[]")]);
        let error = data.meta(&guest(&["web"])).await.unwrap_err().to_string();
        assert!(error.starts_with("web.json:3:1: not JSON"), "{error}");
        let error = data.meta(&guest(&["list"])).await.unwrap_err().to_string();
        assert_eq!(error, "list.json: expected an object, found a list");
        assert!(data.meta(&guest(&["none"])).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn network_data_are_told_apart_by_what_is_in_them() {
        let v2 = "version: 2\nethernets: {}\n";
        let data = memory(&[("a.network", r#"{"links": []}"#), ("b.network", v2), ("c.network", r#"{"version": 2}"#)]);
        let format = async |name: &str| data.network(&guest(&[name])).await.unwrap().unwrap().0;
        assert_eq!(format("a").await, NetworkFormat::OpenStack);
        assert_eq!(format("b").await, NetworkFormat::NetworkConfig);
        assert_eq!(format("c").await, NetworkFormat::NetworkConfig);
    }

    #[test]
    fn a_directory_is_a_seed() {
        let scratch = tempfile::tempdir().unwrap();
        std::fs::write(scratch.path().join("meta-data"), "instance-id: i-1\nlocal-hostname: web\n").unwrap();
        std::fs::write(scratch.path().join("user-data"), "#cloud-config\n").unwrap();
        let Data::Seed(seed, meta) = Data::seed(scratch.path(), &mut Findings::default()).unwrap() else { panic!() };
        assert_eq!(seed.user_data.unwrap().bytes, b"#cloud-config\n");
        assert_eq!(meta.get("local-hostname"), Some(&"web".into()));
        assert!(Data::seed(Path::new("/nonexistent"), &mut Findings::default()).is_err());
    }
}
