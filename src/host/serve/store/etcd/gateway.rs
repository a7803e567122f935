// SPDX-License-Identifier: Apache-2.0
//! Asking etcd (version 3) by the JSON gateway of its client port: numbers are strings, keys and values base64, and a watch
//! is one answer that goes on, an object a line.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::error::{Error, Result};
use crate::host::serve::store::etcd::copy::{Happened, Pair};
use crate::http::{USER_AGENT, innermost, parse, tls};

/// Of a whole answer, and of a connection.
const PATIENCE: Duration = Duration::from_secs(10);
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);

/// The largest answer: a page of values at etcd's own bound of 1.5 MiB each.
const LARGEST_ANSWER: usize = 192 << 20;

/// The members of a cluster.
pub struct Gateway {
    client: Client,
    endpoints: Vec<String>,
    /// Which of them is asked.
    current: AtomicUsize,
    login: Option<Login>,
}

/// Who asks.
pub struct Login {
    /// User.
    pub name: String,
    /// Never shown.
    pub password: String,
}

/// What every answer begins with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Header {
    pub cluster_id: String,
    revision: String,
}

impl Header {
    /// Of the whole cluster, not of a key.
    pub fn revision(&self) -> i64 {
        self.revision.parse().unwrap_or(0)
    }
}

/// A page of keys and values.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Range {
    pub header: Header,
    pub kvs: Vec<Pair>,
    /// Others follow.
    pub more: bool,
}

/// A line of a watch.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Watched {
    pub events: Vec<Happened>,
    /// It ends here.
    pub canceled: bool,
    pub cancel_reason: String,
    /// Where it can't begin any more: the first revision that is still there.
    pub compact_revision: String,
}

#[derive(Deserialize)]
struct Line {
    result: Option<Watched>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

/// A watch that goes on.
pub struct Watch {
    answer: Response,
    read: Vec<u8>,
}

/// A member, with the right to ask it.
pub struct Session<'a> {
    client: &'a Client,
    endpoint: &'a str,
    token: Option<String>,
}

impl Gateway {
    /// Of `endpoints`, as `http://HOST:PORT`.
    pub fn new(endpoints: Vec<String>, login: Option<Login>) -> Result<Self> {
        for endpoint in &endpoints {
            parse(endpoint).map_err(|error| error.while_doing("an etcd endpoint"))?;
        }
        let secure = endpoints.iter().any(|endpoint| endpoint.starts_with("https:"));
        let tls = if secure { tls::trusting_the_guest() } else { tls::trusting_nobody() }?;
        let builder = Client::builder().user_agent(USER_AGENT).no_proxy().redirect(Policy::none());
        let builder = builder.connect_timeout(CONNECT_PATIENCE).tls_backend_preconfigured(tls);
        let client = builder.build().map_err(|error| Error::fatal("cannot set up the HTTP client").because(error))?;
        Ok(Self { client, endpoints, current: AtomicUsize::new(0), login })
    }

    /// The member that is asked now.
    pub fn endpoint(&self) -> &str {
        let turn = self.current.load(Ordering::Relaxed) % self.endpoints.len().max(1);
        self.endpoints.get(turn).map_or("", String::as_str)
    }

    /// The next one's turn; whether each had its own by now.
    pub fn turn(&self) -> bool {
        (self.current.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(self.endpoints.len().max(1))
    }

    /// Logs in where somebody is to log in.
    pub async fn session(&self) -> Result<Session<'_>> {
        let mut session = Session { client: &self.client, endpoint: self.endpoint(), token: None };
        if let Some(login) = &self.login {
            let asked = json!({ "name": login.name, "password": login.password });
            let token: Token = session.ask("/v3/auth/authenticate", &asked).await.map_err(|error| {
                error.help("--etcd-user and --etcd-password-file; `etcdctl auth enable` switches users on")
            })?;
            session.token = Some(token.token);
        }
        Ok(session)
    }
}

impl Session<'_> {
    /// Which member it is.
    pub fn endpoint(&self) -> &str {
        self.endpoint
    }

    /// Keys from `from` to the prefix's end, as many as `limit`, at `revision` (0: now); without values where it is `bare`.
    pub async fn range(&self, from: &[u8], prefix: &str, revision: i64, limit: usize, bare: bool) -> Result<Range> {
        let asked = json!({
            "key": STANDARD.encode(from), "range_end": STANDARD.encode(end(prefix)),
            "revision": revision.to_string(), "limit": limit.to_string(), "keys_only": bare,
        });
        self.ask("/v3/kv/range", &asked).await
    }

    /// What happens below the prefix from `revision` on.
    pub async fn watch(&self, prefix: &str, revision: i64) -> Result<Watch> {
        let asked = json!({ "create_request": {
            "key": STANDARD.encode(prefix), "range_end": STANDARD.encode(end(prefix)), "start_revision": revision.to_string(),
        }});
        // No time for the whole of it: it goes on. The head comes at once.
        let answer = timeout(PATIENCE, self.post("/v3/watch", &asked).send()).await;
        let answer = answer.map_err(|_| Error::transient(format!("{}: no answer in time", self.endpoint)))?;
        let answer = answer.map_err(|error| self.unanswered(&error))?;
        match answer.status().is_success() {
            true => Ok(Watch { answer, read: Vec::new() }),
            false => Err(self.refused(answer.status().as_u16(), &body(answer).await.unwrap_or_default())),
        }
    }

    async fn ask<A: DeserializeOwned>(&self, path: &str, asked: &Value) -> Result<A> {
        let answer = self.post(path, asked).timeout(PATIENCE).send().await;
        let answer = answer.map_err(|error| self.unanswered(&error))?;
        let status = answer.status();
        let bytes = body(answer).await.map_err(|error| error.while_doing(self.endpoint))?;
        if !status.is_success() {
            return Err(self.refused(status.as_u16(), &bytes));
        }
        let unknown =
            |error| Error::malformed(format!("{}{path}: this is not etcd's answer", self.endpoint)).because(error);
        serde_json::from_slice(&bytes).map_err(unknown)
    }

    fn post(&self, path: &str, asked: &Value) -> reqwest::RequestBuilder {
        let request = self.client.post(format!("{}{path}", self.endpoint)).header(CONTENT_TYPE, "application/json");
        // A member that has lost the others ends the watch in place of being silent.
        let request = request.header("Grpc-Metadata-hasleader", "true").body(asked.to_string());
        match &self.token {
            Some(token) => request.header(AUTHORIZATION, token),
            None => request,
        }
    }

    fn unanswered(&self, error: &reqwest::Error) -> Error {
        let reason = if error.is_timeout() { "no answer in time".to_owned() } else { innermost(error) };
        Error::transient(format!("{}: {reason}", self.endpoint))
    }

    /// With etcd's own reason, which holds no values.
    fn refused(&self, status: u16, body: &[u8]) -> Error {
        let reason = serde_json::from_slice::<Value>(body).ok();
        let reason = reason.as_ref().and_then(|said| said.get("message")?.as_str()).unwrap_or("no reason");
        let reason: String = reason.chars().take(200).collect();
        let help = if status == 404 {
            "its JSON gateway is wanted: etcd 3.4 or later, with --enable-grpc-gateway"
        } else {
            ""
        };
        let error = Error::transient(format!("{}: it says {status}, {reason}", self.endpoint)).answered(status);
        if help.is_empty() { error } else { error.help(help) }
    }
}

impl Watch {
    /// What happens next; None where nothing did in that time.
    pub async fn next(&mut self, patience: Duration) -> Result<Option<Watched>> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return message(&line).map(Some);
            }
            let chunk = match timeout(patience, self.answer.chunk()).await {
                Err(_) => return Ok(None),
                Ok(chunk) => chunk.map_err(|error| Error::transient(innermost(&error)))?,
            };
            match chunk {
                None => return Err(Error::transient("etcd ended the watch")),
                Some(chunk) => self.read.extend_from_slice(&chunk),
            }
            if self.read.len() > LARGEST_ANSWER {
                return Err(too_large());
            }
        }
    }
}

fn message(line: &[u8]) -> Result<Watched> {
    let line: Line = serde_json::from_slice(line)
        .map_err(|error| Error::transient("a line of the watch can't be read").because(error))?;
    match (line.result, line.error) {
        (Some(watched), _) => Ok(watched),
        (None, Some(_)) => Err(Error::transient("etcd ended the watch with an error")),
        (None, None) => Err(Error::transient("a line of the watch says nothing")),
    }
}

async fn body(mut answer: Response) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| Error::transient(innermost(&error)))? {
        content.extend_from_slice(&chunk);
        if content.len() > LARGEST_ANSWER {
            return Err(too_large());
        }
    }
    Ok(content)
}

fn too_large() -> Error {
    Error::fatal(format!("an answer of etcd is larger than {} MiB", LARGEST_ANSWER >> 20))
}

/// The first key after all that begin with the prefix, which ends in `/`.
fn end(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}
