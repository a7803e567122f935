// SPDX-License-Identifier: Apache-2.0
//! Rules for sudo. One that sudo cannot read would lock everybody out of it, so such a rule is refused.

use crate::config::types::{OneOrMany, OrFalse};
use crate::finding::{Finding, Findings, Located};
use crate::plan::action::Edit;

/// Rules of the users made here.
const SUDOERS: &str = "/etc/sudoers.d/90-firstlight-users";

/// The edits that give `user` its rules; none where it has none.
pub fn edits(
    user: &str,
    asked: Option<Located<OrFalse<OneOrMany<Located<String>>>>>,
    findings: &mut Findings,
) -> Vec<Edit> {
    let Some(Located { value: OrFalse(asked), origin }) = asked else { return Vec::new() };
    let Some(OneOrMany(asked)) = asked else {
        let old = Finding::warning(&origin, "`sudo: false` is deprecated; there are no rules without it either");
        findings.push(old.help("leave `sudo` out"));
        return Vec::new();
    };
    let rules: Vec<_> = asked.iter().filter(|rule| check(rule, findings)).map(|rule| rule.trim()).collect();
    if rules.is_empty() {
        return Vec::new();
    }
    // With its head: the rules alone are also the end of those of a user whose name ends alike.
    let mut block = format!("# Rules for {user}\n");
    block.extend(rules.iter().map(|rule| format!("{user} {rule}\n")));
    let add = move |old: &str| if old.contains(&block) { old.to_owned() } else { format!("{old}{block}") };
    vec![Edit::new("/etc/sudoers", with_includedir).only_existing(), Edit::new(SUDOERS, add).mode(0o440)]
}

/// A rule is `HOSTS=COMMANDS` on one line (sudoers(5)), and no command in it is empty. No more than that: what is
/// plainly broken is refused, and sudo's whole grammar is sudo's.
fn check(rule: &Located<String>, findings: &mut Findings) -> bool {
    let text = rule.trim();
    let good = !text.starts_with('=')
        && !text.ends_with('\\')
        && !text.contains(char::is_control)
        && outside_of_quotes(text).is_some_and(|plain| {
            let commands = plain.split_once('=').map(|(_, commands)| commands);
            balanced(&plain) && commands.is_some_and(|commands| commands.split(',').all(names_a_command))
        });
    if !good {
        let bad = format!("`{}` is no rule for sudo; it is left out", text.escape_debug());
        findings.push(Finding::error(&rule.origin, bad).help("a rule is one line such as ALL=(ALL) NOPASSWD:ALL"));
    }
    good
}

/// The rule with what is quoted or escaped replaced by `x`, and of what is in round brackets nothing but these; `None` where
/// a quote is left open.
fn outside_of_quotes(rule: &str) -> Option<String> {
    let (mut plain, mut quoted, mut depth) = (String::new(), false, 0_usize);
    let mut characters = rule.chars();
    while let Some(character) = characters.next() {
        let shown = match character {
            '\\' => {
                characters.next();
                'x'
            }
            '"' => {
                quoted = !quoted;
                'x'
            }
            _ if quoted => 'x',
            other => other,
        };
        depth = if shown == ')' { depth.saturating_sub(1) } else { depth };
        if depth == 0 || shown == '(' {
            plain.push(shown);
        }
        depth += usize::from(shown == '(');
    }
    (!quoted).then_some(plain)
}

fn balanced(plain: &str) -> bool {
    let count = |bracket: char| plain.matches(bracket).count();
    count('(') == count(')') && count('[') == count(']') && !plain.contains("((")
}

/// Whether one of the commands between commas is more than its tags (`NOPASSWD:`) and its `(user:group)`.
fn names_a_command(text: &str) -> bool {
    text.split_whitespace().any(|word| word != "()" && !word.ends_with([':', '=', '!']))
}

/// sudo reads its directory only where its file says so; both spellings count.
fn with_includedir(old: &str) -> String {
    let includes = |line: &str| {
        let mut words = line.split_whitespace();
        matches!(words.next(), Some("@includedir" | "#includedir")) && words.next() == Some("/etc/sudoers.d")
    };
    if old.lines().any(includes) { old.to_owned() } else { format!("{old}\n@includedir /etc/sudoers.d\n") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::Bench;
    use crate::modules::users::MODULE;

    /// The file of rules after these users are made, and how many findings there are.
    fn rules(users: &str) -> (Option<String>, usize) {
        let outcome = Bench::new(&format!("users: {users}")).plan(MODULE.plan);
        (outcome.content(SUDOERS), outcome.findings.iter().count())
    }

    #[test]
    fn a_string_a_list_and_false_are_all_forms_of_it() {
        let one = "# Rules for ops\nops ALL=(ALL) ALL\n";
        assert_eq!(rules("[{name: ops, sudo: ALL=(ALL) ALL}]"), (Some(one.to_owned()), 0));
        assert_eq!(rules("[{name: ops, sudo: [ALL=(ALL) ALL]}]"), (Some(one.to_owned()), 0));
        for (none, said) in [("false", 1), ("~", 0), ("[]", 0)] {
            assert_eq!(rules(&format!("[{{name: ops, sudo: {none}}}]")), (None, said), "{none}");
        }
    }

    #[test]
    fn a_rule_that_sudo_cannot_read_is_refused_and_the_others_stay() {
        let good = Some("# Rules for ops\nops ALL=(ALL) ALL\n".to_owned());
        for bad in [
            "ALL",
            "\"ALL=(ALL) ALL\\nmallory ALL=(ALL) ALL\"",
            "'ALL=(ALL) ALL \\'",
            "''",
            "ALL=",
            "ALL=(ALL",
            "'ALL=(ALL)'",
            "ALL=ALL) ALL",
            "'ALL=(ALL) NOPASSWD:'",
            "'ALL=(ALL) NOPASSWD: /bin/a,'",
            "'ALL=(ALL) /bin/[a'",
            "'ALL=(ALL) \"/bin/a'",
        ] {
            assert_eq!(rules(&format!("[{{name: ops, sudo: [{bad}, ALL=(ALL) ALL]}}]")), (good.clone(), 1), "{bad}");
        }
        assert_eq!(rules("[{name: ops, sudo: true}]"), (None, 1));
    }

    #[test]
    fn rules_that_sudo_reads_stay() {
        for rule in [
            "ALL=(ALL:ALL) NOPASSWD:ALL",
            "ALL=(ALL, !root) NOPASSWD: /bin/a, !/bin/b, sha224:0GomF8mNN3wlDt1HD9XldjJ3SNgpFdbjO1+NsQ== /bin/ls",
            r"ALL=(root) /bin/f \(x\, /bin/g [a-z]*, sudoedit /etc/x",
            r#"ALL=(ALL) CWD=/ NOPASSWD: /bin/e "(a""#,
            "web=(www) ALL : db=(dba) ALL",
            "ALL = () ALL",
            "ALL=(ALL) /bin/f (x)",
        ] {
            let (rules, findings) = rules(&format!("[{{name: ops, sudo: '{rule}'}}]"));
            assert!(findings == 0 && rules.is_some_and(|rules| rules.contains(rule)), "{rule}");
        }
    }

    #[test]
    fn a_user_whose_name_ends_another_s_gets_its_rules() {
        let both = rules("[{name: devops, sudo: ALL=(ALL) ALL}, {name: ops, sudo: ALL=(ALL) ALL}]").0.unwrap();
        assert_eq!(both, "# Rules for devops\ndevops ALL=(ALL) ALL\n# Rules for ops\nops ALL=(ALL) ALL\n");
    }

    #[test]
    fn sudo_s_own_file_is_told_of_the_directory_once() {
        let after = |old: &str| {
            let bench = Bench::new("users: [{name: ops, sudo: ALL=(ALL) ALL}]").file("/etc/sudoers", old);
            bench.plan(MODULE.plan).content("/etc/sudoers")
        };
        assert_eq!(after("Defaults x\n").as_deref(), Some("Defaults x\n\n@includedir /etc/sudoers.d\n"));
        assert_eq!(after("#includedir /etc/sudoers.d\n"), None);
    }
}
