// SPDX-License-Identifier: Apache-2.0
//! One try: fetch, check, run, and what came of it.

use std::path::Path;
use std::time::Instant;

use crate::apply::commands::{self, End};
use crate::bootstrap::Bootstrap;
use crate::bootstrap::environment::metadata;
use crate::bootstrap::fetch::fetch;
use crate::bootstrap::files::Files;
use crate::bootstrap::output::Output;
use crate::bootstrap::record::{Record, Try};
use crate::bootstrap::seal::Seal;
use crate::error::Result;
use crate::plan::action::Command;
use crate::report::clock;
use crate::report::line::one_line;
use crate::root::Root;

impl Bootstrap {
    /// The try that `record` has begun. Its end is `None` where the script did not start.
    pub(super) fn turn(&self, root: &Root, files: &Files, seal: &Seal, record: &Record) -> (Try, Option<End>) {
        let mut output = Output::open(root, &self.log);
        let this = format!("try {} of {}", record.tries, record.max_retry);
        output.say(&format!("bootstrap {this}"));
        let (started, clock) = (clock::now(), Instant::now());
        let outcome = self.prepare(root, files, seal, record).and_then(|script| {
            output.say(&format!("bootstrap {this}: the script starts"));
            commands::run(&script, &mut |line| output.line(line))
        });
        output.say(&match &outcome {
            Ok(outcome) => format!("bootstrap {this}: {}", outcome.end),
            Err(error) => format!("bootstrap {this}: {error}"),
        });
        let (result, end, tail) = match outcome {
            Ok(outcome) => (outcome.end.to_string(), Some(outcome.end), outcome.tail),
            Err(error) => (one_line(&error.without_advice()), None, Vec::new()),
        };
        let exit_code = end.and_then(|end| if let End::Code(code) = end { Some(code) } else { None });
        let seconds = (clock.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
        (Try { number: record.tries, started, seconds, result, exit_code, tail }, end)
    }

    fn prepare(&self, root: &Root, files: &Files, seal: &Seal, record: &Record) -> Result<Command> {
        let script = fetch(&self.url, seal)?;
        let (path, directory) = files.store(&script)?;
        let path = path.to_string_lossy().into_owned();
        // What has no interpreter of its own was written for bash; an image without bash still gets its chance.
        let argv = match (script.starts_with(b"#!"), Path::new("/bin/bash").exists()) {
            (true, _) => vec![path],
            (false, true) => vec!["/bin/bash".to_owned(), path],
            (false, false) => vec!["/bin/sh".to_owned(), path],
        };
        let mut command = Command::script(argv);
        command.env = metadata(root);
        command.env.extend([
            ("FIRSTLIGHT_ATTEMPT".to_owned(), record.tries.to_string()),
            ("FIRSTLIGHT_MAX_RETRY".to_owned(), record.max_retry.to_string()),
            ("TERM".to_owned(), "xterm".to_owned()),
        ]);
        command.directory = Some(directory);
        command.timeout = self.timeout;
        Ok(command)
    }
}
