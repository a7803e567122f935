// SPDX-License-Identifier: Apache-2.0
//! A public key as OpenSSH writes it: one line of `authorized_keys`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A line of `authorized_keys` (sshd(8)): options, type, blob, comment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct PublicKey<'a> {
    /// As written, quotes and all; empty where there are none.
    pub options: &'a str,
    /// `ssh-ed25519` and the like.
    pub kind: &'a str,
    /// In Base64.
    pub blob: &'a str,
    pub comment: &'a str,
}

impl<'a> PublicKey<'a> {
    /// Type, blob and comment, without options.
    pub fn bare(&self) -> String {
        format!("{} {} {}", self.kind, self.blob, self.comment).trim_end().to_owned()
    }

    /// Reads a line; `None` where it is no key. The blob has to begin with the same type as the line says, so any type
    /// that sshd may learn is known, and a line that was cut off within the blob's beginning is not.
    pub fn parse(line: &'a str) -> Option<Self> {
        let line = line.trim();
        if line.starts_with('#') || line.contains(['\n', '\r', '\0']) {
            return None;
        }
        Self::without_options(line).or_else(|| {
            let (options, rest) = split_unquoted(line)?;
            Some(Self { options, ..Self::without_options(rest)? })
        })
    }

    fn without_options(text: &'a str) -> Option<Self> {
        let (kind, rest) = text.split_once([' ', '\t'])?;
        let rest = rest.trim_start();
        let (blob, comment) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        let bytes = STANDARD.decode(blob).ok()?;
        let (length, bytes) = bytes.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let named = bytes.get(..length)? == kind.as_bytes() && bytes.len() > length;
        named.then_some(Self { options: "", kind, blob, comment: comment.trim() })
    }

    /// Whether it is the same key, whatever its options and comment.
    pub fn is(&self, other: &PublicKey) -> bool {
        (self.kind, self.blob) == (other.kind, other.blob)
    }
}

/// The text before the first blank that is outside of quotes, and the text after it.
fn split_unquoted(text: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let mut escaped = false;
    for (index, c) in text.char_indices() {
        match c {
            ' ' | '\t' if !quoted => return Some((text.get(..index)?, text.get(index..)?.trim_start())),
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // ssh-keygen -t ed25519 -C one@example and ssh-keygen -t ecdsa -C two@example.
    const ONE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDHjp+E0F3iw14xdX9VkA+BGOiRydt4RC84W3+iJB+P7 one@example";
    const TWO: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBB2Fs2BqA70FmbSOkls6Wl23zw9l/1cTvgEdpk+YmtEdQE8S8nZYB9SVIPoByEQ5H7ReC1eqYZv1jtWoH7hlFjQ= two@example";

    #[test]
    fn a_line_is_read_with_its_options_and_comment() {
        let plain = PublicKey::parse(ONE).unwrap();
        assert_eq!((plain.options, plain.kind, plain.comment), ("", "ssh-ed25519", "one@example"));
        let line = format!("command=\"echo \\\"a b\\\" \",no-pty  {TWO}");
        let key = PublicKey::parse(&line).unwrap();
        assert_eq!((key.options, key.kind), ("command=\"echo \\\"a b\\\" \",no-pty", "ecdsa-sha2-nistp256"));
        for line in ["", "# ssh-rsa AAAA", "ssh-rsa", "ssh-rsa AAAA", "ssh-rsa !!", &ONE.replace("ed25519", "rsa")] {
            assert_eq!(PublicKey::parse(line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_breaks_the_reader(line in "[ -~\"\\\\\n\té]{0,80}") {
            if let Some(key) = PublicKey::parse(&line) {
                prop_assert!(line.contains(key.blob) && line.contains(key.options));
            }
        }
    }
}
