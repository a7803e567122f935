// SPDX-License-Identifier: Apache-2.0
//! What is asked of a server.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::error::{Error, Result};

/// What is asked of a server.
#[derive(Clone, Copy, Default)]
pub struct Request<'a> {
    /// Where.
    pub url: &'a str,
    /// Name and value of each header beside the client's own. They may be a secret of this server: where a redirect leads
    /// to another one they are left out.
    pub headers: &'a [(String, String)],
    /// How.
    pub method: Method<'a>,
}

/// What a request is to do.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Method<'a> {
    /// Fetches a document.
    #[default]
    Get,
    /// Sends fields as [`form`](crate::http::form) writes them.
    Post(&'a str),
    /// Asks for something without sending anything, as tokens of EC2's metadata service are asked for.
    Put,
}

impl Method<'_> {
    /// Its name in the protocol.
    pub(super) fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post(_) => "POST",
            Method::Put => "PUT",
        }
    }

    /// What it does, for a person.
    pub(super) fn doing(self) -> &'static str {
        match self {
            Method::Get => "fetch",
            Method::Post(_) => "post to",
            Method::Put => "put to",
        }
    }
}

/// The value of a header is not repeated: it may be a secret.
pub(super) fn header_map(headers: &[(String, String)]) -> Result<HeaderMap> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let header = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(value).ok());
        let Some((header, mut value)) = header else {
            return Err(Error::malformed(format!("`{}` can't be sent as a header", name.escape_debug())));
        };
        value.set_sensitive(true);
        map.append(header, value);
    }
    Ok(map)
}
