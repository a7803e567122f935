// SPDX-License-Identifier: Apache-2.0
//! Sessions of EC2's metadata service (IMDSv2), kept by nobody: a token says until when it is good, and proves that a server
//! with our secret gave it to this caller. So a restart costs no session where the secret is a file, and each of several
//! servers behind one address takes the others' tokens.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ring::hmac;

use crate::error::Result;
use crate::random;

/// Where a token is asked for how long it shall be good, in seconds, and told so.
pub const TTL_HEADER: &str = "x-aws-ec2-metadata-token-ttl-seconds";
/// Where a token is shown.
pub const TOKEN_HEADER: &str = "x-aws-ec2-metadata-token";
/// As Amazon has it: six hours.
const LONGEST: u64 = 21_600;

/// Gives tokens and checks them.
pub struct Sessions {
    key: hmac::Key,
}

impl Sessions {
    /// With a secret that other servers share; without one, tokens are good for this process alone.
    pub fn new(secret: Option<&[u8]>) -> Result<Self> {
        let drawn = random::bytes::<32>()?;
        // The same secret may sign something else: the purpose keeps the two apart.
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret.unwrap_or(&drawn));
        let derived = hmac::sign(&secret, b"IMDSv2 session");
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()) })
    }

    /// A token for `caller`, good for so many seconds; `None` where that is no number from 1 to 21600.
    pub fn token(&self, caller: &str, ttl: &str) -> Option<(String, u64)> {
        let ttl = ttl.trim().parse().ok().filter(|ttl| (1..=LONGEST).contains(ttl))?;
        Some((self.until(caller, now() + ttl), ttl))
    }

    /// Whether the token was given to `caller` and is still good.
    pub fn is_good(&self, caller: &str, token: &str) -> bool {
        let Ok(bytes) = BASE64.decode(token) else { return false };
        let Some((expiry, proof)) = bytes.split_first_chunk::<8>() else { return false };
        let is_ours = hmac::verify(&self.key, &signed(caller, expiry), proof).is_ok();
        is_ours && u64::from_be_bytes(*expiry) > now()
    }

    fn until(&self, caller: &str, expiry: u64) -> String {
        let expiry = expiry.to_be_bytes();
        let proof = hmac::sign(&self.key, &signed(caller, &expiry));
        BASE64.encode([expiry.as_slice(), proof.as_ref()].concat())
    }
}

fn signed(caller: &str, expiry: &[u8; 8]) -> Vec<u8> {
    [expiry.as_slice(), caller.as_bytes()].concat()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_caller_and_its_time_alone() {
        let sessions = Sessions::new(None).unwrap();
        let (token, ttl) = sessions.token("10.0.0.5", "60").unwrap();
        assert_eq!(ttl, 60);
        assert!(sessions.is_good("10.0.0.5", &token));
        assert!(!sessions.is_good("10.0.0.6", &token));
        assert!(!sessions.is_good("10.0.0.5", &sessions.until("10.0.0.5", now())));
        for wrong in ["", "AAAA", &token[1..], &token.to_lowercase(), &format!("{token}AA")] {
            assert!(!sessions.is_good("10.0.0.5", wrong), "{wrong}");
        }
    }

    #[test]
    fn a_time_is_one_to_21600_seconds() {
        let sessions = Sessions::new(None).unwrap();
        for ttl in ["0", "21601", "-1", "", "60s", "6e1", "18446744073709551616"] {
            assert!(sessions.token("a", ttl).is_none(), "{ttl}");
        }
        assert!(sessions.token("a", "21600").is_some());
    }

    #[test]
    fn servers_with_one_secret_take_each_others_tokens() {
        let [one, other] = [b"0123456789abcdef"; 2].map(|secret| Sessions::new(Some(secret)).unwrap());
        let stranger = Sessions::new(Some(b"fedcba9876543210")).unwrap();
        let (token, _) = one.token("a", "60").unwrap();
        assert!(other.is_good("a", &token) && !stranger.is_good("a", &token));
    }
}
