// SPDX-License-Identifier: Apache-2.0
//! Where the guests' data is: a directory, an http(s) server or etcd; all three answer one question, what is at a key.
//!
//! Nothing here is kept that another server would need: any number of servers with the same data answer the same.

mod cache;
mod directory;
mod etcd;
mod http;
mod key;
mod once;

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;

use crate::error::{Error, Result};

pub use cache::Cache;
use directory::Directory;
use etcd::Etcd;
use http::Http;
pub use key::Key;

/// The largest document: what a guest reads at its first boot is far smaller, and an image is no user-data.
const LARGEST: u64 = 16 << 20;

/// How the store is asked, where it is not a directory.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Data on another machine")]
pub struct Access {
    /// Ask an http(s) store again for what was asked SECONDS ago; answers from before stay where it is down
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub refresh: u64,
    /// Log in to etcd as NAME; for its password see --etcd-password-file
    #[arg(long, value_name = "NAME", requires = "etcd_password_file")]
    pub etcd_user: Option<String>,
    /// Read the password of --etcd-user from FILE's first line
    #[arg(long, value_name = "FILE", requires = "etcd_user")]
    pub etcd_password_file: Option<PathBuf>,
}

impl Default for Access {
    fn default() -> Self {
        Self { refresh: 2, etcd_user: None, etcd_password_file: None }
    }
}

/// The store.
pub enum Store {
    /// Files.
    Directory(Directory),
    /// Documents of a web server.
    Http(Box<Http>),
    /// Keys of etcd.
    Etcd(Etcd),
}

impl Store {
    /// A directory, `http(s)://…`, or `etcd://HOST:PORT[,HOST:PORT]/PREFIX` (`etcds:` with TLS).
    ///
    /// # Errors
    /// Where it can never work: no such directory, no URL. Whether a server answers is [`Self::ready`]'s.
    pub fn open(spec: &str, access: &Access) -> Result<Self> {
        match spec.split_once("://").map(|(scheme, _)| scheme) {
            Some("http" | "https") => Ok(Self::Http(Box::new(Http::open(spec, Duration::from_secs(access.refresh))?))),
            Some("etcd" | "etcds") => Ok(Self::Etcd(Etcd::open(spec, access)?)),
            Some(other) => Err(Error::malformed(format!("no data can be had by `{other}:`"))
                .help("a directory, http://…/, https://…/ or etcd://HOST:PORT/PREFIX")),
            None => Ok(Self::Directory(Directory::open(spec.as_ref())?)),
        }
    }

    /// Waits until the store can answer, for as long as an operator would: before the guests are let in.
    ///
    /// # Errors
    /// Transient where it does not answer by then.
    pub async fn ready(&self) -> Result<()> {
        match self {
            Self::Directory(_) => Ok(()),
            Self::Http(http) => http.ready().await,
            Self::Etcd(etcd) => etcd.ready().await,
        }
    }

    /// What is at the key now; transient where the store does not answer and nothing is known from before.
    pub async fn get(&self, key: &Key) -> Result<Option<Bytes>> {
        match self {
            Self::Directory(directory) => Ok(directory.first(vec![key.clone()]).await?.map(|(_, content)| content)),
            Self::Http(http) => http.get(key).await,
            Self::Etcd(etcd) => etcd.get(key).await,
        }
    }

    /// The first of the keys at which something is, and what that is; as [`Self::get`] otherwise.
    pub async fn first(&self, keys: Vec<Key>) -> Result<Option<(Key, Bytes)>> {
        if let Self::Directory(directory) = self {
            return directory.first(keys).await;
        }
        for key in keys {
            if let Some(content) = self.get(&key).await? {
                return Ok(Some((key, content)));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_none_is_refused() {
        let refused = |spec| Store::open(spec, &Access::default()).err().unwrap().to_string();
        assert!(refused("ftp://host/").contains("`ftp:`"));
        assert!(refused("/nonexistent/data").contains("/nonexistent/data"));
        for (spec, secret) in [("http://user:secret@/", "secret"), ("etcd://user:secret@h:1/x", "secret")] {
            assert!(!refused(spec).contains(secret), "{}", refused(spec));
        }
    }
}
