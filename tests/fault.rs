// SPDX-License-Identifier: Apache-2.0
//! A defect of the agent costs only what it was at.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)] // a test's panic is its verdict

mod tree;

use std::path::Path;
use std::process::{Command, Output};

use tree::{Entry, fresh, snapshot};

fn run(root: &Path, defect: &str) -> Output {
    let seed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/reference-seed/seed");
    let mut command = Command::new(env!("CARGO_BIN_EXE_firstlight"));
    command.arg("run").arg("--source").arg(seed).arg("--root").arg(root);
    command.env("FIRSTLIGHT_PANIC_AT", defect).output().unwrap()
}

/// What stands below a root after a run with that defect, and what the run said.
fn made(defect: &str, code: i32) -> (Vec<String>, String) {
    let root = tempfile::tempdir().unwrap();
    fresh("debian", root.path());
    let output = run(root.path(), defect);
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(code), "{said}");
    let entries = snapshot(root.path()).into_iter();
    (entries.filter(|(_, entry)| !matches!(entry, Entry::Directory { .. })).map(|(path, _)| path).collect(), said)
}

#[test]
fn a_module_or_a_step_that_panics_is_left_out_and_the_others_have_their_turn() {
    let (whole, _) = made("", 0);
    for (defect, lost) in
        [("module write_files", &["b64.bin", "plain.conf"][..]), ("step write_files /etc/bench/b64.bin", &["b64.bin"])]
    {
        let (left, said) = made(defect, 2);
        assert!(said.contains(&format!("starting again without it: {defect}")), "{said}");
        assert!(!said.contains("as told"), "a panic's message may quote the input: {said}");
        let missing: Vec<&String> = whole.iter().filter(|path| !left.contains(path)).collect();
        assert_eq!(missing.len(), lost.len(), "{missing:?}");
        assert!(lost.iter().all(|name| missing.iter().any(|path| path.ends_with(name))), "{missing:?}");
    }
}

#[test]
fn a_template_that_grows_without_end_is_left_out() {
    let user_data = tempfile::NamedTempFile::new().unwrap();
    let doubling =
        "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}";
    std::fs::write(user_data.path(), format!("## template: jinja\n#cloud-config\n{doubling}\n")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_firstlight")).arg("check").arg(user_data.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.code() == Some(1) && said.contains("takes too much memory"), "{output:?}");
}
