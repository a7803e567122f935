// SPDX-License-Identifier: Apache-2.0
//! What the guest says of the job on its port: one line of JSON when the job starts, one at its end.

use serde::Deserialize;

/// The port of the reports.
pub const PORT: &str = "org.firstlight.job";
/// The port of what the job prints.
pub const LOG_PORT: &str = "org.firstlight.job.log";

/// One report.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Said {
    /// All is there; the job begins.
    Started {
        /// Where its output goes.
        log: Log,
    },
    /// The job can't begin.
    Refused {
        /// A word: `no-input`, `no-results`, `unpack`, or `no-` and a program that is missing.
        why: String,
    },
    /// The job has ended, and its results, if any, are on the disk.
    Ended {
        /// Its exit code; 128 and the signal's number where one ended it.
        exit: u8,
        /// Which of the outputs are not there, from 1.
        #[serde(default)]
        missing: Vec<usize>,
        /// The results, where the job succeeded and they are there.
        #[serde(flatten)]
        archive: Option<Archive>,
    },
}

/// Where the job's output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Log {
    /// To [`LOG_PORT`].
    Port,
    /// To the console, among other things.
    Console,
}

/// The tar on the results disk.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Archive {
    /// Exit code of tar.
    pub tar: u8,
    /// Exit code of what wrote to the disk.
    pub disk: u8,
    /// How many bytes it has; more than the disk has where they did not fit.
    pub size: u64,
    /// Its digest, 64 hex digits.
    pub sha256: String,
}

impl Said {
    /// Of a line of the port; none where it is no report.
    pub fn on_port(line: &str) -> Option<Self> {
        serde_json::from_str(line.trim()).ok()
    }

    /// Of a line of the console, where a guest without the port reports, with the port's name in front.
    pub fn on_console(line: &str) -> Option<Self> {
        Self::on_port(line.trim().strip_prefix(PORT)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_read_from_the_port_and_from_the_console() {
        assert_eq!(Said::on_port(r#"{"state":"started","log":"port"}"#), Some(Said::Started { log: Log::Port }));
        let refused = Said::Refused { why: "no-tar".to_owned() };
        assert_eq!(Said::on_console("org.firstlight.job {\"state\":\"refused\",\"why\":\"no-tar\"}\r"), Some(refused));
        let failed = Said::Ended { exit: 3, missing: Vec::new(), archive: None };
        assert_eq!(Said::on_port(r#"{"state":"ended","exit":3}"#), Some(failed));
        let archive = Archive { tar: 0, disk: 0, size: 10240, sha256: "ab".to_owned() };
        let ended = Said::Ended { exit: 0, missing: Vec::new(), archive: Some(archive) };
        let line = r#"{"state":"ended","exit":0,"tar":0,"disk":0,"size":10240,"sha256":"ab"}"#;
        assert_eq!(Said::on_port(line), Some(ended));
        for line in ["", "x", "{}", r#"{"state":"ended"}"#, r#"{"state":"ended","exit":-1}"#, "org.firstlight.jobs {}"]
        {
            assert_eq!((Said::on_port(line), Said::on_console(line)), (None, None), "{line}");
        }
    }
}
