// SPDX-License-Identifier: Apache-2.0
//! `firstlight-host boot`: a guest over an image, and what its agent reports.
//!
//! `arguments` or a `specification` becomes a `plan`; `prepare` makes a machine of it in the scratch directory; `follow`
//! waits for its end, which `outcome` tells.

mod arguments;
mod follow;
mod libvirt;
mod outcome;
mod overlay;
mod plan;
mod prepare;
mod seed;
mod specification;
mod ssh;
mod terminal;

use std::io::{IsTerminal as _, stdin};
use std::process::ExitCode;
use std::time::Instant;

pub use arguments::Arguments;
use serde_json::json;

use crate::cli;
use crate::error::Result;
use crate::host::Common;
use crate::host::qemu::{Guest, Machine};
use crate::host::scratch::Scratch;
use crate::host::tell::Teller;

impl Arguments {
    pub(super) fn exec(&self, common: &Common) -> Result<ExitCode> {
        let teller = Teller::new(common.json);
        let plan = self.plan()?;
        if self.console() {
            terminal::check()?;
        }
        let scratch = Scratch::new(self.work_dir())?;
        let access = self.ssh().map(|_| ssh::prepare(&scratch)).transpose()?;
        let machine = prepare::machine(&plan, self, access.as_ref(), &scratch, &teller)?;
        if self.print_xml() || self.libvirt().is_some() {
            return self.by_libvirt(&plan.name, &machine, scratch, &teller, common);
        }
        let started = Instant::now();
        let mut guest = machine.start(&scratch, &teller)?;
        teller.event("booting", &format!("{} is booting", plan.name));
        let terminal = if self.console() { Some(terminal::connect(&guest)?) } else { None };
        let ended = follow::until_reported(&mut guest, self.deadline_from(started), &teller)?;
        let took = started.elapsed();
        if let Some(terminal) = terminal {
            if ended.is_running() {
                teller.event("reported", &format!("{}: Ctrl-] leaves", outcome::sentence(&ended)));
            }
            follow::until(&mut guest, || terminal.is_left())?;
        }
        // Whatever comes of a visit: what the guest has reported is told.
        let visited = match (&access, self.ssh()) {
            (Some(access), Some(user)) if ended.is_running() => visit(access, user, &mut guest, &teller),
            _ => Ok(()),
        };
        if self.keep() && ended.is_running() {
            // What it wrote last shall be on the disk that stays; otherwise nothing of it does.
            follow::switch_off(&mut guest, &teller)?;
        }
        if let (Err(error), true) = (guest.quit(), self.keep()) {
            teller.event("killed", &format!("{error}: what the guest wrote last may not be on its disk"));
        }
        let kept = if self.keep() { Some(scratch.keep()?) } else { None };
        let code = outcome::tell(&plan.name, &ended, took, kept.as_deref(), common.json)?;
        visited.map(|()| code)
    }

    fn by_libvirt(
        &self,
        name: &str,
        machine: &Machine,
        scratch: Scratch,
        teller: &Teller,
        common: &Common,
    ) -> Result<ExitCode> {
        let xml = libvirt::xml::domain(machine, machine.accelerator(&scratch, teller)?)?;
        let Some(uri) = self.libvirt().filter(|_| !self.print_xml()) else { return cli::print_exact(&xml) };
        let started = Instant::now();
        let deadline = self.deadline_from(started);
        let ended = libvirt::boot(uri, machine, &xml, deadline, self.keep(), &scratch, teller)?;
        let kept = if self.keep() { Some(scratch.keep()?) } else { None };
        outcome::tell(name, &ended, started.elapsed(), kept.as_deref(), common.json)
    }
}

/// A person in the guest; without a terminal, one that may come until a signal ends it.
fn visit(access: &ssh::Access, user: &str, guest: &mut Guest, teller: &Teller) -> Result<()> {
    if stdin().is_terminal() {
        return access.connect(user);
    }
    let command = access.command_line(user);
    teller.event_with(
        "ssh",
        &format!("the guest runs until a signal ends it: {command}"),
        json!({ "command": command }),
    );
    follow::until(guest, || false)
}
