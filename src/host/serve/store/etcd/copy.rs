// SPDX-License-Identifier: Apache-2.0
//! The copy of what etcd has below the prefix, at one revision.

use std::collections::HashMap;

use bytes::Bytes;
use serde::Deserialize;

use crate::encoding::base64;
use crate::error::{Error, Result};
use crate::host::serve::store::LARGEST;

/// Tens of thousands of guests, with some keys each.
pub const MOST_KEYS: usize = 200_000;
const MOST_BYTES: usize = 256 << 20;

/// Keys without the prefix, and their values.
#[derive(Debug, Default)]
pub struct Copy {
    values: HashMap<String, Bytes>,
    bytes: usize,
    /// Which etcd it is of, by the cluster's id; empty where nothing was read yet.
    pub cluster: String,
    /// Nothing older is missing.
    pub revision: i64,
    /// What came after it can't be had any more.
    pub is_stale: bool,
}

/// A key with its value, as the gateway writes it: both in base64, an empty one left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Pair {
    key: String,
    value: String,
    mod_revision: String,
}

/// Something that happened to a key.
#[derive(Debug, Deserialize)]
pub struct Happened {
    /// `DELETE`; a put has none.
    #[serde(default, rename = "type")]
    kind: String,
    kv: Pair,
}

impl Copy {
    /// What is at the key.
    pub fn get(&self, key: &str) -> Option<Bytes> {
        self.values.get(key).cloned()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Takes a pair over.
    pub fn put(&mut self, prefix: &str, pair: &Pair) -> Result<()> {
        let key = key_of(prefix, pair)?;
        let value = decoded(&pair.value)?;
        if value.len() as u64 > LARGEST {
            return Err(Error::malformed(format!("{prefix}{key} is larger than {} MiB", LARGEST >> 20)));
        }
        self.remove(&key);
        let bytes = self.bytes + key.len() + value.len();
        if self.values.len() >= MOST_KEYS || bytes > MOST_BYTES {
            return Err(Error::fatal(format!(
                "{prefix} holds more than {MOST_KEYS} keys or {} MiB; {key} is not served",
                MOST_BYTES >> 20
            ))
            .help("give the guests of some hosts a prefix of their own"));
        }
        self.bytes = bytes;
        self.values.insert(key, value.into());
        Ok(())
    }

    /// Does what was done in etcd.
    pub fn follow(&mut self, prefix: &str, happened: &Happened) -> Result<()> {
        // The event's own: the head of the answer is of now, and others from before that may still come.
        self.revision = self.revision.max(happened.kv.mod_revision.parse().unwrap_or(0));
        match happened.kind.as_str() {
            "DELETE" => {
                self.remove(&key_of(prefix, &happened.kv)?);
                Ok(())
            }
            _ => self.put(prefix, &happened.kv),
        }
    }

    fn remove(&mut self, key: &str) {
        if let Some(value) = self.values.remove(key) {
            self.bytes -= key.len() + value.len();
        }
    }
}

/// A key's whole name in etcd: where the next page begins.
pub fn whole_key(pair: &Pair) -> Result<Vec<u8>> {
    decoded(&pair.key)
}

fn key_of(prefix: &str, pair: &Pair) -> Result<String> {
    let key = String::from_utf8(decoded(&pair.key)?).ok();
    let beneath = key.as_deref().and_then(|key| key.strip_prefix(prefix));
    beneath.map(str::to_owned).ok_or_else(|| Error::malformed(format!("a key below {prefix} is not UTF-8")))
}

fn decoded(text: &str) -> Result<Vec<u8>> {
    base64(text.as_bytes()).ok_or_else(|| Error::malformed("etcd's answer is not base64"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &str) -> Happened {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_copy_does_what_was_done() {
        let mut copy = Copy::default();
        // /f/a.json = {}, as Debian's etcd 3.4 sends it.
        let put = event(
            r#"{"kv":{"key":"L2YvYS5qc29u","create_revision":"4","mod_revision":"4","version":"1","value":"e30="}}"#,
        );
        copy.follow("/f/", &put).unwrap();
        assert_eq!(copy.get("a.json").as_deref(), Some(&b"{}"[..]));
        copy.follow("/f/", &event(r#"{"kv":{"key":"L2YvYS5qc29u"}}"#)).unwrap();
        assert_eq!(copy.get("a.json").as_deref(), Some(&b""[..]), "an empty value is left out");
        copy.follow("/f/", &event(r#"{"type":"DELETE","kv":{"key":"L2YvYS5qc29u","mod_revision":"5"}}"#)).unwrap();
        assert_eq!((copy.get("a.json"), copy.bytes, copy.revision), (None, 0, 5));
    }

    #[test]
    fn what_is_not_ours_is_refused() {
        let mut copy = Copy::default();
        for text in [r#"{"kv":{"key":"L2cvYQ=="}}"#, r#"{"kv":{"key":"L2YvgA=="}}"#, r#"{"kv":{"key":"*"}}"#] {
            assert!(copy.follow("/f/", &event(text)).is_err(), "{text}");
        }
        assert!(copy.is_empty());
    }
}
