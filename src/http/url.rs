// SPDX-License-Identifier: Apache-2.0
//! URLs: which can be fetched, how they are shown, and which lead to a host that no proxy should be asked for.

use std::net::IpAddr;

use reqwest::Url;

use crate::error::{Error, Result};

/// A URL that can be fetched.
///
/// # Errors
/// Malformed where it is no URL or its scheme is neither `http` nor `https`.
pub fn parse(url: &str) -> Result<Url> {
    // The text is not repeated: it may hold a password that parsing did not find.
    let parsed = Url::parse(url).map_err(|e| Error::malformed("this is not a URL").because(e))?;
    match parsed.scheme() {
        "http" | "https" => Ok(parsed),
        other => Err(Error::malformed(format!("`{other}:` URLs are not supported")).help("use http: or https:")),
    }
}

/// A URL as it may be shown: without user, password and query, where people put secrets.
pub fn shown(url: &Url) -> String {
    let mut plain = url.clone();
    plain.set_fragment(None);
    plain.set_query(url.query().map(|_| "..."));
    // Fails only for URLs without a host, which have no user either.
    let _ = plain.set_username("");
    let _ = plain.set_password(None);
    plain.into()
}

/// The text of a URL as it may be shown; why it is none, where it is none.
pub fn shown_text(url: &str) -> String {
    parse(url).map_or_else(|error| error.to_string(), |url| shown(&url))
}

/// `fields` as `application/x-www-form-urlencoded`.
pub fn form<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<String> {
    // A URL's query is written the same way.
    let mut url = parse("http://form/")?;
    url.query_pairs_mut().extend_pairs(fields);
    Ok(url.query().unwrap_or_default().to_owned())
}

/// The URL's host, where that is a number.
pub fn number(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_matches(['[', ']']).parse().ok()
}

/// Whether the host is a number of a network that no proxy should be asked for.
pub fn is_near(url: &Url) -> bool {
    match number(url) {
        Some(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_link_local() || ip.is_private(),
        Some(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unicast_link_local() || ip.is_unique_local(),
        None => url.host_str() == Some("localhost"),
    }
}

/// Whether the host is a number of a network that nothing leads out of, where platforms have their services.
pub fn is_of_platform(url: &Url) -> bool {
    match number(url) {
        Some(IpAddr::V4(ip)) => ip.is_link_local(),
        Some(IpAddr::V6(ip)) => ip.is_unicast_link_local() || ip.is_unique_local(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn a_form_is_one_line_whatever_its_fields_hold() {
        let fields = [("pub_key", "ssh-rsa AA+/= a&b\n"), ("host name", "é")];
        assert_eq!(form(fields).unwrap(), "pub_key=ssh-rsa+AA%2B%2F%3D+a%26b%0A&host+name=%C3%A9");
        assert_eq!(form([]).unwrap(), "");
    }

    #[test]
    fn near_hosts_are_asked_without_a_proxy() {
        for (url, near) in [
            ("http://169.254.169.254/", true),
            ("http://10.0.2.100/vm-bootstrap", true),
            ("http://[fe80::1]/", true),
            ("http://localhost/", true),
            ("https://198.51.100.7/", false),
            ("https://example.com/", false),
        ] {
            assert_eq!(is_near(&parse(url).unwrap()), near, "{url}");
        }
        assert_eq!(parse("ftp://example.com/").unwrap_err().kind(), Kind::Malformed);
    }
}
