// SPDX-License-Identifier: Apache-2.0
//! How a server with metadata is asked: by one way, until one deadline.

use std::cell::Cell;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::http::{self, Client, Request, Response, Way};

/// For one try.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// A server with metadata, as far as it is reached by one way.
///
/// One that has never answered may be on another way, and is asked once; one that has answered is there, and is asked
/// again until the deadline.
pub struct Service {
    client: Client,
    way: Way,
    deadline: Instant,
    timeout: Duration,
    has_answered: Cell<bool>,
}

impl Service {
    /// Nothing is asked yet. `timeout` is that of one try.
    pub fn new(way: Way, deadline: Instant, timeout: Duration) -> Self {
        Self { client: Client::service(way.clone()), way, deadline, timeout, has_answered: Cell::new(false) }
    }

    /// The way to it.
    pub fn way(&self) -> &Way {
        &self.way
    }

    /// The document at `url`, at most `limit` bytes of it; `None` where the server says that it has none (404, 410), which
    /// costs one request.
    ///
    /// # Errors
    /// As [`Client::ask`]: transient where the server may have an answer later, or by another way.
    pub fn get(&self, url: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        match self.ask(&Request { url, ..Request::default() }, limit) {
            Ok(response) => Ok(Some(response.body)),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What the server answers to `request`.
    ///
    /// # Errors
    /// As [`Client::ask`], absent too.
    pub fn ask(&self, request: &Request, limit: u64) -> Result<Response> {
        let tries = if self.has_answered.get() { u32::MAX } else { 1 };
        // A run that is told to end here is ended at once: nothing has been changed yet.
        let sleep = |pause| {
            thread::sleep(pause);
            false
        };
        http::retry(tries, self.deadline, sleep, || {
            let answer = self.client.ask(request, limit, self.deadline.min(Instant::now() + self.timeout));
            let status = answer.as_ref().map_or_else(crate::error::Error::status, |answer| Some(answer.status));
            self.has_answered.set(self.has_answered.get() || status.is_some());
            answer
        })
    }
}
