// SPDX-License-Identifier: Apache-2.0
//! Answers, and what an error is to a guest.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde_json::Value;

use crate::error::{Error, Kind};

/// What a guest is answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub body: Bytes,
    /// Why, for the log; never for the guest.
    pub reason: Option<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Answer {
    fn new(kind: &'static str, body: impl Into<Bytes>) -> Self {
        let headers = vec![(CONTENT_TYPE, HeaderValue::from_static(kind))];
        Self { status: StatusCode::OK, body: body.into(), reason: None, headers }
    }

    /// A listing or a value.
    pub fn text(text: impl Into<Bytes>) -> Self {
        Self::new("text/plain", text)
    }

    /// Somebody's document, whatever it is.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self::new("application/octet-stream", bytes)
    }

    /// JSON.
    pub fn json(value: &Value) -> Self {
        Self::json_bytes(value.to_string())
    }

    /// JSON that is written already.
    pub fn json_bytes(bytes: impl Into<Bytes>) -> Self {
        Self::new("application/json", bytes)
    }

    /// Nothing but a status and its name.
    pub fn status(status: StatusCode) -> Self {
        Self { status, ..Self::text(format!("{status}\n")) }
    }

    /// Nothing is there.
    pub fn nothing() -> Self {
        Self::status(StatusCode::NOT_FOUND)
    }

    /// Nothing that is answered by that method.
    pub fn wrong_method(allowed: &'static str) -> Self {
        Self::status(StatusCode::METHOD_NOT_ALLOWED).with(ALLOW, HeaderValue::from_static(allowed))
    }

    /// Not now: in a second.
    pub fn later(status: StatusCode) -> Self {
        Self::status(status).with(RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// With a header.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// With what the log says of it.
    #[must_use]
    pub fn because(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }

    /// As it is sent.
    pub fn response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        response.headers_mut().extend(self.headers);
        response
    }
}

/// A guest learns what it can do about it: ask again, or not.
impl From<Error> for Answer {
    fn from(error: Error) -> Self {
        let answer = match error.kind() {
            Kind::Absent => Self::nothing(),
            Kind::Transient => Self::later(StatusCode::SERVICE_UNAVAILABLE),
            Kind::Malformed | Kind::Fatal => Self::status(StatusCode::INTERNAL_SERVER_ERROR),
        };
        answer.because(error.without_advice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_is_told_what_it_can_do_and_the_log_why() {
        for (error, status, later) in [
            (Error::absent("a secret place"), 404, false),
            (Error::transient("a secret place"), 503, true),
            (Error::malformed("a secret place"), 500, false),
        ] {
            let answer = Answer::from(error);
            assert_eq!(answer.reason.as_deref(), Some("a secret place"));
            assert!(!answer.body.windows(6).any(|word| word == b"secret"));
            let response = answer.response();
            assert_eq!((response.status().as_u16(), response.headers().contains_key(RETRY_AFTER)), (status, later));
        }
    }
}
