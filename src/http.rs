// SPDX-License-Identifier: Apache-2.0
//! The one HTTP client and its rules.
//!
//! Every request has a deadline that covers connecting, the head and the body; every body has a bound. A body ends at its
//! `Content-Length` or last chunk, never at the end of the stream: QEMU's `guestfwd` keeps the connection open.
//!
//! Where a host has a name, the resolver of the C library may hold a client's end back for the five seconds of its own
//! limit; metadata addresses are numbers, and numbers are not looked up.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::io::Read;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use reqwest::{StatusCode, Url, blocking, redirect};

use crate::error::{Error, Result};

mod retry;
#[cfg(test)]
pub(crate) mod scripted;
pub mod serve;
mod tls;

pub use retry::{retry, spread};

/// How the agent names itself to servers.
pub const USER_AGENT: &str = concat!("Firstlight/", env!("CARGO_PKG_VERSION"));

/// A host that is there answers a connection at once; one that is not should not cost a boot more than this.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// As many as a mirror or a URL shortener needs.
const MOST_REDIRECTS: usize = 5;

/// An answer of the 200s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Its media type as sent, parameters and all.
    pub content_type: Option<String>,
    /// All of its body.
    pub body: Vec<u8>,
}

/// Fetches documents.
pub struct Client {
    redirects: usize,
    /// No proxy, whatever the environment says and wherever the host is.
    always_direct: bool,
    roads: Mutex<HashMap<Road, blocking::Client>>,
}

/// What a connection needs; the client of each is built when the first URL asks for it, so that plain HTTP never reads
/// a certificate store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Road {
    secure: bool,
    direct: bool,
}

impl Client {
    /// For a platform's metadata service: no proxy, no redirects.
    pub fn metadata() -> Self {
        Self { redirects: 0, always_direct: true, roads: Mutex::default() }
    }

    /// For URLs that a person wrote: the environment's proxy for hosts that are not near (a number of the loopback, link-local
    /// or private networks is), at most five redirects, and none from https to http.
    pub fn files() -> Self {
        Self { redirects: MOST_REDIRECTS, always_direct: false, roads: Mutex::default() }
    }

    /// The document at `url`, at most `limit` bytes of it, before `deadline`.
    ///
    /// # Errors
    /// Absent: the server says 404 or 410. Transient: no connection, no answer in time, half an answer, 408, 429 (with its
    /// `Retry-After`) or a 500. Fatal: everything that asking again won't mend.
    pub fn get(&self, url: &str, limit: u64, deadline: Instant) -> Result<Response> {
        let mut url = parse(url)?;
        for _ in 0..=self.redirects {
            let reply = self.send(&url, deadline).map_err(|error| error.while_doing(fetching(&url)))?;
            match next(&url, &reply).map_err(|error| error.while_doing(fetching(&url)))? {
                Some(other) => url = other,
                None => return read(reply, limit, deadline).map_err(|error| error.while_doing(fetching(&url))),
            }
        }
        let error = match self.redirects {
            0 => Error::fatal(format!("{}: the server redirects, and a metadata service must not", fetching(&url))),
            most => Error::fatal(format!("{}: more than {most} redirects", fetching(&url))),
        };
        Err(error.help("ask the server with a browser or curl where the document really is"))
    }

    fn send(&self, url: &Url, deadline: Instant) -> Result<blocking::Response> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::transient("no time left"));
        }
        let road = Road { secure: url.scheme() == "https", direct: self.always_direct || is_near(url) };
        self.client(road)?.get(url.clone()).timeout(left).send().map_err(|error| unreachable(&error))
    }

    fn client(&self, road: Road) -> Result<blocking::Client> {
        let mut roads = self.roads.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = roads.get(&road) {
            return Ok(client.clone());
        }
        let tls = if road.secure { tls::trusting_the_guest() } else { tls::trusting_nobody() }?;
        let mut builder = blocking::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(redirect::Policy::none())
            .referer(false)
            .tls_backend_preconfigured(tls);
        if road.direct {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|e| Error::fatal("cannot set up the HTTP client").because(e))?;
        roads.insert(road, client.clone());
        Ok(client)
    }
}

/// A URL that can be fetched.
///
/// # Errors
/// Malformed where it is no URL or its scheme is neither `http` nor `https`.
pub fn parse(url: &str) -> Result<Url> {
    // The text is not repeated: it may hold a password that parsing did not find.
    let parsed = Url::parse(url).map_err(|e| Error::malformed("this is not a URL").because(e))?;
    match parsed.scheme() {
        "http" | "https" => Ok(parsed),
        other => Err(Error::malformed(format!("`{other}:` URLs are not supported")).help("use http: or https:")),
    }
}

/// A URL as it may be shown: without user, password and query, where people put secrets.
pub fn shown(url: &Url) -> String {
    let mut plain = url.clone();
    plain.set_fragment(None);
    plain.set_query(url.query().map(|_| "..."));
    // Fails only for URLs without a host, which have no user either.
    let _ = plain.set_username("");
    let _ = plain.set_password(None);
    plain.into()
}

fn fetching(url: &Url) -> String {
    format!("cannot fetch {}", shown(url))
}

/// Whether the host is a number of a network that no proxy should be asked for.
fn is_near(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    match host.trim_matches(['[', ']']).parse() {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_link_local() || ip.is_private(),
        Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unicast_link_local() || ip.is_unique_local(),
        Err(_) => host == "localhost",
    }
}

/// Where a redirect leads; `None` for an answer that is to be read.
fn next(from: &Url, reply: &blocking::Response) -> Result<Option<Url>> {
    let status = reply.status();
    if status.is_success() {
        return Ok(None);
    }
    if !status.is_redirection() || status == StatusCode::NOT_MODIFIED {
        return Err(refused(status, reply));
    }
    let place = reply.headers().get(LOCATION).and_then(|place| place.to_str().ok());
    let Some(to) = place.and_then(|place| from.join(place).ok()) else {
        return Err(Error::fatal(format!("status {status} without a place to go to")));
    };
    if !matches!(to.scheme(), "http" | "https") {
        return Err(Error::fatal(format!("redirected to a `{}:` URL", to.scheme())));
    }
    if from.scheme() == "https" && to.scheme() == "http" {
        return Err(Error::fatal(format!("redirected from https to plain http at {}", shown(&to)))
            .help("give the final URL if plain http is really meant"));
    }
    Ok(Some(to))
}

fn refused(status: StatusCode, reply: &blocking::Response) -> Error {
    let message = format!("the server answered {status}");
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => Error::absent(message),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => busy(message, reply),
        _ if status.is_server_error() => busy(message, reply),
        _ => Error::fatal(message),
    }
}

/// The date form of `Retry-After` is left out: it needs a clock that is right, which a VM at first boot may not have.
fn busy(message: String, reply: &blocking::Response) -> Error {
    let pause = reply.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse::<u32>().ok());
    let error = Error::transient(message);
    match pause {
        Some(seconds) => error.not_before(Duration::from_secs(seconds.into())),
        None => error,
    }
}

fn read(mut reply: blocking::Response, limit: u64, deadline: Instant) -> Result<Response> {
    let status = reply.status().as_u16();
    let content_type = reply.headers().get(CONTENT_TYPE).and_then(|t| t.to_str().ok()).map(str::to_owned);
    let promised = reply.content_length();
    let too_long = || Error::fatal(format!("the document is longer than the limit of {limit} bytes"));
    if promised.is_some_and(|length| length > limit) {
        return Err(too_long());
    }
    let mut body = Vec::new();
    let outcome = reply.by_ref().take(limit.saturating_add(1)).read_to_end(&mut body);
    let got = body.len() as u64;
    if got > limit {
        return Err(too_long());
    }
    let cut = match (&outcome, promised) {
        (Ok(_), Some(length)) => got < length,
        (Ok(_), None) => false,
        (Err(_), _) => true,
    };
    if cut {
        let of = promised.map(|length| format!(" of {length}")).unwrap_or_default();
        let why = match outcome {
            _ if Instant::now() >= deadline => "then the time was up".to_owned(),
            Err(error) => innermost(&error),
            Ok(_) => "then the server closed the connection".to_owned(),
        };
        return Err(Error::transient(format!("got only {got}{of} bytes: {why}")));
    }
    Ok(Response { status, content_type, body })
}

/// Why there was no answer. What `reqwest` says itself is "error sending request"; the reason is further down.
fn unreachable(error: &reqwest::Error) -> Error {
    if error.is_builder() {
        return Error::fatal(innermost(error));
    }
    Error::transient(match (error.is_timeout(), error.is_connect()) {
        (true, true) => "no connection in time".to_owned(),
        (true, false) => "no answer in time".to_owned(),
        (false, _) => innermost(error),
    })
}

fn innermost(error: &dyn StdError) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests;
