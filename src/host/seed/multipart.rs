// SPDX-License-Identifier: Apache-2.0
//! User-data and a cloud-config beside it, as one MIME message: the form in which every agent takes several parts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::compression::{LIMIT, gunzip, is_gzip};
use crate::digest::sha256;
use crate::error::Result;

/// To the person's own, lists are added at their end and mappings key by key; what both have stays the person's. Without
/// this header cloud-init puts a part's `write_files` in the place of those before it.
const MERGE: &str = "list(append)+dict(no_replace,recurse_list)+str()";

/// One message of both, `own` first.
///
/// # Errors
/// Malformed where `own` is compressed and can't be read.
pub fn joined(own: &[u8], config: &str) -> Result<Vec<u8>> {
    // A message within a compressed part is looked for by nobody.
    let unpacked = if is_gzip(own) { Some(gunzip(own, LIMIT)?) } else { None };
    let own = unpacked.as_deref().unwrap_or(own);
    // The same input makes the same message, and no content holds its own digest.
    let digest = sha256(&[own, config.as_bytes()].concat());
    let boundary = format!("==={}===", digest.get(..32).unwrap_or(&digest));
    let head = format!("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"{boundary}\"\n\n--{boundary}\n");
    let next = format!(
        "\n--{boundary}\nContent-Type: text/cloud-config; charset=\"utf-8\"\nMerge-Type: {MERGE}\n\
         Content-Disposition: attachment; filename=\"firstlight-host-seed\"\n\n{config}\n--{boundary}--\n"
    );
    let part = if is_message(own) { own.to_vec() } else { encoded(own) };
    Ok([head.as_bytes(), &part, next.as_bytes()].concat())
}

/// A part whose form is told by its first line, byte by byte what it was.
fn encoded(own: &[u8]) -> Vec<u8> {
    let mut part = b"Content-Type: text/plain; charset=\"utf-8\"\nContent-Transfer-Encoding: base64\n\n".to_vec();
    for line in STANDARD.encode(own).as_bytes().chunks(76) {
        part.extend(line);
        part.push(b'\n');
    }
    part
}

/// Whether it begins with a header that says so; then it stands in the other message as it is.
fn is_message(text: &[u8]) -> bool {
    let head = text.split(|byte| *byte == b'\n').take_while(|line| !line.trim_ascii().is_empty());
    let mut fields = head.take_while(|line| line.starts_with(b" ") || line.starts_with(b"\t") || line.contains(&b':'));
    fields.any(|line| line.to_ascii_lowercase().starts_with(b"mime-version:"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Findings;
    use crate::seed::Document;
    use crate::userdata::{UserData, combine};
    use flate2::write::GzEncoder;
    use std::io::Write as _;

    const CONFIG: &str = "#cloud-config\n{\"write_files\": [{\"path\": \"/b\"}], \"user\": {\"name\": \"ops\"}}\n";

    /// What our own reader makes of the message.
    fn read(own: &[u8]) -> UserData {
        struct Nothing;
        impl crate::userdata::Includes for Nothing {
            fn fetch(&self, _: &str, _: bool, _: &crate::finding::Origin) -> Result<Option<Vec<u8>>> {
                Ok(None)
            }
        }
        let mut findings = Findings::default();
        let document = Document::new("user-data", joined(own, CONFIG).unwrap());
        let image = crate::config::document::Node::empty(document.origin());
        let read = combine(image, &[], Some(&document), &serde_json::Value::Null, &Nothing, &mut findings);
        assert!(findings.is_empty(), "{findings:?}");
        read
    }

    #[test]
    fn lists_are_added_up_and_the_person_s_own_stays() {
        let read = read(b"#cloud-config\nwrite_files: [{path: /a}]\nuser: {name: admin, shell: /bin/sh}\n");
        let config = read.config.to_json();
        let paths: Vec<_> = config["write_files"].as_array().unwrap().iter().map(|file| file["path"].clone()).collect();
        assert_eq!(paths, ["/a", "/b"]);
        assert_eq!(config["user"], serde_json::json!({"name": "admin", "shell": "/bin/sh"}));
    }

    #[test]
    fn every_form_of_the_person_s_own_survives() {
        let script = b"#!/bin/sh\nprintf '\\377 --x\\n'\n\xff\n";
        let message =
            b"Content-Type: multipart/mixed; boundary=\"x\"\nMIME-Version: 1.0\n\n--x\n\n#!/bin/sh\n: 1\n--x--\n";
        let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(script).unwrap();
        for (own, content) in [
            (script.to_vec(), &script[..]),
            (gzip.finish().unwrap(), &script[..]),
            (message.to_vec(), b"#!/bin/sh\n: 1"),
        ] {
            let read = read(&own);
            assert_eq!(read.scripts.len(), 1);
            assert_eq!(read.scripts[0].content, content);
            assert_eq!(read.config.to_json()["user"]["name"], "ops");
        }
    }

    #[test]
    fn a_script_that_writes_mail_is_no_message() {
        assert!(!is_message(b"#!/bin/sh\nsendmail <<.\nMIME-Version: 1.0\n.\n"));
        assert!(is_message(b"From: me\nX: a\n b\nmime-version: 1.0\n\n"));
    }
}
