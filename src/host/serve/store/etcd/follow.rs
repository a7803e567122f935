// SPDX-License-Identifier: Apache-2.0
//! Following etcd: read everything once, then hear of each change; after a break go on where it was. What is known stays
//! while etcd is away, and is never replaced by the emptiness of an etcd that began anew.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::error::{Error, Result};
use crate::host::serve::store::etcd::copy::{Copy, whole_key};
use crate::host::serve::store::etcd::gateway::{Gateway, Session, Watched};

/// Keys of a page.
const PAGE: usize = 64;

/// A watch in which nothing happened for so long is begun again: its member may have hung.
const SILENCE: Duration = Duration::from_secs(60);

/// Between two tries, at first and at most.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The copy, and how it is with etcd.
pub struct Followed {
    gateway: Gateway,
    prefix: String,
    copy: RwLock<Copy>,
    /// Whether the copy was whole once.
    complete: watch::Sender<bool>,
    /// Why etcd can't be followed just now; said when it begins and when it ends.
    trouble: Mutex<Option<String>>,
}

impl Followed {
    /// Nothing yet.
    pub fn new(gateway: Gateway, prefix: String) -> Self {
        let (copy, complete) = (RwLock::default(), watch::Sender::new(false));
        Self { gateway, prefix, copy, complete, trouble: Mutex::default() }
    }

    /// What is at the key, without the prefix.
    pub fn get(&self, key: &str) -> Option<Bytes> {
        self.copy.read().unwrap_or_else(PoisonError::into_inner).get(key)
    }

    /// Waits until the copy is whole.
    pub async fn complete(&self) {
        // Its sender is this struct's own: it can't be closed.
        let _ = self.complete.subscribe().wait_for(|complete| *complete).await;
    }

    /// Why the copy is not whole after all that time.
    pub fn reason(&self, patience: Duration) -> Error {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let trouble = trouble.unwrap_or_else(|| format!("{}: no answer yet", self.gateway.endpoint()));
        Error::transient(format!("no data from etcd in {} seconds: {trouble}", patience.as_secs()))
            .help("is etcd running, and are its client URLs those of --data?")
    }

    fn change<T>(&self, change: impl FnOnce(&mut Copy) -> T) -> T {
        change(&mut self.copy.write().unwrap_or_else(PoisonError::into_inner))
    }

    fn tell(&self, trouble: Option<String>) {
        let mut known = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match (&*known, &trouble) {
            (None, Some(reason)) => log::warn!("etcd can't be followed: {reason}; what is known from before is served"),
            (Some(_), None) => log::warn!("etcd is followed again, by {}", self.gateway.endpoint()),
            _ => (),
        }
        *known = trouble;
    }
}

/// Follows until it is dropped.
pub async fn follow(followed: Arc<Followed>) {
    let mut pause = SHORTEST_PAUSE;
    loop {
        let mut heard = false;
        match session(&followed, &mut heard).await {
            Ok(()) => pause = SHORTEST_PAUSE,
            Err(error) => {
                if heard {
                    pause = SHORTEST_PAUSE;
                }
                followed.tell(Some(error.without_advice()));
                // A member that is down costs no pause: only when all of them have been asked does waiting help.
                if followed.gateway.turn() {
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }
}

/// One watch to its end; `heard` where it began. Without an error where it is to begin again at once.
async fn session(followed: &Followed, heard: &mut bool) -> Result<()> {
    let session = followed.gateway.session().await?;
    let now = session.range(followed.prefix.as_bytes(), &followed.prefix, 0, 1, true).await?.header;
    let known = followed.change(|copy| copy.cluster == now.cluster_id && copy.revision <= now.revision());
    if !known {
        read(followed, &session).await?;
    }
    let begin = followed.change(|copy| copy.revision) + 1;
    let mut watch = session.watch(&followed.prefix, begin).await?;
    while let Some(watched) = watch.next(SILENCE).await? {
        if watched.canceled {
            return ended(followed, &watched);
        }
        *heard = true;
        followed.tell(None);
        followed.change(|copy| {
            for happened in &watched.events {
                if let Err(error) = copy.follow(&followed.prefix, happened) {
                    log::error!("{}", error.without_advice());
                }
            }
        });
    }
    Ok(())
}

/// Everything below the prefix at one revision, page by page, in place of the copy.
async fn read(followed: &Followed, session: &Session<'_>) -> Result<()> {
    let prefix = &followed.prefix;
    let mut new = Copy::default();
    let mut from = prefix.as_bytes().to_vec();
    loop {
        let page = session.range(&from, prefix, new.revision, PAGE, false).await?;
        if new.revision == 0 {
            new.revision = page.header.revision();
            new.cluster = page.header.cluster_id;
        }
        for pair in &page.kvs {
            if let Err(error) = new.put(prefix, pair) {
                log::error!("{}", error.without_advice());
            }
        }
        match page.kvs.last().filter(|_| page.more) {
            Some(last) => from = [whole_key(last)?, vec![0]].concat(),
            None => break,
        }
    }
    followed.change(|copy| {
        if new.is_empty() && !copy.is_empty() && copy.cluster != new.cluster {
            return Err(Error::transient(format!(
                "{} is another etcd than before and has nothing below {prefix}",
                session.endpoint()
            )));
        }
        log::info!("{} keys below {prefix} in etcd", new.len());
        *copy = new;
        Ok(())
    })?;
    followed.complete.send_replace(true);
    Ok(())
}

/// A watch that etcd ended: what it would begin with may be gone, and then everything is read anew.
fn ended(followed: &Followed, watched: &Watched) -> Result<()> {
    if watched.compact_revision.parse().unwrap_or(0) > 0 {
        followed.change(|copy| copy.revision = i64::MAX);
        return Ok(());
    }
    Err(Error::transient(format!("{}: it ended the watch: {}", followed.gateway.endpoint(), watched.cancel_reason)))
}
