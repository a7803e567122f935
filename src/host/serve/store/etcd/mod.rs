// SPDX-License-Identifier: Apache-2.0
//! The store in etcd: all keys below a prefix are kept in memory and followed, so that guests are answered while etcd is
//! away, and an edit is there before the next request.

mod copy;
mod follow;
mod gateway;

use std::fs;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::error::{At as _, Error, Result};
use crate::host::serve::store::{Access, Key};

use follow::Followed;
use gateway::{Gateway, Login};

/// Of an operator who starts the server: etcd may be starting beside it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Of a guest.
const SHORT_PATIENCE: Duration = Duration::from_secs(10);

/// Where the keys are, unless the URL says.
const PREFIX: &str = "/firstlight/";

/// A copy of etcd's keys below a prefix.
pub struct Etcd {
    followed: Arc<Followed>,
    /// Follows; begun by the first who asks.
    task: OnceLock<JoinHandle<()>>,
}

impl Etcd {
    /// `etcd://HOST:PORT[,HOST:PORT]/PREFIX`.
    pub fn open(spec: &str, access: &Access) -> Result<Self> {
        let wanted = || {
            Error::malformed("this is no place in etcd")
                .help("etcd://HOST:PORT[,HOST:PORT]/PREFIX; a user by --etcd-user, and never in the URL")
        };
        let (scheme, rest) = spec.split_once("://").ok_or_else(wanted)?;
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        if rest.contains(['@', '?', '#']) || hosts.split(',').any(str::is_empty) {
            return Err(wanted());
        }
        let prefix = if path.is_empty() { PREFIX.to_owned() } else { format!("/{}/", path.trim_matches('/')) };
        let scheme = if scheme == "etcds" { "https" } else { "http" };
        let endpoints = hosts.split(',').map(|host| format!("{scheme}://{host}")).collect();
        let followed = Followed::new(Gateway::new(endpoints, login(access)?)?, prefix);
        Ok(Self { followed: Arc::new(followed), task: OnceLock::new() })
    }

    /// Waits for the first whole copy.
    pub async fn ready(&self) -> Result<()> {
        self.wait(PATIENCE).await
    }

    /// What the copy has at the key.
    pub async fn get(&self, key: &Key) -> Result<Option<Bytes>> {
        self.wait(SHORT_PATIENCE).await?;
        Ok(self.followed.get(key.as_str()))
    }

    async fn wait(&self, patience: Duration) -> Result<()> {
        self.task.get_or_init(|| tokio::spawn(follow::follow(Arc::clone(&self.followed))));
        match timeout(patience, self.followed.complete()).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.followed.reason(patience)),
        }
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

fn login(access: &Access) -> Result<Option<Login>> {
    let (Some(name), Some(file)) = (&access.etcd_user, &access.etcd_password_file) else { return Ok(None) };
    let text = fs::read_to_string(file).at("read", file)?;
    let password = text.lines().next().unwrap_or_default().to_owned();
    Ok(Some(Login { name: name.clone(), password }))
}

#[cfg(test)]
mod tests;
