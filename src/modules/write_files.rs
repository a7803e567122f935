// SPDX-License-Identifier: Apache-2.0
//! Files of the user-data.
//!
//! Keys as cloud-init's `cc_write_files`. Unlike there a bad entry costs only itself, the owner may be a number, and an
//! entry waits by itself where it must: for a user or a home that the same document makes (see [`OWNED`]), or with
//! `defer` for the final stage.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use base64::Engine as _;

use crate::config::document::{Node, Value};
use crate::config::types::Mode;
use crate::finding::{Finding, Findings, Located};
use crate::modules::{Input, Module, Planner};
use crate::plan::action::{Owner, Write};
use crate::plan::step::{Frequency, Stage};
use crate::userdata::compression::{LIMIT, gunzip};

/// Files whose owner is there already; before the users, so that `/etc/skel` and `/etc/login.defs` can be written.
pub const MODULE: Module = Module {
    name: "write_files",
    stage: Stage::Local,
    frequency: Frequency::PerInstance,
    keys: Keys::KEYS,
    plan: early,
};

/// Files that need a user which the same document makes, and deferred ones.
pub const OWNED: Module = Module {
    name: "write_files",
    stage: Stage::Local,
    frequency: Frequency::PerInstance,
    keys: Keys::KEYS,
    plan: late,
};

crate::keys! {
    struct Keys {
        /// Files to write.
        write_files: Vec<Located<File>>,
    }
}

crate::keys! {
    /// One file.
    pub struct File {
        /// Where to; missing directories are made.
        path: Located<String>,
        /// What; nothing makes an empty file.
        content: Node,
        /// How the content is packed: `b64`, `gzip`, `gz+b64` (and `base64`, `gz`, `gz+base64` …), `text/plain`.
        encoding: Located<String>,
        /// `user` or `user:group`, by name or number. Default: root:root.
        owner: Located<String>,
        /// Mode in octal, best in quotes: '0644' (the default).
        permissions: Located<Mode>,
        /// At the end of what is there.
        append: bool,
        /// In the final stage, when packages and users are there.
        defer: bool,
        /// Where to fetch the content.
        source: Node,
    }
}

fn early(input: &Input, planner: &mut Planner) {
    files(input, planner, When::Early);
}

fn late(input: &Input, planner: &mut Planner) {
    files(input, planner, When::Users);
    files(input, planner, When::Final);
}

#[derive(PartialEq, Eq)]
enum When {
    Early,
    Users,
    Final,
}

fn files(input: &Input, planner: &mut Planner, when: When) {
    let mut names = HashMap::new();
    for file in Keys::take(input.config, &mut planner.findings).write_files.unwrap_or_default() {
        // What is wrong with an entry is said by the pass that it belongs to.
        let mut findings = Findings::default();
        let write = write(&file, &mut findings);
        let turn = match &write {
            _ if file.defer == Some(true) => When::Final,
            Some(write) if waits_for_user(write, input) => When::Users,
            _ => When::Early,
        };
        // Two entries for one file are both written, as two appends have to be; over all passes, so that names differ.
        let times = write.as_ref().map_or(0, |write| {
            *names.entry((write.path.clone(), write.append)).and_modify(|times| *times += 1).or_insert(1)
        });
        if turn != when {
            continue;
        }
        planner.findings.extend(findings);
        let Some(write) = write else { continue };
        let mut name = format!("write_files {}{}", write.path.display(), if write.append { " (append)" } else { "" });
        if times > 1 {
            name += &format!(" ({times})");
        }
        let stage = if when == When::Final { Stage::Final } else { Stage::Local };
        planner.step(name, &file.origin).stage(stage).write(write);
    }
}

/// Whether its owner, its group, or the home that it lies in, is not there yet.
fn waits_for_user(write: &Write, input: &Input) -> bool {
    let is_name = |name: &str| !name.is_empty() && name.parse::<u32>().is_err();
    let no_user = |user: &str| is_name(user) && !input.guest.has_user(user);
    let owner_missing = match &write.owner {
        Owner::Root => false,
        Owner::Named(user, group) => no_user(user) || is_name(group) && !input.guest.has_group(group),
    };
    let home = write.path.strip_prefix("/home").ok().and_then(|below| below.components().next());
    owner_missing || home.is_some_and(|user| !input.guest.exists(&Path::new("/home").join(user).to_string_lossy()))
}

fn write(file: &Located<File>, findings: &mut Findings) -> Option<Write> {
    let Some(path) = &file.path else {
        findings.push(Finding::error(&file.origin, "this file has no `path`; it is left out"));
        return None;
    };
    let path = absolute(path, findings)?;
    if let Some(source) = &file.source {
        let unbuilt = "`source` is known and not built yet; this file is left out";
        findings.push(Finding::error(&source.origin, unbuilt).help("give the bytes as `content`"));
        return None;
    }
    let content = content(file, findings)?;
    let mode = file.permissions.as_ref().map_or(0o644, |mode| mode.0);
    let owner = match &file.owner {
        Some(owner) => self::owner(owner, findings)?,
        None => Owner::Root,
    };
    let append = file.append == Some(true);
    Some(Write { append, ..Write::new(path, content).mode(mode).owner(owner) })
}

fn absolute(path: &Located<String>, findings: &mut Findings) -> Option<PathBuf> {
    let normal = Path::new("/").join(&path.value);
    let problem = if path.contains('\0') {
        "holds a NUL character"
    } else if normal.components().any(|part| part == Component::ParentDir) {
        "goes up with `..`"
    } else if path.ends_with('/') || normal == Path::new("/") {
        "names a directory"
    } else {
        return Some(normal);
    };
    findings.push(Finding::error(
        &path.origin,
        format!("the path `{}` {problem}; this file is left out", path.escape_debug()),
    ));
    None
}

fn owner(owner: &Located<String>, findings: &mut Findings) -> Option<Owner> {
    let (user, group) = owner.split_once(':').map_or((owner.as_str(), None), |(user, group)| (user, Some(group)));
    if user.contains(char::is_whitespace) || group.is_some_and(|group| group.contains([':', ' ', '\n'])) {
        let bad = format!("`{}` is no owner; this file is left out", owner.escape_debug());
        findings.push(Finding::error(&owner.origin, bad).help("`user` or `user:group`"));
        return None;
    }
    Some(match (user, group) {
        ("root", None | Some("root")) => Owner::Root,
        // As chown does for `user` alone with cloud-init: the group stays root's.
        (user, group) => Owner::Named(user.to_owned(), group.unwrap_or_default().to_owned()),
    })
}

/// The bytes, unpacked. Encodings as cloud-init's `canonicalize_extraction`.
fn content(file: &Located<File>, findings: &mut Findings) -> Option<Vec<u8>> {
    let Some(node) = &file.content else { return Some(Vec::new()) };
    let bytes = match (node.value(), node.text()) {
        (Some(Value::Binary(bytes)), _) => bytes,
        (Some(Value::Null), _) => Vec::new(),
        (_, Some(text)) => text.as_bytes().to_vec(),
        _ => {
            let wrong = format!("expected the file's text, found {}; this file is left out", node.described());
            findings.push(Finding::error(&node.origin, wrong).help("a block: content: | and the text indented below"));
            return None;
        }
    };
    let Some(encoding) = &file.encoding else { return Some(bytes) };
    let result = match encoding.trim().to_ascii_lowercase().as_str() {
        "gz" | "gzip" => unpacked(&bytes),
        "gz+base64" | "gzip+base64" | "gz+b64" | "gzip+b64" => decoded(&bytes).and_then(|bytes| unpacked(&bytes)),
        "b64" | "base64" => decoded(&bytes),
        "" | "text/plain" => Ok(bytes),
        other => {
            let unknown = format!("unknown encoding `{other}`; this file is left out");
            findings.push(Finding::error(&encoding.origin, unknown).help("one of b64, gzip, gz+b64, text/plain"));
            return None;
        }
    };
    result.map_err(|why| findings.push(Finding::error(&node.origin, format!("{why}; this file is left out")))).ok()
}

fn decoded(text: &[u8]) -> Result<Vec<u8>, String> {
    let dense: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    base64::engine::general_purpose::STANDARD
        .decode(dense)
        .map_err(|error| format!("the content is no base64: {error}"))
}

fn unpacked(bytes: &[u8]) -> Result<Vec<u8>, String> {
    gunzip(bytes, LIMIT).map_err(|error| format!("the content is {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::{Bench, Outcome};

    fn plans(config: &str) -> Outcome {
        Bench::new(config).plan(|input, planner| {
            early(input, planner);
            late(input, planner);
        })
    }

    #[test]
    fn every_encoding_gives_the_same_bytes() {
        let gzip = "H4sIAAAAAAAAA8tIzcnJVyjPL8pJ4QIALTsIrwwAAAA=";
        for (encoding, content) in [
            ("b64", "aGVsbG8gd29ybGQK"),
            ("gz+base64", gzip),
            ("GZIP+B64 ", gzip),
            ("text/plain", "\"hello world\\n\""),
        ] {
            let outcome =
                plans(&format!("write_files: [{{path: /etc/x, encoding: '{encoding}', content: {content}}}]"));
            assert_eq!(
                outcome.content("/etc/x").as_deref(),
                Some("hello world\n"),
                "{encoding}: {:?}",
                outcome.findings
            );
        }
    }

    #[test]
    fn a_bad_entry_costs_only_itself() {
        let outcome = plans(
            "write_files:\n - {path: /a, encoding: b64, content: '!!'}\n - {content: x}\n - {path: ../b}\n - {path: /c, owner: 'a b'}\n - {path: /d, content: good}\n",
        );
        assert_eq!(outcome.steps(), ["write_files /d"]);
        assert_eq!(outcome.findings.iter().count(), 4);
    }

    #[test]
    fn files_of_a_user_to_come_wait_for_it() {
        let outcome = plans(
            "write_files:\n - {path: /home/ops/x, content: a}\n - {path: /etc/y, owner: ops:ops, content: b}\n - {path: /etc/z, content: c}\n - {path: /etc/w, defer: yes}\n",
        );
        assert_eq!(
            outcome.steps(),
            ["write_files /etc/z", "write_files /home/ops/x", "write_files /etc/y", "write_files /etc/w"]
        );
        assert_eq!(outcome.step("write_files /etc/w").stage, Stage::Final);
    }

    #[test]
    fn a_numeric_content_is_its_text() {
        assert_eq!(plans("write_files: [{path: /v, content: 1.10}]").content("/v").as_deref(), Some("1.10"));
    }

    #[test]
    fn all_entries_for_one_file_are_written_in_order() {
        let append = |content: &str| format!(" - {{path: /etc/x, append: yes, content: \"{content}\\n\"}}\n");
        let outcome = plans(&format!("write_files:\n{}{}", append("one"), append("two")));
        assert_eq!(outcome.steps(), ["write_files /etc/x (append)", "write_files /etc/x (append) (2)"]);
        assert_eq!(outcome.content("/etc/x").as_deref(), Some("one\ntwo\n"));
        let over = plans("write_files: [{path: /y, content: one}, {path: /y, content: two}, {path: /y, defer: yes}]");
        assert_eq!(over.steps(), ["write_files /y", "write_files /y (2)", "write_files /y (3)"]);
    }

    #[test]
    fn files_of_a_group_to_come_wait_for_it() {
        let outcome = plans("write_files:\n - {path: /a, owner: 'root:www'}\n - {path: /b, owner: '0:0'}\n");
        assert_eq!(outcome.steps(), ["write_files /b", "write_files /a"]);
    }
}
