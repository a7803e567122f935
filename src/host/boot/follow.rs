// SPDX-License-Identifier: Apache-2.0
//! Waits for the end of a boot: the agent's final report, or what came in its way.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::error::Result;
use crate::host::qemu::{Event, Guest};
use crate::host::tell::Teller;
use crate::plan::step::Stage;
use crate::report::port;
use crate::report::status::{Outcome, Status};

/// Lines of the console that are shown where a boot fails.
const SHOWN: usize = 20;
/// How long the words of a panic take to arrive.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How often a person who leaves is noticed.
const LOOK: Duration = Duration::from_millis(100);
/// How long a guest may take to switch itself off.
const SWITCH_OFF: Duration = Duration::from_secs(90);

/// How a boot ended.
#[derive(Debug)]
pub enum End {
    /// With a final report.
    Reported,
    /// Its kernel panicked; the words.
    Panicked(String),
    /// It switched itself off.
    SwitchedOff,
    /// QEMU stopped it; why.
    Stopped(String),
    /// QEMU ended; its last words.
    Ended(String),
    /// Not at all, until the deadline.
    TooLate,
    /// A signal asked this program to end.
    Interrupted,
}

/// What is known of the boot.
#[derive(Debug)]
pub struct Boot {
    /// How it ended.
    pub end: End,
    /// The last report, final or not.
    pub report: Option<Status>,
    /// The console's last lines.
    pub console: VecDeque<String>,
}

/// Follows the guest until its agent has reported for good.
///
/// # Errors
/// None of its own: a guest that fails is an answer.
pub fn until_reported(guest: &mut Guest, deadline: Instant, teller: &Teller) -> Result<Boot> {
    let mut following = Following::new(teller);
    let mut deadline = deadline;
    while let Some(event) = guest.next(deadline)? {
        if let Some(end) = following.take(event) {
            return Ok(following.boot(end));
        }
        if following.panic.is_some() {
            deadline = deadline.min(Instant::now() + LAST_WORDS);
        }
    }
    let end = following.panic.take().map_or(End::TooLate, End::Panicked);
    Ok(following.boot(end))
}

/// Lets the guest run until `enough`, its end, or a signal.
///
/// # Errors
/// None of its own.
pub fn until(guest: &mut Guest, enough: impl Fn() -> bool) -> Result<()> {
    while !enough() {
        match guest.next(Instant::now() + LOOK) {
            Ok(Some(Event::Exited(..) | Event::Interrupted)) | Err(_) => break,
            Ok(_) => {}
        }
    }
    Ok(())
}

/// Asks the guest to switch off, and waits for it within bounds.
///
/// # Errors
/// Fatal: QEMU does not listen.
pub fn switch_off(guest: &mut Guest, teller: &Teller) -> Result<()> {
    if guest.power_down().is_err() {
        return Ok(());
    }
    let deadline = Instant::now() + SWITCH_OFF;
    loop {
        match guest.next(deadline) {
            Ok(Some(Event::Exited(..) | Event::Interrupted)) | Err(_) => return Ok(()),
            Ok(Some(_)) => {}
            Ok(None) => {
                let text = format!("the guest has not switched off within {} s: it is cut off", SWITCH_OFF.as_secs());
                teller.event("cut-off", &text);
                return Ok(());
            }
        }
    }
}

/// What is known so far.
pub struct Following<'a> {
    teller: &'a Teller,
    report: Option<Status>,
    told: BTreeSet<String>,
    console: VecDeque<String>,
    panic: Option<String>,
    off: bool,
}

impl<'a> Following<'a> {
    /// Nothing yet.
    pub fn new(teller: &'a Teller) -> Self {
        Self { teller, report: None, told: BTreeSet::new(), console: VecDeque::new(), panic: None, off: false }
    }

    /// All of it.
    pub fn boot(self, end: End) -> Boot {
        Boot { end, report: self.report, console: self.console }
    }

    /// Takes it; the end where it is one.
    pub fn take(&mut self, event: Event) -> Option<End> {
        match event {
            Event::Line { port, line } if port == port::NAME => self.line(&line).then_some(End::Reported),
            Event::Line { .. } => None,
            Event::Console(line) => {
                if self.console.len() == SHOWN {
                    self.console.pop_front();
                }
                self.console.push_back(line);
                None
            }
            // A report may still be on its way.
            Event::Panicked(words) => {
                self.panic.get_or_insert(words);
                None
            }
            Event::Shutdown => {
                self.off = true;
                None
            }
            Event::Reset => {
                self.teller.event("reset", "the guest starts again");
                None
            }
            Event::Stopped(why) => Some(End::Stopped(why)),
            Event::Interrupted => Some(End::Interrupted),
            Event::Exited(status, said) => Some(match self.panic.take() {
                Some(words) => End::Panicked(words),
                None if self.off => End::SwitchedOff,
                None => End::Ended(format!("{status}: {}", said.trim())),
            }),
        }
    }

    /// Whether it is the last.
    fn line(&mut self, line: &str) -> bool {
        let status: Status = match serde_json::from_str(line) {
            Ok(status) => status,
            Err(error) => {
                let text = format!("the guest's report can't be read: {error}");
                self.teller.event("bad-report", &text);
                return false;
            }
        };
        for name in Stage::ALL.map(Stage::name) {
            let Some(stage) = status.stages.get(name).filter(|stage| !stage.finished.is_empty()) else { continue };
            if self.told.insert(name.to_owned()) {
                let text = format!("stage {name}: {} steps, {} ms", stage.steps.len(), stage.took_ms);
                self.teller.event_with("stage", &text, json!({ "stage": name, "took_ms": stage.took_ms }));
            }
        }
        let last = status.status.is_final();
        self.report = Some(status);
        last
    }
}

impl Boot {
    /// Whether there is still somebody to talk to.
    pub fn is_running(&self) -> bool {
        matches!(self.end, End::Reported | End::TooLate)
    }

    /// As the command's exit code: the guest's own where it reported, else failure.
    pub fn exit_code(&self) -> u8 {
        match (&self.end, &self.report) {
            (End::Reported, Some(report)) => report.status.exit_code(),
            _ => Outcome::Failed.exit_code(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::ExitStatus;

    use super::*;

    fn follow(events: Vec<Event>) -> Option<Boot> {
        let teller = Teller::new(true);
        let mut following = Following::new(&teller);
        let end = events.into_iter().find_map(|event| following.take(event))?;
        Some(following.boot(end))
    }

    fn report(text: &str) -> Event {
        Event::Line { port: port::NAME.to_owned(), line: text.to_owned() }
    }

    fn exited() -> Event {
        Event::Exited(ExitStatus::default(), String::new())
    }

    #[test]
    fn the_final_report_is_the_outcome() {
        for (name, code) in [("done", 0), ("degraded", 2), ("failed", 1), ("no-seed", 0)] {
            let boot = follow(vec![
                report(r#"{"status": "running", "stages": {"local": {"finished": "x", "took_ms": 3}}}"#),
                report("no JSON"),
                Event::Reset,
                report(&format!("{{\"status\": \"{name}\"}}")),
            ]);
            assert_eq!(boot.unwrap().exit_code(), code, "{name}");
        }
    }

    #[test]
    fn a_report_that_comes_after_the_switch_counts() {
        let boot = follow(vec![Event::Shutdown, report(r#"{"status": "done"}"#), exited()]).unwrap();
        assert!(matches!(boot.end, End::Reported));
        let boot = follow(vec![report(r#"{"status": "running"}"#), Event::Shutdown, exited()]).unwrap();
        assert!(matches!(boot.end, End::SwitchedOff) && boot.exit_code() == 1);
    }

    #[test]
    fn a_panic_is_told_and_the_console_is_bounded() {
        let mut events: Vec<_> = (0..100).map(|number| Event::Console(format!("line {number}"))).collect();
        events.extend([Event::Panicked("why".to_owned()), Event::Console("last".to_owned()), exited()]);
        let boot = follow(events).unwrap();
        assert!(matches!(&boot.end, End::Panicked(words) if words == "why"));
        assert_eq!((boot.console.len(), boot.console.back().unwrap().as_str()), (SHOWN, "last"));
        assert!(follow(vec![Event::Console("x".to_owned())]).is_none());
    }
}
