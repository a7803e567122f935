// SPDX-License-Identifier: Apache-2.0
//! What a web server is asked, and what is served while it misbehaves.

use super::*;
use crate::http::scripted::{Scripted, held, whole};

const SOON: Duration = Duration::from_secs(3600);
const ALWAYS: Duration = Duration::ZERO;

fn key() -> Key {
    Key::new("über/vm.json").unwrap()
}

async fn text(store: &Http) -> Option<String> {
    let content = store.get(&key()).await.unwrap()?;
    Some(String::from_utf8(content.to_vec()).unwrap())
}

#[tokio::test]
async fn a_storm_of_guests_is_one_question_and_one_answer_is_kept() {
    let server = Scripted::start(vec![whole("200 OK", "", "{}"), whole("200 OK", "", "other")]);
    let store = Http::open(&server.url("/data"), SOON).unwrap();
    let (a, b, c) = tokio::join!(text(&store), text(&store), text(&store));
    assert_eq!([a, b, c, text(&store).await], [const { Some("{}") }; 4].map(|text| text.map(str::to_owned)));
    let asked = server.requests();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].starts_with("GET /data/%C3%BCber/vm.json HTTP/1.1"), "{}", asked[0]);
}

#[tokio::test]
async fn an_unchanged_document_is_not_sent_again_and_a_removed_one_goes() {
    let marks = "ETag: \"1\"\r\nLast-Modified: Sat, 21 Nov 2026 12:00:00 GMT\r\n";
    let server = Scripted::start(vec![
        whole("200 OK", marks, "one"),
        whole("304 Not Modified", "", ""),
        whole("200 OK", "", "two"),
        whole("404 Not Found", "", "no"),
    ]);
    let store = Http::open(&server.url("/"), ALWAYS).unwrap();
    for expected in [Some("one"), Some("one"), Some("two"), None] {
        assert_eq!(text(&store).await.as_deref(), expected);
    }
    let asked = server.requests();
    assert!(
        asked[1].contains("if-none-match: \"1\"\nif-modified-since: Sat, 21 Nov 2026 12:00:00 GMT"),
        "{}",
        asked[1]
    );
    assert!(!asked[3].contains("if-none-match"), "{}", asked[3]);
}

#[tokio::test]
async fn what_was_there_stays_while_the_server_is_down_half_up_or_wrong() {
    let server = Scripted::start(vec![
        whole("200 OK", "", "kept"),
        whole("503 Service Unavailable", "", ""),
        held("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
        whole("403 Forbidden", "", ""),
        whole("200 OK", "", "new"),
    ]);
    let store = Http::open(&server.url("/"), ALWAYS).unwrap();
    for expected in ["kept", "kept", "kept", "kept", "new", "new"] {
        *store.paused.lock().unwrap() = None;
        assert_eq!(text(&store).await.as_deref(), Some(expected));
    }
}

#[tokio::test]
async fn a_guest_waits_for_a_first_answer_while_the_server_starts() {
    let server = Scripted::start(vec![whole("502 Bad Gateway", "", ""), whole("200 OK", "", "up")]);
    let store = Http::open(&server.url("/"), SOON).unwrap();
    assert_eq!(text(&store).await.as_deref(), Some("up"));
}

#[tokio::test]
async fn no_other_server_is_asked_and_no_password_is_said() {
    let other = Scripted::start(vec![whole("200 OK", "", "stolen")]);
    let place = format!("Location: {}\r\n", other.url("/?token=secret"));
    let server = Scripted::start(vec![whole("302 Found", &place, ""), whole("401 Unauthorized", "", "")]);
    let url = server.url("/").replace("//", "//user:secret@");
    let store = Http::open(&url, SOON).unwrap();
    let elsewhere = store.get(&key()).await.unwrap_err().to_string();
    assert!(elsewhere.contains("another server") && !elsewhere.contains("secret"), "{elsewhere}");
    assert!(other.requests().is_empty());
    let refused = store.get(&key()).await.unwrap_err();
    assert_eq!((refused.is_transient(), refused.status()), (false, Some(401)));
    assert!(!refused.to_string().contains("secret") && !store.place().contains("secret"), "{refused}");
    assert!(server.requests()[0].contains("authorization: Basic "));
}

#[tokio::test]
async fn a_document_has_a_bound() {
    let server = Scripted::start(vec![whole("200 OK", "", &"x".repeat((LARGEST + 1) as usize))]);
    let store = Http::open(&server.url("/"), SOON).unwrap();
    assert!(store.get(&key()).await.unwrap_err().to_string().contains("larger than 16 MiB"));
    assert!(Http::open("http://host/?key=1", SOON).is_err());
}
