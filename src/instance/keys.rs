// SPDX-License-Identifier: Apache-2.0
//! Public keys in meta-data, line by line.

use crate::finding::{Finding, Findings, Located, Origin};
use crate::public_key::PublicKey;

/// How many public keys are taken.
const MAX_KEYS: usize = 1000;

/// Adds the keys of `lines`, each once; a line that is no key is a finding.
pub(super) fn add(lines: &str, origin: &Origin, keys: &mut Vec<Located<String>>, findings: &mut Findings) {
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if PublicKey::parse(line).is_none() {
            let wrong = Finding::error(origin, "this is not a public key; it is left out");
            findings.push(wrong.help("a line is `TYPE AAAAC3NzaC1lZDI1NTE5AAAAIDlZrvrghHGLBOqnwHms/gi1daP5AElq0hZC0etyIHr0 COMMENT`, as ssh-keygen writes it to a .pub file"));
        } else if keys.len() == MAX_KEYS {
            findings.push(Finding::error(origin, format!("more than {MAX_KEYS} keys; the rest is left out")));
            return;
        } else if keys.iter().all(|key| key.value != line) {
            keys.push(Located::new(line.to_owned(), origin.clone()));
        }
    }
}
