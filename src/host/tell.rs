// SPDX-License-Identifier: Apache-2.0
//! What the person or program at the other end is told while work goes on: a bar on a terminal, plain lines elsewhere, JSON
//! lines where `--json` asks for it.

use std::io::{IsTerminal as _, stderr};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use log::{LevelFilter, Log, Metadata, Record};
use serde_json::{Value, json};

use crate::cli;
use crate::error::Error;
use crate::report;

/// Log records go to standard error: as lines of text, or as events for programs, which read every line there as JSON.
pub fn log_to_stderr(level: LevelFilter, json: bool) {
    if !json {
        return report::log::init(report::log::Options { level, stderr: true, file: None, system: false });
    }
    if log::set_boxed_logger(Box::new(Records(level))).is_ok() {
        log::set_max_level(level);
    }
}

/// The end of a command that failed, on standard error.
pub fn failed(error: &Error, json: bool) {
    if !json {
        return cli::tell(&format!("firstlight-host: {error}"));
    }
    cli::tell(&json!({ "event": "error", "text": error.without_advice(), "help": error.advice() }).to_string());
}

/// Log records as events; of the libraries beneath, warnings only.
struct Records(LevelFilter);

impl Log for Records {
    fn enabled(&self, metadata: &Metadata) -> bool {
        let own = metadata.target().starts_with(env!("CARGO_CRATE_NAME"));
        metadata.level() <= if own { self.0 } else { self.0.min(LevelFilter::Warn) }
    }

    fn log(&self, record: &Record) {
        if self.enabled(record.metadata()) {
            cli::tell(&event_of(record).to_string());
        }
    }

    fn flush(&self) {}
}

fn event_of(record: &Record) -> Value {
    let level = record.level().as_str().to_ascii_lowercase();
    json!({ "event": "log", "level": level, "text": record.args().to_string() })
}

/// Tells of one command's work, on standard error; results are the command's own, on standard output.
#[derive(Clone)]
pub struct Teller {
    json: bool,
    /// One of several works that go on at a time: before its lines, and in its events.
    name: Option<String>,
    bars: MultiProgress,
}

impl Teller {
    /// As `--json` says.
    pub fn new(json: bool) -> Self {
        Self { json, name: None, bars: MultiProgress::new() }
    }

    /// The same for one of several works that go on at a time, each with its own line of progress.
    #[must_use]
    pub fn of(&self, name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..self.clone() }
    }

    fn named(&self, text: &str) -> String {
        self.name.as_ref().map_or_else(|| text.to_owned(), |name| format!("{name}: {text}"))
    }

    /// One event: `what` is a word for programs (`overlay`, `booting`), `text` a line for a person.
    pub fn event(&self, what: &str, text: &str) {
        self.event_with(what, text, json!({}));
    }

    /// The same with more for programs; `more` is an object.
    pub fn event_with(&self, what: &str, text: &str, more: Value) {
        if !self.json {
            return self.bars.suspend(|| cli::tell(&self.named(text)));
        }
        let mut event = json!({ "event": what, "text": text });
        if let (Some(name), Some(event)) = (&self.name, event.as_object_mut()) {
            event.insert("name".to_owned(), json!(name));
        }
        if let (Some(event), Value::Object(more)) = (event.as_object_mut(), more) {
            event.extend(more);
        }
        cli::tell(&event.to_string());
    }

    /// Work whose end is not known, or of `total` steps (bytes, seconds).
    pub fn work(&self, text: &str, total: Option<u64>) -> Work {
        let bar = match (self.json || !stderr().is_terminal(), total) {
            (true, _) => ProgressBar::hidden(),
            (false, Some(total)) => ProgressBar::new(total).with_style(style("{msg} {wide_bar} {percent}% {elapsed}")),
            (false, None) => ProgressBar::new_spinner().with_style(style("{spinner} {msg} {elapsed}")),
        };
        if bar.is_hidden() {
            self.event("work", text);
        }
        let bar = if bar.is_hidden() { bar } else { self.bars.add(bar) };
        bar.set_message(self.named(text));
        bar.enable_steady_tick(Duration::from_millis(100));
        Work { bar, teller: self.clone() }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Work that goes on; its bar goes when it is dropped.
pub struct Work {
    bar: ProgressBar,
    teller: Teller,
}

impl Work {
    /// So far, of the total.
    pub fn at(&self, position: u64) {
        self.bar.set_position(position);
    }

    /// What it is at now.
    pub fn now(&self, text: &str) {
        self.bar.set_message(self.teller.named(text));
    }

    /// One line of many that pass: on a terminal what it is at now, elsewhere an event.
    pub fn passing(&self, what: &str, text: &str) {
        if self.bar.is_hidden() {
            return self.teller.event(what, text);
        }
        let visible = text.chars().filter(|c| !c.is_control()).take(WIDTH).collect::<String>();
        self.now(&visible);
    }
}

/// What of a line that passes stands beside a bar.
const WIDTH: usize = 60;

impl Drop for Work {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use log::Level;

    use super::*;

    #[test]
    fn a_record_is_an_event_of_one_line_and_the_libraries_say_warnings_alone() {
        let record = Record::builder().level(Level::Warn).args(format_args!("no\n\"answer\"")).build();
        let event = event_of(&record);
        assert_eq!(event, json!({ "event": "log", "level": "warn", "text": "no\n\"answer\"" }));
        assert_eq!(event.to_string().lines().count(), 1);
        let records = Records(LevelFilter::Debug);
        let is_said = |target, level| records.enabled(&Metadata::builder().target(target).level(level).build());
        assert!(is_said("firstlight::host", Level::Debug) && is_said("hyper", Level::Warn));
        assert!(!is_said("hyper", Level::Info));
    }
}
