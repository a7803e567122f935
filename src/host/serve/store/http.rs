// SPDX-License-Identifier: Apache-2.0
//! The store on a web server: each document asked for again when it is older than `--refresh`, by its mark, so that an
//! unchanged one is not sent again; and kept for when the server is down.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::{ETAG, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, StatusCode, Url};
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::error::{Error, Result};
use crate::host::serve::store::cache::Cache;
use crate::host::serve::store::once::Once;
use crate::host::serve::store::{Key, LARGEST};
use crate::http::{USER_AGENT, innermost, is_near, parse, shown, tls};

/// Of a whole answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Of a whole answer, where there is one from before: a guest waits for it.
const SHORT_PATIENCE: Duration = Duration::from_secs(2);

/// A server that is down is left alone for so long, where there is an answer from before.
const PAUSE: Duration = Duration::from_secs(1);

/// Between two tries, where there is none and a guest waits.
const NEXT_TRY: Duration = Duration::from_millis(250);

/// Questions at once: a boot storm here should be none there.
const MOST_QUESTIONS: usize = 32;

const MOST_REDIRECTS: usize = 5;

/// The web server.
pub struct Http {
    base: Url,
    client: Client,
    refresh: Duration,
    known: Cache<Known>,
    asked: Once<Result<Option<Bytes>, Arc<Error>>>,
    questions: Semaphore,
    /// When it may be asked again, where it was down.
    paused: Mutex<Option<Instant>>,
    is_down: AtomicBool,
}

/// What the server said of a key.
#[derive(Clone)]
struct Known {
    at: Instant,
    /// None where nothing is there.
    content: Option<Bytes>,
    etag: Option<HeaderValue>,
    modified: Option<HeaderValue>,
}

impl Http {
    /// The documents below the URL.
    pub fn open(url: &str, refresh: Duration) -> Result<Self> {
        let mut base = parse(url)?;
        if base.query().is_some() || base.fragment().is_some() {
            return Err(Error::malformed(format!("{} has a query or a fragment", shown(&base)))
                .help("--data is the URL of the directory that holds NAME.json and NAME.data"));
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        Ok(Self {
            client: client(&base)?,
            base,
            refresh,
            known: Cache::default(),
            asked: Once::default(),
            questions: Semaphore::new(MOST_QUESTIONS),
            paused: Mutex::default(),
            is_down: AtomicBool::new(false),
        })
    }

    /// Where it is, without user and password.
    pub fn place(&self) -> String {
        shown(&self.base).trim_end_matches('/').to_owned()
    }

    /// Asks for something, so that a wrong URL is said before the first guest comes.
    pub async fn ready(&self) -> Result<()> {
        match Key::new("default.json") {
            Some(any) => self.get(&any).await.map(drop),
            None => Ok(()),
        }
    }

    /// What is at the key, at most `refresh` old; older where the server is down.
    pub async fn get(&self, key: &Key) -> Result<Option<Bytes>> {
        let known = self.known.get(key);
        if let Some(known) = &known
            && (known.at.elapsed() < self.refresh || self.is_paused())
        {
            return Ok(known.content.clone());
        }
        let answer = self.asked.ask(key, || async { self.ask(key, known.as_ref()).await.map_err(Arc::new) }).await;
        match (answer, known) {
            (Ok(content), _) => Ok(content),
            (Err(error), Some(known)) => {
                if !error.is_transient() {
                    log::warn!("{}; what is known from before is served", error.without_advice());
                }
                Ok(known.content)
            }
            (Err(error), None) => Err(again(&error)),
        }
    }

    async fn ask(&self, key: &Key, known: Option<&Known>) -> Result<Option<Bytes>> {
        let start = Instant::now();
        loop {
            let answer = match self.questions.acquire().await {
                Ok(_one) => self.fetch(key, known).await,
                Err(closed) => Err(Error::fatal("the store is closed").because(closed)),
            };
            self.tell(&answer);
            match answer {
                Ok(now) => {
                    self.known.put(key, Some(now.clone()), now.content.as_ref().map_or(0, Bytes::len));
                    return Ok(now.content);
                }
                Err(error) if !error.is_transient() || known.is_some() || start.elapsed() > PATIENCE => {
                    return Err(error);
                }
                Err(_) => sleep(NEXT_TRY).await,
            }
        }
    }

    async fn fetch(&self, key: &Key, known: Option<&Known>) -> Result<Known> {
        let url = self.url(key)?;
        let patience = if known.is_some() { SHORT_PATIENCE } else { PATIENCE };
        let request = self.client.get(url.clone()).headers(conditions(known)).timeout(patience);
        let what = format!("cannot get {}", shown(&url));
        let answer = request.send().await.map_err(|error| unanswered(&error).while_doing(&what))?;
        let mark = |name| answer.headers().get(name).cloned();
        let (etag, modified, at) = (mark(ETAG), mark(LAST_MODIFIED), Instant::now());
        match (answer.status(), known) {
            (StatusCode::NOT_MODIFIED, Some(known)) => Ok(Known { at, ..known.clone() }),
            (StatusCode::NOT_FOUND | StatusCode::GONE, _) => {
                Ok(Known { at, content: None, etag: None, modified: None })
            }
            (StatusCode::OK, _) => {
                let content = body(answer).await.map_err(|error| error.while_doing(&what))?;
                Ok(Known { at, content: Some(content), etag, modified })
            }
            (status, _) => {
                let said = format!("{what}: the server says {status}");
                let error = if status.is_server_error() { Error::transient(said) } else { Error::fatal(said) };
                Err(error.answered(status.as_u16()))
            }
        }
    }

    fn url(&self, key: &Key) -> Result<Url> {
        let mut url = self.base.clone();
        let parts = url.path_segments_mut();
        parts
            .map_err(|()| Error::malformed("the URL of the data has no path"))?
            .pop_if_empty()
            .extend(key.as_str().split('/'));
        Ok(url)
    }

    fn is_paused(&self) -> bool {
        let until = *self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    /// Says once that the server is down, and once that it is back.
    fn tell(&self, answer: &Result<Known>) {
        let down = answer.as_ref().err().filter(|error| error.is_transient());
        let until = down.map(|_| Instant::now() + PAUSE);
        *self.paused.lock().unwrap_or_else(PoisonError::into_inner) = until;
        if self.is_down.swap(down.is_some(), Ordering::Relaxed) == down.is_some() {
            return;
        }
        match down {
            Some(error) => log::warn!("{}; what is known from before is served", error.without_advice()),
            None => log::warn!("{} answers again", self.place()),
        }
    }
}

/// An error that several wait for, as one's own.
fn again(error: &Error) -> Error {
    let (message, status) = (error.without_advice(), error.status());
    let own = if error.is_transient() { Error::transient(message) } else { Error::fatal(message) };
    match status {
        Some(status) => own.answered(status),
        None => own,
    }
}

fn client(base: &Url) -> Result<Client> {
    let tls = if base.scheme() == "https" { tls::trusting_the_guest() } else { tls::trusting_nobody() }?;
    let home = base.clone();
    let builder = Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(SHORT_PATIENCE)
        .redirect(Policy::custom(move |attempt| redirected(&home, attempt)))
        .referer(false)
        .tls_backend_preconfigured(tls);
    let builder = if is_near(base) { builder.no_proxy() } else { builder };
    builder.build().map_err(|error| Error::fatal("cannot set up the HTTP client").because(error))
}

/// Guests' secrets come from the server that was named, and from no other.
fn redirected(home: &Url, attempt: Attempt<'_>) -> reqwest::redirect::Action {
    if attempt.url().origin() != home.origin() {
        let elsewhere = format!("it redirects to another server, {}", shown(attempt.url()));
        return attempt.error(Error::fatal(elsewhere));
    }
    match attempt.previous().len() > MOST_REDIRECTS {
        true => attempt.error(Error::fatal(format!("more than {MOST_REDIRECTS} redirects"))),
        false => attempt.follow(),
    }
}

fn conditions(known: Option<&Known>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let Some(known) = known else { return headers };
    for (name, mark) in [(IF_NONE_MATCH, &known.etag), (IF_MODIFIED_SINCE, &known.modified)] {
        headers.extend(mark.clone().map(|mark| (name, mark)));
    }
    headers
}

async fn body(mut answer: reqwest::Response) -> Result<Bytes> {
    let mut content = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| unanswered(&error))? {
        content.extend_from_slice(&chunk);
        if content.len() as u64 > LARGEST {
            return Err(Error::fatal(format!("it is larger than {} MiB", LARGEST >> 20)));
        }
    }
    Ok(content.into())
}

fn unanswered(error: &reqwest::Error) -> Error {
    match (error.is_timeout(), error.is_redirect()) {
        (true, _) => Error::transient("no answer in time"),
        (_, true) => Error::fatal(innermost(error)),
        _ => Error::transient(innermost(error)),
    }
}

#[cfg(test)]
mod tests;
