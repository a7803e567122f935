// SPDX-License-Identifier: Apache-2.0
//! The files that a command line names, each read whole and bounded; standard input can be one of them, once.

use std::path::Path;

use crate::error::{Error, Result};
use crate::input;
use crate::seed::Document;

/// Bytes of one file, and of all: more than any agent reads.
const LIMIT: u64 = 64 << 20;
const TOTAL: u64 = 256 << 20;

/// What was read so far.
#[derive(Default)]
pub struct Inputs {
    /// What standard input was read as.
    stdin: Option<&'static str>,
    total: u64,
}

impl Inputs {
    /// The content of `path`, where `-` is standard input; `what` it is for (`user-data`).
    ///
    /// # Errors
    /// Absent or fatal as the system says; malformed where it is too large, or standard input for the second time.
    pub fn read(&mut self, path: &Path, what: &'static str) -> Result<Vec<u8>> {
        if path == Path::new("-")
            && let Some(first) = self.stdin.replace(what)
        {
            let twice = format!("standard input can't be both {first} and {what}");
            return Err(Error::malformed(twice).help("write one of them to a file"));
        }
        let bytes = input::read(path, LIMIT).map_err(|error| error.while_doing(what))?;
        self.total += bytes.len() as u64;
        if self.total > TOTAL {
            return Err(Error::malformed(format!("all files together are larger than {} MiB", TOTAL >> 20)));
        }
        Ok(bytes)
    }

    /// The same as a document, named as the person did.
    pub fn document(&mut self, path: Option<&Path>, what: &'static str) -> Result<Option<Document>> {
        let Some(path) = path else { return Ok(None) };
        let name = if path == Path::new("-") { "standard input".into() } else { path.to_string_lossy() };
        Ok(Some(Document::new(name, self.read(path, what)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_says_what_it_was_for() {
        let mut inputs = Inputs::default();
        let error =
            |inputs: &mut Inputs, path: &str| inputs.read(Path::new(path), "user-data").unwrap_err().to_string();
        let missing = error(&mut inputs, "/nonexistent/file");
        assert_eq!(missing, "user-data: cannot read /nonexistent/file: No such file or directory (os error 2)");
        let directory = error(&mut inputs, "/");
        assert!(directory.starts_with("user-data: cannot read /: Is a directory"), "{directory}");
        let endless = error(&mut inputs, "/dev/zero");
        assert_eq!(endless, "user-data: /dev/zero is larger than 64 MiB");
    }

    #[test]
    fn standard_input_is_one_document_at_most() {
        let mut inputs = Inputs { stdin: Some("user-data"), total: 0 };
        let error = inputs.document(Some(Path::new("-")), "a password").unwrap_err().to_string();
        assert!(error.starts_with("standard input can't be both user-data and a password\n"), "{error}");
    }
}
