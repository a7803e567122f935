// SPDX-License-Identifier: Apache-2.0
//! Through a virtual machine of a few seconds: a kernel, and this very program as its first process. No privileges; the
//! image is written through an overlay.

mod cpio;
pub mod init;
mod kernel;
mod modules;

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use self::cpio::Archive;
use self::init::{PORT, Report};
use self::kernel::Kernel;
use super::{Order, Written};
use crate::error::{At as _, Error, Result};
use crate::host::bake::contents::{Contents, Copy, Kind};
use crate::host::bake::elf::Program;
use crate::host::bake::worker::{Outcome, Place, Task};
use crate::host::image::{Format, tool};
use crate::host::programs;
use crate::host::qemu::{self, Disk, Event, Guest, Machine};

/// How long it may take: emulated, and with the journal of a large file system to be played back.
const PATIENCE: Duration = Duration::from_secs(600);
/// MiB of memory beside what the archive takes.
const MEMORY: u64 = 320;
/// Bytes of files that go into memory with it.
const LIMIT: u64 = 1 << 30;
/// Lines of the console that are shown where it did not end well.
const SHOWN: usize = 12;

/// Where QEMU is, this program needs no libraries, and there is a kernel.
pub fn possible(order: &Order) -> Result<()> {
    programs::qemu()?;
    if !Program::of(Path::new("/proc/self/exe"))?.is_static {
        return Err(Error::fatal(
            "this build of firstlight-host is not static, so it can't be a machine's only program",
        )
        .help("build it for x86_64-unknown-linux-musl"));
    }
    kernel::find(order).map(drop)
}

/// Boots the appliance on an overlay over the image.
pub fn write(order: &Order) -> Result<Written> {
    let kernel = kernel::find(order)?;
    order.teller.event("kernel", &format!("appliance: {}", kernel.whose));
    let directory = order.scratch.path();
    let (disk, image, archive) = (directory.join("disk.qcow2"), directory.join("vmlinuz"), directory.join("initramfs"));
    tool::overlay(order.image, order.format, &disk, None)?;
    fs::write(&image, &kernel.image).at("write", &image)?;
    let size = archived(order, &kernel, &archive)?;
    let console = directory.join("console.log");
    let machine = Machine {
        name: "bake".into(),
        memory_mib: MEMORY + (size >> 20) * 2,
        processors: 1,
        disks: vec![Disk { path: disk.clone(), format: "qcow2".into(), read_only: false, cdrom: false, serial: None }],
        kernel: Some(qemu::Kernel {
            kernel: image,
            initrd: Some(archive),
            command_line: "console=ttyS0 quiet panic=-1 rdinit=/init".into(),
        }),
        ports: vec![PORT.into()],
        serial_log: Some(console.clone()),
        ..Machine::default()
    };
    let work = order.teller.work("working in the image", None);
    let mut guest = machine.start(order.scratch, order.teller)?;
    let told = follow(order, &mut guest, Instant::now() + PATIENCE);
    guest.quit()?;
    drop(work);
    match told {
        Ok(outcome) => Ok(Written { path: disk, format: Format::Qcow2, outcome }),
        Err(error) if error.is_transient() => Err(Error::fatal(error.without_advice()).help(last_lines(&console))),
        Err(error) => Err(error),
    }
}

/// Until the machine is off; transient where it said nothing of how it went, and only its console may tell.
fn follow(order: &Order, guest: &mut Guest, until: Instant) -> Result<Outcome> {
    let mut told = None;
    loop {
        match guest.next(until)? {
            Some(Event::Line { line, .. }) => match serde_json::from_str(&line) {
                Ok(Report::Line(line)) => order.tell(&line),
                Ok(Report::Ended(outcome)) => told = Some(Ok(outcome)),
                Ok(Report::Failed(why)) => told = Some(Err(Error::fatal(why))),
                Err(_) => {}
            },
            Some(Event::Panicked(why)) => {
                return Err(Error::transient(format!("the appliance's kernel panicked: {why}")));
            }
            Some(Event::Interrupted) => return Err(Error::fatal("interrupted; the image is as it was")),
            // Only when it is off is all of it on the disk.
            Some(Event::Shutdown | Event::Exited(..)) => {
                return told.unwrap_or_else(|| Err(Error::transient("the appliance ended without a word")));
            }
            Some(Event::Stopped(why)) => return Err(Error::fatal(format!("the appliance was stopped: {why}"))),
            Some(Event::Reset) => return Err(Error::transient("the appliance started again, as after a panic")),
            Some(Event::Console(_)) => {}
            None => return Err(Error::transient(format!("the appliance did not end within {PATIENCE:?}"))),
        }
    }
}

fn last_lines(console: &Path) -> String {
    let text = fs::read(console).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut lines: Vec<&str> = text.lines().rev().take(SHOWN).map(str::trim_end).collect();
    lines.reverse();
    format!("its console ended with:\n{}", lines.join("\n"))
}

/// Writes the archive that the kernel starts with; its bytes.
fn archived(order: &Order, kernel: &Kernel, to: &Path) -> Result<u64> {
    let mut archive = Archive::new(BufWriter::new(File::create(to).at("make", to)?));
    let mut fill = || -> io::Result<()> {
        for directory in ["dev", "proc", "sys", "run", "tmp", "image"] {
            archive.directory(directory)?;
        }
        archive.copy("init", 0o755, Path::new("/proc/self/exe"))?;
        archive.directory("modules")?;
        for (number, module) in kernel.modules.iter().enumerate() {
            archive.file(&format!("modules/{number:03}-{}.ko", module.name), 0o644, &module.content)?;
        }
        let contents = carried(order.contents, &mut archive)?;
        let sources = order.sources(|root| (root.device().into(), None));
        let task = Task { place: Place::Mount(sources, "/image".into()), contents };
        archive.file(init::TASK.trim_start_matches('/'), 0o600, &serde_json::to_vec(&task)?)
    };
    fill().at("write", to)?;
    archive.finish().at("write", to)?;
    let size = fs::metadata(to).at("look at", to)?.len();
    if size > LIMIT {
        return Err(Error::fatal(format!("what is to be put in has {} MiB, too much for the appliance", size >> 20))
            .help("as root take --way loop, or mount the image and use --root DIR"));
    }
    Ok(size)
}

/// The contents with their files in the archive.
fn carried(contents: &Contents, archive: &mut Archive<impl io::Write>) -> io::Result<Contents> {
    archive.copy("carried/agent", 0o755, &contents.agent)?;
    let mut carried = Contents { agent: "/carried/agent".into(), ..contents.clone() };
    for (number, profile) in carried.profiles.iter_mut().enumerate() {
        let path = PathBuf::from(&*profile);
        // A name of the agent's own is none of a file.
        if let Some(name) = path.file_name().filter(|_| path.is_absolute()) {
            use std::os::unix::fs::PermissionsExt as _;
            let place = format!("carried/profile-{number}/{}", name.to_string_lossy());
            archive.copy(&place, fs::metadata(&path)?.permissions().mode() & 0o777, &path)?;
            *profile = format!("/{place}");
        }
    }
    for (number, copy) in carried.copies.iter_mut().enumerate() {
        if let Copy { from, kind: Kind::File(_), .. } = copy {
            let place = format!("carried/copy-{number}");
            archive.copy(&place, 0o600, from)?;
            *from = format!("/{place}").into();
        }
    }
    Ok(carried)
}
