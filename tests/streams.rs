// SPDX-License-Identifier: Apache-2.0
//! Output that nobody takes: the exit code is told all the same, and nothing panics.

#![allow(clippy::unwrap_used)] // a test's panic is its verdict

use std::fs::OpenOptions;
use std::process::{Command, Stdio};

fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

fn exit_code(arguments: &[&str], out: Stdio, err: Stdio) -> Option<i32> {
    Command::new(env!("CARGO_BIN_EXE_firstlight")).args(arguments).stdout(out).stderr(err).status().unwrap().code()
}

#[test]
fn what_cannot_be_said_changes_no_exit_code() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().to_str().unwrap();
    let cases: [(&[&str], i32); 3] = [
        (&["plan", "--root", "/nonexistent"], 1),
        (&["status", "--wait", "--timeout", "0", "--root", root], 1),
        (&["run", "--stage", "nowhere"], 64),
    ];
    for (arguments, code) in cases {
        assert_eq!(exit_code(arguments, Stdio::null(), full()), Some(code), "{arguments:?}");
    }
}

#[test]
fn a_result_that_is_lost_is_a_failure_and_a_reader_that_left_is_none() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().to_str().unwrap();
    let arguments = ["detect", "--root", root];
    assert_eq!(exit_code(&arguments, full(), Stdio::null()), Some(1));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(exit_code(&arguments, writer.into(), Stdio::null()), Some(0));
}
