// SPDX-License-Identifier: Apache-2.0
//! How a server with metadata is asked: by one way, until one deadline.

use std::cell::Cell;
use std::io::{self, Write as _};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::finding::escaped;
use crate::http::{self, Client, Request, Response, Way};

/// For a vendor's document: the site makes it, and what the user asks for must not wait long for it.
const FOR_VENDORS: Duration = Duration::from_secs(10);
/// After which a person who named a server is told that it is waited for.
const SILENCE: Duration = Duration::from_secs(2);

/// For one try.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// What a datasource says that is asked without a [`Service`] for `what` it wants.
pub(super) fn on_a_server(what: &str) -> Error {
    Error::transient(format!("{what} is on a server"))
}

/// A server with metadata, as far as it is reached by one way.
///
/// One that has never given a document may be on another way, whatever answers here, and is asked once; one that has is
/// there, and is asked again until the deadline.
pub struct Service {
    client: Client,
    way: Way,
    deadline: Instant,
    timeout: Duration,
    is_there: Cell<bool>,
    /// Somebody has answered, be it that he has nothing.
    has_answered: Cell<bool>,
    /// A person waits for it, who was told nothing yet.
    tells: Cell<bool>,
}

impl Service {
    /// Nothing is asked yet. `timeout` is that of one try.
    pub fn new(way: Way, deadline: Instant, timeout: Duration) -> Self {
        Self {
            client: Client::service(way.clone()),
            way,
            deadline,
            timeout,
            is_there: Cell::new(false),
            has_answered: Cell::new(false),
            tells: Cell::new(false),
        }
    }

    /// One that a person names: it is there, by the only way that there is.
    pub fn only(deadline: Instant, timeout: Duration) -> Self {
        Self { is_there: Cell::new(true), tells: Cell::new(true), ..Self::new(Way::routed(), deadline, timeout) }
    }

    /// The way to it.
    pub fn way(&self) -> &Way {
        &self.way
    }

    /// Whether somebody has answered by this way, be it that he has nothing.
    pub fn has_answered(&self) -> bool {
        self.has_answered.get()
    }

    /// The document at `url`, at most `limit` bytes of it; `None` where the server says that it has none (404, 410), which
    /// costs one request.
    ///
    /// # Errors
    /// As [`Client::ask`]: transient where the server may have an answer later; absent where this way can't lead to it.
    pub fn get(&self, url: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        self.document(url, limit, self.deadline)
    }

    /// As [`Self::get`] of a vendor's document, which is asked for a few seconds only.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn get_of_vendor(&self, url: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        self.document(url, limit, self.deadline.min(Instant::now() + FOR_VENDORS))
    }

    fn document(&self, url: &str, limit: u64, deadline: Instant) -> Result<Option<Vec<u8>>> {
        match self.ask_until(&Request { url, ..Request::default() }, limit, deadline) {
            Ok(response) => Ok(Some(response.body)),
            Err(error) if error.is_absent() && error.status().is_some() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What the server answers to `request`.
    ///
    /// # Errors
    /// As [`Client::ask`]. A status such as 401, which the caller may know what to do about, is in the error.
    pub fn ask(&self, request: &Request, limit: u64) -> Result<Response> {
        self.ask_until(request, limit, self.deadline)
    }

    fn ask_until(&self, request: &Request, limit: u64, deadline: Instant) -> Result<Response> {
        let start = Instant::now();
        let tries = if self.is_there.get() { u32::MAX } else { 1 };
        // A run that is told to end here is ended at once: nothing has been changed yet.
        let sleep = |pause| {
            thread::sleep(pause);
            false
        };
        http::retry(tries, deadline, sleep, || {
            let answer = self.client.ask(request, limit, deadline.min(Instant::now() + self.timeout));
            self.is_there.set(self.is_there.get() || answer.is_ok());
            let is_answer = answer.as_ref().map_or_else(|error| error.status().is_some(), |_| true);
            self.has_answered.set(self.has_answered.get() || is_answer);
            if let Some(line) = answer.as_ref().err().and_then(|error| self.told(error, start, deadline)) {
                // Nobody is told where standard error is closed.
                let _ = writeln!(io::stderr(), "firstlight: {line}");
            }
            answer
        })
    }
}

impl Service {
    /// What to tell a person who waits, once: why, and for how long.
    fn told(&self, error: &Error, since: Instant, deadline: Instant) -> Option<String> {
        let left = deadline.saturating_duration_since(Instant::now()).as_secs();
        let is_time = self.tells.get() && error.is_transient() && since.elapsed() >= SILENCE && left > 0;
        is_time.then(|| {
            self.tells.set(false);
            escaped(&format!("{}; it is asked for up to {left} s more", error.without_advice()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::http::scripted::{Answer, Scripted, dripping, held, raw, whole};

    const URL: &str = "/latest?token=secret";

    /// What a service gives that has given one document before and then answers so, in two seconds; and the number of
    /// requests.
    fn asked(answers: Vec<Answer>) -> (Result<Option<Vec<u8>>>, usize) {
        asked_within(Duration::from_secs(2), answers)
    }

    fn asked_within(patience: Duration, mut answers: Vec<Answer>) -> (Result<Option<Vec<u8>>>, usize) {
        answers.insert(0, whole("200 OK", "", "there"));
        let server = Scripted::start(answers);
        let service = Service::new(Way::routed(), Instant::now() + patience, Duration::from_millis(300));
        assert_eq!(service.get(&server.url("/"), 100).unwrap().unwrap(), b"there");
        let answer = service.get(&server.url(URL), 100);
        (answer, server.requests().len() - 1)
    }

    fn good() -> Answer {
        whole("200 OK", "", "good")
    }

    #[test]
    fn what_may_come_later_is_asked_again_and_what_is_not_there_is_not() {
        for answer in [
            whole("408 Request Timeout", "", ""),
            whole("429 Too Many Requests", "Retry-After: 1\r\n", ""),
            whole("500 Internal Server Error", "", ""),
            raw(""),
            raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
            held("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
            dripping("HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n"),
            held(""),
        ] {
            let (answer, requests) = asked_within(Duration::from_secs(30), vec![answer, good()]);
            assert_eq!((answer.unwrap().unwrap().as_slice(), requests), (b"good".as_slice(), 2));
        }
        for status in ["404 Not Found", "410 Gone"] {
            let (answer, requests) = asked(vec![whole(status, "", ""), good()]);
            assert_eq!((answer.unwrap(), requests), (None, 1));
        }
    }

    #[test]
    fn what_is_final_is_left_to_the_caller_with_its_status() {
        let announced = || held("HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\nx");
        for (answer, status) in
            [(whole("401 Unauthorized", "", ""), 401), (whole("403 Forbidden", "", ""), 403), (announced(), 200)]
        {
            let (answer, requests) = asked(vec![answer, good()]);
            let error = answer.unwrap_err();
            assert_eq!((error.kind(), error.status(), requests), (Kind::Fatal, Some(status), 1), "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn one_that_has_given_nothing_yet_is_asked_once() {
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let once = |url: &str| {
            let deadline = Instant::now() + Duration::from_secs(60);
            Service::new(Way::routed(), deadline, Duration::from_millis(300)).get(url, 100).unwrap_err()
        };
        assert!(once(&format!("http://{nobody}/")).is_transient());
        for first in [held(""), whole("503 Service Unavailable", "", "")] {
            let server = Scripted::start(vec![first, good()]);
            let error = once(&server.url("/"));
            assert!(error.is_transient(), "{error}");
            assert_eq!(server.requests().len(), 1);
        }
    }

    #[test]
    fn the_deadline_is_one_for_all_and_a_longer_pause_ends_it_at_once() {
        let busy = || whole("500 Internal Server Error", "", "");
        let start = Instant::now();
        let (answer, requests) = asked((0..50).map(|_| busy()).collect());
        assert!(answer.unwrap_err().is_transient() && (3..8).contains(&requests), "{requests}");
        assert!(start.elapsed() < Duration::from_secs(10));
        let (answer, requests) = asked(vec![whole("503 Service Unavailable", "Retry-After: 3600\r\n", "")]);
        let error: Error = answer.unwrap_err();
        assert!(error.to_string().ends_with("wants to be left alone for 3600 s"), "{error}");
        assert_eq!(requests, 1);
    }

    #[test]
    fn a_person_who_waits_is_told_once_and_a_boot_needs_no_telling() {
        let now = Instant::now();
        let (long_ago, later) = (now.checked_sub(SILENCE).unwrap(), now + Duration::from_secs(60));
        let service = Service::only(later, DEFAULT_TIMEOUT);
        let busy = Error::transient("cannot fetch http://192.0.2.1/: no\x1b[2J");
        assert_eq!(service.told(&busy, now, later), None, "not yet");
        assert_eq!(service.told(&Error::fatal("no"), long_ago, later), None, "it is not waited for");
        let said = service.told(&busy, long_ago, later).unwrap();
        assert!(said.starts_with("cannot fetch http://192.0.2.1/: no\\u{1b}[2J; it is asked for up to 5"), "{said}");
        assert_eq!(service.told(&busy, long_ago, later), None, "once");
        assert_eq!(Service::new(Way::routed(), later, DEFAULT_TIMEOUT).told(&busy, long_ago, later), None);
    }

    #[test]
    fn a_vendor_s_document_is_not_asked_for_long() {
        let busy = || whole("503 Service Unavailable", "Retry-After: 11\r\n", "");
        let server = Scripted::start(vec![whole("200 OK", "", "there"), busy()]);
        let service = Service::new(Way::routed(), Instant::now() + Duration::from_secs(600), DEFAULT_TIMEOUT);
        service.get(&server.url("/"), 100).unwrap();
        // Anything else would be asked for again after eleven seconds.
        assert!(service.get_of_vendor(&server.url("/vendor"), 100).unwrap_err().is_transient());
        assert_eq!(server.requests().len(), 2);
    }

    #[test]
    fn a_way_that_can_not_lead_there_is_not_a_document_that_is_not_there() {
        let service = Service::new(Way::routed(), Instant::now() + Duration::from_secs(9), DEFAULT_TIMEOUT);
        assert!(service.get("http://[fe80::a9fe:a9fe]/", 100).unwrap_err().is_absent());
    }
}
