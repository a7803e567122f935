// SPDX-License-Identifier: Apache-2.0
//! What became of the entries of a list of commands, by what their script told while it ran.

use std::collections::BTreeMap;

use crate::apply::commands::End;

/// The entries that did not go well.
#[derive(Debug, Default)]
pub struct Entries {
    /// Exit codes that are not zero, by the entry's number.
    pub failed: BTreeMap<usize, i32>,
    /// Those after the last one that told its end: the first of them was running when the script ended.
    untold: Vec<usize>,
}

impl Entries {
    /// Reads the `ENTRY EXIT UPTIME` lines of a script that has the entries `all`.
    pub fn read(progress: &str, all: &[usize]) -> Self {
        let entry = |line: &str| {
            let mut words = line.split_whitespace();
            Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
        };
        let told: BTreeMap<usize, i32> = progress.lines().filter_map(entry).collect();
        let untold = all.iter().copied().filter(|number| told.last_key_value().is_none_or(|(last, _)| number > last));
        Self { untold: untold.collect(), failed: told.into_iter().filter(|(_, code)| *code != 0).collect() }
    }

    /// What is to be said of a program with these entries that ended in this way; `None` where all went well. The last
    /// entry may end the script itself (`exit 0`): nothing is lost by that.
    pub fn problem(&self, program: &str, end: End) -> Option<String> {
        let mut said: Vec<String> =
            self.failed.iter().map(|(number, code)| format!("entry {number} ended with exit code {code}")).collect();
        match (end, self.untold.as_slice()) {
            (End::Code(0), [] | [_]) => {}
            // The script's own exit code is that of its last entry.
            (End::Code(_), []) if !said.is_empty() => {}
            (End::Code(0), [running, ..]) => said.push(format!("entry {running} ended the script")),
            (End::Code(code), [running, ..]) => {
                said.push(format!("entry {running} ended the script with exit code {code}"));
            }
            (end, [running, ..]) => said.push(format!("{program}: {end} in entry {running}")),
            (end, []) => said.push(format!("{program}: {end}")),
        }
        match self.untold.as_slice() {
            [] | [_] => {}
            [_, one] => said.push(format!("entry {one} was not run")),
            [_, first, .., last] => said.push(format!("entries {first} to {last} were not run")),
        }
        (!said.is_empty()).then(|| said.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(progress: &str, all: &[usize], end: End) -> String {
        Entries::read(progress, all).problem("/bin/sh", end).unwrap_or_default()
    }

    #[test]
    fn what_never_ran_is_said() {
        let all = [1, 2, 3, 4, 5];
        let two = "1 0 0.1\n2 0 0.2\n";
        assert_eq!(problem("1 0 0.1\n", &all, End::Code(0)), "entry 2 ended the script, entries 3 to 5 were not run");
        assert_eq!(
            problem(two, &[1, 2, 3, 5], End::Code(3)),
            "entry 3 ended the script with exit code 3, entry 5 was not run"
        );
        assert_eq!(
            problem(two, &all, End::TimedOut),
            "/bin/sh: ended after its time limit in entry 3, entries 4 to 5 were not run"
        );
        assert!(problem("", &all, End::Code(0)).starts_with("entry 1 ended the script"));
    }

    #[test]
    fn what_ran_to_its_end_is_judged_by_its_exit_codes() {
        assert_eq!(problem("1 0 0.1\n4 0 0.2\n", &[1, 4], End::Code(0)), "");
        assert_eq!(problem("1 3 0.1\n2 0 0.2\n", &[1, 2], End::Code(0)), "entry 1 ended with exit code 3");
        assert_eq!(problem("1 0 0.1\n2 4 0.2\n", &[1, 2], End::Code(4)), "entry 2 ended with exit code 4");
        assert_eq!(problem("1 0 0.1\n", &[1, 2], End::Code(0)), "", "the last entry was `exit 0`");
        assert_eq!(problem("1 0 0.1\n", &[1, 2], End::Code(9)), "entry 2 ended the script with exit code 9");
        assert_eq!(problem("", &[], End::Code(1)), "/bin/sh: exit code 1", "a program that tells of no parts");
    }
}
