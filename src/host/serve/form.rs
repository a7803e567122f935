// SPDX-License-Identifier: Apache-2.0
//! The form with which a guest phones home.

use crate::host::serve::route::decoded;

/// Fields, and characters of each, that are kept.
const FIELDS: usize = 32;
const LONGEST: usize = 1024;
/// What is left out: host keys are long and of no use on a page, and secrets are nobody's to see.
const LEFT_OUT: [&str; 5] = ["key", "passw", "secret", "token", "credential"];

/// The fields of `application/x-www-form-urlencoded`, without keys and secrets.
pub fn fields(body: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(body);
    let pairs = text.split('&').filter(|pair| !pair.is_empty()).filter_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((plain(name)?, plain(value)?))
    });
    let is_shown = |(name, _): &(String, String)| {
        let name = name.to_ascii_lowercase();
        !name.is_empty() && !LEFT_OUT.iter().any(|word| name.contains(word))
    };
    pairs.filter(is_shown).take(FIELDS).collect()
}

fn plain(text: &str) -> Option<String> {
    let text = decoded(&text.replace('+', " "))?;
    Some(text.chars().filter(|c| !c.is_control()).take(LONGEST).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_without_keys_and_secrets() {
        let body = b"instance_id=i-1&hostname=web%2Einternal&pub_key_rsa=ssh-rsa+AAAA&admin_Password=x&note=a+b%0a&bad=%zz&&=x";
        let expected = [("instance_id", "i-1"), ("hostname", "web.internal"), ("note", "a b")];
        assert_eq!(fields(body), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(fields("x=1&".repeat(100).as_bytes()).len(), FIELDS);
    }
}
