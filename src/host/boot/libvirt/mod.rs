// SPDX-License-Identifier: Apache-2.0
//! The guest as a domain of libvirt: created for as long as this program lives, or defined where it shall stay.

mod virsh;
pub mod xml;

use std::fs::{self, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::follow::{Boot, End, Following};
use crate::error::{At as _, Error, Result};
use crate::host::interrupt;
use crate::host::qemu::{Event, Lines, Machine};
use crate::host::scratch::Scratch;
use crate::host::tell::Teller;
use crate::report::port;
use virsh::Virsh;

/// How often libvirt is asked whether the domain still runs.
const LOOK: Duration = Duration::from_secs(1);
/// A report is never larger.
const LINE: usize = 4 * 1024 * 1024;

/// Runs the domain until its agent has reported. It goes afterwards, also when this program is killed; with `keep` it is
/// defined and stays, running.
///
/// # Errors
/// Absent: there is no virsh. Fatal: libvirt refuses, with its words.
pub fn boot(
    uri: &str,
    machine: &Machine,
    xml: &str,
    deadline: Instant,
    keep: bool,
    scratch: &Scratch,
    teller: &Teller,
) -> Result<Boot> {
    let _listening = interrupt::listen(|| {})?;
    let virsh = Virsh::new(uri)?;
    // QEMU runs as another user there, who must get to the overlay; what is in here keeps its own modes.
    let open = Permissions::from_mode(0o711);
    fs::set_permissions(scratch.path(), open).at("open", scratch.path())?;
    let file = scratch.path().join("domain.xml");
    fs::write(&file, xml).at("write", &file)?;
    let domain = virsh.start(&machine.name, &file, keep)?;
    teller.event("booting", &format!("{} is booting under {uri}", machine.name));
    let channel = domain.channel(port::NAME)?;
    follow(&domain, channel, deadline, teller)
}

fn follow(domain: &virsh::Domain, channel: PathBuf, deadline: Instant, teller: &Teller) -> Result<Boot> {
    let cannot = |error: io::Error| {
        Error::fatal(format!("cannot read the guest's channel {}", channel.display())).because(error)
    };
    let mut stream = UnixStream::connect(&channel).map_err(cannot)?;
    stream.set_read_timeout(Some(LOOK)).map_err(cannot)?;
    let (mut following, mut lines, mut buffer) = (Following::new(teller), Lines::new(LINE), [0; 16 * 1024]);
    loop {
        let count = match stream.read(&mut buffer) {
            Err(error) if !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                return Err(cannot(error));
            }
            Ok(count) => Some(count),
            Err(_) => None,
        };
        let mut end = None;
        lines.take(buffer.get(..count.unwrap_or(0)).unwrap_or_default(), |line| {
            let event = Event::Line { port: port::NAME.to_owned(), line };
            end = end.take().or_else(|| following.take(event));
        });
        // What came before the end of the channel was read.
        if end.is_none() && (count.is_none() || count == Some(0)) {
            end = domain.end()?;
        }
        if interrupt::requested().is_some() {
            end = Some(End::Interrupted);
        }
        if end.is_none() && Instant::now() > deadline {
            end = Some(End::TooLate);
        }
        match end {
            Some(end) => return Ok(following.boot(end)),
            None if count == Some(0) => std::thread::sleep(LOOK),
            None => {}
        }
    }
}
