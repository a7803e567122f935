// SPDX-License-Identifier: Apache-2.0
//! Getting the script, and refusing what is none.

use std::time::{Duration, Instant};

use crate::bootstrap::seal::Seal;
use crate::error::{Error, Result};
use crate::http::{self, Client, Response};

/// Far more than a script is, far less than a guest's memory.
const LONGEST_SCRIPT: u64 = 16 << 20;
const LONGEST_SIGNATURE: u64 = 64 << 10;
/// For all of a download, from connecting to its last byte.
const PATIENCE: Duration = Duration::from_secs(60);

/// The script at `url`, whole and as its seal says.
///
/// # Errors
/// Whatever makes the try a failed one: no answer, no script, not the script that was meant.
pub fn fetch(url: &str, seal: &Seal) -> Result<Vec<u8>> {
    let client = Client::files();
    let get = |url: &str, limit| client.get(url, limit, Instant::now() + PATIENCE);
    let script = get(url, LONGEST_SCRIPT)?;
    check(&script)?;
    let signature = match seal.is_signed() {
        true => Some(get(&signature_of(url)?, LONGEST_SIGNATURE).map_err(|e| e.while_doing("no signature"))?.body),
        false => None,
    };
    seal.check(&script.body, signature.as_deref())?;
    Ok(script.body)
}

/// Refuses what was fetched and can't be a script.
fn check(response: &Response) -> Result<()> {
    let body = response.body.as_slice();
    if body.is_empty() {
        return Err(Error::malformed("the script is empty").help("the server answers, but has nothing to say"));
    }
    if is_html(response) {
        return Err(Error::malformed("the server sent an HTML page in place of a script")
            .help("a proxy or a login page stands between; fetch the URL by hand and look at it"));
    }
    let first = body.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if first.starts_with(b"#!") && first.ends_with(b"\r") {
        return Err(Error::malformed("the script has DOS line ends, so its interpreter will not be found")
            .help("save it with Unix line ends (dos2unix)"));
    }
    Ok(())
}

fn is_html(response: &Response) -> bool {
    let media = response.content_type.as_deref().unwrap_or_default().trim_start().to_ascii_lowercase();
    let start = response.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&response.body).trim_ascii_start();
    let begins = |tag: &[u8]| start.get(..tag.len()).is_some_and(|head| head.eq_ignore_ascii_case(tag));
    media.starts_with("text/html") || media.starts_with("application/xhtml") || begins(b"<!doctype") || begins(b"<html")
}

/// The URL of the detached signature: `.minisig` after the path, before a query.
fn signature_of(url: &str) -> Result<String> {
    let mut url = http::parse(url)?;
    url.set_path(&format!("{}.minisig", url.path()));
    Ok(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_scripts_are_told_apart() {
        let response = |content_type: Option<&str>, body: &str| Response {
            status: 200,
            content_type: content_type.map(str::to_owned),
            body: body.into(),
        };
        for (content_type, body, good) in [
            (None, "#!/bin/sh\n", true),
            (Some("text/plain"), "echo '<html>'", true),
            (Some("application/octet-stream"), "<", true),
            (Some("Text/HTML; charset=utf-8"), "#!/bin/sh\n", false),
            (None, "\u{feff}\n <!DOCTYPE html>", false),
            (None, "<HTML>", false),
            (None, "", false),
            (None, "#!/bin/sh\r\ntrue\r\n", false),
        ] {
            assert_eq!(check(&response(content_type, body)).is_ok(), good, "{content_type:?} {body:?}");
        }
    }

    #[test]
    fn a_signature_stands_beside_its_script() {
        assert_eq!(signature_of("http://h/a/script?x=1").unwrap(), "http://h/a/script.minisig?x=1");
    }
}
