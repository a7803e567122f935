// SPDX-License-Identifier: Apache-2.0
//! The file that a job's output goes to.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::error::{At as _, Result};

/// The most that it takes; a job that prints more goes on without.
const LIMIT: u64 = 256 << 20;

/// One job's, or nowhere.
pub struct JobLog {
    file: Option<(PathBuf, File)>,
    left: u64,
}

impl JobLog {
    /// In place of what is at `path`.
    pub fn new(path: Option<&Path>) -> Result<Self> {
        let make = |path: &Path| File::create(path).at("make", path).map(|file| (path.to_owned(), file));
        Ok(Self { file: path.map(make).transpose()?, left: LIMIT })
    }

    /// Another line.
    pub fn line(&mut self, line: &str) -> Result<()> {
        let Some((path, file)) = &mut self.file else { return Ok(()) };
        let text = match self.left.checked_sub(line.len() as u64 + 1) {
            Some(left) => {
                self.left = left;
                format!("{line}\n")
            }
            None if self.left == 0 => return Ok(()),
            None => {
                self.left = 0;
                format!("[more than {} MiB: the rest is left out]\n", LIMIT >> 20)
            }
        };
        file.write_all(text.as_bytes()).at("write", path)
    }
}

/// `path`, or for one of several jobs its own beside it: `logs/build.log` is `logs/NAME-build.log`.
pub fn of_one(path: &Path, several: Option<&str>) -> PathBuf {
    let Some(name) = several else { return path.to_owned() };
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{name}-{file}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_whole_lines_up_to_its_limit() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("log");
        let mut log = JobLog { left: 12, ..JobLog::new(Some(&path)).unwrap() };
        for line in ["one", "two", "three", "four", "five"] {
            log.line(line).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "one\ntwo\n[more than 256 MiB: the rest is left out]\n");
        JobLog::new(None).unwrap().line("x").unwrap();
    }

    #[test]
    fn several_jobs_have_a_log_each() {
        let path = Path::new("logs/build.log");
        assert_eq!(of_one(path, None), path);
        assert_eq!(of_one(path, Some("web")), Path::new("logs/web-build.log"));
    }
}
