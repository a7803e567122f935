// SPDX-License-Identifier: Apache-2.0
//! `firstlight-host boot`: a guest over an image, and what its agent reports.
//!
//! `arguments` or a `specification` becomes a `plan`; `prepare` makes a machine of it in the scratch directory; `follow`
//! waits for its end, which `outcome` tells.

mod arguments;
mod follow;
mod outcome;
mod overlay;
mod plan;
mod prepare;
mod seed;
mod specification;

use std::process::ExitCode;
use std::time::Instant;

pub use arguments::Arguments;

use crate::error::Result;
use crate::host::Common;
use crate::host::scratch::Scratch;
use crate::host::tell::Teller;

impl Arguments {
    pub(super) fn exec(&self, common: &Common) -> Result<ExitCode> {
        let teller = Teller::new(common.json);
        let plan = self.plan()?;
        let scratch = Scratch::new(self.work_dir())?;
        let machine = prepare::machine(&plan, self, &scratch, &teller)?;
        let started = Instant::now();
        let mut guest = machine.start(&scratch, &teller)?;
        teller.event("booting", &format!("{} is booting", plan.name));
        let ended = follow::until_reported(&mut guest, self.deadline_from(started), &teller)?;
        if self.keep() {
            // What it wrote last shall be on the disk that stays; otherwise nothing of it does.
            follow::switch_off(&mut guest, &teller)?;
        }
        guest.quit().or_else(|error| if self.keep() { Err(error) } else { Ok(()) })?;
        let kept = if self.keep() { Some(scratch.keep()?) } else { None };
        outcome::tell(&plan.name, &ended, started.elapsed(), kept.as_deref(), common.json)
    }
}
