// SPDX-License-Identifier: Apache-2.0
//! Where the guests' data is: a directory, an http(s) server or etcd; all three answer one question, what is at a key.

use bytes::Bytes;

use crate::error::{Error, Result};

/// A place in the store, as a relative path that leads nowhere else: no `..`, no empty part, nothing hidden.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key(String);

impl Key {
    /// None where `path` is no such place.
    pub fn new(_path: &str) -> Option<Self> {
        None
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The store.
pub struct Store {}

impl Store {
    /// A directory, `http(s)://…`, or `etcd://HOST:PORT[,HOST:PORT]/PREFIX`.
    pub fn open(_spec: &str) -> Result<Self> {
        Err(Error::fatal("the store is not built yet"))
    }

    /// What is at the key now; transient where the store does not answer and nothing is known from before.
    pub async fn get(&self, _key: &Key) -> Result<Option<Bytes>> {
        Err(Error::fatal("the store is not built yet"))
    }
}
