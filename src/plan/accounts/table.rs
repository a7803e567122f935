// SPDX-License-Identifier: Apache-2.0
//! Files of lines with fields between colons, each line known by its first field. What is not touched stays as it is,
//! byte for byte: comments, lines of NIS, names in some old encoding.

use std::borrow::Cow;
use std::path::Path;

use crate::error::Result;
use crate::plan::draft::{Attributes, Draft};
use crate::root::Tree;

/// Such a file.
#[derive(Debug)]
pub(super) struct Table {
    path: &'static str,
    lines: Vec<Vec<u8>>,
    /// Whether the file is there.
    pub exists: bool,
    changed: bool,
}

/// One of its lines.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a>(&'a [u8]);

impl<'a> Row<'a> {
    /// A field by its place from 0; empty where there are fewer.
    pub fn field(self, index: usize) -> Cow<'a, str> {
        String::from_utf8_lossy(self.0.split(|byte| *byte == b':').nth(index).unwrap_or_default())
    }

    /// A field that is a number.
    pub fn number(self, index: usize) -> Option<u32> {
        self.field(index).parse().ok()
    }
}

impl Table {
    /// The file at `path`; empty where it is not there.
    pub fn read(tree: &dyn Tree, path: &'static str) -> Result<Self> {
        let content = tree.read(Path::new(path))?;
        let exists = content.is_some();
        let mut lines: Vec<Vec<u8>> =
            content.unwrap_or_default().split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        if lines.last().is_some_and(Vec::is_empty) {
            lines.pop();
        }
        Ok(Self { path, lines, exists, changed: false })
    }

    /// The lines that say something of this machine: no comments, nothing of NIS.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.lines.iter().filter(|line| !matches!(line.first(), None | Some(b'#' | b'+' | b'-'))).map(|line| Row(line))
    }

    /// The line of `name`; the first, as libc takes it.
    pub fn row(&self, name: &str) -> Option<Row<'_>> {
        self.rows().find(|row| row.field(0) == name)
    }

    /// One more line, before those of NIS, which end a look-up.
    pub fn add(&mut self, line: String) {
        let nis = self.lines.iter().position(|line| matches!(line.first(), Some(b'+' | b'-')));
        self.lines.insert(nis.unwrap_or(self.lines.len()), line.into_bytes());
        self.changed = true;
    }

    /// Another value in a field of the line of `name`, should there be one.
    pub fn set(&mut self, name: &str, index: usize, value: &str) {
        let Some(line) = self.lines.iter_mut().find(|line| Row(line).field(0) == name) else { return };
        let mut fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
        fields.resize(fields.len().max(index + 1), b"");
        if let Some(field) = fields.get_mut(index)
            && *field != value.as_bytes()
        {
            *field = value.as_bytes();
            *line = fields.join(&b':');
            self.changed = true;
        }
    }

    /// Without the lines of `name`.
    pub fn remove(&mut self, name: &str) {
        let before = self.lines.len();
        self.lines.retain(|line| Row(line).field(0) != name);
        self.changed |= self.lines.len() != before;
    }

    /// As a change, if anything has changed: mode and owner stay, those of a new file are `new`.
    pub fn save(self, draft: &mut Draft, new: Attributes, secret: bool) -> Result<()> {
        if !self.changed {
            return Ok(());
        }
        let path = Path::new(self.path);
        let attributes = draft.tree().stat(path)?.map_or(new, |stat| Attributes::of(&stat));
        let mut content = self.lines.join(&b'\n');
        content.push(b'\n');
        draft.parents(path, Attributes::root(0o755))?;
        draft.file(path, content, attributes, secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::change::Change;
    use crate::plan::day::Day;
    use crate::scratch::Scratch;

    #[test]
    fn what_is_not_touched_stays_byte_for_byte() {
        let scratch = Scratch::new();
        std::fs::create_dir(scratch.path("/etc")).unwrap();
        let old = b"root:x:0:0:root:/root:/bin/sh\n# a comment\n\nold:x:7:7:Jos\xe9:/:/bin/sh\n+nis::::::\n";
        std::fs::write(scratch.path("/etc/passwd"), old).unwrap();
        let root = scratch.root();
        let mut table = Table::read(&root, "/etc/passwd").unwrap();
        assert_eq!(table.rows().count(), 2);
        table.add("new:x:8:8::/:/bin/sh".to_owned());
        table.set("old", 6, "/bin/bash");
        table.set("nobody", 6, "/bin/bash");

        let mut draft = Draft::new(&root, Day(1));
        table.save(&mut draft, Attributes::root(0o644), false).unwrap();
        let changes = draft.into_changes();
        let [Change::File { content, .. }] = changes.as_slice() else { panic!("{changes:?}") };
        let new = b"root:x:0:0:root:/root:/bin/sh\n# a comment\n\nold:x:7:7:Jos\xe9:/:/bin/bash\nnew:x:8:8::/:/bin/sh\n+nis::::::\n";
        assert_eq!(content, new);
    }

    #[test]
    fn setting_what_is_there_changes_nothing() {
        let scratch = Scratch::new();
        scratch.file("/etc/shadow", "root:*:1:0:99999:7:::");
        let root = scratch.root();
        let mut table = Table::read(&root, "/etc/shadow").unwrap();
        table.set("root", 1, "*");
        table.remove("nobody");
        let mut draft = Draft::new(&root, Day(1));
        table.save(&mut draft, Attributes::root(0o640), true).unwrap();
        assert!(draft.into_changes().is_empty(), "not even the missing newline at the end");
    }
}
