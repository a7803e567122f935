// SPDX-License-Identifier: Apache-2.0
//! Requests and what they are answered, by the whole service over data in memory.

use std::collections::HashMap;

use http_body_util::BodyExt as _;
use hyper::header::{ALLOW, CONTENT_TYPE};

use super::*;
use crate::host::serve::data::tests::{guest, memory};
use crate::host::serve::limit::Limits;

const WEB: [u8; 4] = [192, 168, 122, 5];
const OTHER: [u8; 4] = [192, 168, 122, 6];

fn service(imds: Imds, data: &[(&str, &str)]) -> Service {
    let known = [(WEB, "web"), (OTHER, "other")].map(|(address, name)| {
        let address = IpAddr::from(address);
        let names = guest(&[&format!("{name}.internal"), name]);
        (address, Identity { address: Some(address), ..names })
    });
    Service {
        data: memory(data),
        who: Who::Known(HashMap::from(known)),
        sessions: Sessions::new(None).unwrap(),
        imds,
        activity: Arc::default(),
        log: Log::new(Some("/dev/null".as_ref()), false).unwrap(),
        passwords: Passwords::default(),
    }
}

fn from(address: [u8; 4]) -> Connection {
    Connection { address: Some(address.into()), ..Connection::default() }
}

/// `METHOD PATH`, headers as `name: value`, and the body; what comes back is the status and the body's text.
async fn ask(service: &Service, address: [u8; 4], line: &str, headers: &[&str], body: &str) -> (u16, String) {
    let (method, path) = line.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(path);
    for header in headers {
        let (name, value) = header.split_once(": ").unwrap();
        request = request.header(name, value);
    }
    let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap();
    let response = service.handle(request, &from(address)).await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn get(service: &Service, path: &str) -> (u16, String) {
    ask(service, WEB, &format!("GET {path}"), &[], "").await
}

async fn status(service: &Service, line: &str, headers: &[&str]) -> u16 {
    ask(service, WEB, line, headers, "").await.0
}

const TTL: &str = "X-aws-ec2-metadata-token-ttl-seconds: 60";

#[tokio::test]
async fn a_session_is_needed_where_the_service_says_so_and_is_its_owners_alone() {
    let service = service(Imds::V2, &[]);
    assert_eq!(status(&service, "GET /latest/meta-data/", &[]).await, 401);
    let (code, token) = ask(&service, WEB, "PUT /latest/api/token", &[TTL], "").await;
    assert_eq!(code, 200);
    let session = format!("X-aws-ec2-metadata-token: {token}");
    assert_eq!(status(&service, "GET /latest/meta-data/", &[&session]).await, 200);
    assert_eq!(ask(&service, OTHER, "GET /latest/meta-data/", &[&session], "").await.0, 401);
    assert_eq!(
        status(&service, "GET /openstack/latest/meta_data.json", &[]).await,
        200,
        "no client of it has sessions"
    );
}

#[tokio::test]
async fn a_session_is_refused_through_a_proxy_and_without_a_time() {
    let both = service(Imds::Both, &[]);
    assert_eq!(status(&both, "PUT /latest/api/token", &[TTL, "X-Forwarded-For: 10.0.0.9"]).await, 403);
    assert_eq!(status(&both, "PUT /latest/api/token", &[]).await, 400);
    assert_eq!(status(&both, "GET /latest/api/token", &[]).await, 405);
    assert_eq!(status(&both, "GET /latest/meta-data/", &[]).await, 200);
    assert_eq!(status(&both, "GET /latest/meta-data/", &["X-aws-ec2-metadata-token: made-up"]).await, 401);
    let v1 = service(Imds::V1, &[]);
    assert_eq!(status(&v1, "PUT /latest/api/token", &[TTL]).await, 404);
    assert_eq!(status(&v1, "GET /latest/meta-data/", &["X-aws-ec2-metadata-token: made-up"]).await, 200);
}

#[tokio::test]
async fn a_guest_gets_its_own_and_a_stranger_nothing() {
    let data = [("web.internal.data", "web's"), ("other.data", "other's"), ("web.json", r#"{"meta": {"role": "db"}}"#)];
    let service = service(Imds::Both, &data);
    assert_eq!(get(&service, "/latest/user-data").await, (200, "web's".to_owned()));
    assert_eq!(ask(&service, OTHER, "GET /2009-04-04/user-data", &[], "").await.1, "other's");
    assert_eq!(
        ask(&service, [10, 0, 0, 1], "GET /latest/user-data", &[], "").await,
        (403, "403 Forbidden\n".to_owned())
    );
    let (_, document) = get(&service, "/openstack/latest/meta_data.json").await;
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    assert_eq!((&document["meta"]["role"], &document["hostname"]), (&"db".into(), &"web.internal".into()));
}

#[tokio::test]
async fn what_is_missing_is_404_where_a_client_goes_on_and_empty_where_it_would_wait() {
    let service = service(Imds::Both, &[("autoinstall/web/user-data", "#cloud-config")]);
    for missing in [
        "/latest/user-data",
        "/openstack/latest/user_data",
        "/openstack/latest/network_data.json",
        "/openstack/2001-01-01/meta_data.json",
        "/openstack/content/0000",
        "/vm-bootstrap",
        "/preseed/web",
        "/autoinstall/other/meta-data",
        "/etc/passwd",
    ] {
        assert_eq!(get(&service, missing).await.0, 404, "{missing}");
    }
    for empty in ["/nocloud/user-data", "/nocloud/vendor-data", "/nocloud/network-config", "/autoinstall/web/meta-data"]
    {
        assert_eq!(get(&service, empty).await, (200, String::new()), "{empty}");
    }
    assert_eq!(get(&service, "/latest/").await.1, "dynamic\nmeta-data");
    assert_eq!(get(&service, "/openstack/latest/").await.1, "meta_data.json\npassword");
}

#[tokio::test]
async fn broken_meta_data_cost_only_what_is_made_of_them() {
    let service = service(Imds::Both, &[("web.json", "{"), ("web.data", "web's")]);
    let (code, text) = get(&service, "/latest/meta-data/instance-id").await;
    assert_eq!((code, text.contains("web.json")), (500, false), "why is for the log");
    assert_eq!(get(&service, "/latest/user-data").await.0, 200);
    assert_eq!(ask(&service, OTHER, "GET /latest/meta-data/instance-id", &[], "").await.0, 200);
}

#[tokio::test]
async fn installers_and_scripts_find_their_files() {
    let data = [
        ("preseed/web_cfg", "d-i"),
        ("kickstart/web.ks", "ks"),
        ("vm-bootstrap", "for all"),
        ("other.bootstrap", "its own"),
        ("web.json", r#"{"files": [{"path": "/a", "content": "A"}, {"path": "/b", "from": "files/b"}]}"#),
        ("files/b", "B"),
    ];
    let service = service(Imds::Both, &data);
    assert_eq!(get(&service, "/preseed/web.cfg").await.1, "d-i");
    assert_eq!(get(&service, "/kickstart/web.ks").await.1, "ks");
    assert_eq!(get(&service, "/vm-bootstrap").await.1, "for all");
    assert_eq!(ask(&service, OTHER, "GET /vm-bootstrap", &[], "").await.1, "its own");
    assert_eq!(get(&service, "/openstack/content/0000").await.1, "A");
    assert_eq!(get(&service, "/openstack/content/0001").await.1, "B");
}

#[tokio::test]
async fn what_is_posted_is_bounded() {
    let service = service(Imds::Both, &[]);
    let post = async |path: &str, body: &str| ask(&service, WEB, &format!("POST {path}"), &[], body).await.0;
    assert_eq!(post("/openstack/2013-04-04/password", "secret").await, 200);
    assert_eq!(post("/openstack/latest/password", "another").await, 409);
    assert_eq!(get(&service, "/openstack/latest/password").await.1, "secret");
    assert_eq!(ask(&service, OTHER, "GET /openstack/latest/password", &[], "").await.1, "");
    assert_eq!(post("/openstack/latest/password", &"x".repeat(2000)).await, 413);
    assert_eq!(post("/phone-home/i-1", "hostname=web").await, 200);
    assert_eq!(post("/phone-home/i-1", &"x".repeat(100_000)).await, 413);
    assert_eq!(post("/latest/user-data", "").await, 405);
    assert_eq!(status(&service, &format!("GET /{}", "a".repeat(3000)), &[]).await, 414);
}

#[tokio::test]
async fn answers_say_what_they_are_and_what_is_allowed() {
    let service = service(Imds::Both, &[("default.data", "x")]);
    for (line, kind, allow) in [
        ("GET /latest/meta-data/", "text/plain", None),
        ("GET /latest/user-data", "application/octet-stream", None),
        ("GET /openstack/latest/meta_data.json", "application/json", None),
        ("DELETE /latest/user-data", "text/plain", Some("GET, HEAD")),
        ("GET /phone-home", "text/plain", Some("POST")),
    ] {
        let (method, path) = line.split_once(' ').unwrap();
        let request = Request::builder().method(method).uri(path).body(Full::<Bytes>::default()).unwrap();
        let response = service.handle(request, &from(WEB)).await;
        assert_eq!(response.headers()[CONTENT_TYPE], kind, "{line}");
        assert_eq!(response.headers().get(ALLOW).map(|allow| allow.to_str().unwrap()), allow, "{line}");
    }
}

#[tokio::test]
async fn one_request_too_many_is_for_later() {
    let service = service(Imds::Both, &[]);
    let place = Limits::new(1).place(WEB.into(), Instant::now());
    let connection = Connection { place, ..from(WEB) };
    let mut codes = Vec::new();
    for _ in 0..11 {
        let request = Request::builder().uri("/").body(Full::<Bytes>::default()).unwrap();
        codes.push(service.handle(request, &connection).await.status().as_u16());
    }
    assert_eq!((codes.iter().filter(|code| **code == 200).count(), codes.last()), (10, Some(&429)));
}
