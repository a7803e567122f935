// SPDX-License-Identifier: Apache-2.0
//! cloud-localds' command line, unchanged.

use std::path::Path;
use std::process::ExitCode;

use crate::error::{Error, Result};

/// Whether the program was called by that name.
pub fn is_its_name(called: &Path) -> bool {
    called.file_name().is_some_and(|name| name == "cloud-localds")
}

/// Reads that command line and does it.
pub fn main() -> Result<ExitCode> {
    Err(Error::fatal("cloud-localds is not built yet"))
}
