// SPDX-License-Identifier: Apache-2.0
//! Hashes of crypt(3): which text is one, and how a typed password becomes one.

use sha2::{Digest as _, Sha256};

use crate::finding::{Finding, Findings, Located, Origin};
use crate::modules::Input;
use crate::plan::action::PasswordHash;

/// The longest password that libcrypt takes (`CRYPT_MAX_PASSPHRASE_SIZE`).
const LENGTH: usize = 512;

/// Whether it has the form `$id$…` with an id of crypt(5).
pub fn is_modular_hash(text: &str) -> bool {
    let id = text.strip_prefix('$').and_then(|rest| rest.split_once('$')).filter(|(_, rest)| !rest.is_empty());
    matches!(id, Some(("1" | "2a" | "2b" | "2x" | "2y" | "5" | "6" | "7" | "y" | "gy" | "sha1", _)))
}

/// Whether cloud-init knows it for a hash in `chpasswd.list` (`\$(1|2a|2y|5|6)(\$.+){2}`).
pub fn is_hash_in_list(hash: &str) -> bool {
    let mut fields = hash.split('$').skip(1);
    matches!(fields.next(), Some("1" | "2a" | "2y" | "5" | "6")) && fields.filter(|field| !field.is_empty()).count() > 1
}

/// Says where the text that stands for a hash is none that crypt(5) knows: most often it is the password itself.
pub fn warn_of_no_hash(text: &str, origin: &Origin, findings: &mut Findings) {
    let traditional =
        matches!(text.len(), 13 | 20) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"./_".contains(&b));
    // What begins with these is on purpose no hash: no password fits.
    let closed = text.is_empty() || text.starts_with(['!', '*']);
    if !closed && !traditional && !is_modular_hash(text) {
        findings.push(
            Finding::warning(origin, "this is no password hash of crypt(5), so that no password will fit it")
                .help("a password as it is typed is `plain_text_passwd`, or `type: text` in `chpasswd`"),
        );
    }
}

/// A hash of a typed password; nothing of an empty one. Its salt comes from the instance and the user, so that `plan`
/// and `run` agree.
pub fn hash(password: &Located<String>, user: &str, input: &Input, findings: &mut Findings) -> Option<PasswordHash> {
    // A block (`|`) ends with a line's end that nobody types.
    let text = password.trim_end_matches('\n');
    if text.len() > LENGTH {
        let long = format!("the password of {user} is longer than the {LENGTH} bytes of crypt(3); it is left out");
        findings.push(Finding::error(&password.origin, long));
        return None;
    }
    if text.is_empty() {
        return Some(PasswordHash::Given(String::new()));
    }
    let digest = Sha256::digest(format!("{}\0{user}", input.instance.id.value));
    let salt = digest.first_chunk().copied().unwrap_or_default();
    Some(PasswordHash::Typed { text: text.to_owned(), salt })
}
