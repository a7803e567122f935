// SPDX-License-Identifier: Apache-2.0
//! Rules for doas. One that doas cannot read would lock everybody out of it, so such a rule is refused.

use crate::config::types::OneOrMany;
use crate::finding::{Finding, Findings, Located};
use crate::plan::action::Edit;

/// The only file that every doas reads.
const FILE: &str = "/etc/doas.conf";

/// The edit that gives `user` its rules; none where it has none.
pub fn edit(user: &str, asked: Option<OneOrMany<Located<String>>>, findings: &mut Findings) -> Option<Edit> {
    let rules = asked.map(|rules| rules.0).unwrap_or_default();
    let rules: Vec<_> = rules.iter().filter(|rule| check(user, rule, findings)).map(|rule| rule.trim()).collect();
    if rules.is_empty() {
        return None;
    }
    let block = format!("# Rules for {user}\n{}\n", rules.join("\n"));
    let add = move |old: &str| {
        let end = if old.is_empty() || old.ends_with('\n') { "" } else { "\n" };
        if old.contains(&block) { old.to_owned() } else { format!("{old}{end}{block}") }
    };
    Some(Edit::new(FILE, add).mode(0o440))
}

/// A rule is `permit|deny [options] identity [as target] [cmd ...]` on one line (doas.conf(5)), here about this user.
fn check(user: &str, rule: &Located<String>, findings: &mut Findings) -> bool {
    let text = rule.trim();
    let mut words = text.split_whitespace();
    let acts = matches!(words.next(), Some("permit" | "deny"));
    let good = acts
        && words.take_while(|word| !matches!(*word, "as" | "cmd")).any(|word| word == user)
        && !text.contains(char::is_control)
        && !text.ends_with('\\')
        && text.matches('"').count().is_multiple_of(2)
        && text.matches('{').count() == text.matches('}').count();
    if !good {
        let bad = format!("`{}` is no rule for doas about {user}; it is left out", text.escape_debug());
        findings
            .push(Finding::error(&rule.origin, bad).help(format!("a rule is one line such as permit nopass {user}")));
    }
    good
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::Bench;
    use crate::modules::users::MODULE;

    fn rules(doas: &str, old: &str) -> (Option<String>, usize) {
        let bench = Bench::new(&format!("users: [{{name: ops, doas: {doas}}}]"));
        let outcome = if old.is_empty() { bench } else { bench.file(FILE, old) }.plan(MODULE.plan);
        (outcome.content(FILE), outcome.findings.iter().count())
    }

    #[test]
    fn rules_are_added_once_to_those_that_are_there() {
        let block = "# Rules for ops\npermit nopass ops\npermit ops as root cmd reboot\n";
        let both = "[permit nopass ops, permit ops as root cmd reboot]";
        assert_eq!(rules(both, ""), (Some(block.to_owned()), 0));
        assert_eq!(rules(both, "permit :wheel"), (Some(format!("permit :wheel\n{block}")), 0));
        assert_eq!(rules(both, block), (None, 0));
        assert_eq!(rules("permit ops", "").0.unwrap(), "# Rules for ops\npermit ops\n");
    }

    #[test]
    fn what_doas_would_choke_on_or_is_about_others_is_refused() {
        for bad in [
            "permit",
            "allow ops",
            "permit nopass joe",
            "permit joe as ops",
            "'permit ops \"'",
            "\"permit ops\\npermit :x\"",
            "'permit setenv { A ops'",
        ] {
            assert_eq!(rules(&format!("[{bad}]"), ""), (None, 1), "{bad}");
        }
    }
}
