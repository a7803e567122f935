// SPDX-License-Identifier: Apache-2.0
//! `#cloud-config-archive`: a list of parts in YAML, each a text or a mapping that says more of it.

use crate::config::document::{self, Data, Node, Value};
use crate::config::read::Read as _;
use crate::finding::{Finding, Located, Origin};
use crate::userdata::form::{Declared, Form, declared};
use crate::userdata::parts::{DEPTH_LIMIT, Part, Parts};

/// Of an archive that is larger, in bytes, places are within each part.
const PLACED: usize = 1 << 20;

crate::keys! {
    /// One entry.
    struct Entry {
        /// The part itself.
        content: Node,
        /// Its MIME type; else its first text tells.
        r#type: Located<String>,
        /// The name of its file.
        filename: String,
        /// Only the instance of that number wants it.
        launch_index: Located<String>,
        /// How its cloud-config is merged with what came before.
        merge_type: Located<String>,
        /// The same.
        x_merge_type: Located<String>,
    }
}

impl Parts<'_> {
    pub(super) fn archive(&mut self, part: &Part) {
        if part.depth >= DEPTH_LIMIT {
            let deep = format!("an archive more than {DEPTH_LIMIT} levels deep; it is left out");
            return self.findings.push(Finding::error(&part.origin, deep));
        }
        let Some(text) = self.text(part.bytes, &part.origin) else { return };
        let Some(list) = document::parse(text, &part.origin, self.findings) else { return };
        let lines: Vec<&str> = if text.len() > PLACED { Vec::new() } else { text.lines().collect() };
        let Some(items) = list.items() else {
            if !list.is_null() && !list.entries().is_empty() {
                let found = list.described();
                let message = format!("an archive is a list of parts, found {found}; nothing of it is used");
                self.findings.push(Finding::error(&list.origin, message));
            }
            return;
        };
        for item in items {
            if self.is_full(&item.origin) {
                return;
            }
            self.entry(item, part, &lines);
        }
    }

    fn entry(&mut self, item: &Node, archive: &Part, lines: &[&str]) {
        let entry = match &item.data {
            Data::Scalar(_) => Entry { content: Some(item.clone()), ..Entry::default() },
            Data::Sequence(_) => {
                let list = "an entry is a text or a mapping with `content`, found a list; it is left out";
                return self.findings.push(Finding::error(&item.origin, list));
            }
            Data::Mapping(_) => match Entry::read(&with_lower_keys(item), self.findings) {
                Some(entry) => entry,
                None => return,
            },
        };
        let Some(content) = entry.content.filter(|content| !content.is_null()) else { return };
        let bytes = match (content.value(), content.text()) {
            (Some(Value::Binary(bytes)), _) => bytes,
            (_, Some(text)) => text.as_bytes().to_vec(),
            _ => {
                let found = content.described();
                let message = format!("expected a part as text, found {found}; this entry is left out");
                let help = "write `content: |` and the part below, indented";
                return self.findings.push(Finding::error(&content.origin, message).help(help));
            }
        };
        if !self.take(bytes.len(), &content.origin) {
            return;
        }
        let name = self.name_of_next(&archive.origin, entry.filename.as_deref());
        let origin = match block(&content, &archive.origin, lines) {
            Some((line, indent)) => archive.origin.within(line, indent).named(name),
            None => Origin::document(name),
        };
        self.part(Part {
            declared: match &entry.r#type {
                Some(content_type) => declared(&content_type.trim().to_ascii_lowercase()),
                // As the peer has it: an entry that does not say what it is, is cloud-config.
                None => Declared::Perhaps(Form::CloudConfig),
            },
            file_name: entry.filename,
            launch_index: entry.launch_index,
            merge_type: entry.merge_type.or(entry.x_merge_type),
            ..Part::new(&bytes, origin, archive.depth + 1)
        });
    }
}

/// An entry's keys may be written as the headers that they stand for.
fn with_lower_keys(item: &Node) -> Node {
    let mut item = item.clone();
    if let Data::Mapping(entries) = &mut item.data {
        for (key, _) in entries {
            if let Data::Scalar(scalar) = &mut key.data {
                scalar.text.make_ascii_lowercase();
            }
        }
    }
    item
}

/// Where `content` is a literal block: how many lines of the archive stand above its text, and its indentation.
fn block(content: &Node, archive: &Origin, lines: &[&str]) -> Option<(usize, usize)> {
    // The first place of the archive, which may stand in another document.
    let (first, margin) = archive.at(1, 1).line()?;
    let (line, column) = content.origin.line()?;
    let line = usize::try_from(line.checked_sub(first)?).ok()?;
    let column = usize::try_from(column.checked_sub(margin)?).ok()?;
    let is_block = lines.get(line)?.chars().nth(column) == Some('|');
    let below = lines.get(line + 1..)?.iter().find(|line| !line.trim().is_empty())?;
    is_block.then_some((line + 1, below.len() - below.trim_start_matches(' ').len()))
}

#[cfg(test)]
mod tests {
    use crate::userdata::Run;
    use crate::userdata::tests::{read, value};

    #[test]
    fn entries_are_parts_and_keep_their_places() {
        let (all, findings) = read(
            concat!(
                "#cloud-config-archive\n",
                "- |\n  #cloud-config\n  a: 1\n",
                "- type: text/cloud-config\n  filename: b.yaml\n  content: |\n\n     b: 1\n",
                "- {content: \"#!/bin/sh\\n\", filename: run.sh}\n",
                "- content: !!binary IyEvYmluL3NoCjogMQo=\n  type: text/x-shellscript-per-boot\n",
                "- 'c: 1'\n",
                "- {content: 'd: 1', launch-index: 2}\n",
                "- {content: 'e: 1', Launch-Index: 1}\n",
            )
            .as_bytes(),
        );
        let origin = |key: &str| all.config.get(key).unwrap().origin.to_string();
        assert_eq!(origin("a"), "user_data part 1:4:6");
        assert_eq!(origin("b"), "user_data part 2 (b.yaml):9:9");
        assert_eq!(origin("c"), "user_data part 5:1:4");
        assert_eq!(value(&all, "d"), None);
        let scripts: Vec<_> = all.scripts.iter().map(|script| (script.name.as_str(), script.run)).collect();
        assert_eq!(scripts, [("run.sh", Run::User), ("part-004", Run::PerBoot)]);
        assert!(value(&all, "e").is_some() && findings.len() == 1, "{findings:?}");
        assert!(findings[0].starts_with("user_data:14:35: note: for the instance 2"), "{findings:?}");
    }

    #[test]
    fn a_bad_entry_costs_only_itself() {
        let (all, findings) = read(
            b"#cloud-config-archive\n- 'a: 1'\n- [x]\n- {content: [x]}\n- {content: x, type: text/odd}\n- ~\n- {content: }\n- 'b: 1'\n",
        );
        assert!(value(&all, "a").is_some() && value(&all, "b").is_some());
        assert_eq!(findings.len(), 3, "{findings:?}");
        assert!(read(b"#cloud-config-archive\na: 1\n").1[0].starts_with("user_data:2:1: error: an archive is a list"));
        // Each archive holds the next one many times over.
        let wide = (0..9).fold("'a: 1'".to_owned(), |text, _| {
            let list = format!("#cloud-config-archive\n- &a {text}\n{}", "- *a\n".repeat(50));
            format!("{list:?}")
        });
        let (_, findings) = read(format!("#cloud-config-archive\n- {wide}\n").as_bytes());
        assert!(findings.iter().any(|finding| finding.contains("more than 1000 parts")), "{findings:?}");
        let deep = (0..20).fold("a: 1".to_owned(), |text, _| format!("#cloud-config-archive\n- {text:?}\n"));
        assert!(read(deep.as_bytes()).1.iter().any(|finding| finding.contains("more than 10 levels deep")));
    }
}
