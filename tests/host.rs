// SPDX-License-Identifier: Apache-2.0
//! Black-box cases of the host kit: the real program on files of a directory. A case is a directory; adding one needs no
//! code.
//!
//!     tests/host/cases/NAME/
//!       arguments    the words behind the program's name; each line is a run of its own, one after the other. Words are
//!                    split as a shell does ('…', "…"); `|` and a word as the first two give standard input the file of
//!                    that name; a line that begins with `cloud-localds` is called by that name
//!       expected     of each run what was printed and the exit code; of each file that it wrote the path, the mode and
//!                    the content (once, where several files have the same), of a medium the same for the files on it
//!       …            what else is there is copied to the directory where the program runs
//!
//! `FIRSTLIGHT_BLESS=1 cargo test --features host --test host` rewrites what is expected; `FIRSTLIGHT_CASE=NAME` runs one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // a test's panic is its verdict

#[allow(dead_code)] // of what the agent's cases use
mod tree;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use firstlight::media::{self, Medium};
use tree::{Entry, copy, snapshot};

/// What belongs to the case and not to the program.
const OURS: [&str; 2] = ["arguments", "expected"];
/// The largest file on a medium that is shown.
const LIMIT: u64 = 1 << 20;

#[test]
fn cases() {
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/host/cases");
    let only = std::env::var("FIRSTLIGHT_CASE").ok();
    let bless = std::env::var_os("FIRSTLIGHT_BLESS").is_some();
    let names = fs::read_dir(&cases).expect("tests/host/cases").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().expect("a name")).collect();
    names.retain(|name| only.as_ref().is_none_or(|only| only == name));
    names.sort();
    assert!(!names.is_empty(), "no such case");
    let mut wrong = String::new();
    for name in &names {
        let case = cases.join(name);
        let seen = run(&case);
        let expected = fs::read_to_string(case.join("expected")).unwrap_or_default();
        if bless {
            fs::write(case.join("expected"), seen).expect("to write what is expected");
        } else if seen != expected {
            wrong += &similar::TextDiff::from_lines(&expected, &seen).unified_diff().header(name, "seen").to_string();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// What is seen of all runs of a case.
fn run(case: &Path) -> String {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    copy(case, scratch.path(), "-a");
    OURS.iter().for_each(|name| drop(fs::remove_file(scratch.path().join(name))));
    let mut seen = String::new();
    for line in fs::read_to_string(case.join("arguments")).expect("arguments").lines() {
        let before = snapshot(scratch.path());
        let mut words = words(line);
        let mut command = Command::new(env!("CARGO_BIN_EXE_firstlight-host"));
        command.stdin(Stdio::null());
        if words.first().is_some_and(|word| word == "|") {
            command.stdin(File::open(scratch.path().join(&words[1])).expect("standard input"));
            words.drain(..2);
        }
        if words.first().is_some_and(|word| word == "cloud-localds") {
            command.arg0(words.remove(0));
        }
        command.args(&words).current_dir(&scratch).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        let output = command.output().expect("the program");
        let _ = writeln!(seen, "$ {line}");
        let mut show = |stream: &[u8]| match std::str::from_utf8(stream) {
            Ok(text) => seen.push_str(&masked(text)),
            Err(_) => seen.push_str(&medium(stream, "")),
        };
        show(&output.stdout);
        show(&output.stderr);
        let _ = writeln!(seen, "exit {}", output.status.code().map_or("signal".to_owned(), |code| code.to_string()));
        written(&before, &snapshot(scratch.path()), &mut seen);
        seen.push('\n');
    }
    seen
}

/// The words of a line, as a shell splits it: quotes of both kinds, and no other signs.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match quote {
            Some(q) if c == q => quote = None,
            None if c == '\'' || c == '"' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c == ' ' => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    assert!(quote.is_none(), "a quote is open: {line}");
    words.extend(word);
    words
}

fn written(before: &BTreeMap<String, Entry>, after: &BTreeMap<String, Entry>, seen: &mut String) {
    let mut known = BTreeMap::new();
    for (name, entry) in after.iter().filter(|(name, entry)| before.get(*name) != Some(*entry)) {
        let _ = match entry {
            Entry::Link(target) => writeln!(seen, "link {name} -> {}", target.display()),
            Entry::Directory { mode } => writeln!(seen, "directory {name} {mode:04o}"),
            Entry::File { mode, content } => {
                let _ = writeln!(seen, "file {name} {mode:04o}");
                seen.push_str(&shown(name, content, &mut known));
                Ok(())
            }
        };
    }
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        let _ = writeln!(seen, "removed {name}");
    }
}

/// The lines of a text, else what is on the medium; of one that is `known` its name.
fn shown(name: &str, content: &[u8], known: &mut BTreeMap<Vec<u8>, String>) -> String {
    if let Some(same) = known.get(content).filter(|_| !content.is_empty()) {
        return format!("    as {same}\n");
    }
    known.insert(content.to_vec(), name.to_owned());
    match std::str::from_utf8(content) {
        Ok(text) if !text.contains('\0') => {
            let lines: String = text.lines().map(|line| format!("    {line}\n")).collect();
            let end = if text.is_empty() || text.ends_with('\n') { "" } else { "    (no end of line)\n" };
            masked(&lines) + end
        }
        _ => medium(content, "    "),
    }
}

/// Its file system, its labels and its files, by the agent's own readers.
fn medium(content: &[u8], indent: &str) -> String {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), content).expect("to write it");
    let Ok(Some(image)) = media::open(file.path()) else {
        let first: String = content.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        return format!("{indent}no text and no medium: it begins with {first}\n");
    };
    let labels = image.labels().join(", ");
    let mut text = format!("{indent}{} {labels}\n", image.file_system().name());
    files(&image, "", indent, &mut BTreeMap::new(), &mut text);
    text
}

fn files(image: &impl Medium, above: &str, indent: &str, known: &mut BTreeMap<Vec<u8>, String>, text: &mut String) {
    for name in image.list(above).expect("a directory") {
        let path = if above.is_empty() { name } else { format!("{above}/{name}") };
        match image.read(&path, LIMIT) {
            Ok(Some(content)) => {
                let _ = writeln!(text, "{indent}/{path}");
                shown(&path, &content, known).lines().for_each(|line| *text += &format!("{indent}{line}\n"));
            }
            _ => files(image, &path, indent, known, text),
        }
    }
}

/// A salt, and with it the hash, is another one each time.
fn masked(text: &str) -> String {
    let mut masked = String::new();
    for (at, part) in text.split('"').enumerate() {
        if at > 0 {
            masked.push('"');
        }
        let hash = ["$6$", "$y$"].iter().find(|start| part.starts_with(**start) && part.len() > 60);
        match hash {
            Some(start) => masked += &format!("{start}HASH"),
            None => masked += part,
        }
    }
    masked
}
