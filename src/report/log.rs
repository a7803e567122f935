// SPDX-License-Identifier: Apache-2.0
//! Where log records go: the log file; syslog or the journal once one listens, the kernel's buffer before that; the
//! terminal when a person asks for it.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use log::{Level, LevelFilter, Log, Metadata, Record};
use syslog::{Facility, Formatter3164, Logger, LoggerBackend};

use crate::report::clock;
use crate::report::line::one_line;
use crate::root::{Root, Tree as _};
use crate::state;

/// `daemon` of syslog(3), as the kernel counts it.
const DAEMON: u8 = 3 << 3;
/// A record of the kernel's buffer can't be longer (`LOG_LINE_MAX` less its prefix).
const LONGEST_KERNEL_RECORD: usize = 900;

/// What to log where.
#[derive(Debug, Clone)]
pub struct Options {
    /// How much of the agent's own records; of the libraries beneath, warnings only.
    pub level: LevelFilter,
    /// Also to stderr.
    pub stderr: bool,
    /// To the log file of this root; made with mode 0640.
    pub file: Option<Root>,
    /// Also to the system's log: for the live system only.
    pub system: bool,
}

/// Begins to log; the first call counts. Places that can't be written to are left out without a word: a boot must not
/// fail for its log.
pub fn init(options: Options) {
    let level = options.level;
    let places = Places { syslog: "/dev/log".into(), kernel: "/dev/kmsg".into() };
    if log::set_boxed_logger(Box::new(Sinks::new(options, places))).is_ok() {
        log::set_max_level(level);
    }
}

struct Sinks {
    options: Options,
    places: Places,
    file: Mutex<Option<File>>,
    system: Mutex<System>,
}

/// Where the system's log is.
struct Places {
    syslog: PathBuf,
    kernel: PathBuf,
}

/// The system's log as far as it was found.
enum System {
    None,
    Kernel(Option<File>),
    Syslog(Logger<LoggerBackend, Formatter3164>),
}

impl Sinks {
    fn new(options: Options, places: Places) -> Self {
        let system = if options.system { System::Kernel(None) } else { System::None };
        Self { options, places, file: Mutex::default(), system: Mutex::new(system) }
    }

    fn to_file(&self, line: &str) {
        let Some(root) = &self.options.file else { return };
        let path = Path::new(state::LOG);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // Tried at each record: early in the boot the file system may still be read-only, or not mounted. So the
        // directory is waited for, not made.
        if file.is_none() && path.parent().is_some_and(|directory| root.exists(directory)) {
            *file = root.append(path, 0o640).ok();
        }
        if let Some(file) = file.as_mut() {
            let _ = file.write_all(line.as_bytes());
        }
    }

    fn to_system(&self, level: Level, message: &str) {
        let mut system = self.system.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*system, System::Kernel(_))
            && let Some(logger) = connect(&self.places.syslog)
        {
            *system = System::Syslog(logger);
        }
        if let System::Syslog(logger) = &mut *system {
            let sent = match level {
                Level::Error => logger.err(message),
                Level::Warn => logger.warning(message),
                Level::Info => logger.info(message),
                Level::Debug | Level::Trace => logger.debug(message),
            };
            // Where the listener has gone it is looked for again at the next record.
            if sent.is_err() {
                *system = System::Kernel(None);
            }
        }
        if let System::Kernel(file) = &mut *system {
            if file.is_none() {
                *file = OpenOptions::new().append(true).open(&self.places.kernel).ok();
            }
            if let Some(file) = file {
                // One write is one record.
                let _ = file.write_all(kernel_record(level, message).as_bytes());
            }
        }
    }
}

impl Log for Sinks {
    fn enabled(&self, metadata: &Metadata) -> bool {
        let own = metadata.target().starts_with(env!("CARGO_CRATE_NAME"));
        metadata.level() <= if own { self.options.level } else { self.options.level.min(LevelFilter::Warn) }
    }

    fn log(&self, record: &Record) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let message = one_line(&record.args().to_string());
        let level = record.level().as_str().to_ascii_lowercase();
        if self.options.stderr {
            let _ = writeln!(std::io::stderr(), "{level}: {message}");
        }
        self.to_file(&format!("{} {level}: {message}\n", clock::now()));
        self.to_system(record.level(), &message);
    }

    fn flush(&self) {}
}

/// The crate's own way to connect would send blocking, and a listener that hangs would hang the boot.
fn connect(listener: &Path) -> Option<Logger<LoggerBackend, Formatter3164>> {
    let socket = UnixDatagram::unbound().ok()?;
    socket.connect(listener).ok()?;
    socket.set_nonblocking(true).ok()?;
    let formatter = Formatter3164 {
        facility: Facility::LOG_DAEMON,
        hostname: None,
        process: env!("CARGO_PKG_NAME").to_owned(),
        pid: std::process::id(),
    };
    Some(Logger::new(LoggerBackend::Unix(socket), formatter))
}

/// As `/dev/kmsg` takes it: priority, who, what.
fn kernel_record(level: Level, message: &str) -> String {
    let severity = match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    };
    let end =
        message.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= LONGEST_KERNEL_RECORD).last();
    let message = message.get(..end.unwrap_or(0)).unwrap_or_default();
    format!("<{}>{}[{}]: {message}\n", DAEMON | severity, env!("CARGO_PKG_NAME"), std::process::id())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A scratch directory and sinks that write to nothing else.
    fn sinks(name: &str, system: bool) -> (PathBuf, Sinks) {
        let directory = std::env::temp_dir().join(format!("firstlight-{name}-{}", std::process::id()));
        std::fs::create_dir_all(directory.join("var/log")).unwrap();
        let root = Root::open(&directory).unwrap();
        let options = Options { level: LevelFilter::Info, stderr: false, file: Some(root), system };
        let places = Places { syslog: directory.join("syslog"), kernel: directory.join("kernel") };
        (directory, Sinks::new(options, places))
    }

    fn record(sinks: &Sinks, level: Level, target: &str, text: &str) {
        sinks.log(&Record::builder().level(level).target(target).args(format_args!("{text}")).build());
    }

    #[test]
    fn the_file_gets_own_records_with_time_and_level_and_is_not_for_everyone() {
        let (directory, sinks) = sinks("log-file", false);
        record(&sinks, Level::Info, "firstlight::boot", "seed found\n    help: look");
        record(&sinks, Level::Debug, "firstlight::boot", "too much");
        record(&sinks, Level::Info, "hyper::client", "not ours");
        let file = directory.join("var/log/firstlight.log");
        let text = std::fs::read_to_string(&file).unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        std::fs::remove_dir_all(&directory).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.ends_with("Z info: seed found; help: look\n"), "{text}");
        assert_eq!(mode & 0o137, 0, "{mode:o}");
    }

    #[test]
    fn records_go_to_the_kernel_whenever_nobody_listens() {
        let (directory, sinks) = sinks("log-system", true);
        let say = |text| record(&sinks, Level::Warn, "firstlight", text);
        std::fs::write(directory.join("kernel"), "").unwrap();
        say("early");
        let listener = UnixDatagram::bind(directory.join("syslog")).unwrap();
        say("heard");
        let mut buffer = [0; 200];
        let length = listener.recv(&mut buffer).unwrap();
        let heard = String::from_utf8_lossy(&buffer[..length]).into_owned();
        drop(listener);
        say("alone again");
        let kernel = std::fs::read_to_string(directory.join("kernel")).unwrap();
        std::fs::remove_dir_all(&directory).unwrap();
        assert!(
            heard.starts_with("<28>") && heard.ends_with(&format!("firstlight[{}]: heard", std::process::id())),
            "{heard}"
        );
        let texts: Vec<&str> = kernel.lines().filter_map(|line| line.split("]: ").nth(1)).collect();
        assert_eq!(texts, ["early", "alone again"]);
    }

    #[test]
    fn a_kernel_record_is_one_short_line_with_its_priority() {
        let record = kernel_record(Level::Warn, &"ä".repeat(1000));
        assert!(record.starts_with("<28>firstlight["), "{record}");
        assert!(record.len() < 976, "{}", record.len());
    }
}
