// SPDX-License-Identifier: Apache-2.0
//! The host kit's program: parse the command line, call a command, map errors to exit codes.

use std::process::ExitCode;

fn main() -> ExitCode {
    firstlight::host::Cli::main()
}
