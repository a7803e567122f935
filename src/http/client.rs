// SPDX-License-Identifier: Apache-2.0
//! Asking: which way a request goes, and the log of all requests.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use reqwest::{StatusCode, Url, blocking, redirect::Policy};

use crate::error::{Error, Result};
use crate::http::answer::read;
use crate::http::names::Names;
use crate::http::redirect::next;
use crate::http::request::{Method, Request, header_map};
use crate::http::url::{is_near, parse, shown};
use crate::http::{Response, USER_AGENT, Way, certificate, innermost, tls};

/// A host that is there answers a connection at once; one that is not should not cost a boot more than this.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A metadata service is on the next machine, or is none; one with a name may be far, with a name to look up and a
/// secret to agree on.
const NEAR_TIMEOUT: Duration = Duration::from_secs(2);

/// As many as a mirror or a URL shortener needs.
const MOST_REDIRECTS: usize = 5;

/// Fetches documents.
pub struct Client {
    clients: Mutex<HashMap<Needs, blocking::Client>>,
    way: Way,
    /// What was found of names by the way's own servers.
    names: Arc<Names>,
    /// It asks a metadata service.
    is_service: bool,
    /// What all connections go to, whatever the host of a URL.
    socket: Option<PathBuf>,
}

/// What came of one request.
enum Answer {
    Document(Response),
    Elsewhere(StatusCode, Url),
}

/// What a connection needs; the client of each is built when the first URL asks for it, so that plain HTTP never reads
/// a certificate store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Needs {
    secure: bool,
    direct: bool,
}

impl Client {
    /// For URLs that a person wrote: the environment's proxy for hosts that are not near (a number of the loopback, link-local
    /// or private networks is), at most five redirects, and none from https to http.
    pub fn files() -> Self {
        Self { clients: Mutex::default(), way: Way::routed(), names: Arc::default(), is_service: false, socket: None }
    }

    /// For a metadata service that is reached by `way`: no proxy, a short patience for connections, and no redirect from an
    /// address of platforms' services to another server.
    pub fn service(way: Way) -> Self {
        Self { clients: Mutex::default(), way, names: Arc::default(), is_service: true, socket: None }
    }

    /// For a service of this machine's host at a Unix socket: else as a metadata service.
    pub fn socket(path: PathBuf) -> Self {
        Self { socket: Some(path), ..Self::service(Way::routed()) }
    }

    /// The document at `url`, at most `limit` bytes of it, before `deadline`.
    ///
    /// # Errors
    /// Absent: the server says 404 or 410; without a status, there is no such server by this way. Transient: no connection, no answer in time, half an answer, 408, 429 or
    /// a 500. Fatal: everything that asking again won't mend.
    pub fn get(&self, url: &str, limit: u64, deadline: Instant) -> Result<Response> {
        self.ask(&Request { url, ..Request::default() }, limit, deadline)
    }

    /// What the server answers to `request`, with the bounds and errors of [`Self::get`].
    ///
    /// A form is sent again where the redirect says so (307, 308); else the other place is asked with GET, as browsers do.
    pub fn ask(&self, request: &Request, limit: u64, deadline: Instant) -> Result<Response> {
        let mut url = parse(request.url)?;
        let mut headers = header_map(request.headers)?;
        let mut method = request.method;
        for _ in 0..=MOST_REDIRECTS {
            let (status, place) = match self.once(&url, &headers, method, limit, deadline)? {
                Answer::Document(response) => return Ok(response),
                Answer::Elsewhere(status, place) => (status, place),
            };
            if place.origin() != url.origin() {
                headers.clear();
            }
            if !matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT) {
                method = Method::Get;
            }
            url = place;
        }
        let error = Error::fatal(format!("more than {MOST_REDIRECTS} redirects"));
        let error = error.while_doing(format_args!("cannot {} {}", method.doing(), shown(&url)));
        Err(error.help("ask the server with a browser or curl where the document really is"))
    }

    /// One request, and its line in the log: never a header or a body, which may be secrets.
    fn once(&self, url: &Url, headers: &HeaderMap, method: Method, limit: u64, deadline: Instant) -> Result<Answer> {
        let (start, shown) = (Instant::now(), shown(url));
        let answer = self.send(url, headers, method, deadline).and_then(|reply| {
            Ok(match next(url, &reply, self.is_service)? {
                Some(place) => Answer::Elsewhere(reply.status(), place),
                None => Answer::Document(read(reply, limit, deadline)?),
            })
        });
        let outcome = match &answer {
            Ok(Answer::Document(response)) => format!("{}, {} bytes", response.status, response.body.len()),
            Ok(Answer::Elsewhere(status, _)) => status.to_string(),
            Err(error) => error.without_advice(),
        };
        log::info!("{} {shown}: {outcome}, {} ms", method.name(), start.elapsed().as_millis());
        answer.map_err(|error| error.while_doing(format_args!("cannot {} {shown}", method.doing())))
    }

    fn send(&self, url: &Url, headers: &HeaderMap, method: Method, deadline: Instant) -> Result<blocking::Response> {
        self.way.check(url)?;
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::transient("no time left"));
        }
        let own = self.way.interface.as_ref().and_then(|card| Some((card, card.names.as_deref()?)));
        if let Some((card, servers)) = own {
            self.names.find(url, card, servers, deadline)?;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let client = self.client(Needs { secure: url.scheme() == "https", direct: is_near(url) })?;
        let request = match method {
            Method::Post(form) => {
                client.post(url.clone()).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form.to_owned())
            }
            Method::Put => client.put(url.clone()).header(CONTENT_LENGTH, 0),
            Method::Get => client.get(url.clone()),
        };
        request.headers(headers.clone()).timeout(left).send().map_err(|error| {
            if error.is_connect() {
                self.names.forget(url);
            }
            unreachable(&error)
        })
    }

    fn client(&self, needs: Needs) -> Result<blocking::Client> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&needs) {
            return Ok(client.clone());
        }
        let tls = if needs.secure { tls::trusting_the_guest() } else { tls::trusting_nobody() }?;
        let mut builder = blocking::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(if self.is_service && needs.direct { NEAR_TIMEOUT } else { CONNECT_TIMEOUT })
            .redirect(Policy::none())
            .referer(false)
            .tls_backend_preconfigured(tls);
        if needs.direct || self.is_service {
            builder = builder.no_proxy();
        }
        if let Some(interface) = &self.way.interface {
            builder = builder.interface(&interface.name);
            if interface.names.is_some() {
                builder = builder.dns_resolver(Arc::clone(&self.names));
            }
        }
        if let Some(socket) = &self.socket {
            builder = builder.unix_socket(socket.as_path());
        }
        let client = builder.build().map_err(|e| Error::fatal("cannot set up the HTTP client").because(e))?;
        clients.insert(needs, client.clone());
        Ok(client)
    }
}

/// Why there was no answer.
fn unreachable(error: &reqwest::Error) -> Error {
    if error.is_builder() {
        return Error::fatal(innermost(error));
    }
    if let Some(refused) = certificate::refused(error) {
        return refused;
    }
    Error::transient(match (error.is_timeout(), error.is_connect()) {
        (true, true) => "no connection in time".to_owned(),
        (true, false) => "no answer in time".to_owned(),
        (false, _) => innermost(error),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::Kind;
    use crate::http::scripted::{Answer, Scripted, dripping, held, raw, whole};

    fn get_with(answer: Answer, limit: u64, patience: Duration) -> Result<Response> {
        let server = Scripted::start(vec![answer]);
        Client::files().get(&server.url("/file?token=secret"), limit, Instant::now() + patience)
    }

    fn get(answer: Answer) -> Result<Response> {
        get_with(answer, 1000, Duration::from_secs(10))
    }

    fn get_hastily(answer: Answer) -> Error {
        get_with(answer, 1000, Duration::from_millis(300)).unwrap_err()
    }

    #[test]
    fn a_body_ends_at_its_length_though_the_connection_stays_open() {
        let response =
            get(held("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello")).unwrap();
        assert_eq!((response.status, response.body.as_slice()), (200, b"hello".as_slice()));
        assert_eq!(response.content_type.as_deref(), Some("text/plain"));
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
        assert_eq!(get(held(chunked)).unwrap().body, b"hello");
    }

    #[test]
    fn a_body_without_length_ends_where_the_server_closes() {
        assert_eq!(get(raw("HTTP/1.0 200 OK\r\n\r\nhello")).unwrap().body, b"hello");
    }

    #[test]
    fn half_an_answer_is_transient_and_says_how_much_came() {
        let error = get(raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")).unwrap_err();
        assert_eq!(error.kind(), Kind::Transient);
        assert!(error.to_string().contains("got only 5 of 10 bytes"), "{error}");
        let error = get(raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")).unwrap_err();
        assert_eq!(error.kind(), Kind::Transient);
        assert_eq!(get(raw("")).unwrap_err().kind(), Kind::Transient);
    }

    #[test]
    fn the_deadline_covers_head_and_body() {
        for answer in [
            held(""),
            held("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"),
            held("HTTP/1.1 200 OK\r\n\r\nno length, no end"),
            dripping("HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"),
            dripping("HTTP/1.1 200 OK\r\nX: "),
        ] {
            let error = get_hastily(answer);
            assert_eq!(error.kind(), Kind::Transient, "{error}");
        }
    }

    #[test]
    fn a_body_past_the_limit_is_refused_whether_announced_or_not() {
        let limited = |answer| get_with(answer, 10, Duration::from_secs(10)).unwrap_err();
        for answer in [
            whole("200 OK", "", "eleven byte"),
            held("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nx"),
            raw("HTTP/1.0 200 OK\r\n\r\neleven byte"),
        ] {
            let error = limited(answer);
            assert_eq!(error.kind(), Kind::Fatal);
            assert!(error.to_string().contains("limit of 10 bytes"), "{error}");
        }
        assert!(get_with(whole("200 OK", "", "ten bytes!"), 10, Duration::from_secs(10)).is_ok());
    }

    #[test]
    fn a_status_says_what_the_caller_must_do() {
        for (status, kind) in [
            ("404 Not Found", Kind::Absent),
            ("410 Gone", Kind::Absent),
            ("408 Request Timeout", Kind::Transient),
            ("429 Too Many Requests", Kind::Transient),
            ("500 Internal Server Error", Kind::Transient),
            ("503 Service Unavailable", Kind::Transient),
            ("401 Unauthorized", Kind::Fatal),
            ("304 Not Modified", Kind::Fatal),
        ] {
            let error = get(whole(status, "", "")).unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(&status[..3]), "{error}");
        }
        let error = get(whole("429 Too Many Requests", "Retry-After: 7\r\n", "")).unwrap_err();
        assert_eq!((error.kind(), error.retry_after()), (Kind::Transient, Some(Duration::from_secs(7))));
    }

    #[test]
    fn a_form_is_posted_and_headers_stay_with_the_server_that_they_are_for() {
        let other = Scripted::start(vec![whole("200 OK", "", "")]);
        let place = format!("Location: {}\r\n", other.url("/there"));
        let server = Scripted::start(vec![
            whole("308 Permanent Redirect", "Location: /b\r\n", ""),
            whole("302 Found", &place, ""),
        ]);
        let headers = [("X-Token".to_owned(), "secret".to_owned())];
        let request = Request { url: &server.url("/a"), headers: &headers, method: Method::Post("id=i-1") };
        Client::files().ask(&request, 10, Instant::now() + Duration::from_secs(10)).unwrap();
        let heads = server.requests();
        for (head, first) in heads.iter().zip(["POST /a HTTP/1.1", "POST /b HTTP/1.1"]) {
            assert!(head.starts_with(first) && head.contains("x-token: secret"), "{head}");
            assert!(head.contains("content-type: application/x-www-form-urlencoded"), "{head}");
            assert!(head.ends_with("\n\nid=i-1"), "{head}");
        }
        let last = other.requests();
        assert!(last[0].starts_with("GET /there") && !last[0].contains("secret"), "{last:?}");
        let headers = [("X-Token".to_owned(), "hunter2\nHost: b".to_owned())];
        let request = Request { url: &server.url("/a"), headers: &headers, method: Method::Get };
        let error = Client::files().ask(&request, 10, Instant::now()).unwrap_err();
        assert!(error.to_string().contains("X-Token") && !error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn errors_say_why_and_hide_the_query() {
        // A port that was free a moment ago; a server that ends may still have taken the connection, and reset it.
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let url = format!("http://me:secret@{nobody}/x?token=secret");
        let error = Client::files().get(&url, 10, Instant::now() + Duration::from_secs(10)).unwrap_err().to_string();
        assert!(error.contains("/x?...: Connection refused"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn redirects_are_followed_and_not_for_ever() {
        let to = |place: &str| whole("302 Found", &format!("Location: {place}\r\n"), "");
        let far = Instant::now() + Duration::from_secs(10);

        let server = Scripted::start(vec![to("/b"), whole("200 OK", "", "there")]);
        assert_eq!(Client::files().get(&server.url("/a"), 10, far).unwrap().body, b"there");
        let requests = server.requests();
        assert!(requests[1].starts_with("GET /b HTTP/1.1"), "{requests:?}");
        assert!(requests[1].contains(USER_AGENT), "{requests:?}");

        let server = Scripted::start((0..20).map(|_| to("/again")).collect());
        let error = Client::files().get(&server.url("/"), 10, far).unwrap_err();
        assert!(error.kind() == Kind::Fatal && error.to_string().contains("more than 5 redirects"), "{error}");
        assert_eq!(server.requests().len(), 6);

        assert_eq!(get(to("file:///etc/shadow")).unwrap_err().kind(), Kind::Fatal);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn whatever_is_sent_the_client_comes_back(
            head in "(HTTP/1.[019] [0-9]{0,4}[ a-z]{0,3}\r\n([A-Za-z-]{0,9}:?[ -~]{0,9}\r\n){0,3}(Content-Length: -?[0-9]{1,20}\r\n)?(\r\n)?)?",
            body in prop::collection::vec(any::<u8>(), 0..50),
        ) {
            if let Ok(response) = get(raw([head.into_bytes(), body].concat())) {
                prop_assert!(response.body.len() <= 50);
            }
        }
    }
}
