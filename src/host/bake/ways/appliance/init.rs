// SPDX-License-Identifier: Apache-2.0
//! The appliance from the inside: this program as the first process of a kernel that was started for one image.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::kmod::init_module;
use nix::mount::{MsFlags, mount};
use nix::sys::reboot::{RebootMode, reboot};
use serde::{Deserialize, Serialize};

use crate::error::{At as _, Error, Result};
use crate::host::bake::worker::{self, Outcome, Place, Task};

/// The virtio-serial port over which the appliance speaks, a line of JSON each.
pub const PORT: &str = "org.firstlight.bake";
/// The modules, numbered in the order of their loading.
pub const MODULES: &str = "/modules";
/// The worker's task.
pub const TASK: &str = "/task.json";
/// How long the kernel may take to show the port and the disk.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// What the appliance tells.
#[derive(Debug, Serialize, Deserialize)]
pub enum Report {
    /// A line of the worker's.
    Line(String),
    /// All is written and unmounted.
    Ended(Outcome),
    /// It is not; the image's disk is of no use.
    Failed(String),
}

/// This program as the first process: it never returns.
pub fn main() -> ExitCode {
    let mut port = None;
    let told = work(&mut port).map_or_else(|error| Report::Failed(error.to_string()), Report::Ended);
    // The console's log has it where there is no port.
    println!("firstlight: {told:?}");
    port.as_mut().map(|port| tell(port, &told));
    nix::unistd::sync();
    // What was written to the port goes out before the machine is off.
    sleep(Duration::from_millis(200));
    let _ = reboot(RebootMode::RB_POWER_OFF);
    ExitCode::FAILURE
}

fn work(port: &mut Option<File>) -> Result<Outcome> {
    for (kind, at) in [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("tmpfs", "/run")] {
        mount(Some(kind), at, Some(kind), MsFlags::empty(), None::<&str>).at("mount", Path::new(at))?;
    }
    load()?;
    let port = port.insert(wait("the port to the host", || OpenOptions::new().write(true).open(named(PORT)?).ok())?);
    let text = fs::read(TASK).at("read", Path::new(TASK))?;
    let task: Task = serde_json::from_slice(&text).map_err(|error| Error::fatal("no task").because(error))?;
    if let Place::Mount(sources, _) = &task.place {
        for source in sources {
            wait(&source.device.display().to_string(), || source.device.exists().then_some(()))?;
        }
    }
    worker::run(&task, |line| tell(port, &Report::Line(line.to_owned())))
}

fn tell(port: &mut File, report: &Report) {
    // Nobody else could be told.
    let _ = serde_json::to_string(report).map(|line| port.write_all(format!("{line}\n").as_bytes()));
}

/// Loads the modules. One that has no device here, or is there already, is none the less what another asked for.
fn load() -> Result<()> {
    let directory = Path::new(MODULES);
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).at("list", directory)? {
        paths.push(entry.at("list", directory)?.path());
    }
    paths.sort();
    for path in paths {
        let content = fs::read(&path).at("read", &path)?;
        match init_module(&content, c"") {
            Ok(()) | Err(Errno::EEXIST | Errno::ENODEV) => {}
            Err(errno) => return Err(Error::fatal(format!("cannot load {}", path.display())).because(errno)),
        }
    }
    Ok(())
}

/// The device of the port with that name.
fn named(name: &str) -> Option<PathBuf> {
    let ports = fs::read_dir("/sys/class/virtio-ports").ok()?;
    let mut ports = ports.filter_map(|entry| Some(entry.ok()?.file_name()));
    let is = |port: &std::ffi::OsString| {
        let file = Path::new("/sys/class/virtio-ports").join(port).join("name");
        fs::read_to_string(file).is_ok_and(|text| text.trim() == name)
    };
    ports.find(is).map(|port| Path::new("/dev").join(port))
}

fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let until = Instant::now() + PATIENCE;
    loop {
        match look() {
            Some(found) => return Ok(found),
            None if Instant::now() > until => {
                return Err(Error::fatal(format!("the kernel shows no {what} within {PATIENCE:?}")));
            }
            None => sleep(POLL),
        }
    }
}
