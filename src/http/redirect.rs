// SPDX-License-Identifier: Apache-2.0
//! Redirects: where one may lead.

use reqwest::header::LOCATION;
use reqwest::{StatusCode, Url, blocking};

use crate::error::{Error, Result};
use crate::http::answer::refused;
use crate::http::url::{is_of_platform, shown};

/// Where a redirect leads; `None` for an answer that is to be read.
pub fn next(from: &Url, reply: &blocking::Response, of_service: bool) -> Result<Option<Url>> {
    let status = reply.status();
    if status.is_success() {
        return Ok(None);
    }
    if !status.is_redirection() || status == StatusCode::NOT_MODIFIED {
        return Err(refused(status, reply));
    }
    let place = reply.headers().get(LOCATION).and_then(|place| place.to_str().ok());
    let to = place.and_then(|place| from.join(place).ok());
    let to = to.ok_or_else(|| Error::fatal(format!("status {status} without a place to go to")))?;
    allowed(from, &to, of_service)?;
    Ok(Some(to))
}

/// A service of the platform leads to nobody else; a server that a person named may.
fn allowed(from: &Url, to: &Url, of_service: bool) -> Result<()> {
    match (from.scheme(), to.scheme()) {
        _ if of_service && is_of_platform(from) && to.origin() != from.origin() => {
            Err(Error::fatal(format!("redirected to another server, {}", shown(to)))
                .help("a metadata service answers itself: something else may have its address"))
        }
        ("https", "http") => Err(Error::fatal(format!("redirected from https to plain http at {}", shown(to)))
            .help("give the final URL if plain http is really meant")),
        (_, "http" | "https") => Ok(()),
        (_, other) => Err(Error::fatal(format!("redirected to a `{other}:` URL"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::url::parse;

    #[test]
    fn no_redirect_takes_the_encryption_away() {
        let url = |text: &str| parse(text).unwrap();
        assert!(allowed(&url("http://a/"), &url("https://b/"), false).is_ok());
        assert!(allowed(&url("https://a/"), &url("https://b/"), false).is_ok());
        let error = allowed(&url("https://a/"), &url("http://me:secret@b/"), false).unwrap_err();
        assert!(error.to_string().contains("plain http at http://b/"), "{error}");
    }

    #[test]
    fn a_service_of_the_platform_sends_nobody_away() {
        let url = |text: &str| parse(text).unwrap();
        for base in ["http://169.254.169.254", "http://[fe80::a9fe:a9fe]", "http://[fd00:ec2::254]"] {
            let from = url(&format!("{base}/x"));
            assert!(allowed(&from, &url(&format!("{base}/y")), true).is_ok());
            for other in ["http://b/x".to_owned(), format!("{base}:81/x"), "https://169.254.169.254/x".to_owned()] {
                let error = allowed(&from, &url(&other), true).unwrap_err();
                assert!(error.to_string().contains("to another server"), "{error}");
            }
            assert!(allowed(&from, &url("http://b/"), false).is_ok());
        }
        assert!(allowed(&url("http://seeds.example/x"), &url("https://seeds.example/x"), true).is_ok());
    }
}
