// SPDX-License-Identifier: Apache-2.0
//! VMware: wipes from the `guestinfo` variables what the metadata wants wiped, once all of it is kept on disk.
//!
//! As cloud-init's `redact` (`cleanup-guestinfo`). There it happens before anything is kept, so that a machine which is
//! reset at that moment has lost its configuration.

use crate::finding::Finding;
use crate::modules::{Input, Module, Planner};
use crate::plan::action::{Action, Command};
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "guestinfo", stage: Stage::Final, frequency: Frequency::PerInstance, keys: &[], plan };

const DATASOURCE: &str = "vmware";
const KEYS: [&str; 3] = ["metadata", "userdata", "vendordata"];

fn plan(input: &Input, planner: &mut Planner) {
    if input.datasource != DATASOURCE {
        return;
    }
    let mut keys = Vec::new();
    for word in &input.instance.redact {
        match KEYS.into_iter().find(|key| word.as_str().trim_start_matches("guestinfo.") == *key) {
            Some(key) => keys.push((key, word.origin.clone())),
            None => {
                let text = format!("`{}` is no variable that was read; it is not wiped", word.value);
                planner.finding(Finding::error(&word.origin, text).help(format!("one of {}", KEYS.join(", "))));
            }
        }
    }
    let Some((_, origin)) = keys.first().cloned() else { return };
    let has = |tool: &str| input.guest.has_tool(tool);
    let tool: &[&str] =
        if has("vmware-rpctool") || !has("vmtoolsd") { &["vmware-rpctool"] } else { &["vmtoolsd", "--cmd"] };
    let step = planner.step(MODULE.name, &origin);
    let mut run = |argv: &[&str]| {
        step.action(Action::Run(Command { waits_for_boot: true, ..Command::tool(argv.iter().copied()) }));
    };
    // What is kept may still be on its way to the disk, and nobody else has it afterwards.
    run(&["sync"]);
    for (key, _) in keys {
        // A variable can't be taken away, nor be empty: these are the peer's signs for nothing.
        for assignment in [format!("info-set guestinfo.{key} ---"), format!("info-set guestinfo.{key}.encoding  ")] {
            run(&[tool, &[assignment.as_str()]].concat());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Located, Origin};
    use crate::instance::Instance;
    use crate::modules::testing::Bench;

    fn planned(datasource: &str, redact: &[&str], tool: &str) -> (Vec<String>, Vec<String>) {
        let outcome = Bench::new("{}").tool(tool).plan(|input, planner| {
            let at = Origin::document("guestinfo.metadata");
            let redact = redact.iter().map(|word| Located::new((*word).to_owned(), at.clone())).collect();
            let instance = Instance { redact, ..input.instance.clone() };
            plan(&Input { instance: &instance, datasource, ..*input }, planner);
        });
        (outcome.programs(), outcome.said())
    }

    #[test]
    fn what_is_kept_reaches_the_disk_before_it_is_wiped() {
        let (programs, said) = planned("vmware", &["userdata", "guestinfo.vendordata", "ovfEnv"], "vmtoolsd");
        assert_eq!(
            programs,
            [
                "sync",
                "vmtoolsd --cmd info-set guestinfo.userdata ---",
                "vmtoolsd --cmd info-set guestinfo.userdata.encoding  ",
                "vmtoolsd --cmd info-set guestinfo.vendordata ---",
                "vmtoolsd --cmd info-set guestinfo.vendordata.encoding  ",
            ]
        );
        assert!(said[0].starts_with("guestinfo.metadata: error: `ovfEnv` is no variable that was read"), "{said:?}");
        assert_eq!(
            planned("vmware", &["metadata"], "vmware-rpctool").0[1],
            "vmware-rpctool info-set guestinfo.metadata ---"
        );
    }

    #[test]
    fn nothing_is_wiped_that_nobody_asks_for() {
        for (datasource, redact) in [("vmware", &[][..]), ("nocloud", &["userdata"]), ("vmware", &["; reboot"])] {
            assert!(planned(datasource, redact, "vmtoolsd").0.is_empty());
        }
    }
}
