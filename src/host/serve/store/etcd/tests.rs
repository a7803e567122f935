// SPDX-License-Identifier: Apache-2.0
//! What is known while etcd comes, goes and begins anew, against a gateway that says what it is told.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::time::{Instant, sleep};

use super::*;
use crate::http::scripted::{Answer, Scripted, held, whole};

fn json(text: &str) -> Answer {
    whole("200 OK", "Content-Type: application/json\r\n", text)
}

fn head(cluster: u32, revision: u32) -> String {
    format!(r#""header":{{"cluster_id":"{cluster}","revision":"{revision}"}}"#)
}

fn range(cluster: u32, revision: u32, pairs: &[(&str, &str)], more: bool) -> Answer {
    let pair = |(key, value): &(&str, &str)| {
        format!(
            r#"{{"key":"{}","value":"{}","mod_revision":"{revision}"}}"#,
            STANDARD.encode(key),
            STANDARD.encode(value)
        )
    };
    let pairs = pairs.iter().map(pair).collect::<Vec<_>>().join(",");
    json(&format!(r#"{{{},"kvs":[{pairs}],"more":{more}}}"#, head(cluster, revision)))
}

fn put(key: &str, value: &str, revision: u32) -> String {
    let (key, value) = (STANDARD.encode(key), STANDARD.encode(value));
    let event = format!(r#"{{"kv":{{"key":"{key}","value":"{value}","mod_revision":"{revision}"}}}}"#);
    format!(r#"{{"result":{{{},"events":[{event}]}}}}"#, head(1, 99))
}

/// A watch that says these lines and stays.
fn watching(lines: &[&str]) -> Answer {
    let lines = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    held(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{lines}\r\n", lines.len()))
}

fn created() -> String {
    format!(r#"{{"result":{{{},"created":true}}}}"#, head(1, 99))
}

fn open(server: &Scripted) -> Etcd {
    let spec = server.url("/f").replace("http:", "etcd:");
    Etcd::open(&spec, &Access::default()).unwrap()
}

/// Waits until the key has that value.
async fn becomes(etcd: &Etcd, key: &str, value: Option<&str>) {
    let (key, deadline) = (Key::new(key).unwrap(), Instant::now() + Duration::from_secs(20));
    loop {
        let now = etcd.get(&key).await.unwrap();
        if now.as_deref() == value.map(str::as_bytes) {
            return;
        }
        assert!(Instant::now() < deadline, "{key} is {now:?}, not {value:?}");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn pages_are_of_one_revision_and_a_break_is_gone_on_from() {
    let server = Scripted::start(vec![
        range(1, 7, &[], false),
        range(1, 7, &[("/f/a.json", "{}")], true),
        range(1, 8, &[("/f/b.json", "[]")], false),
        // Then it breaks, after a change that came late: the head was of later.
        whole("200 OK", "", &format!("{}\n{}\n", created(), put("/f/a.json", "new", 8))),
        range(1, 99, &[], false),
        watching(&[&created(), &put("/f/c/d", "late", 9)]),
    ]);
    let etcd = open(&server);
    etcd.ready().await.unwrap();
    becomes(&etcd, "b.json", Some("[]")).await;
    becomes(&etcd, "a.json", Some("new")).await;
    becomes(&etcd, "c/d", Some("late")).await;
    let asked = server.requests();
    let next = STANDARD.encode("/f/a.json\0");
    assert!(asked[2].contains(r#""revision":"7""#) && asked[2].contains(&next), "{}", asked[2]);
    assert!(asked[3].contains(r#""start_revision":"8""#), "{}", asked[3]);
    assert!(asked[5].contains(r#""start_revision":"9""#), "{}", asked[5]);
}

#[tokio::test]
async fn what_was_forgotten_is_read_anew() {
    let forgotten = r#"{"result":{"header":{"cluster_id":"1"},"canceled":true,"compact_revision":"30"}}"#;
    let server = Scripted::start(vec![
        range(1, 7, &[("/f/a.json", "")], false),
        range(1, 7, &[("/f/a.json", "old"), ("/f/b.json", "old")], false),
        watching(&[&created(), forgotten]),
        range(1, 40, &[], false),
        range(1, 40, &[("/f/a.json", "new")], false),
        watching(&[&created()]),
    ]);
    let etcd = open(&server);
    becomes(&etcd, "a.json", Some("new")).await;
    becomes(&etcd, "b.json", None).await;
}

#[tokio::test]
async fn an_etcd_that_began_anew_empties_nothing_until_it_holds_something() {
    // With the same members on an empty disk it has the same id.
    for cluster in [1, 2] {
        began_anew(cluster).await;
    }
}

async fn began_anew(cluster: u32) {
    let server = Scripted::start(vec![
        range(1, 7, &[], false),
        range(1, 7, &[("/f/a.json", "old")], false),
        whole("200 OK", "", ""),
        whole("503 Service Unavailable", "", "{}"),
        range(cluster, 1, &[], false),
        range(cluster, 1, &[], false),
        range(cluster, 3, &[], false),
        range(cluster, 3, &[("/f/b.json", "restored")], false),
        watching(&[&created()]),
    ]);
    let etcd = open(&server);
    etcd.ready().await.unwrap();
    let (a, b) = (Key::new("a.json").unwrap(), Key::new("b.json").unwrap());
    while etcd.get(&b).await.unwrap().is_none() {
        // Before they are replaced at once.
        let old = etcd.get(&a).await.unwrap();
        assert!(old.is_some() || etcd.get(&b).await.unwrap().is_some());
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(etcd.get(&a).await.unwrap(), None);
}

#[tokio::test]
async fn a_member_that_is_down_is_passed_over() {
    let down = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Scripted::start(vec![
        range(1, 7, &[], false),
        range(1, 7, &[("/firstlight/a.json", "{}")], false),
        watching(&[&created()]),
    ]);
    let spec = format!("etcd://{down},{}", server.url("").trim_start_matches("http://"));
    let etcd = Etcd::open(&spec, &Access::default()).unwrap();
    assert_eq!(etcd.get(&Key::new("a.json").unwrap()).await.unwrap().as_deref(), Some(&b"{}"[..]));
}

#[tokio::test]
async fn a_password_is_sent_and_never_said() {
    let scratch = crate::scratch::Scratch::new();
    scratch.file("password", "secret\n");
    let access = Access {
        etcd_user: Some("fl".to_owned()),
        etcd_password_file: Some(scratch.path("password")),
        ..Access::default()
    };
    let server = Scripted::start(vec![
        whole("400 Bad Request", "", r#"{"message":"etcdserver: authentication failed","code":3}"#),
        json(r#"{"header":{},"token":"ticket"}"#),
        range(1, 7, &[], false),
        range(1, 7, &[("/f/a.json", "{}")], false),
        watching(&[&created()]),
    ]);
    let etcd = Etcd::open(&server.url("/f").replace("http:", "etcd:"), &access).unwrap();
    etcd.ready().await.unwrap();
    let asked = server.requests();
    assert!(asked[0].contains(r#""password":"secret""#), "{}", asked[0]);
    assert!(asked[2].contains("authorization: ticket") && !asked[2].contains("secret"), "{}", asked[2]);
    let reason = etcd.followed.reason(SHORT_PATIENCE).to_string();
    assert!(!reason.contains("secret") && !reason.contains("ticket"), "{reason}");
}
