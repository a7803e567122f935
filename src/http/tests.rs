// SPDX-License-Identifier: Apache-2.0
//! The client against servers that stall, cut, lie and redirect.

use std::time::{Duration, Instant};

use super::scripted::{Answer, Scripted, dripping, held, raw, whole};
use super::*;
use crate::error::Kind;

fn get_with(client: &Client, answer: Answer, limit: u64, patience: Duration) -> Result<Response> {
    let server = Scripted::start(vec![answer]);
    client.get(&server.url("/file?token=secret"), limit, Instant::now() + patience)
}

fn get(answer: Answer) -> Result<Response> {
    get_with(&Client::files(), answer, 1000, Duration::from_secs(10))
}

fn get_hastily(answer: Answer) -> Error {
    get_with(&Client::files(), answer, 1000, Duration::from_millis(300)).unwrap_err()
}

#[test]
fn a_body_ends_at_its_length_though_the_connection_stays_open() {
    let response = get(held("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello")).unwrap();
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
    let limited = |answer| get_with(&Client::files(), answer, 10, Duration::from_secs(10)).unwrap_err();
    for answer in [
        whole("200 OK", "", "eleven byte"),
        held("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nx"),
        raw("HTTP/1.0 200 OK\r\n\r\neleven byte"),
    ] {
        let error = limited(answer);
        assert_eq!(error.kind(), Kind::Fatal);
        assert!(error.to_string().contains("limit of 10 bytes"), "{error}");
    }
    assert!(get_with(&Client::files(), whole("200 OK", "", "ten bytes!"), 10, Duration::from_secs(10)).is_ok());
}

#[test]
fn a_status_says_what_the_caller_must_do() {
    for (status, kind) in [
        ("404 Not Found", Kind::Absent),
        ("410 Gone", Kind::Absent),
        ("408 Request Timeout", Kind::Transient),
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
fn errors_say_why_and_hide_the_query() {
    let nobody = Scripted::start(Vec::new()).url("/x");
    let url = nobody.replace("http://", "http://me:secret@") + "?token=secret";
    let error = Client::files().get(&url, 10, Instant::now() + Duration::from_secs(10)).unwrap_err().to_string();
    assert!(error.contains("/x?...: Connection refused"), "{error}");
    assert!(!error.contains("secret"), "{error}");
}

#[test]
fn redirects_are_followed_for_files_only_and_not_for_ever() {
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

    let error = get_with(&Client::metadata(), to("/b"), 10, Duration::from_secs(10)).unwrap_err();
    assert_eq!(error.kind(), Kind::Fatal);
    assert_eq!(get(to("file:///etc/shadow")).unwrap_err().kind(), Kind::Fatal);
}

#[test]
fn near_hosts_are_asked_without_a_proxy() {
    for (url, near) in [
        ("http://169.254.169.254/", true),
        ("http://10.0.2.100/vm-bootstrap", true),
        ("http://[fe80::1]/", true),
        ("http://localhost/", true),
        ("https://198.51.100.7/", false),
        ("https://example.com/", false),
    ] {
        assert_eq!(is_near(&parse(url).unwrap()), near, "{url}");
    }
    assert_eq!(parse("ftp://example.com/").unwrap_err().kind(), Kind::Malformed);
}
