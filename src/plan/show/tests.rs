// SPDX-License-Identifier: Apache-2.0
//! Tests of a plan as it is printed.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::plan::action::{Action, Command, Group, Write};
use crate::scratch::Scratch;

fn file(mode: u32, old: Option<(u32, &[u8])>, new: &[u8]) -> String {
    let change = Change::File {
        path: "/etc/x".into(),
        content: new.to_vec(),
        old: old.map(|(mode, content)| Old { content: content.to_vec(), mode }),
        mode,
        uid: 0,
        gid: 0,
        secret: false,
    };
    line(&change).to_string()
}

#[test]
fn a_world_readable_file_is_a_diff_and_others_are_digests() {
    let open = file(0o644, Some((0o644, b"a\nb\n")), b"a\nc\n");
    assert!(open.contains("      -b\n      +c\n"), "{open}");
    let closed = file(0o600, None, b"hunter2\n");
    assert!(!closed.contains("hunter2") && closed.contains("new file /etc/x 0600 root (8 bytes, sha256 "), "{closed}");
    assert!(file(0o644, None, b"\0\x01").contains("2 bytes"));
}

#[test]
fn what_only_root_could_read_is_not_shown_by_opening_the_file() {
    let opened = file(0o644, Some((0o600, b"hunter2\n")), b"public\n");
    assert!(!opened.contains("hunter2") && opened.contains("7 bytes, sha256 "), "{opened}");
    let closed = file(0o600, Some((0o644, b"public\n")), b"hunter2\n");
    assert!(!closed.contains("hunter2") && closed.contains("8 bytes, sha256 "), "{closed}");
}

/// A step of these actions on a tree where `/etc/group` is `root:x:0:`, as it is printed.
fn printed(actions: Vec<Action>) -> String {
    let scratch = Scratch::new();
    scratch.file("/etc/group", "root:x:0:\n");
    std::fs::set_permissions(scratch.path("/etc/group"), PermissionsExt::from_mode(0o644)).unwrap();
    let root = scratch.root();
    let step = Step {
        name: "step".to_owned(),
        stage: Stage::Local,
        frequency: Frequency::PerInstance,
        origin: Origin::document("d"),
        actions,
    };
    let shown = shown(&step, &mut Overlay::new(&root), Day(1));
    assert_eq!(shown.error, None);
    shown.changes.iter().map(Line::to_string).collect()
}

fn group(name: &str) -> Action {
    Action::Group(Group { name: name.to_owned(), ..Group::default() })
}

#[test]
fn a_file_that_a_step_changes_more_than_once_is_one_diff() {
    let other = Action::Write(Write::new("/etc/other", "x\n"));
    let text = printed(vec![group("a"), other, group("b")]);
    let expected = "@@ -1 +1,3 @@\n       root:x:0:\n      +a:x:1000:\n      +b:x:1001:\n    new file /etc/other";
    assert!(text.contains(expected) && text.matches("file /etc/group").count() == 1, "{text}");
}

#[test]
fn what_a_program_or_a_removal_comes_between_stays_two_changes() {
    let write = |text: &str| Change::File {
        path: "/etc/x".into(),
        content: text.into(),
        old: None,
        mode: 0o644,
        uid: 0,
        gid: 0,
        secret: false,
    };
    for between in [Change::Run(Command::tool(["true"])), Change::Remove { path: "/etc/x".into() }] {
        let mut all = Vec::new();
        [write("one"), between, write("two"), write("three")].into_iter().for_each(|change| add(change, &mut all));
        let contents = all.iter().filter_map(|change| match change {
            Change::File { content, .. } => std::str::from_utf8(content).ok(),
            _ => None,
        });
        assert_eq!(contents.collect::<Vec<_>>(), ["one", "three"], "{all:?}");
    }
}

#[test]
fn what_was_kept_from_everybody_on_the_way_is_not_shown() {
    let secret = Action::Write(Write::new("/etc/x", "hunter2\n").mode(0o600));
    let more = Action::Write(Write { append: true, ..Write::new("/etc/x", "more\n") });
    let text = printed(vec![secret, more]);
    assert!(!text.contains("hunter2") && text.contains("new file /etc/x 0644") && text.contains("13 bytes"), "{text}");
}
