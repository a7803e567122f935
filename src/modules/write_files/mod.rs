// SPDX-License-Identifier: Apache-2.0
//! Files of the user-data.
//!
//! Keys as cloud-init's `cc_write_files`. What is on a server is fetched when the network is up. Unlike there a bad entry costs only itself, the owner may be a number, and an
//! entry waits by itself where it must: for a user or a home that the same document makes (see [`OWNED`]), or with
//! `defer` for the final stage.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;

use crate::compression::{LIMIT, gunzip};
use crate::config::document::{Node, Value};
use crate::config::types::Mode;
use crate::finding::{Finding, Findings, Located};
use crate::modules::{Input, Module, Planner};
use crate::plan::action::{Action, Owner, Write};
use crate::plan::request::{Purpose, Request};
use crate::plan::step::{Frequency, Stage};
use source::{Place, Source};

mod source;

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
        /// What is in it; without it the file is empty.
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
        /// Where to fetch the content; `content` is for when that fails.
        source: Located<Source>,
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
        let action = action(&file, input, &mut findings);
        let write = action.as_ref().and_then(Action::written);
        let turn = match write {
            _ if file.defer == Some(true) => When::Final,
            Some(write) if waits_for_user(write, input) => When::Users,
            _ => When::Early,
        };
        // Two entries for one file are both written, as two appends have to be; over all passes, so that names differ.
        let times = write.map_or(0, |write| {
            *names.entry((write.path.clone(), write.append)).and_modify(|times| *times += 1).or_insert(1)
        });
        if turn != when {
            continue;
        }
        planner.findings.extend(findings);
        let (Some(action), Some(write)) = (&action, write) else { continue };
        let mut name = format!("write_files {}{}", write.path.display(), if write.append { " (append)" } else { "" });
        if times > 1 {
            name += &format!(" ({times})");
        }
        let stage = match action {
            _ if when == When::Final => Stage::Final,
            Action::Request(_) => Stage::Network,
            _ => Stage::Local,
        };
        planner.step(name, &file.origin).stage(stage).action(action.clone());
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

/// How often a server is asked, as with cloud-init, and for how long in all.
const TRIES: u32 = 3;
const PATIENCE: Duration = Duration::from_secs(180);

fn action(file: &Located<File>, input: &Input, findings: &mut Findings) -> Option<Action> {
    let Some(path) = &file.path else {
        findings.push(Finding::error(&file.origin, "this file has no `path`; it is left out"));
        return None;
    };
    let path = absolute(path, findings)?;
    let has_content = file.content.is_some();
    let place = match &file.source {
        Some(source) => {
            let place = source::place(source, input.guest, has_content, findings);
            if place.is_none() && !has_content && source.uri.as_ref().is_some_and(|uri| !uri.is_empty()) {
                return None;
            }
            place
        }
        None => None,
    };
    let (content, request) = match place {
        Some(Place::Guest(bytes)) => (bytes, None),
        Some(Place::Server(url, headers)) => (content(file, findings)?, Some((url, headers))),
        None => (content(file, findings)?, None),
    };
    let mode = file.permissions.as_ref().map_or(0o644, |mode| mode.0);
    let owner = match &file.owner {
        Some(owner) => self::owner(owner, findings)?,
        None => Owner::Root,
    };
    let append = file.append == Some(true);
    let write = Write { append, ..Write::new(path, content).mode(mode).owner(owner) };
    let Some((url, headers)) = request else { return Some(Action::Write(write)) };
    let purpose = Purpose::File { write, fallback: has_content };
    Some(Action::Request(Request { url, headers, tries: TRIES, limit: PATIENCE, purpose }))
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
    fn what_is_on_a_server_is_fetched_with_the_content_to_fall_back_on() {
        let outcome = plans(
            "write_files:\n - {path: /a, source: {uri: 'http://h/a?k', headers: {X-A: 1.10}}, permissions: '0600'}\n - {path: /b, content: b, source: {uri: 'https://h/b'}, defer: yes}\n - {path: /c, content: c, source: {uri: ''}}\n",
        );
        assert_eq!(outcome.findings.iter().count(), 0, "{:?}", outcome.findings);
        let request = |name: &str| match &outcome.step(name).actions[..] {
            [Action::Request(request)] => request.clone(),
            other => panic!("{other:?}"),
        };
        let a = request("write_files /a");
        assert_eq!((a.url.as_str(), &a.headers[..]), ("http://h/a?k", &[("X-A".to_owned(), "1.10".to_owned())][..]));
        assert!(matches!(&a.purpose, Purpose::File { write, fallback: false } if write.mode == 0o600));
        let b = request("write_files /b").purpose;
        assert!(matches!(&b, Purpose::File { write, fallback: true } if write.content == b"b"));
        let stages = ["/a", "/b", "/c"].map(|path| outcome.step(&format!("write_files {path}")).stage);
        assert_eq!(stages, [Stage::Network, Stage::Final, Stage::Local]);
    }

    #[test]
    fn a_file_of_the_guest_is_copied_and_one_that_is_not_there_is_said() {
        let outcome = Bench::new(
            "write_files:\n - {path: /a, source: {uri: 'file:///etc/from'}, encoding: b64}\n - {path: /b, source: {uri: 'file:///none'}}\n - {path: /c, content: c, source: {uri: 'ftp://h/'}}\n",
        )
        .file("/etc/from", "there")
        .plan(early);
        assert_eq!(outcome.steps(), ["write_files /a", "write_files /c"]);
        assert_eq!((outcome.content("/a").as_deref(), outcome.content("/c").as_deref()), (Some("there"), Some("c")));
        let said: Vec<_> = outcome.findings.iter().map(|finding| finding.message.as_str()).collect();
        assert!(said[0].contains("no file /none") && said[0].ends_with("left out"), "{said:?}");
        assert!(said[1].contains("`ftp:`") && said[1].ends_with("its `content`"), "{said:?}");
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
