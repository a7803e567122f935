// SPDX-License-Identifier: Apache-2.0
//! What becomes of a job, told from what comes out of its guest; and why, where that is nothing good.

use std::collections::VecDeque;

use super::outputs::Outputs;
use super::said::{self, Archive, Log, Said};
use super::units::{Size, Time};
use crate::error::Error;
use crate::host::qemu::Event;

/// How many last lines are told of a job that failed.
const LINES: usize = 20;
/// The most of each.
const WIDTH: usize = 400;

/// What an event comes to.
#[derive(Debug)]
pub enum Seen {
    /// Nothing for the job.
    Nothing,
    /// It began.
    Started,
    /// It printed this line.
    Output(String),
    /// It succeeded, and its results are on the disk.
    Results(Archive),
    /// It failed, or its guest did.
    Failed(Failure),
}

/// Why there are no results.
#[derive(Debug)]
pub struct Failure {
    /// For a person.
    pub error: Box<Error>,
    /// The job's exit code, where it came to one.
    pub exit: Option<u8>,
    /// The last lines of its output, or of the console where it had none.
    pub last: Vec<String>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error: Box::new(error), exit: None, last: Vec::new() }
    }
}

/// Follows one guest.
pub struct Watch<'a> {
    outputs: &'a Outputs,
    results_size: Size,
    log: Option<Log>,
    output: Tail,
    console: Tail,
}

impl<'a> Watch<'a> {
    /// Before its guest is started.
    pub fn new(outputs: &'a Outputs, results_size: Size) -> Self {
        Self { outputs, results_size, log: None, output: Tail::default(), console: Tail::default() }
    }

    /// Whether the job has begun.
    pub fn started(&self) -> bool {
        self.log.is_some()
    }

    /// What that comes to.
    pub fn see(&mut self, event: Event) -> Seen {
        match event {
            Event::Line { port, line } if port == said::PORT => {
                Said::on_port(&line).map_or(Seen::Nothing, |said| self.said(said))
            }
            Event::Line { port, line } if port == said::LOG_PORT => self.printed(line),
            Event::Line { .. } => Seen::Nothing,
            Event::Console(line) => {
                self.console.push(&line);
                match Said::on_console(&line) {
                    Some(said) => self.said(said),
                    None if self.log == Some(Log::Console) => self.printed(line),
                    None => Seen::Nothing,
                }
            }
            Event::Panicked(words) => self.failed(Error::fatal(format!("the guest's kernel panicked: {words}"))),
            // An image may start again in its first boot, before any job; a job that does it does not come back.
            Event::Reset if !self.started() => Seen::Nothing,
            Event::Reset => self.failed(Error::fatal("the guest started again before the job ended")),
            Event::Stopped(why) => self.failed(Error::fatal(format!("the guest can't go on: {why}"))),
            Event::Shutdown => self.failed(self.gone("the guest switched itself off")),
            Event::Exited(status, words) => {
                let words = words.trim();
                let why = if words.is_empty() { status.to_string() } else { format!("{status}: {words}") };
                self.failed(self.gone(&format!("QEMU ended ({why})")))
            }
            Event::Interrupted => self.failed(Error::fatal("interrupted")),
        }
    }

    /// Its time is up.
    pub fn late(&self, deadline: Time) -> Failure {
        let error = match self.started() {
            true => Error::fatal(format!("the job has not ended after {deadline}; its guest is ended"))
                .help("raise --deadline, or look at its last lines for what it waits for"),
            false => Error::fatal(format!("the guest has not begun the job after {deadline}")).help(
                "the base image needs an agent that runs scripts of user-data (Firstlight or cloud-init) and must boot \
                 in that time (--boot-deadline); --serial-log FILE keeps all of its console",
            ),
        };
        self.failure(error)
    }

    fn gone(&self, what: &str) -> Error {
        match self.started() {
            true => Error::fatal(format!("{what} before the job ended")),
            false => Error::fatal(format!("{what} before the job began"))
                .help("the base image must boot as it is, and have an agent that runs scripts of user-data"),
        }
    }

    fn said(&mut self, said: Said) -> Seen {
        match said {
            Said::Started { log } => {
                self.log = Some(log);
                Seen::Started
            }
            Said::Refused { why } => self.failed(refusal(&why)),
            Said::Ended { exit, .. } if exit != 0 => {
                let what = match exit {
                    126 => ": its interpreter can't be executed".to_owned(),
                    127 => ": a program, or its interpreter, is not in the guest".to_owned(),
                    129..=192 => format!(": ended by signal {}", exit - 128),
                    _ => String::new(),
                };
                let error = Error::fatal(format!("the job failed with exit code {exit}{what}"));
                Seen::Failed(Failure { exit: Some(exit), ..self.failure(error) })
            }
            Said::Ended { missing, archive: None, .. } => {
                let paths = missing.iter().map(|line| self.outputs.line(*line)).collect::<Vec<_>>().join(", ");
                self.failed_after(Error::absent(format!("the job succeeded, but left no {paths}")))
            }
            Said::Ended { archive: Some(archive), .. } => self.archived(archive),
        }
    }

    fn archived(&self, archive: Archive) -> Seen {
        let size = self.results_size;
        if archive.size > size.0 {
            let error = format!("the job's results are {}, and their disk has {size}", Size(archive.size));
            return self.failed_after(Error::fatal(error).help("raise --results-size"));
        }
        if archive.tar != 0 || archive.disk != 0 {
            return self
                .failed_after(Error::fatal("the guest could not write the job's results; its last lines say why"));
        }
        Seen::Results(archive)
    }

    /// What the event says that the job printed, after its end was told.
    pub fn late_output(&mut self, event: Event) -> Option<String> {
        match event {
            Event::Line { port, line } if port == said::LOG_PORT => {
                self.output.push(&line);
                Some(line)
            }
            _ => None,
        }
    }

    /// The last lines of its output, or of the console where it had none.
    pub fn last(&self) -> Vec<String> {
        let last = if self.output.0.is_empty() { &self.console } else { &self.output };
        last.0.iter().cloned().collect()
    }

    fn printed(&mut self, line: String) -> Seen {
        self.output.push(&line);
        Seen::Output(line)
    }

    fn failed(&self, error: Error) -> Seen {
        Seen::Failed(self.failure(error))
    }

    fn failed_after(&self, error: Error) -> Seen {
        Seen::Failed(Failure { exit: Some(0), ..self.failure(error) })
    }

    fn failure(&self, error: Error) -> Failure {
        Failure { error: Box::new(error), exit: None, last: self.last() }
    }
}

fn refusal(why: &str) -> Error {
    match why {
        "no-input" | "no-results" => Error::fatal("the guest does not see the job's disks")
            .help("its kernel needs the driver virtio_blk, and /sys mounted"),
        "unpack" => {
            Error::fatal("the guest could not unpack the job").help("look at its last lines; --disk-size makes room")
        }
        _ => match why.strip_prefix("no-") {
            Some(tool) => Error::fatal(format!("the guest has no program `{tool}`"))
                .help("a job needs tar and the base tools of coreutils or busybox in the base image"),
            None => Error::fatal("the guest refused the job"),
        },
    }
}

#[derive(Default)]
struct Tail(VecDeque<String>);

impl Tail {
    fn push(&mut self, line: &str) {
        // They are told on a terminal, which would do what a guest's control characters say.
        let visible = line.trim_end().chars().filter(|c| !c.is_control() || *c == '\t');
        let line: String = visible.take(WIDTH).collect();
        if line.is_empty() {
            return;
        }
        if self.0.len() == LINES {
            self.0.pop_front();
        }
        self.0.push_back(line);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;
    use std::time::Duration;

    use super::*;

    const STARTED: &str = r#"{"state":"started","log":"port"}"#;

    fn line(port: &str, line: &str) -> Event {
        Event::Line { port: port.to_owned(), line: line.to_owned() }
    }

    /// What a guest that says this comes to.
    fn outcome(events: Vec<Event>) -> Seen {
        let outputs = Outputs::new(&["/srv/a.img".into()]).unwrap();
        let mut watch = Watch::new(&outputs, Size(1 << 20));
        let mut last = Seen::Nothing;
        for event in events {
            last = watch.see(event);
        }
        last
    }

    fn failure(events: Vec<Event>) -> Failure {
        match outcome(events) {
            Seen::Failed(failure) => failure,
            seen => panic!("{seen:?}"),
        }
    }

    #[test]
    fn a_job_that_succeeds_has_results_and_its_lines_pass() {
        assert!(matches!(outcome(vec![line(said::PORT, STARTED)]), Seen::Started));
        let printed = outcome(vec![line(said::PORT, STARTED), line(said::LOG_PORT, "hello")]);
        assert!(matches!(printed, Seen::Output(line) if line == "hello"));
        let ended = r#"{"state":"ended","exit":0,"tar":0,"disk":0,"size":10240,"sha256":"ab"}"#;
        assert!(matches!(outcome(vec![line(said::PORT, ended)]), Seen::Results(archive) if archive.size == 10240));
    }

    #[test]
    fn last_lines_do_nothing_to_a_terminal_and_those_that_come_late_count() {
        let outputs = Outputs::new(&[]).unwrap();
        let mut watch = Watch::new(&outputs, Size(1));
        watch.see(line(said::LOG_PORT, "\u{1b}[2J\u{9b}31mred\tx\u{7}"));
        let late = watch.late_output(line(said::LOG_PORT, "late"));
        assert_eq!((late.as_deref(), watch.late_output(line(said::PORT, "{}"))), (Some("late"), None));
        assert_eq!(watch.last(), ["[2J31mred\tx", "late"]);
    }

    #[test]
    fn without_ports_the_console_serves() {
        let started = || Event::Console("org.firstlight.job {\"state\":\"started\",\"log\":\"console\"}\r".to_owned());
        let printed = outcome(vec![Event::Console("boot".to_owned()), started(), Event::Console("hello".to_owned())]);
        assert!(matches!(printed, Seen::Output(line) if line == "hello"));
        let ended = Event::Console("org.firstlight.job {\"state\":\"ended\",\"exit\":3}".to_owned());
        assert_eq!(failure(vec![started(), ended]).exit, Some(3));
    }

    #[test]
    fn each_end_is_told_by_its_reason_with_the_last_lines() {
        let ended = |rest: &str| line(said::PORT, &format!(r#"{{"state":"ended",{rest}}}"#));
        let refused = |why: &str| line(said::PORT, &format!(r#"{{"state":"refused","why":"{why}"}}"#));
        for (event, exit, told) in [
            (ended(r#""exit":3"#), Some(3), "exit code 3"),
            (ended(r#""exit":127"#), Some(127), "not in the guest"),
            (ended(r#""exit":137"#), Some(137), "signal 9"),
            (ended(r#""exit":255"#), Some(255), "exit code 255\n"),
            (ended(r#""exit":0,"missing":[1]"#), Some(0), "left no /srv/a.img"),
            (ended(r#""exit":0,"tar":0,"disk":1,"size":1048577,"sha256":"""#), Some(0), "their disk has 1 MiB"),
            (ended(r#""exit":0,"tar":2,"disk":0,"size":10240,"sha256":"""#), Some(0), "could not write"),
            (refused("no-tar"), None, "no program `tar`"),
            (refused("no-input"), None, "the job's disks"),
            (Event::Panicked("sysrq".to_owned()), None, "panicked: sysrq"),
            (Event::Reset, None, "started again"),
            (Event::Stopped("No space left on device".to_owned()), None, "can't go on: No space"),
            (Event::Shutdown, None, "switched itself off before the job ended"),
            (Event::Exited(ExitStatus::from_raw(256), "no space".to_owned()), None, "no space"),
        ] {
            let failure = failure(vec![line(said::PORT, STARTED), line(said::LOG_PORT, "last words"), event]);
            assert!(format!("{}\n", failure.error).contains(told), "{told}: {}", failure.error);
            assert_eq!((failure.exit, failure.last), (exit, vec!["last words".to_owned()]), "{told}");
        }
    }

    #[test]
    fn a_guest_without_an_agent_is_told_from_a_job_that_hangs() {
        let outputs = Outputs::new(&[]).unwrap();
        let mut watch = Watch::new(&outputs, Size(1));
        // Once more from the firmware is no end yet.
        assert!(matches!(watch.see(Event::Reset), Seen::Nothing));
        (0..100).for_each(|number| drop(watch.see(Event::Console(format!("line {number}\r")))));
        let silent = watch.late(Time(Duration::from_secs(600)));
        assert!(silent.error.to_string().contains("has not begun the job after 10 min"), "{}", silent.error);
        assert_eq!((silent.last.len(), silent.last.last().unwrap().as_str()), (LINES, "line 99"));
        watch.see(line(said::PORT, STARTED));
        let hung = watch.late(Time(Duration::from_secs(90)));
        assert!(hung.error.to_string().contains("has not ended after 90 s"), "{}", hung.error);
    }
}
