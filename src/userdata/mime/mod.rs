// SPDX-License-Identifier: Apache-2.0
//! MIME messages: the form of user-data that holds others.

mod entity;
mod field;
mod transfer;

use std::borrow::Cow;

use crate::finding::{Finding, Located, Origin};
use crate::userdata::form;
use crate::userdata::parts::{DEPTH_LIMIT, PART_LIMIT, Part, Parts};
use entity::Entity;
pub(super) use transfer::base64;

/// Whether a text with this head is a message. For cloud-init each text is one that has `MIME-Version:` near its
/// beginning, a script that writes mail too; here it has to stand in a header.
pub(super) fn is_message(head: &[u8]) -> bool {
    Entity::read(head).is_some_and(|entity| entity.field("mime-version").is_some())
}

impl Parts<'_> {
    /// A message or a part of one: its parts in their order, those of nested ones in their place.
    pub(super) fn message(&mut self, text: &[u8], origin: &Origin, depth: usize) {
        let place = origin.at(1, 1);
        if depth > DEPTH_LIMIT {
            let deep = format!("MIME more than {DEPTH_LIMIT} levels deep; this is left out");
            return self.findings.push(Finding::error(&place, deep));
        }
        let Some(entity) = Entity::read(text) else {
            let long = "a MIME header of more than 1000 fields; this is left out";
            return self.findings.push(Finding::error(&place, long));
        };
        let content_type = entity.content_type();
        if content_type == "message/rfc822" {
            self.message(entity.body, &origin.within(entity.above, 0), depth + 1);
        } else if content_type.starts_with("multipart/") {
            self.multipart(&entity, origin, depth);
        } else {
            self.leaf(&entity, &content_type, origin, depth);
        }
    }

    fn multipart(&mut self, entity: &Entity, origin: &Origin, depth: usize) {
        let place = origin.at(1, 1);
        let Some(split) = entity.split(PART_LIMIT + 1) else {
            let lost = "MIME multipart without a `boundary` in its Content-Type; nothing of it is used";
            return self.findings.push(Finding::error(&place, lost));
        };
        if split.parts.is_empty() {
            let lost = "MIME multipart whose boundary does not occur; there is nothing in it to use";
            self.findings.push(Finding::error(&place, lost));
        } else if !split.closed && split.parts.len() <= PART_LIMIT {
            let cut = "the last boundary of this MIME message is missing: was it cut off?";
            self.findings.push(Finding::warning(&place, cut));
        }
        for (above, part) in split.parts {
            if self.is_full(&place) {
                return;
            }
            self.message(part, &origin.within(entity.above + above, 0), depth + 1);
        }
    }

    /// What holds no other entity. Places are those of the whole message where the encoding keeps lines, else of the
    /// part's content.
    fn leaf(&mut self, entity: &Entity, content_type: &str, origin: &Origin, depth: usize) {
        let file_name = entity.file_name();
        let name = self.name_of_next(origin, file_name.as_deref());
        let origin = origin.within(entity.above, 0).named(name.as_str());
        let encoding = entity.field("content-transfer-encoding").unwrap_or_default();
        let content = match transfer::decoded(entity.body, encoding) {
            Ok(content) => content,
            Err(why) => {
                self.count += 1;
                return self.findings.push(Finding::error(&origin, format!("{why}; this part is left out")));
            }
        };
        let keeps_lines = matches!(content, Cow::Borrowed(_));
        let origin = if keeps_lines { origin } else { Origin::document(name) };
        let merge_type = entity.field("merge-type").or_else(|| entity.field("x-merge-type"));
        self.part(Part {
            declared: form::declared(content_type),
            merge_type: merge_type.map(|merge| Located::new(merge.to_owned(), origin.clone())),
            launch_index: entity.field("launch-index").map(|index| Located::new(index.to_owned(), origin.clone())),
            file_name,
            ..Part::new(&content, origin, depth)
        });
    }
}
