// SPDX-License-Identifier: Apache-2.0
//! What became of the entries of a list of commands, by what their script told while it ran.

use std::collections::BTreeMap;

use crate::apply::commands::End;
use crate::plan::action::Progress;
use crate::report::status::EntryStatus;

/// What is known of the entries.
#[derive(Debug, Default)]
pub struct Entries {
    /// Those that told their end, and the one that was running when the script ended.
    pub told: Vec<EntryStatus>,
    /// Those after the last one that told its end, by number: the first of them was running when the script ended, unless
    /// that one's failure ended it.
    untold: Vec<usize>,
    /// The last one that told its end failed, and that ended the script.
    stopped: bool,
}

impl Entries {
    /// Reads the lines of a script. How long an entry took is from the line before to its own.
    pub fn read(lines: &str, progress: &Progress) -> Self {
        let line = |line: &str| -> Option<(usize, (i32, f64))> {
            let mut words = line.split_whitespace();
            Some((words.next()?.parse().ok()?, (words.next()?.parse().ok()?, words.next()?.parse().ok()?)))
        };
        let lines: BTreeMap<usize, (i32, f64)> = lines.lines().filter_map(line).collect();
        let mut entries = Self::default();
        let mut before = lines.get(&0).map(|(_, uptime)| *uptime);
        let last = lines.last_key_value().map_or(0, |(number, _)| *number);
        for (number, text) in &progress.entries {
            let end = lines.get(number);
            if *number > last {
                entries.untold.push(*number);
            }
            if end.is_none() && entries.untold.first() != Some(number) {
                continue;
            }
            let took = end.zip(before).map(|((_, uptime), before)| (uptime - before).max(0.0));
            entries.told.push(EntryStatus {
                number: *number,
                exit: end.map(|(code, _)| *code),
                // The kernel tells hundredths of a second.
                took_ms: took.and_then(|took| {
                    u64::try_from(std::time::Duration::try_from_secs_f64(took).ok()?.as_millis()).ok()
                }),
                text: text.clone(),
            });
            before = end.map(|(_, uptime)| *uptime).or(before);
        }
        entries.stopped = progress.strict && lines.get(&last).is_some_and(|(code, _)| *code != 0);
        if entries.stopped {
            entries.told.retain(|entry| entry.exit.is_some());
        }
        entries
    }

    /// What is to be said of a program with these entries that ended in this way; `None` where all went well. The last
    /// entry may end the script itself (`exit 0`): nothing is lost by that.
    pub fn problem(&self, program: &str, end: End) -> Option<String> {
        let failed = self.told.iter().filter_map(|entry| Some((entry.number, entry.exit.filter(|code| *code != 0)?)));
        let mut said: Vec<String> =
            failed.map(|(number, code)| format!("entry {number} ended with exit code {code}")).collect();
        match (end, self.untold.as_slice()) {
            (End::Code(_), _) if self.stopped => {}
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
        let unrun = if self.stopped { self.untold.as_slice() } else { self.untold.get(1..).unwrap_or_default() };
        match unrun {
            [] => {}
            [one] => said.push(format!("entry {one} was not run")),
            [first, .., last] => said.push(format!("entries {first} to {last} were not run")),
        }
        (!said.is_empty()).then(|| said.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &str, all: &[usize], strict: bool) -> Entries {
        let entries = all.iter().map(|number| (*number, format!("command {number}"))).collect();
        Entries::read(lines, &Progress { path: "/progress".into(), entries, strict })
    }

    fn problem(lines: &str, all: &[usize], end: End) -> String {
        read(lines, all, false).problem("/bin/sh", end).unwrap_or_default()
    }

    #[test]
    fn each_entry_is_told_with_its_exit_code_and_duration() {
        let entries = read("0 0 10.00\n1 0 10.50\n3 2 12.75\n", &[1, 3, 4, 5], false).told;
        let told: Vec<_> = entries.iter().map(|entry| (entry.number, entry.exit, entry.took_ms)).collect();
        assert_eq!(told, [(1, Some(0), Some(500)), (3, Some(2), Some(2250)), (4, None, None)]);
        assert_eq!(entries[2].text, "command 4", "the one that was running is told too");
        assert_eq!(read("1 0 nan\n2 0 -1\n2 0 1e300\nx\n", &[1, 2], false).told.len(), 2, "odd lines do no harm");
    }

    #[test]
    fn a_strict_script_ends_with_the_first_failure_and_not_in_the_next_entry() {
        let entries = read("0 0 1.0\n1 0 1.1\n2 3 1.2\n", &[1, 2, 3, 4], true);
        let said = entries.problem("/bin/sh", End::Code(3)).unwrap();
        assert_eq!(said, "entry 2 ended with exit code 3, entries 3 to 4 were not run");
        assert_eq!(entries.told.len(), 2);
        let ended = read("0 0 1.0\n1 0 1.1\n", &[1, 2, 3], true).problem("/bin/sh", End::Code(0)).unwrap();
        assert_eq!(ended, "entry 2 ended the script, entry 3 was not run");
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
