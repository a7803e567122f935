// SPDX-License-Identifier: Apache-2.0
//! Public keys as a document lists them, and which are any good.

use crate::config::document::{Data, Node};
use crate::config::read::{Form, Kind, Read as _};
use crate::config::types::OneOrMany;
use crate::finding::{Finding, Findings, Located, Origin};
use crate::private_key;
use crate::public_key::PublicKey;

/// How public keys are listed: a string (of several lines), a list, or a mapping whose values are either.
#[derive(Debug, Clone)]
pub struct Lines;

impl Form for Lines {
    fn form() -> Kind {
        let lines = OneOrMany::<String>::kind();
        Kind::OneOf(vec![lines.clone(), Kind::Named(Box::new(lines))])
    }
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

/// The keys of `lines` with options that refuse the login of `user` and name the user to take.
///
/// A key's own options are dropped: they would open what is refused here.
pub fn refused(lines: &[String], options: Option<&str>, take: Option<&str>, user: &str) -> Vec<String> {
    let options = options.unwrap_or(REFUSAL).replace("$USER", take.unwrap_or("NONE")).replace("$DISABLE_USER", user);
    lines.iter().filter_map(|line| Some(format!("{options} {}", PublicKey::parse(line)?.bare()))).collect()
}

/// Whether `text` can stand before a key: one word and one line, quotes aside. What is more would be a key of its own,
/// or a line of its own, which nobody refuses.
pub fn are_options(text: &str) -> bool {
    let line = format!("{text} {SAMPLE}");
    !text.contains(char::is_control)
        && PublicKey::parse(&line).is_some_and(|key| key.options == text && key.blob == BLOB)
}

const BLOB: &str = "AAAAC3NzaC1lZDI1NTE5AAAAICnEblGkqVrAcLUVU10aey6wAUBiXIQmvYEyFBO6GJ0B";
const SAMPLE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICnEblGkqVrAcLUVU10aey6wAUBiXIQmvYEyFBO6GJ0B";

/// What refused keys answer, worded as the peers do: tools look for it.
const REFUSAL: &str = "no-port-forwarding,no-agent-forwarding,no-X11-forwarding,command=\"echo 'Please login as \
                            the user \\\"$USER\\\" rather than the user \\\"$DISABLE_USER\\\".';echo;sleep 10;exit 142\"";

fn collect(node: &Node, lines: &mut Vec<String>, findings: &mut Findings) {
    match &node.data {
        _ if node.is_null() => {}
        Data::Scalar(scalar) => {
            if private_key::is_within(&scalar.text) {
                return said_private(&node.origin, findings);
            }
            let text = scalar.text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
            lines.extend(text.filter(|line| check(line, &node.origin, findings)).map(str::to_owned));
        }
        Data::Sequence(items) => items.iter().for_each(|item| collect(item, lines, findings)),
        Data::Mapping(entries) => entries.iter().for_each(|(_, value)| collect(value, lines, findings)),
    }
}

/// Once for the whole block: of its lines nothing is told.
fn said_private(origin: &Origin, findings: &mut Findings) {
    findings.push(
        Finding::error(origin, "this is a private key; it is left out")
            .help("give the line of its .pub file; who can read this document has the key, so make a new one"),
    );
}

/// What is no key is not quoted: it may be a secret that was pasted at the wrong place.
fn check(line: &str, origin: &Origin, findings: &mut Findings) -> bool {
    if private_key::is_within(line) {
        said_private(origin, findings);
        return false;
    }
    let good = PublicKey::parse(line).is_some();
    if !good {
        findings.push(
            Finding::error(origin, "this is no public key; it is left out")
                .help("a line of a .pub file: type, base64, comment, with options before it where wanted"),
        );
    }
    good
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document::parse;

    fn said(yaml: &str) -> (Vec<String>, Vec<String>) {
        let mut findings = Findings::default();
        let node = parse(yaml, &Origin::document("user_data"), &mut findings).unwrap();
        let lines = lines(Some(&node), &mut findings);
        (lines, findings.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_pasted_secret_is_never_quoted() {
        let good = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICnEblGkqVrAcLUVU10aey6wAUBiXIQmvYEyFBO6GJ0B ops";
        let private =
            "-----BEGIN OPENSSH PRIVATE KEY-----\n  b3BlbnNzaC1r\n  ZXktdjEAAAAA\n  -----END OPENSSH PRIVATE KEY-----";
        let (lines, findings) = said(&format!("a:\n- |\n  {private}\n- {good}\n- hunter2\n"));
        assert_eq!((lines, findings.len()), (vec![good.to_owned()], 2));
        assert!(findings[0].contains("this is a private key"), "{findings:?}");
        for secret in ["b3Blbn", "ZXktdj", "hunter2", "BEGIN"] {
            assert!(findings.iter().all(|finding| !finding.contains(secret)), "{findings:?}");
        }
    }
}
