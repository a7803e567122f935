// SPDX-License-Identifier: Apache-2.0
//! The content of a file that is somewhere else: on a server, or in another file of the guest.

use crate::config::document::Node;
use crate::finding::{Finding, Findings, Located, Severity};
use crate::guest::Guest;
use crate::http;

crate::keys! {
    /// Where to fetch the content.
    pub struct Source {
        /// `http:`, `https:` or `file:`.
        uri: Located<String>,
        /// Headers of the request: name and value of each.
        headers: Node,
    }
}

/// Where the content is.
pub enum Place {
    /// On a server: its URL, and the headers of the request.
    Server(String, Vec<(String, String)>),
    /// In the guest; this is it.
    Guest(Vec<u8>),
}

/// Where the content is; `None` where nothing is said of that, or a finding tells what is wrong with it. Then a file that
/// `has_content` of its own gets that.
pub fn place(source: &Located<Source>, guest: &Guest, has_content: bool, findings: &mut Findings) -> Option<Place> {
    let uri = source.uri.as_ref().filter(|uri| !uri.is_empty())?;
    let without = if has_content { "the file gets its `content`" } else { "the file is left out" };
    let said = match uri.split_once(':').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("file")) {
        Some((_, path)) => {
            let path = path.strip_prefix("//").unwrap_or(path);
            match guest.bytes(path) {
                Some(bytes) => return Some(Place::Guest(bytes)),
                None => Finding::error(&uri.origin, format!("there is no file {path} to read; {without}")),
            }
        }
        None => match http::parse(uri) {
            Ok(_) => return Some(Place::Server(uri.value.clone(), headers(source, findings))),
            Err(error) => Finding::error(&uri.origin, format!("{}; {without}", error.without_advice()))
                .help("give an http:, https: or file:/// URL"),
        },
    };
    let severity = if has_content { Severity::Warning } else { Severity::Error };
    findings.push(Finding { severity, ..said });
    None
}

fn headers(source: &Source, findings: &mut Findings) -> Vec<(String, String)> {
    let Some(node) = &source.headers else { return Vec::new() };
    if node.items().is_some() || node.text().is_some_and(|_| !node.is_null()) {
        let wrong = format!("expected headers by their names, found {}; none is sent", node.described());
        findings.push(Finding::error(&node.origin, wrong));
    }
    let texts = node.entries().iter().filter_map(|(name, value)| Some((name.text()?, value.text()?)));
    texts.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
