// SPDX-License-Identifier: Apache-2.0
//! What of a user is kept by other programs: SELinux's table of logins, the Ubuntu store.

use crate::finding::{Finding, Located, Origin};
use crate::modules::{Input, Planner};
use crate::plan::action::Command;
use crate::plan::step::Stage;

/// Which SELinux user it is, told to the policy by `usermod -Z`.
pub fn selinux_user(name: &str, asked: Option<Located<String>>, input: &Input, planner: &mut Planner) {
    let Some(asked) = asked else { return };
    let plain = !asked.starts_with('-') && asked.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    let problem = if asked.is_empty() || !plain {
        "this is no SELinux user; it is left out"
    } else if !input.guest.exists("/etc/selinux/config") || !input.guest.has_tool("usermod") {
        "this guest has no SELinux; `selinux_user` changes nothing"
    } else {
        let mut command = Command::tool(["usermod", "-Z", &asked, name]);
        command.waits_for_boot = true;
        planner.step(format!("users {name} selinux_user"), &asked.origin).run(command);
        return;
    };
    planner.finding(Finding::error(&asked.origin, problem));
}

/// A user of Ubuntu Core, which snapd makes by an account of the store.
pub fn snap_user(name: &str, email: &Located<String>, origin: &Origin, input: &Input, planner: &mut Planner) {
    let problem = if email.starts_with('-') || !email.contains('@') {
        "`snapuser` is the e-mail address of an account of the store; the user is not made"
    } else if !input.guest.has_tool("snap") {
        "this guest has no snapd to make a `snapuser`; the user is not made"
    } else {
        let argv = ["snap", "create-user", "--sudoer", "--json", email.as_str()];
        planner.step(format!("users {name}"), origin).stage(Stage::Network).run(Command::script(argv));
        return;
    };
    planner.finding(Finding::error(&email.origin, problem));
}

#[cfg(test)]
mod tests {
    use crate::modules::testing::{Bench, Outcome};
    use crate::modules::users::MODULE;
    use crate::plan::action::Action;

    fn planned(keys: &str) -> (Outcome, usize) {
        let bench = Bench::new(&format!("users: [{{name: ops, {keys}}}]")).file("/etc/selinux/config", "");
        let outcome = bench.program("/usr/sbin/usermod").program("/usr/bin/snap").plan(MODULE.plan);
        let findings = outcome.findings.iter().count();
        (outcome, findings)
    }

    fn argv(outcome: &Outcome, step: &str) -> String {
        let [Action::Run(command)] = &outcome.step(step).actions[..] else { panic!("{step}") };
        command.argv.join(" ")
    }

    #[test]
    fn a_selinux_user_is_told_the_policy() {
        let (outcome, _) = planned("selinux_user: staff_u");
        assert_eq!(argv(&outcome, "users ops selinux_user"), "usermod -Z staff_u ops");
        for bad in ["-u", "a b", "''"] {
            let (outcome, findings) = planned(&format!("selinux_user: {bad}"));
            assert_eq!((outcome.steps(), findings), (vec!["users ops"], 1), "{bad}");
        }
        let without = Bench::new("users: [{name: ops, selinux_user: staff_u}]").plan(MODULE.plan);
        assert_eq!((without.steps().len(), without.findings.iter().count()), (1, 1));
    }

    #[test]
    fn a_snap_user_is_snapd_s_alone() {
        let (outcome, findings) = planned("snapuser: ops@example.com");
        assert_eq!(
            (argv(&outcome, "users ops").as_str(), findings),
            ("snap create-user --sudoer --json ops@example.com", 0)
        );
        let (outcome, findings) = planned("snapuser: --known");
        assert_eq!((outcome.steps().len(), findings), (0, 1));
    }
}
