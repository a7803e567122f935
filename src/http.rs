// SPDX-License-Identifier: Apache-2.0
//! The one HTTP client and its rules.
//!
//! Every request has a deadline that covers connecting, the head and the body; every body has a bound. A body ends at its
//! `Content-Length` or last chunk, never at the end of the stream: QEMU's `guestfwd` keeps the connection open.
//!
//! Where a host has a name, the resolver of the C library may hold a client's end back for the five seconds of its own
//! limit; numbers are not looked up, and by a card that is brought up for the questions names are our own to look up.

use std::error::Error as StdError;

mod answer;
mod certificate;
mod client;
mod names;
mod redirect;
mod request;
mod retry;
#[cfg(test)]
pub(crate) mod scripted;
pub mod serve;
pub(crate) mod tls;
mod url;
mod way;

pub use client::Client;
pub use request::{Method, Request};
pub use retry::{retry, spread};
pub use url::{form, parse, shown_text};
#[cfg(feature = "host")]
pub(crate) use url::{is_near, shown};
pub use way::{Interface, Way};

/// How the agent names itself to servers.
pub const USER_AGENT: &str = concat!("Firstlight/", env!("CARGO_PKG_VERSION"));

/// An answer of the 200s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Its media type as sent, parameters and all.
    pub content_type: Option<String>,
    /// All of its body.
    pub body: Vec<u8>,
}

/// The reason beneath. What `reqwest` says itself is "error sending request".
pub(crate) fn innermost(error: &dyn StdError) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
