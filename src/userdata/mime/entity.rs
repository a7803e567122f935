// SPDX-License-Identifier: Apache-2.0
//! An entity of a MIME message (RFC 2045, RFC 2046): its header, its body, the parts within.
//!
//! Forgiving where Python's `email` is, with which the field makes and reads such messages: a line that is no header
//! begins the body, and a last boundary may be missing.

use crate::userdata::mime::field::{self, Fields};

/// The most header fields of one entity.
const FIELD_LIMIT: usize = 1000;

/// An entity as it stands in the message.
#[derive(Debug)]
pub(super) struct Entity<'a> {
    fields: Fields,
    /// What stands behind the header, still as the transfer encoding has it.
    pub body: &'a [u8],
    /// How many lines stand before the body.
    pub above: usize,
}

/// The parts of a multipart body.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Split<'a> {
    /// Each part, and how many lines of the body stand above it.
    pub parts: Vec<(usize, &'a [u8])>,
    /// Whether the last boundary is there.
    pub closed: bool,
}

impl<'a> Entity<'a> {
    /// Reads the header. `None` where it has more than a thousand fields.
    pub fn read(text: &'a [u8]) -> Option<Self> {
        let mut fields = Fields::default();
        let (mut start, mut above) = (0, 0);
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let bare = line.trim_ascii_end();
            let envelope = above == 0 && line.starts_with(b"From ");
            if !bare.is_empty() && !envelope && !fields.add(&String::from_utf8_lossy(bare)) {
                break;
            }
            start += line.len();
            above += 1;
            if bare.is_empty() {
                break;
            }
            if fields.count() > FIELD_LIMIT {
                return None;
            }
        }
        Some(Self { fields, body: text.get(start..).unwrap_or_default(), above })
    }

    /// A field of the header; the first one of that name.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name)
    }

    /// The declared type in lower case without parameters; RFC 2045's default where there is none, or a broken one.
    pub fn content_type(&self) -> String {
        let declared = self.field("content-type").unwrap_or_default();
        let name = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if name.split('/').filter(|half| !half.is_empty()).count() == 2 { name } else { "text/plain".to_owned() }
    }

    /// The name of the file that it is, as a person gave it.
    pub fn file_name(&self) -> Option<String> {
        let disposition = self.field("content-disposition").and_then(|value| field::parameter(value, "filename"));
        disposition.or_else(|| field::parameter(self.field("content-type")?, "name"))
    }

    /// The parts of a multipart body; at most `limit`. `None` where no boundary is declared.
    pub fn split(&self, limit: usize) -> Option<Split<'a>> {
        let boundary = field::parameter(self.field("content-type")?, "boundary")?;
        let delimiter = format!("--{}", boundary.trim_end());
        let mut split = Split::default();
        // Where the part that is being read begins, and how many lines stand above it.
        let mut part = None;
        let mut at = 0;
        for (number, line) in self.body.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let behind = line.trim_ascii_end().strip_prefix(delimiter.as_bytes());
            if let Some(behind) = behind.filter(|behind| behind.is_empty() || *behind == b"--") {
                if let Some((start, above)) = part {
                    split.parts.push((above, without_line_end(self.body.get(start..at).unwrap_or_default())));
                }
                split.closed = !behind.is_empty();
                part = (!split.closed).then_some((at + line.len(), number + 1));
                if split.closed || split.parts.len() == limit {
                    return Some(split);
                }
            }
            at += line.len();
        }
        split.parts.extend(part.map(|(start, above)| (above, self.body.get(start..).unwrap_or_default())));
        Some(split)
    }
}

/// The line end before a boundary is the boundary's.
fn without_line_end(part: &[u8]) -> &[u8] {
    let bare = part.strip_suffix(b"\n").unwrap_or(part);
    bare.strip_suffix(b"\r").unwrap_or(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (Vec<(usize, String)>, bool) {
        let entity = Entity::read(text.as_bytes()).unwrap();
        let split = entity.split(3).unwrap();
        let text = |part: &[u8]| String::from_utf8(part.to_vec()).unwrap();
        (split.parts.into_iter().map(|(above, part)| (above, text(part))).collect(), split.closed)
    }

    #[test]
    fn a_header_is_unfolded_and_ends_at_the_first_line_that_is_none() {
        let entity =
            Entity::read(b"From me\nContent-Type: Text/X-Shellscript;\r\n\tname=\"a b.sh\"\r\n\r\nbody\n").unwrap();
        assert_eq!(entity.content_type(), "text/x-shellscript");
        assert_eq!(entity.file_name().as_deref(), Some("a b.sh"));
        assert_eq!((entity.body, entity.above), (&b"body\n"[..], 4));
        let entity = Entity::read(b"A: b\n#!/bin/sh\n").unwrap();
        assert_eq!((entity.body, entity.above), (&b"#!/bin/sh\n"[..], 1));
        assert_eq!(entity.content_type(), "text/plain");
        assert!(Entity::read("a:\n".repeat(FIELD_LIMIT + 2).as_bytes()).is_none());
    }

    #[test]
    fn parts_stand_between_boundaries_and_know_their_lines() {
        let head = "Content-Type: multipart/mixed; boundary=\"==x==\"\n\n";
        let part = |above: usize, text: &str| (above, text.to_owned());
        let whole = "preamble\n--==x==\n\none\n--==x== \r\n\r\ntwo\r\n\r\n--==x==--\nepilogue\n--==x==\nno\n";
        assert_eq!(parts(&format!("{head}{whole}")), (vec![part(2, "\none"), part(5, "\r\ntwo\r\n")], true));
        assert_eq!(parts(&format!("{head}--==x==\ncut o")), (vec![part(1, "cut o")], false));
        assert_eq!(parts(&format!("{head}--==x==y\n--==x")), (vec![], false));
        assert_eq!(parts(&format!("{head}{}", "--==x==\n".repeat(9))).0.len(), 3, "the limit");
        assert!(Entity::read(b"Content-Type: multipart/mixed\n\n--\n").unwrap().split(3).is_none());
    }
}
