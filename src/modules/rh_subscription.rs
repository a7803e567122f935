// SPDX-License-Identifier: Apache-2.0
//! Red Hat's subscription: the machine registered, pools and repositories chosen.
//!
//! Keys as cloud-init's `cc_rh_subscription`. Unlike there the password is given on standard input, where no list of
//! processes shows it, and one repository that does not exist keeps no other from being enabled. The tool takes an
//! activation key only as an argument.

use crate::config::types::OneOrMany;
use crate::finding::{Finding, Located};
use crate::modules::shell::{self, Entry, quoted};
use crate::modules::{Input, Module, Planner};
use crate::plan::action::Command;
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "rh_subscription", stage: Stage::Final, frequency: Frequency::PerInstance, keys: Keys::KEYS, plan };

crate::keys! {
    struct Keys {
        /// How the machine is registered with Red Hat.
        rh_subscription: Located<Subscription>,
    }
}

crate::keys! {
    struct Subscription {
        /// Account; with `password`.
        username: String,
        /// Password of the account.
        password: String,
        /// In place of an account; with `org`.
        activation_key: String,
        /// Organization of the activation key.
        org: String,
        /// Attach the subscriptions that fit.
        auto_attach: bool,
        /// Service level; with `auto_attach`.
        service_level: Located<String>,
        /// Subscriptions to attach, by the ids of their pools.
        add_pool: OneOrMany<String>,
        /// Repositories to enable.
        enable_repo: OneOrMany<String>,
        /// Repositories to disable.
        disable_repo: OneOrMany<String>,
        /// Address of the packages, in place of Red Hat's.
        rhsm_baseurl: String,
        /// Server for the registration, in place of Red Hat's.
        server_hostname: String,
        /// Stay on this minor release, such as `9.2`.
        release_version: String,
    }
}

const TOOL: &str = "subscription-manager";

fn plan(input: &Input, planner: &mut Planner) {
    let Some(wanted) = Keys::take(input.config, &mut planner.findings).rh_subscription else { return };
    if !input.guest.has_tool(TOOL) {
        let none = format!("this guest has no {TOOL}; it is not registered");
        return planner.finding(Finding::error(&wanted.origin, none));
    }
    let Some(entries) = entries(&wanted, planner) else { return };
    // The first one has the password in it.
    let text = |index: usize, shell: &str| if index == 0 { format!("{TOOL} register") } else { shell.to_owned() };
    let entry = |(index, shell): (usize, String)| Entry { number: index + 1, text: text(index, &shell), shell };
    let entries: Vec<_> = entries.into_iter().enumerate().map(entry).collect();
    let step = planner.step("rh_subscription", &wanted.origin);
    shell::run(step, "rh_subscription", &entries, Command::fetching(30, [""; 0]), input);
}

/// The registration, then each further thing; none, and said, where it can't be done.
fn entries(wanted: &Located<Subscription>, planner: &mut Planner) -> Option<Vec<String>> {
    let option = |name: &str, value: &Option<String>| {
        value.as_ref().map(|value| format!(" {}", quoted(&format!("--{name}={value}")))).unwrap_or_default()
    };
    let (input, who) = match (&wanted.activation_key, &wanted.username, &wanted.password) {
        (Some(_), ..) if wanted.org.is_some() => {
            (String::new(), option("activationkey", &wanted.activation_key) + &option("org", &wanted.org))
        }
        (_, Some(_), Some(password)) => {
            // Without a terminal the tool reads it from its input.
            (
                format!("printf '%s\\n' {} | ", quoted(password)),
                option("username", &wanted.username) + &option("org", &wanted.org),
            )
        }
        _ => {
            let who = "a registration wants `activation-key` and `org`, or `username` and `password`; it is left out";
            planner.finding(Finding::error(&wanted.origin, who));
            return None;
        }
    };
    let server = option("baseurl", &wanted.rhsm_baseurl) + &option("serverurl", &wanted.server_hostname);
    // Whatever comes after is of no use to a machine that is not registered.
    let mut entries = vec![format!("{TOOL} identity >/dev/null 2>&1 || {input}{TOOL} register{who}{server} || exit")];
    let level = wanted.service_level.as_ref();
    if wanted.auto_attach == Some(true) {
        entries
            .push(format!("{TOOL} attach --auto{}", option("servicelevel", &level.map(|level| level.value.clone()))));
    } else if let Some(level) = level {
        let alone = "`service-level` counts only with `auto-attach: true`; it is left out";
        planner.finding(Finding::error(&level.origin, alone));
    }
    let mut each = |words: &str, list: &Option<OneOrMany<String>>| {
        for value in list.iter().flat_map(|list| &list.0) {
            entries.push(format!("{TOOL} {words}{}", quoted(value)));
        }
    };
    each("attach --pool=", &wanted.add_pool);
    each("repos --disable=", &wanted.disable_repo);
    each("repos --enable=", &wanted.enable_repo);
    if let Some(release) = &wanted.release_version {
        entries.push(format!("{TOOL} release --set={}", quoted(release)));
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::Bench;
    use crate::plan::action::Action;

    /// The script that is run, and what was said.
    fn script(config: &str) -> (String, Vec<String>) {
        let outcome =
            Bench::new(&format!("rh_subscription: {config}")).program("/usr/sbin/subscription-manager").plan(plan);
        let actions = outcome.steps.iter().flat_map(|step| &step.actions);
        let script = actions.filter_map(|action| match action {
            Action::Write(write) => {
                assert!(write.secret && write.mode == 0o700);
                Some(String::from_utf8_lossy(&write.content).into_owned())
            }
            Action::Run(command) => {
                assert!(!command.argv.join(" ").contains("s3cret"));
                let told = &command.progress.as_ref().unwrap().entries;
                assert!(told.iter().all(|(_, text)| !text.contains("s3cret")), "the status tells it");
                None
            }
            _ => None,
        });
        (script.collect(), outcome.said())
    }

    #[test]
    fn a_password_is_no_argument() {
        let (script, said) = script("{username: joe, password: \"s3cret'\", server-hostname: h}");
        assert_eq!(said.len(), 0);
        assert!(script.contains("|| printf '%s\\n' 's3cret'\\''' | subscription-manager register '--username=joe' '--serverurl=h' || exit\n"), "{script}");
    }

    #[test]
    fn everything_that_is_asked_for_is_an_entry_of_its_own() {
        let (script, said) = script(
            "{activation-key: k, org: 12345, auto-attach: true, service-level: self-support, add-pool: [p1, p2], enable-repo: r, disable-repo: [s], release_version: 9.20}",
        );
        assert_eq!(said.len(), 0, "{said:?}");
        let told: Vec<_> = script.lines().filter(|line| line.starts_with("subscription-manager ")).skip(1).collect();
        let expected = [
            "attach --auto '--servicelevel=self-support'",
            "attach --pool='p1'",
            "attach --pool='p2'",
            "repos --disable='s'",
            "repos --enable='r'",
            "release --set='9.20'",
        ];
        assert_eq!(told, expected.map(|words| format!("subscription-manager {words}")));
        assert!(script.contains("register '--activationkey=k' '--org=12345' || exit\n"));
    }

    #[test]
    fn what_can_not_be_done_is_said_without_its_secret() {
        for config in ["{username: joe}", "{activation-key: s3cret}", "{password: s3cret}"] {
            let (script, said) = script(config);
            assert!(script.is_empty() && said.len() == 1 && !said[0].contains("s3cret"), "{said:?}");
        }
        assert_eq!(script("{username: u, password: p, service-level: x}").1.len(), 1);
        assert_eq!(Bench::new("rh_subscription: {username: u}").plan(plan).said().len(), 1);
    }
}
