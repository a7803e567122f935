// SPDX-License-Identifier: Apache-2.0
//! What `firstlight check` says of inputs that are wrong, and that none of them breaks it.
//!
//! Each file of tests/check is an input; beside it NAME.expected has what is said of it: file, line, column, severity and
//! message of each finding, without the line that is shown and the advice. Adding one needs no code:
//! `FIRSTLIGHT_BLESS=1 cargo test --test check` writes what is expected.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)] // a test's panic is its verdict

#[allow(dead_code)] // of what the cases use
mod tree;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use firstlight::boot::{self, Options};
use firstlight::finding::Findings;
use firstlight::root::Root;
use firstlight::seed::{Document, MetaFormat, NetworkFormat, Seed};
use proptest::prelude::*;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check")
}

/// The names of the inputs.
fn inputs() -> Vec<String> {
    let names = fs::read_dir(directory()).expect("tests/check").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().expect("a name")).collect();
    names.retain(|name| !name.ends_with(".expected"));
    names.sort();
    names
}

#[test]
fn each_wrong_input_is_said_at_its_place() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    tree::fresh("debian", scratch.path());
    let bless = std::env::var_os("FIRSTLIGHT_BLESS").is_some();
    let mut wrong = String::new();
    for name in inputs() {
        let mut check = Command::new(env!("CARGO_BIN_EXE_firstlight"));
        let output = check.arg("check").arg("--root").arg(scratch.path()).arg(&name).current_dir(directory()).output();
        let output = output.expect("the program");
        let text = String::from_utf8(output.stdout).expect("text");
        let mut seen: String =
            text.lines().filter(|line| !line.starts_with(' ')).map(|line| format!("{line}\n")).collect();
        seen += &format!("exit {}\n", output.status.code().unwrap_or(-1));
        let said = [": error: ", ": warning: "].iter().any(|severity| seen.contains(severity));
        let code = i32::from(seen.contains(": error: "));
        if !said || output.status.code() != Some(code) || !output.stderr.is_empty() {
            wrong += &format!("{name}: nothing is wrong with it, or the exit code is\n{seen}");
        }
        let path = directory().join(format!("{name}.expected"));
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if bless {
            fs::write(path, seen).expect("to write what is expected");
        } else if seen != expected {
            wrong += &similar::TextDiff::from_lines(&expected, &seen).unified_diff().header(&name, "seen").to_string();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(inputs().len() >= 100);
}

/// The findings of one document of a seed whose others are fine.
fn said(root: &Path, name: &str, bytes: Vec<u8>) -> Findings {
    let mut seed = Seed {
        datasource: "check".to_owned(),
        place: "here".to_owned(),
        meta_format: MetaFormat::OpenStack,
        meta_data: Document::new("meta_data.json", br#"{"uuid": "i-1"}"#),
        more_meta_data: Vec::new(),
        network: None,
        user_data: None,
        vendor_data: Vec::new(),
        content: Default::default(),
    };
    let document = Document::new(name, bytes);
    match name {
        "meta_data.json" => seed.meta_data = document,
        "meta-data" => (seed.meta_format, seed.meta_data) = (MetaFormat::NoCloud, document),
        "network_data.json" => seed.network = Some((NetworkFormat::OpenStack, document)),
        "vendor_data.json" => seed.vendor_data.push(document),
        _ => seed.user_data = Some(document),
    }
    let options = Options { root: Root::open(root).expect("a root"), source: None, config: None };
    let mut findings = Findings::keeping_texts();
    // That one is malformed is an answer, too.
    let _ = boot::check(&options, seed, &mut findings);
    findings
}

/// All inputs, and user-data that asks for everything and is fine.
fn documents() -> Vec<Vec<u8>> {
    let everything = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/everything/openstack/latest/user_data");
    let paths = inputs().into_iter().map(|name| directory().join(name)).chain([everything]);
    paths.map(|path| fs::read(path).expect("an input")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// A module that panics is caught, and told by a finding.
    #[test]
    fn no_input_breaks_it(
        which in any::<prop::sample::Index>(),
        name in prop::sample::select(vec!["user_data", "user_data", "user_data", "vendor_data.json", "meta_data.json", "meta-data", "network_data.json"]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>(), 0..6u8), 0..6),
    ) {
        let documents = documents();
        let mut bytes = which.get(&documents).clone();
        for (one, other, byte, how) in changes {
            if bytes.is_empty() {
                bytes.push(byte);
            }
            let (one, other) = (one.index(bytes.len()), other.index(bytes.len()));
            let (first, last) = (one.min(other), one.max(other));
            match how {
                0 => bytes[one] = byte,
                1 => drop(bytes.drain(first..last)),
                2 => bytes.insert(one, b"-:[]{}&*!|>'\"#, \n\t0~"[usize::from(byte) % 20]),
                3 => bytes.swap(one, other),
                4 => bytes.extend_from_within(first..last.min(first + 4096)),
                _ => bytes.truncate(one),
            }
        }
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let findings = said(scratch.path(), name, bytes);
        prop_assert!(findings.iter().all(|finding| !finding.message.starts_with("the module `")), "{findings:?}");
    }
}
