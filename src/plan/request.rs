// SPDX-License-Identifier: Apache-2.0
//! One HTTP request, and what becomes of its answer.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::http;
use crate::plan::action::{Owner, Write};

/// A request that is made on the running system, when its step has its turn. It may be made again after an interruption:
/// a report arrives at least once.
#[derive(Clone)]
pub struct Request {
    /// Where; http or https.
    pub url: String,
    /// Name and value of each header; the values may be secrets.
    pub headers: Vec<(String, String)>,
    /// How often it is made where the server does not answer, or says that it is busy.
    pub tries: u32,
    /// For all tries.
    pub limit: Duration,
    /// What it is made for.
    pub purpose: Purpose,
}

/// What a request is made for.
#[derive(Clone)]
pub enum Purpose {
    /// The body becomes the content of a file; with `fallback` the content that is given already stands in for an answer
    /// that does not come.
    #[allow(missing_docs)]
    File { write: Write, fallback: bool },
    /// The body's public keys become a user's, each with the comment `mark`.
    #[allow(missing_docs)]
    Keys { user: String, mark: String },
    /// A form is sent with POST; what is answered does not matter.
    Report(Vec<(String, Field)>),
}

/// The value of a field of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// Known beforehand.
    Text(String),
    /// What this file says when the form is sent; `N/A` where it is not there.
    File(PathBuf),
}

impl Request {
    /// The URL as it may be shown.
    pub fn shown_url(&self) -> String {
        http::shown_text(&self.url)
    }

    /// Its method.
    pub fn method(&self) -> &'static str {
        match self.purpose {
            Purpose::File { .. } | Purpose::Keys { .. } => "GET",
            Purpose::Report(_) => "POST",
        }
    }

    /// What becomes of it, for a person.
    pub fn use_made(&self) -> String {
        match &self.purpose {
            Purpose::File { write: Write { path, mode, owner, append, .. }, fallback } => {
                let owner = match owner {
                    Owner::Root => "root".to_owned(),
                    Owner::Named(user, group) => format!("{user}:{group}"),
                };
                let where_to = if *append { "to the end of" } else { "into" };
                let instead = if *fallback { ", or its `content`" } else { "" };
                format!("{where_to} {} {mode:04o} {owner}{instead}", path.display())
            }
            Purpose::Keys { user, .. } => format!("for the keys of {user}"),
            Purpose::Report(fields) => {
                let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
                format!("with {}", names.join(", "))
            }
        }
    }
}

/// Without the query, and the values of headers and fields.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.method(), self.shown_url(), self.use_made())
    }
}
