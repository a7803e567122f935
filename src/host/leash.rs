// SPDX-License-Identifier: Apache-2.0
//! A program that must not outlive this one, however this one ends.
//!
//! The kernel ends a process with its parent where the process asked for that (PR_SET_PDEATHSIG). So this program starts
//! itself under a name of its own, asks, and becomes the other.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getppid};

use crate::cli;

/// What this program is called in between.
pub const NAME: &str = "firstlight-leashed";

/// `program` (its path), to be started by a thread that lives as long as it should: the kernel takes a thread for a parent.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg0(NAME).arg(std::process::id().to_string()).arg(program);
    command
}

/// This program under that name: `PARENT PROGRAM [ARGUMENT]…`.
pub fn main(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let parent = arguments.next().and_then(|text| text.to_str()?.parse().ok()).map(Pid::from_raw);
    let Some(program) = arguments.next() else { return ExitCode::from(cli::USAGE) };
    // The parent may have ended before the kernel was asked.
    if set_pdeathsig(Signal::SIGKILL).is_err() || parent != Some(getppid()) {
        return ExitCode::FAILURE;
    }
    let error = Command::new(&program).args(arguments).exec();
    cli::tell(&format!("cannot run {}: {error}", program.display()));
    ExitCode::FAILURE
}
