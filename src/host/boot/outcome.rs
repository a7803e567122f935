// SPDX-License-Identifier: Apache-2.0
//! What is said at the end of a boot.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;

use super::follow::{Boot, End};
use crate::cli::{self, print, print_json};
use crate::error::Result;
use crate::host::interrupt;
use crate::report::line::one_line;

/// Prints it on standard output, and gives the exit code.
///
/// # Errors
/// Fatal: standard output can't be written.
pub fn tell(name: &str, boot: &Boot, took: Duration, kept: Option<&Path>, as_json: bool) -> Result<ExitCode> {
    let text = sentence(boot);
    if as_json {
        print_json(&json!({
            "name": name,
            "outcome": word(boot),
            "message": text,
            "exit_code": boot.exit_code(),
            "took_ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "report": boot.report,
            "console": boot.console,
            "kept": kept.map(|path| path.to_string_lossy()),
        }))?;
    } else {
        print(&format!("{name}: {text} ({:.1} s)\n{}", took.as_secs_f64(), details(boot)))?;
        if let Some(path) = kept {
            print(&format!("kept: {}\n", path.display()))?;
        }
    }
    Ok(ExitCode::from(boot.exit_code()))
}

/// For programs.
fn word(boot: &Boot) -> &'static str {
    match (&boot.end, &boot.report) {
        (End::Reported, Some(report)) => report.status.name(),
        (End::Reported, None) => "failed",
        (End::Panicked(_), _) => "panicked",
        (End::SwitchedOff, _) => "switched-off",
        (End::Stopped(_), _) => "stopped",
        (End::Ended(_), _) => "qemu-ended",
        (End::TooLate, Some(_)) => "hung",
        (End::TooLate, None) => "never-reported",
        (End::Interrupted, _) => "interrupted",
    }
}

/// For people, on one line.
pub fn sentence(boot: &Boot) -> String {
    match (&boot.end, &boot.report) {
        (End::Reported, report) => report.as_ref().map_or("failed", |report| report.status.name()).to_owned(),
        (End::Panicked(words), _) => format!("the guest's kernel panicked: {}", one_line(words)),
        (End::SwitchedOff, _) => "the guest switched itself off before its final report".to_owned(),
        (End::Stopped(why), _) => format!("QEMU stopped the guest: {}", one_line(why)),
        (End::Ended(words), _) => format!("QEMU ended under the guest: {}", one_line(words)),
        (End::TooLate, Some(report)) => {
            let mut running = report.stages.iter().filter(|(_, stage)| stage.finished.is_empty());
            let at = running.next().map_or("the next stage was not begun", |(name, _)| name.as_str());
            format!("no final report before the deadline: it hangs ({at})")
        }
        (End::TooLate, None) if boot.console.is_empty() => {
            "no report before the deadline, and not a word on the serial console: does it boot at all?".to_owned()
        }
        (End::TooLate, None) => {
            "no report before the deadline: the agent is not in this image, or it does not get that far".to_owned()
        }
        (End::Interrupted, _) => format!("ended by {}", interrupt::requested().unwrap_or("a signal")),
    }
}

/// The report; where there is no final one, the console's last lines too.
fn details(boot: &Boot) -> String {
    let mut text = boot.report.as_ref().map_or_else(String::new, |report| cli::status::text(report, false));
    if !matches!(boot.end, End::Reported | End::Interrupted) && !boot.console.is_empty() {
        text.push_str("the console's last lines:\n");
        for line in &boot.console {
            let _ = writeln!(text, "  | {}", one_line(line));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::status::{StageStatus, Status};

    #[test]
    fn how_it_ended_is_told_apart() {
        let boot = |end, report| Boot { end, report, console: ["login: \u{1b}[2J".to_owned()].into() };
        let silent = boot(End::TooLate, None);
        assert_eq!(word(&silent), "never-reported");
        assert!(details(&silent).ends_with("  | login: \\u{1b}[2J\n"), "{}", details(&silent));
        let mut report = Status::default();
        report.stages.insert("network".to_owned(), StageStatus::default());
        let hung = boot(End::TooLate, Some(report));
        assert_eq!(word(&hung), "hung");
        assert!(sentence(&hung).ends_with("it hangs (network)"), "{}", sentence(&hung));
        assert_eq!(word(&boot(End::Panicked("x".to_owned()), None)), "panicked");
    }
}
