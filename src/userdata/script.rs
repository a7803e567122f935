// SPDX-License-Identifier: Apache-2.0
//! Scripts as they are handed over, and as the kernel can run them.

use crate::finding::{Finding, Origin};
use crate::userdata::form::Before;
use crate::userdata::parts::{Part, Parts};

/// When a script runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Run {
    /// Early in each boot.
    Boothook,
    /// Once on this disk, in the final stage.
    Once,
    /// At the end of each boot.
    PerBoot,
    /// Once for each instance, before the user's other scripts.
    PerInstance,
    /// Once for each instance, in the final stage: what a script without more words is.
    User,
}

/// A script of user-data or vendor-data.
#[derive(Debug, Clone)]
pub struct Script {
    /// File name: the part's own, of plain characters, or `part-001`. Differs from that of each other script of the
    /// same document and the same [`Run`].
    pub name: String,
    /// The whole script, its `#!` line first.
    pub content: Vec<u8>,
    /// When it runs.
    pub run: Run,
    /// It is the platform's.
    pub vendor: bool,
    /// A program and its arguments that run it: `vendor_data: {prefix}`.
    pub prefix: Vec<String>,
    /// Where it came from.
    pub origin: Origin,
}

const BOOTHOOK: &[u8] = b"#cloud-boothook";

impl Parts<'_> {
    /// A script. The kernel looks for `#!` at the very first byte, and for no `\r` behind the interpreter.
    pub(super) fn script(&mut self, part: &Part, run: Run, before: Before) {
        let mut content = part.bytes.get(before.length..).unwrap_or_default();
        let header = content.split_at_checked(BOOTHOOK.len()).filter(|(head, _)| head.eq_ignore_ascii_case(BOOTHOOK));
        if let (Run::Boothook, Some((_, behind))) = (run, header) {
            content = behind.trim_ascii_start();
            if content.is_empty() {
                return;
            }
        } else if before.length > 0 && !part.rendered {
            let note = "what stands before the first line of this script is removed";
            self.findings.push(Finding::note(&part.origin, note));
        }
        let mut content = content.to_vec();
        if content.split(|byte| *byte == b'\n').next().is_some_and(|line| line.ends_with(b"\r")) {
            self.findings.push(Finding::note(&part.origin, "this script has line ends of Windows; they are changed"));
            content = without_carriage_returns(&content);
        }
        // A program in machine code needs no such line, and is no text.
        if !content.starts_with(b"#!") && !content.contains(&0) {
            let none = "this script has no `#!` line, so /bin/sh runs it; with cloud-init it fails";
            self.findings.push(Finding::note(&part.origin, none));
            content.splice(..0, *b"#!/bin/sh\n");
        }
        let (prefix, vendor, origin) = (Vec::new(), false, part.origin.clone());
        let name = self.name(part, run);
        self.scripts.push(Script { name, content, run, vendor, prefix, origin });
    }

    /// A file name of its own.
    fn name(&mut self, part: &Part, run: Run) -> String {
        let numbered = format!("part-{:03}", self.count);
        let name = part.file_name.as_deref().and_then(clean).unwrap_or_else(|| numbered.clone());
        if !self.scripts.iter().any(|script| script.run == run && script.name == name) {
            return name;
        }
        let again = format!("another script is named `{name}` too; both run, with cloud-init only the last one");
        self.findings.push(Finding::note(&part.origin, again));
        format!("{name}-{numbered}")
    }
}

/// What a file's name keeps, as cloud-init cleans it: letters, digits and `_-.()`; a path becomes one name.
fn clean(name: &str) -> Option<String> {
    let kept = |c: &char| c.is_ascii_alphanumeric() || "_-.()".contains(*c);
    // The length that file systems take, and some for a number.
    let clean: String = name.trim().replace('/', "_").chars().filter(kept).take(200).collect();
    clean.contains(|c: char| c != '.').then_some(clean)
}

fn without_carriage_returns(bytes: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\r\n") {
            Some(line) => {
                kept.extend_from_slice(line);
                kept.push(b'\n');
            }
            None => kept.extend_from_slice(line),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::userdata::tests::read;

    #[test]
    fn a_name_cannot_lead_elsewhere() {
        for (name, kept) in [
            ("setup.sh", Some("setup.sh")),
            ("../../etc/passwd", Some(".._.._etc_passwd")),
            (" a b\n;c ", Some("abc")),
            ("..", None),
            ("", None),
            ("é", None),
        ] {
            assert_eq!(clean(name).as_deref(), kept, "{name:?}");
        }
        assert_eq!(clean(&"x".repeat(5000)).unwrap().len(), 200);
    }

    #[test]
    fn scripts_are_made_as_the_kernel_can_run_them() {
        for (text, run, content, note) in [
            ("## template: jinja\n#!/bin/{{ meta.role }}\n", Run::User, "#!/bin/web\n", ""),
            ("\n #!/bin/sh\n", Run::User, "#!/bin/sh\n", "what stands before the first line"),
            ("#!/bin/sh\r\n:\r\n", Run::User, "#!/bin/sh\n:\n", "line ends of Windows"),
            ("#Cloud-Boothook\n\n#!/bin/sh\n", Run::Boothook, "#!/bin/sh\n", ""),
            ("#cloud-boothook\r\n#!/bin/sh\r\n", Run::Boothook, "#!/bin/sh\n", "line ends of Windows"),
            ("#cloud-boothook\necho 1\n", Run::Boothook, "#!/bin/sh\necho 1\n", "has no `#!` line"),
            ("## template: jinja\n#cloud-boothook\n#!/bin/{{ meta.role }}\n", Run::Boothook, "#!/bin/web\n", ""),
        ] {
            let (all, findings) = read(text.as_bytes());
            let [script] = &all.scripts[..] else { panic!("{text:?}: {findings:?}") };
            assert_eq!((script.run, script.content.as_slice()), (run, content.as_bytes()), "{text:?}");
            let said = findings.join("\n");
            assert!(if note.is_empty() { said.is_empty() } else { said.contains(note) }, "{text:?}: {said}");
        }
        assert!(read(b"#cloud-boothook\n").0.scripts.is_empty());
        let machine = b"MIME-Version: 1.0\nContent-Type: text/x-shellscript\n\n\x7fELF\0\x01";
        let (all, findings) = read(machine);
        assert_eq!((all.scripts[0].content.as_slice(), findings.len()), (&b"\x7fELF\0\x01"[..], 0));
    }

    #[test]
    fn two_scripts_of_one_name_both_run() {
        let entry = "- {content: \"#!/bin/sh\", filename: a}\n";
        let (all, findings) = read(format!("#cloud-config-archive\n{entry}{entry}").as_bytes());
        let names: Vec<_> = all.scripts.iter().map(|script| script.name.as_str()).collect();
        assert_eq!(names, ["a", "a-part-002"]);
        assert!(findings[0].contains("another script is named `a` too"), "{findings:?}");
    }
}
