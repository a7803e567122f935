// SPDX-License-Identifier: Apache-2.0
//! Other documents that user-data names: `#include` and `#include-once`.

use std::path::Path;

use crate::error::{Error, Result};
use crate::finding::{Finding, Origin};
use crate::root::Tree;
use crate::userdata::parts::{DEPTH_LIMIT, Part, Parts};

/// How many documents are fetched in all.
const COUNT_LIMIT: usize = 100;

/// Where documents that user-data names come from.
pub trait Includes {
    /// The document at `url`; `None` where it cannot be known yet, as the network is not up.
    ///
    /// With `once` a copy that was kept for this instance is as good. `origin` is the line that asks. The caller says
    /// what an error means, with that line; the error's text must not repeat the URL's user, password or query.
    fn fetch(&self, url: &str, once: bool, origin: &Origin) -> Result<Option<Vec<u8>>>;
}

/// `file://` beneath a tree. Whatever needs the network is not known yet.
pub struct Files<'a>(pub &'a dyn Tree);

impl Includes for Files<'_> {
    fn fetch(&self, url: &str, _: bool, _: &Origin) -> Result<Option<Vec<u8>>> {
        let lower = url.to_ascii_lowercase();
        if lower.starts_with("http://") || lower.starts_with("https://") {
            return Ok(None);
        }
        let path = lower.strip_prefix("file://").and_then(|path| url.get(url.len() - path.len()..));
        let Some(path) = path.filter(|path| path.starts_with('/')) else {
            let unfit = "only `http://`, `https://` and `file:///` name a document to include";
            return Err(Error::malformed(unfit));
        };
        let found = self.0.read(Path::new(path))?;
        found.map(Some).ok_or_else(|| Error::absent(format!("there is no file {path}")))
    }
}

/// One line of an include document.
#[derive(Debug, PartialEq, Eq)]
struct Line<'a> {
    url: &'a str,
    once: bool,
    /// Counted from one.
    number: usize,
    /// Counted from one.
    column: usize,
}

/// The URLs, one in a line; empty lines and comments are passed over.
///
/// A header may have a URL behind it and may stand anywhere, as cloud-init has it: `#include-once` and `#include` hold
/// for what follows. `once` is what the declared type says before any of them.
fn lines(text: &str, once: bool) -> impl Iterator<Item = Line<'_>> {
    let mut once = once;
    text.lines().enumerate().filter_map(move |(index, whole)| {
        let mut line = whole.trim_start_matches('\u{feff}');
        for (header, kept) in [("#include-once", true), ("#include", false)] {
            if line.get(..header.len()).is_some_and(|start| start.eq_ignore_ascii_case(header)) {
                once = kept;
                line = line.get(header.len()..).unwrap_or_default();
                break;
            }
        }
        let url = line.trim();
        let column = whole.len() - line.trim_start().len() + 1;
        (!url.is_empty() && !url.starts_with('#')).then_some(Line { url, once, number: index + 1, column })
    })
}

impl Parts<'_> {
    /// The documents that `part` names, each of any form.
    pub(super) fn include(&mut self, part: &Part, once: bool) {
        let Some(text) = self.text(part.bytes, &part.origin) else { return };
        for line in lines(text, once) {
            let place = part.origin.at(line.number, line.column);
            if part.depth >= DEPTH_LIMIT {
                let deep = format!("included more than {DEPTH_LIMIT} levels deep; it is left out");
                return self.findings.push(Finding::error(&place, deep).help("does a document include itself?"));
            }
            if self.fetched == COUNT_LIMIT {
                let many = format!("more than {COUNT_LIMIT} documents are included; this is left out");
                return self.findings.push(Finding::error(&place, many));
            }
            self.fetched += 1;
            let name = shown(line.url);
            match self.context.includes.fetch(line.url, line.once, &place) {
                Ok(Some(content)) if self.take(content.len(), &place) => {
                    self.blob(&content, &Origin::document(name), part.depth + 1);
                }
                Ok(Some(_)) => {}
                Ok(None) => {
                    self.incomplete = true;
                    self.findings.push(Finding::note(&place, format!("{name} is fetched when the network is up")));
                }
                Err(error) => self.findings.push(error.while_doing(format!("cannot include {name}")).finding(&place)),
            }
        }
    }
}

/// A URL as it may be shown: without user, password, query and fragment, where people put secrets.
fn shown(url: &str) -> String {
    let plain = url.split(['?', '#']).next().unwrap_or_default();
    match plain.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = host.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{path}")
        }
        None => plain.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn read(text: &str) -> Vec<(&str, bool, usize, usize)> {
        lines(text, false).map(|line| (line.url, line.once, line.number, line.column)).collect()
    }

    #[test]
    fn each_line_is_a_url_and_headers_hold_for_what_follows() {
        let text = "#include http://a/\n\n# comment\n  http://b/ \n#INCLUDE-ONCE\r\nhttp://c/\r\n#include\nfile:///d\n";
        assert_eq!(
            read(text),
            [
                ("http://a/", false, 1, 10),
                ("http://b/", false, 4, 3),
                ("http://c/", true, 6, 1),
                ("file:///d", false, 8, 1)
            ]
        );
        assert_eq!(read("#include # http://a/\n#é\n"), []);
        assert!(lines("http://a/", true).all(|line| line.once));
    }

    #[test]
    fn a_file_is_one_of_the_tree_and_the_network_is_not_up() {
        let scratch = Scratch::new();
        scratch.file("/etc/more", "#!/bin/sh\n");
        let root = scratch.root();
        let fetch = |url: &str| Files(&root).fetch(url, false, &Origin::document("user_data"));
        assert_eq!(fetch("file:///etc/more").unwrap().unwrap(), b"#!/bin/sh\n");
        assert_eq!(fetch("FILE:///etc/../etc/more").unwrap().unwrap(), b"#!/bin/sh\n");
        assert_eq!(fetch("https://example.com/x").unwrap(), None);
        assert!(fetch("file:///etc/none").unwrap_err().is_absent());
        assert!(fetch("file://etc/more").is_err() && fetch("ftp://host/x").is_err() && fetch("/etc/more").is_err());
    }

    #[test]
    fn secrets_of_a_url_are_not_shown() {
        assert_eq!(shown("https://me:hunter2@host:1/a/b?sig=x#y"), "https://host:1/a/b");
        assert_eq!(shown("file:///a"), "file:///a");
    }
}
