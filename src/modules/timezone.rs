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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::{Bench, Outcome};

    fn plans(config: &str) -> Outcome {
        let bench = Bench::new(config).file("/usr/share/zoneinfo/Europe/Lisbon", "TZif2");
        bench.file("/etc/timezone", "Etc/UTC\n").plan(plan)
    }

    #[test]
    fn a_zone_of_the_guest_is_linked_and_named() {
        let outcome = plans("timezone: Europe/Lisbon");
        assert_eq!(outcome.content("/etc/timezone").as_deref(), Some("Europe/Lisbon\n"));
        assert_eq!(outcome.content("/etc/localtime").as_deref(), Some("TZif2"));
    }

    #[test]
    fn a_zone_that_the_guest_does_not_have_is_said_and_the_old_one_stays() {
        for bad in ["Europe/Lisboa", "../../etc/passwd", "/etc/passwd", "''", "Europe"] {
            let outcome = plans(&format!("timezone: {bad}"));
            assert_eq!((outcome.steps().len(), outcome.findings.iter().count()), (0, 1), "{bad}");
        }
    }
}
