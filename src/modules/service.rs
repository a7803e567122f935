// SPDX-License-Identifier: Apache-2.0
//! Services of the guest: taking up new settings now, and being started at each boot. By systemd or OpenRC.

use crate::guest::Guest;
use crate::plan::action::Command;
use crate::plan::step::{Stage, Step};

impl Step {
    /// A service takes up its new settings where it runs. One that this boot has yet to start reads them then.
    pub fn restart(&mut self, service: &str, guest: &Guest) -> &mut Self {
        if guest.is_systemd() {
            // Not waited for: in the local stage the service may itself wait for what runs this.
            self.run(Command::tool(["systemctl", "--no-block", "try-restart", service]));
        } else if guest.has_tool("openrc-run") {
            self.run(Command::tool(["rc-service", "--ifstarted", service, "restart"]));
        }
        self
    }

    /// A service is started at each boot, this one included. On an image the whole step may wait for the boot: systemd owns
    /// what a unit's installation comes to.
    pub fn enable(&mut self, service: &str, guest: &Guest) -> &mut Self {
        let run = |argv: &[&str]| Command { waits_for_boot: true, ..Command::tool(argv.iter().copied()) };
        if guest.is_systemd() {
            self.run(run(&["systemctl", "--no-block", "enable", "--now", service]));
        } else if guest.has_tool("openrc-run") {
            self.link(format!("/etc/runlevels/default/{service}"), format!("/etc/init.d/{service}"));
            // In the local stage the runlevel that starts it is still to come.
            if self.stage > Stage::Local {
                self.run(run(&["rc-service", service, "start"]));
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use crate::modules::testing::Bench;
    use crate::plan::action::Action;
    use crate::plan::step::Stage;

    /// What restarting and enabling a service comes to.
    fn actions(init: &str, stage: Stage) -> Vec<String> {
        let outcome = Bench::new("").program(init).plan(|input, planner| {
            let step = planner.step("a", &input.config.origin).stage(stage);
            step.restart("chronyd", input.guest).enable("chronyd", input.guest);
        });
        let shown = outcome.step("a").actions.iter().map(|action| match action {
            Action::Run(command) => command.argv.join(" "),
            Action::Link { path, target } => format!("{} -> {}", path.display(), target.display()),
            other => format!("{other:?}"),
        });
        shown.collect()
    }

    #[test]
    fn each_init_is_asked_in_its_own_words() {
        assert_eq!(
            actions("/usr/lib/systemd/systemd", Stage::Local),
            ["systemctl --no-block try-restart chronyd", "systemctl --no-block enable --now chronyd"]
        );
        let link = "/etc/runlevels/default/chronyd -> /etc/init.d/chronyd";
        assert_eq!(actions("/sbin/openrc-run", Stage::Local), ["rc-service --ifstarted chronyd restart", link]);
        assert_eq!(actions("/sbin/openrc-run", Stage::Final)[2], "rc-service chronyd start");
        assert!(actions("/sbin/init", Stage::Local).is_empty());
    }
}
