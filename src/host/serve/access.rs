// SPDX-License-Identifier: Apache-2.0
//! The access log: a line for each request, without anything that is a secret. A thread of its own writes it, so that no
//! guest waits for a slow disk; lines that it cannot keep up with are counted, and the count is a line.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::json;

use crate::error::{At, Error, Result};
use crate::finding::escaped;
use crate::report::clock;

/// Lines that wait to be written.
const WAITING: usize = 16_384;

/// A request that was answered.
#[derive(Debug, Clone)]
pub struct Line<'a> {
    /// The guest's best name.
    pub guest: Option<&'a str>,
    /// Where it asked from.
    pub address: Option<IpAddr>,
    /// As it was asked.
    pub method: &'a str,
    /// Without token and query.
    pub path: &'a str,
    /// As it was answered.
    pub status: u16,
    /// Bytes of the answer.
    pub bytes: usize,
    /// How long that took.
    pub took: Duration,
    /// What was wrong.
    pub reason: Option<&'a str>,
}

/// Where the lines go.
pub struct Log {
    json: bool,
    lines: Option<SyncSender<String>>,
    lost: AtomicU64,
    writer: Option<JoinHandle<()>>,
}

impl Log {
    /// To standard error, or appended to a file that only its owner and group read; lines for a person, or JSON.
    pub fn new(file: Option<&Path>, json: bool) -> Result<Self> {
        let out: Box<dyn Write + Send> = match file {
            None => Box::new(io::stderr()),
            Some(path) => {
                Box::new(OpenOptions::new().append(true).create(true).mode(0o640).open(path).at("open", path)?)
            }
        };
        Self::to(out, json)
    }

    fn to(out: Box<dyn Write + Send>, json: bool) -> Result<Self> {
        let (lines, queue) = sync_channel(WAITING);
        let writer = std::thread::Builder::new().name("access log".to_owned()).spawn(move || write(out, &queue));
        let writer = writer.map_err(|error| Error::fatal("cannot start a thread").because(error))?;
        Ok(Self { json, lines: Some(lines), lost: AtomicU64::new(0), writer: Some(writer) })
    }

    /// Another line.
    pub fn line(&self, line: &Line) {
        let Some(lines) = &self.lines else { return };
        let text = if self.json { as_json(line) } else { as_text(line) };
        if lines.try_send(text).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let text = match self.json {
                true => json!({"time": clock::now(), "lines_lost": lost}).to_string(),
                false => format!("{} {lost} lines were lost: the log is too slow", clock::now()),
            };
            // That there is no room for this one either is said with the next.
            if lines.try_send(text).is_err() {
                self.lost.fetch_add(lost, Ordering::Relaxed);
            }
        }
    }
}

/// What waits is written before the log goes.
impl Drop for Log {
    fn drop(&mut self) {
        self.lines = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

fn write(out: Box<dyn Write + Send>, queue: &Receiver<String>) {
    let mut out = io::BufWriter::new(out);
    while let Ok(line) = queue.recv() {
        let mut next = Ok(line);
        // What has come meanwhile goes with it. Nobody is left to tell where the log itself cannot be written.
        while let Ok(line) = next {
            let _ = writeln!(out, "{line}");
            next = queue.try_recv();
        }
        let _ = out.flush();
        if next == Err(TryRecvError::Disconnected) {
            return;
        }
    }
}

/// One line, and nothing that a terminal obeys: a guest chooses what it asks for.
fn as_text(line: &Line) -> String {
    let address = line.address.map_or_else(|| "-".to_owned(), |address| address.to_string());
    let (guest, millis) = (escaped(line.guest.unwrap_or("-")), line.took.as_secs_f64() * 1000.0);
    let Line { method, status, bytes, .. } = line;
    let reason = line.reason.map(|reason| format!(" ({})", escaped(reason))).unwrap_or_default();
    let path = escaped(line.path);
    format!("{} {guest} {address} {method} {path} {status} {bytes} B {millis:.1} ms{reason}", clock::now())
}

fn as_json(line: &Line) -> String {
    let mut object = json!({
        "time": clock::now(), "guest": line.guest, "address": line.address, "method": line.method, "path": line.path,
        "status": line.status, "bytes": line.bytes, "ms": line.took.as_secs_f64() * 1000.0,
    });
    if let (Some(reason), Some(object)) = (line.reason, object.as_object_mut()) {
        object.insert("reason".to_owned(), reason.into());
    }
    object.to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(json: bool) -> String {
        let shared = Shared::default();
        let log = Log::to(Box::new(shared.clone()), json).unwrap();
        let took = Duration::from_micros(1500);
        let address = Some(IpAddr::from([10, 0, 0, 5]));
        let path = "/latest/\u{1b}[2J\n";
        log.line(&Line {
            guest: Some("web"),
            address,
            method: "GET",
            path,
            status: 404,
            bytes: 14,
            took,
            reason: None,
        });
        drop(log);
        String::from_utf8(shared.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_line_is_one_line_and_commands_nobody() {
        let text = logged(false);
        assert!(text.ends_with(" web 10.0.0.5 GET /latest/\\u{1b}[2J\\n 404 14 B 1.5 ms\n"), "{text}");
        assert_eq!(text.lines().count(), 1);
        let value: serde_json::Value = serde_json::from_str(&logged(true)).unwrap();
        assert_eq!((&value["status"], &value["guest"], &value["ms"]), (&404.into(), &"web".into(), &1.5.into()));
    }
}
