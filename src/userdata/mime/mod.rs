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

#[cfg(test)]
mod tests {
    use crate::userdata::tests::{read, value};
    use crate::userdata::{Run, UserData};

    const HEAD: &str = "Content-Type: multipart/mixed; boundary=\"==\"\nMIME-Version: 1.0\n\n";

    /// What a message of these parts comes to.
    fn message(parts: &[&str]) -> (UserData, Vec<String>) {
        let parts: String = parts.iter().map(|part| format!("--==\n{part}\n")).collect();
        read(format!("{HEAD}{parts}--==--\n").as_bytes())
    }

    fn scripts(all: &UserData) -> Vec<(&str, Run, &str)> {
        let text = |content| std::str::from_utf8(content).unwrap();
        all.scripts.iter().map(|script| (script.name.as_str(), script.run, text(&script.content))).collect()
    }

    #[test]
    fn each_part_is_what_it_is_declared_or_looks_like() {
        let (all, findings) = message(&[
            "Content-Type: text/x-shellscript\nContent-Disposition: attachment; filename=a.sh\n\n#!/bin/sh\n: 1",
            "Content-Type: text/cloud-config\n\na: 1",
            "Content-Type: text/plain\n\n#cloud-config\nb: 1\n",
            "Content-Type: text/x-shellscript\n\n#cloud-config\nc: 1\n",
            "Content-Type: text/x-shellscript-per-boot\n\n#!/bin/sh\n: 2\n",
            "Content-Type: text/cloud-boothook\n\n#cloud-boothook\n#!/bin/sh\n: 3\n",
            "\n#!/bin/sh\n: 4\n",
            "Content-Type: text/jinja2\n\n## template: jinja\n#cloud-config\nd: {{ meta.role }}\n",
            "Content-Type: text/x-shellscript\nContent-Transfer-Encoding: quoted-printable\n\n#!/bin/sh\n: =35\n",
        ]);
        assert_eq!(findings, [""; 0]);
        assert!(["a", "b", "c", "d"].iter().all(|key| value(&all, key).is_some()));
        assert_eq!(
            scripts(&all),
            [
                ("a.sh", Run::User, "#!/bin/sh\n: 1"),
                ("part-005", Run::PerBoot, "#!/bin/sh\n: 2\n"),
                ("part-006", Run::Boothook, "#!/bin/sh\n: 3\n"),
                ("part-007", Run::User, "#!/bin/sh\n: 4\n"),
                ("part-009", Run::User, "#!/bin/sh\n: 5\n"),
            ]
        );
    }

    #[test]
    fn places_are_those_of_the_whole_where_the_encoding_keeps_lines() {
        let (all, findings) = message(&[
            "Content-Type: text/cloud-config; name=web.yaml\n\n#cloud-config\na: 1\n",
            "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\nI2Nsb3VkLWNvbmZpZwpiOiAxCg==\n",
            "Content-Type: application/zip\n\nPK\n",
            "Content-Type: text/plain\n\nhello\n",
        ]);
        let origin = |key: &str| all.config.get(key).unwrap().origin.to_string();
        assert_eq!(origin("a"), "user_data part 1 (web.yaml):8:4");
        assert_eq!(origin("b"), "user_data part 2:2:4");
        assert!(
            findings[0].starts_with("user_data part 3: error: a part of the type `application/zip`"),
            "{findings:?}"
        );
        assert!(findings[1].starts_with("user_data part 4:24:1: error: the first line does not say"), "{findings:?}");
    }

    #[test]
    fn nested_messages_are_parts_in_their_place_and_end_at_a_bound() {
        let inner = "Content-Type: multipart/alternative; boundary=in\n\n--in\n\n#!/bin/sh\n: 1\n--in\n\n#!/bin/sh\n: 2\n--in--";
        let (all, findings) = message(&[inner, "Content-Type: message/rfc822\n\nMIME-Version: 1.0\n\n#!/bin/sh\n: 3"]);
        assert_eq!(
            scripts(&all).iter().map(|script| script.2).collect::<Vec<_>>(),
            ["#!/bin/sh\n: 1", "#!/bin/sh\n: 2", "#!/bin/sh\n: 3"]
        );
        assert_eq!(findings, [""; 0]);
        let deep = (0..20).fold("MIME-Version: 1.0\n".to_owned(), |text, level| {
            text + &format!("Content-Type: multipart/mixed; boundary=b{level}x\n\n--b{level}x\n")
        });
        assert!(read(deep.as_bytes()).1.iter().any(|finding| finding.contains("MIME more than 10 levels deep")));
        let many = format!("{HEAD}{}", "--==\n\n#!/bin/sh\n".repeat(5000));
        let (all, findings) = read(many.as_bytes());
        // The message itself is the first.
        assert!(all.scripts.len() == 999 && findings.len() == 1, "{findings:?}");
        assert!(findings[0].contains("more than 1000 parts"), "{findings:?}");
    }

    #[test]
    fn a_part_for_another_instance_is_left_out() {
        // This one has index 1.
        let index =
            |index: &str, key: &str| format!("Launch-Index: {index}\nContent-Type: text/cloud-config\n\n{key}: 1\n");
        let own = "Content-Type: text/cloud-config\n\nd: 1\nlaunch-index: 2\n";
        let (all, findings) =
            message(&[&index("0", "a"), &index(" 1", "b"), &index("x", "c"), own, &index("1", "launch-index")]);
        let kept: Vec<_> = all.config.entries().iter().filter_map(|(key, _)| key.text()).collect();
        assert_eq!(kept, ["b"]);
        assert!(findings.len() == 3 && findings[0].contains("note: for the instance 0 of this launch"), "{findings:?}");
        assert!(findings[1].contains("error: the launch index is no number"), "{findings:?}");
    }

    #[test]
    fn what_is_broken_is_said_and_the_rest_is_used() {
        let cut = format!("{HEAD}--==\n\n#cloud-config\na: 1\n--==\n\n#!/bin/sh\nrm -rf /tmp/x");
        let (all, findings) = read(cut.as_bytes());
        assert_eq!((value(&all, "a").as_deref(), all.scripts.len()), (Some("1"), 1));
        assert!(findings[0].contains("the last boundary of this MIME message is missing"), "{findings:?}");
        for (text, why) in [
            ("MIME-Version: 1.0\nContent-Type: multipart/mixed\n\n--x\n", "without a `boundary`"),
            ("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n#!/bin/sh\n", "boundary does not occur"),
            ("MIME-Version: 1.0\nContent-Transfer-Encoding: base64\n\n!!\n", "declared as base64, and it is not"),
            ("MIME-Version: 1.0\nContent-Transfer-Encoding: x-rot13\n\n!!\n", "`x-rot13` is not known"),
        ] {
            let (all, findings) = read(text.as_bytes());
            assert!(all.scripts.is_empty() && findings.len() == 1 && findings[0].contains(why), "{findings:?}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(200))]
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, at: usize) {
            read(&bytes);
            let part = "Content-Type: text/plain; name*0*=u'x%; name=\"\nContent-Transfer-Encoding: quoted-printable\n\n#!=\n=3D=";
            let mut mutated = format!("{HEAD}--==\n{part}\n--==\nContent-Transfer-Encoding: base64\n\nH4sI\n--==--").into_bytes();
            let at = at % mutated.len();
            mutated.splice(at..(at + bytes.len() / 4).min(mutated.len()), bytes);
            read(&mutated);
        }

        #[test]
        fn no_header_panics(text in "(#cloud-config|#cloud-config-archive\n- |#cloud-config-jsonp|#include|## template: jinja\n|MIME-Version: 1|Content-Type: |multipart/mixed;|boundary=|x|\\*0|'|\"|;|\n|--x|--|: |[{}]|\\[|/){0,30}") {
            read(text.as_bytes());
        }
    }
}
