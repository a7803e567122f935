// SPDX-License-Identifier: Apache-2.0
//! Answers: what a status means for the caller, and a body that is whole or refused.

use std::io::Read;
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{StatusCode, blocking};

use crate::error::{Error, Result};
use crate::http::{Response, innermost};

/// What a status that is neither good nor a redirect means.
pub fn refused(status: StatusCode, reply: &blocking::Response) -> Error {
    let message = format!("the server answered {status}");
    let error = match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => Error::absent(message),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => busy(message, reply),
        _ if status.is_server_error() => busy(message, reply),
        _ => Error::fatal(message),
    };
    error.answered(status.as_u16())
}

/// The date form of `Retry-After` is left out: it needs a clock that is right, which a VM at first boot may not have.
fn busy(message: String, reply: &blocking::Response) -> Error {
    let pause = reply.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse::<u32>().ok());
    match pause {
        Some(seconds) => Error::transient(format!("{message} and wants to be left alone for {seconds} s"))
            .not_before(Duration::from_secs(seconds.into())),
        None => Error::transient(message),
    }
}

/// All of the body, at most `limit` bytes of it, before `deadline`. Errors know the status too: the server is there.
pub fn read(mut reply: blocking::Response, limit: u64, deadline: Instant) -> Result<Response> {
    let status = reply.status().as_u16();
    let content_type = reply.headers().get(CONTENT_TYPE).and_then(|t| t.to_str().ok()).map(str::to_owned);
    let promised = reply.content_length();
    let too_long = || Error::fatal(format!("the document is longer than the limit of {limit} bytes")).answered(status);
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
        return Err(Error::transient(format!("got only {got}{of} bytes: {why}")).answered(status));
    }
    Ok(Response { status, content_type, body })
}
