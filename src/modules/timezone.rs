// SPDX-License-Identifier: Apache-2.0
//! Time zone: which zone local time is shown in.
//!
//! Keys as cloud-init's `cc_timezone`. A zone that the guest does not have is a finding, and the old zone stays.

use crate::finding::{Finding, Located};
use crate::modules::assignments::assign;
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
    let step = planner
        .step("timezone", &zone.origin)
        .link("/etc/localtime", file)
        .edit(Edit::new("/etc/timezone", move |_| line.clone()).only_existing());
    // What older releases of SUSE and of the RHEL family name it by besides; a file without the key is somebody else's.
    let name = format!("\"{}\"", *zone);
    let clock = move |old: &str| {
        let key =
            ["TIMEZONE", "ZONE"].into_iter().find(|key| old.lines().any(|line| line.starts_with(&format!("{key}="))));
        key.map_or_else(|| old.to_owned(), |key| assign(old, key, &name))
    };
    step.edit(Edit::new("/etc/sysconfig/clock", clock).only_existing());
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

    #[test]
    fn older_files_follow_where_they_name_a_zone() {
        let clock = |old: &str| {
            let bench = Bench::new("timezone: Etc/UTC").file("/usr/share/zoneinfo/Etc/UTC", "TZif2");
            bench.file("/etc/sysconfig/clock", old).plan(plan).content("/etc/sysconfig/clock")
        };
        assert_eq!(clock("ZONE=\"Europe/Rome\"\nUTC=true\n").as_deref(), Some("ZONE=\"Etc/UTC\"\nUTC=true\n"));
        assert_eq!(clock("TIMEZONE=\"Europe/Rome\"\n").as_deref(), Some("TIMEZONE=\"Etc/UTC\"\n"));
        assert_eq!(clock("UTC=true\n"), None);
    }
}
