// SPDX-License-Identifier: Apache-2.0
//! Lines of `authorized_keys`: how they are listed in a document, and which are any good.

use base64::Engine as _;

use crate::config::document::{Data, Node};
use crate::finding::{Finding, Findings, Located, Origin};

/// Key types of OpenSSH, with those of security keys and certificates. `ssh-dss` is gone from sshd since 7.0.
const TYPES: &[&str] = &[
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-ed25519-cert-v01@openssh.com",
    "ssh-rsa-cert-v01@openssh.com",
    "ecdsa-sha2-nistp256-cert-v01@openssh.com",
    "ecdsa-sha2-nistp384-cert-v01@openssh.com",
    "ecdsa-sha2-nistp521-cert-v01@openssh.com",
    "sk-ssh-ed25519-cert-v01@openssh.com",
    "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
];

/// A key line taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Options before the type, as written.
    pub options: String,
    /// Type, blob and comment.
    pub rest: String,
}

/// The good lines of a node: a string (of several lines), a list, or a mapping whose values are either.
pub fn lines(node: Option<&Node>, findings: &mut Findings) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(node) = node {
        collect(node, &mut lines, findings);
    }
    lines
}

/// The good ones of lines that come with their origins.
pub fn good(keys: &[Located<String>], findings: &mut Findings) -> Vec<String> {
    keys.iter().filter(|key| check(key, &key.origin, findings)).map(|key| key.trim().to_owned()).collect()
}

fn collect(node: &Node, lines: &mut Vec<String>, findings: &mut Findings) {
    match &node.data {
        _ if node.is_null() => {}
        Data::Scalar(scalar) => {
            let text = scalar.text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
            lines.extend(text.filter(|line| check(line, &node.origin, findings)).map(str::to_owned));
        }
        Data::Sequence(items) => items.iter().for_each(|item| collect(item, lines, findings)),
        Data::Mapping(entries) => entries.iter().for_each(|(_, value)| collect(value, lines, findings)),
    }
}

fn check(line: &str, origin: &Origin, findings: &mut Findings) -> bool {
    let good = parse(line).is_some();
    if !good {
        let start: String = line.chars().take(24).collect();
        findings.push(
            Finding::error(origin, format!("`{}…` is no public key; it is left out", start.escape_debug()))
                .help("a line of a .pub file: type, base64, comment, with options before it where wanted"),
        );
    }
    good
}

/// Takes a line apart; `None` where it holds no key that sshd would take.
pub fn parse(line: &str) -> Option<Key> {
    let line = line.trim();
    if line.contains(['\n', '\0']) {
        return None;
    }
    let start = type_position(line)?;
    let (options, rest) = line.split_at(start);
    let mut words = rest.split_whitespace();
    let kind = words.next()?;
    let blob = base64::engine::general_purpose::STANDARD.decode(words.next()?).ok()?;
    // RFC 4253: the blob begins with its own type, as a length in four bytes and the text.
    let named = blob.get(4..4 + kind.len())? == kind.as_bytes() && blob.get(..4)? == u32::try_from(kind.len()).ok()?.to_be_bytes();
    named.then(|| Key { options: options.trim().to_owned(), rest: rest.to_owned() })
}

/// Where the type begins: the first word outside of quotes that is a type.
fn type_position(line: &str) -> Option<usize> {
    let mut quoted = false;
    let mut start = 0;
    let mut before = ' ';
    for (i, c) in line.char_indices().chain([(line.len(), ' ')]) {
        match c {
            '"' if before != '\\' => quoted = !quoted,
            ' ' | '\t' if !quoted => {
                if line.get(start..i).is_some_and(|word| TYPES.contains(&word)) {
                    return Some(start);
                }
                start = i + c.len_utf8();
            }
            _ => {}
        }
        before = c;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICnEblGkqVrAcLUVU10aey6wAUBiXIQmvYEyFBO6GJ0B ops@example";

    #[test]
    fn options_are_told_from_the_key() {
        assert_eq!(parse(KEY).unwrap().options, "");
        let key = parse(&format!("from=\"10.0.0.0/8,x ssh-rsa y\",no-pty {KEY}")).unwrap();
        assert_eq!(key.options, "from=\"10.0.0.0/8,x ssh-rsa y\",no-pty");
        assert_eq!(key.rest, KEY);
    }

    #[test]
    fn what_sshd_would_not_take_is_no_key() {
        for bad in ["", "ssh-ed25519", "ssh-ed25519 AAAA x", "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAA", "ssh-dss AAAAB3NzaC1kc3M=", "AAAAB3... me"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
