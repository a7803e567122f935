// SPDX-License-Identifier: Apache-2.0
//! Run commands: run once for each instance, at the end of the boot.
//!
//! Key as cloud-init's `cc_runcmd`, where the list becomes a script that runs after the user's scripts. A user's list
//! replaces that of the image, as every list does; what the image needs in any case is in its settings, `firstlight:
//! runcmd:`, and runs before the user's scripts.

use crate::config::read::Raw;
use crate::config::types::Commands;
use crate::modules::{Input, Module, Planner, shell};
use crate::plan::action::SCRIPT_LIMIT;
use crate::plan::step::{Frequency, Stage};

/// The commands of the image.
pub const IMAGE: Module =
    Module { name: "runcmd", stage: Stage::Final, frequency: Frequency::PerInstance, keys: &[], plan: image };

/// The commands of the user.
pub const MODULE: Module =
    Module { name: "runcmd", stage: Stage::Final, frequency: Frequency::PerInstance, keys: Keys::KEYS, plan };

crate::keys! {
    struct Keys {
        /// Commands: each entry a string for the shell, or a list of words.
        runcmd: Raw<Commands>,
    }
}

fn image(input: &Input, planner: &mut Planner) {
    if let Some(list) = &input.settings.runcmd {
        shell::step("runcmd of the image", "image-runcmd", list, SCRIPT_LIMIT, input, planner);
    }
}

fn plan(input: &Input, planner: &mut Planner) {
    if let Some(list) = Keys::take(input.config, &mut planner.findings).runcmd {
        shell::step("runcmd", "runcmd", &list, SCRIPT_LIMIT, input, planner);
    }
}

#[cfg(test)]
mod tests {
    use crate::config::document::parse;
    use crate::config::read::{Raw, Read as _};
    use crate::finding::{Findings, Origin};
    use crate::modules::MODULES;
    use crate::modules::testing::Bench;
    use crate::plan::action::Action;

    #[test]
    fn the_image_s_commands_are_not_replaced_by_the_user_s_and_come_first() {
        let mut bench = Bench::new("runcmd: [echo user]\n");
        let own = parse("- echo image\n- [id]\n", &Origin::document("config.yaml"), &mut Findings::default());
        bench.settings.runcmd = own.and_then(|own| Raw::read(&own, &mut Findings::default()));
        let outcome = bench.plan(|input, planner| {
            MODULES.iter().filter(|module| module.name == "runcmd").for_each(|module| (module.plan)(input, planner));
        });
        assert_eq!(outcome.steps(), ["runcmd of the image", "runcmd"]);
        let scripts: Vec<_> = (outcome.steps.iter().flat_map(|step| &step.actions))
            .filter_map(|action| match action {
                Action::Write(write) => {
                    Some((write.path.file_name()?.to_str()?, String::from_utf8_lossy(&write.content)))
                }
                _ => None,
            })
            .collect();
        let [(image, commands), (user, others)] = &scripts[..] else { panic!("{scripts:?}") };
        assert_eq!((*image, *user), ("image-runcmd", "runcmd"));
        assert!(commands.contains("'echo image'\n") && commands.contains("'id'\n") && !commands.contains("user"));
        assert!(others.contains("'echo user'\n"));
        let place = |name: &str| MODULES.iter().position(|module| module.name == name).unwrap();
        assert!(place("runcmd") < place("scripts"));
    }
}
