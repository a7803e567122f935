// SPDX-License-Identifier: Apache-2.0
//! Black-box cases: the real binary on a seed and a root directory. A case is a directory; adding one needs no code.
//!
//!     tests/cases/NAME/
//!       commands     one command line a line; @SEED, @ROOT and @CASE stand for the seed, the root and the case itself
//!       seed/        the seed as a directory, or
//!       seed.make    a script that makes it: called with the path to make (a file or a directory)
//!       root.make    a script that changes the root when that is complete: called with its path
//!       roots        names of tests/fixtures/roots, a line each: the commands are run on each; none: `debian`
//!       root/        files on top of that root; a link stands for the file that it points at
//!       script       what a server on loopback answers, for @URL; see tests/server
//!       settings/    files for --config, as @SETTINGS; @URL in them and in commands is the server's address
//!       expected     what was printed, each exit code, the requests that came to the server, and what has changed below
//!                    the root; for each of the `roots`
//!
//! `FIRSTLIGHT_BLESS=1 cargo test --test cases` rewrites what is expected; `FIRSTLIGHT_CASE=NAME` runs one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // a test's panic is its verdict

mod server;
mod tree;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use server::Server;
use tree::{Entry, copy, fresh, snapshot};

/// The agent's own records differ from run to run; that they are there is enough.
const OWN: [&str; 3] = ["run/firstlight/", "var/lib/firstlight/", "var/log/firstlight"];

fn main() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let only = std::env::var("FIRSTLIGHT_CASE").ok();
    let bless = std::env::var_os("FIRSTLIGHT_BLESS").is_some();
    let mut names: Vec<String> = fs::read_dir(tests.join("cases"))
        .expect("tests/cases")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .filter(|name| only.as_ref().is_none_or(|only| only == name))
        .collect();
    names.sort();
    assert!(!names.is_empty(), "no such case");
    // Some wait for a server rather than for the processor.
    let workers = 2 * std::thread::available_parallelism().map_or(1, usize::from);
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(why) = check(&tests.join("cases").join(name), bless) {
                        failed.fetch_add(1, Ordering::Relaxed);
                        println!("FAIL {name}\n{why}");
                    }
                }
            });
        }
    });
    let failed = failed.into_inner();
    println!("cases: {} passed, {failed} failed", names.len() - failed);
    assert!(failed == 0, "{failed} of {} cases failed", names.len());
}

/// Runs a case; what is wrong with it.
fn check(case: &Path, bless: bool) -> Result<(), String> {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let (seen, wrong) = run(case, scratch.path());
    let expected = fs::read_to_string(case.join("expected")).unwrap_or_default();
    if bless {
        fs::write(case.join("expected"), &seen).expect("to write what is expected");
    } else if seen != expected {
        let diff = similar::TextDiff::from_lines(&expected, &seen);
        return Err(diff.unified_diff().header("expected", "seen").to_string());
    }
    wrong.map_or(Ok(()), Err)
}

/// What was seen; what is wrong whatever is expected.
fn run(case: &Path, scratch: &Path) -> (String, Option<String>) {
    let Ok(roots) = fs::read_to_string(case.join("roots")) else { return run_on("debian", case, scratch) };
    let (mut all, mut wrong) = (Vec::new(), None);
    for name in roots.lines() {
        let (seen, why) = run_on(name, case, &scratch.join(name));
        all.push(format!("=== {name}\n\n{seen}"));
        wrong = wrong.or(why);
    }
    (all.join("\n"), wrong)
}

fn run_on(distribution: &str, case: &Path, scratch: &Path) -> (String, Option<String>) {
    let (root, seed) = (scratch.join("root"), scratch.join("seed"));
    fresh(distribution, &root);
    if case.join("root").exists() {
        copy(&case.join("root"), &root, "-rL");
    }
    if case.join("root.make").exists() {
        make(case, "root.make", &root);
    }
    if case.join("seed.make").exists() {
        make(case, "seed.make", &seed);
    } else if case.join("seed").exists() {
        copy(&case.join("seed"), &seed, "-a");
    }
    let server = Server::start(case);
    let url = &server.url;
    let settings = scratch.join("settings");
    if case.join("settings").exists() {
        copy(&case.join("settings"), &settings, "-a");
        for entry in fs::read_dir(&settings).expect("settings") {
            let path = entry.expect("an entry").path();
            let text = fs::read_to_string(&path).expect("a text").replace("@URL", url);
            fs::write(path, text).expect("to write settings");
        }
    }
    let before = snapshot(&root);
    let mut seen = String::new();
    let mut took = Duration::ZERO;
    let commands = fs::read_to_string(case.join("commands")).expect("commands");
    for line in commands.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        let places = [
            ("@SEED", &seed),
            ("@ROOT", &root),
            ("@CASE", &case.to_path_buf()),
            ("@SETTINGS", &settings),
            ("@URL", &PathBuf::from(url)),
        ];
        let arguments = line.split_whitespace().map(|word| {
            places.iter().fold(word.to_owned(), |word, (name, place)| word.replace(name, &place.to_string_lossy()))
        });
        let start = Instant::now();
        let output = Command::new(env!("CARGO_BIN_EXE_firstlight"))
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .output()
            .expect("the program");
        took += start.elapsed();
        let _ = writeln!(seen, "$ firstlight {line}");
        for stream in [&output.stdout, &output.stderr] {
            let text = String::from_utf8_lossy(stream);
            let text = places
                .iter()
                .fold(text.into_owned(), |text, (name, place)| text.replace(&*place.to_string_lossy(), name));
            // Whoever runs the tests stands for root, whose the files of a guest are.
            let meta = fs::metadata(&root).expect("the root");
            let own = format!(" {}:{}", meta.uid(), meta.gid());
            let text = text.replace(&format!("{own}\n"), " root\n").replace(&format!("{own} ("), " root (");
            seen.push_str(&masked(&text));
        }
        let _ = writeln!(seen, "exit {}", output.status.code().map_or("signal".to_owned(), |code| code.to_string()));
        for request in server.requests() {
            let _ = writeln!(seen, "    {request}");
        }
        seen.push('\n');
    }
    let mut changed = String::new();
    changes(&before, &snapshot(&root), &mut changed);
    let log = fs::read_to_string(root.join("var/log/firstlight.log")).unwrap_or_default();
    let logged =
        log.lines().filter(|line| line.contains(url) && line.contains(" info: ") && line.ends_with(" ms")).count();
    if logged > 0 {
        let _ = writeln!(changed, "{logged} requests in the log");
    }
    let late = server.deadline.filter(|deadline| took > *deadline).map(|_| format!("its commands took {took:.1?}"));
    let told = server.secrets.iter().find(|secret| logged == 0 || log.contains(*secret));
    let told = told.map(|secret| format!("the log is to have the requests and not `{secret}`"));
    (seen + &changed.replace(url, "@URL"), late.or(told))
}

/// Times and today's day of the shadow file differ from run to run.
fn masked(text: &str) -> String {
    let today = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_secs() / 86_400;
    let mut masked = String::new();
    for line in text.lines() {
        let mut words: Vec<String> =
            line.split(' ').map(|word| word.replace(&format!(":{today}:"), ":TODAY:")).collect();
        for i in 1..words.len() {
            let number = words[i - 1].trim_start_matches('(').parse::<u64>().is_ok();
            if words[i].trim_end_matches([')', ',']) == "ms" && number {
                words[i - 1] = words[i - 1].replace(|c: char| c.is_ascii_digit(), "").to_owned() + "N";
            }
        }
        for word in &mut words {
            let bare = word.trim_start_matches('+');
            let time = bare.len() >= 20 && bare.ends_with('Z') && bare.get(10..11) == Some("T");
            if time {
                *word = word.replace(bare, "TIME");
            }
        }
        masked.push_str(&words.join(" "));
        masked.push('\n');
    }
    masked
}

fn changes(before: &BTreeMap<String, Entry>, after: &BTreeMap<String, Entry>, seen: &mut String) {
    for (name, entry) in after {
        if before.get(name) == Some(entry) {
            continue;
        }
        let what = if before.contains_key(name) { "changed" } else { "new" };
        let _ = match entry {
            Entry::Link(target) => writeln!(seen, "{what} link /{name} -> {}", target.display()),
            Entry::Directory { mode } => writeln!(seen, "{what} directory /{name} {mode:04o}"),
            Entry::File { mode, .. } if OWN.iter().any(|own| name.starts_with(own)) => {
                writeln!(seen, "{what} file /{name} {mode:04o}")
            }
            Entry::File { mode, content } => {
                let old = match before.get(name) {
                    Some(Entry::File { content, .. }) => String::from_utf8_lossy(content).into_owned(),
                    _ => String::new(),
                };
                let new = String::from_utf8_lossy(content);
                let diff = similar::TextDiff::from_lines(&*old, &*new).unified_diff().context_radius(0).to_string();
                let diff: String = diff.lines().map(|line| format!("    {line}\n")).collect();
                writeln!(seen, "{what} file /{name} {mode:04o}\n{}", masked(&diff).trim_end_matches('\n'))
            }
        };
    }
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        let _ = writeln!(seen, "removed /{name}");
    }
}

/// Calls a script of the case with the path that it makes or changes.
fn make(case: &Path, script: &str, path: &Path) {
    let made = Command::new("/bin/bash").arg(case.join(script)).arg(path).current_dir(case).output();
    let made = made.expect("to run a script of the case");
    assert!(made.status.success(), "{}: {script}: {}", case.display(), String::from_utf8_lossy(&made.stderr));
}
