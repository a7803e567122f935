// SPDX-License-Identifier: Apache-2.0
//! The service at one address: with a token (`IMDSv2`) or without.
//!
//! Amazon is asked for a token first, and nothing is asked there without one unless the service has none to give: a time-out
//! is no reason to do without. Elsewhere the service is asked plainly, as cloud-init does, since servers that were written
//! by hand do all kinds of things to a PUT; one that wants a token says so (401), and gets its way.

use crate::datasource::Service;
use crate::error::{Error, Result};
use crate::http::{Method, Request};

const TOKEN: &str = "latest/api/token";
/// Seconds, the longest that Amazon grants: a search that takes longer asks anew.
const LIFETIME: (&str, &str) = ("X-aws-ec2-metadata-token-ttl-seconds", "21600");
const HEADER: &str = "X-aws-ec2-metadata-token";
/// Bytes; Amazon's has 56.
const TOKEN_LIMIT: u64 = 1 << 10;

/// What EC2 answers with where somebody has switched its metadata off.
pub(super) const FORBIDDEN: u16 = 403;
/// What it answers with where a token is missing or has run out.
pub(super) const UNAUTHORIZED: u16 = 401;
/// What a service answers with that knows no tokens.
const NO_TOKENS: [u16; 5] = [400, 404, 405, 410, 501];

/// The service at one address.
pub(super) struct Imds<'a> {
    service: &'a Service,
    base: &'a str,
    /// The token, where one was given.
    headers: Vec<(String, String)>,
}

impl<'a> Imds<'a> {
    /// The service below the URL `base`, asked by its rules.
    ///
    /// # Errors
    /// Transient: it could not be reached. Fatal: it is switched off.
    pub(super) fn open(service: &'a Service, base: &'a str, is_amazon: bool) -> Result<Self> {
        let mut imds = Self { service, base, headers: Vec::new() };
        if is_amazon {
            match imds.ask_for_token() {
                Err(error) if has_no_tokens(&error) => {
                    log::warn!("{}; it is asked without a token", error.without_advice());
                }
                asked => asked?,
            }
        }
        Ok(imds)
    }

    /// The document at `path`, at most `limit` bytes of it; `None` where there is none.
    ///
    /// # Errors
    /// As [`Service::ask`]; fatal where the service is switched off.
    pub(super) fn get(&mut self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let mut answer = self.ask(path, limit);
        if let Err(refused) = &answer
            && refused.status() == Some(UNAUTHORIZED)
        {
            // The token has run out, or the guest was moved; or this service wants one after all.
            match self.ask_for_token() {
                Err(error) if has_no_tokens(&error) => return answer.map(Some),
                asked => asked?,
            }
            answer = self.ask(path, limit);
        }
        match answer {
            Ok(document) => Ok(Some(document)),
            Err(error) if error.is_absent() && error.status().is_some() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn ask(&self, path: &str, limit: u64) -> Result<Vec<u8>> {
        let url = format!("{}/{path}", self.base);
        let request = Request { url: &url, headers: &self.headers, method: Method::Get };
        self.service.ask(&request, limit).map(|answer| answer.body)
    }

    fn ask_for_token(&mut self) -> Result<()> {
        let headers = [(LIFETIME.0.to_owned(), LIFETIME.1.to_owned())];
        let url = format!("{}/{TOKEN}", self.base);
        let answer = self.service.ask(&Request { url: &url, headers: &headers, method: Method::Put }, TOKEN_LIMIT);
        let token =
            answer.map_err(|error| if error.status() == Some(FORBIDDEN) { switched_off(&error) } else { error })?;
        // Nothing of it is repeated in a message, be it a token or not.
        let token = std::str::from_utf8(&token.body).ok().map(str::trim).filter(|token| is_token(token));
        let token = token.ok_or_else(|| Error::malformed("what the service gives in place of a token can't be one"))?;
        self.headers = vec![(HEADER.to_owned(), token.to_owned())];
        Ok(())
    }
}

fn has_no_tokens(error: &Error) -> bool {
    error.status().is_some_and(|status| NO_TOKENS.contains(&status))
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The service is there and says nothing, whoever asks and however often.
pub(super) fn switched_off(error: &Error) -> Error {
    Error::fatal(format!("{}: the metadata of this instance is switched off", error.without_advice()))
        .answered(FORBIDDEN)
        .help(
            "switch it on in the platform (EC2: `--http-endpoint enabled`), or take `ec2` out of the image's settings",
        )
}
