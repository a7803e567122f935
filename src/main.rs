// SPDX-License-Identifier: Apache-2.0
//! The guest program: parse the command line, call a command, map errors to exit codes.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: firstlight::budget::Counting = firstlight::budget::Counting;

fn main() -> ExitCode {
    firstlight::fault::bear();
    firstlight::cli::Cli::main()
}
