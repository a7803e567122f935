// SPDX-License-Identifier: Apache-2.0
//! Time zone: which zone local time is shown in.
//!
//! Keys as cloud-init's `cc_timezone`. A zone that the guest does not have is a finding, and the old zone stays.

use crate::finding::{Finding, Located};
use crate::modules::{Input, Module, Planner};
use crate::plan::action::Edit;
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "timezone", stage: Stage::Local, frequency: Frequency::PerInstance, keys: Keys::KEYS, plan };

crate::keys! {
    struct Keys {
        /// Name in the zone database, e.g. `Europe/Lisbon`.
        timezone: Located<String>,
    }
}

fn plan(input: &Input, planner: &mut Planner) {
    let Some(zone) = Keys::take(input.config, &mut planner.findings).timezone else { return };
    let Some(file) = input.guest.zoneinfo(&zone) else {
        let unknown =
            Finding::error(&zone.origin, format!("no time zone `{}` in this guest; the old one stays", *zone));
        let help = match input.guest.closest_zone(&zone) {
            Some(close) => format!("did you mean `{close}`?"),
            None => "names are those below /usr/share/zoneinfo; the package is tzdata".to_owned(),
        };
        return planner.finding(unknown.help(help));
    };
    let line = format!("{}\n", *zone);
    planner
        .step("timezone", &zone.origin)
        .link("/etc/localtime", file)
        .edit(Edit::new("/etc/timezone", move |_| line.clone()).only_existing());
}
