// SPDX-License-Identifier: Apache-2.0
//! Lists of commands as one shell script: what `bootcmd` and `runcmd` share.
//!
//! One shell runs the whole list, as cloud-init's `util.shellify` has it, so that a `cd` or a variable of one entry
//! still holds in the next. Unlike there an entry of a wrong type, or one that is no shell, costs only itself, and each
//! entry's exit code is recorded: the script of the peer tells only the last one.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::config::document::{Data, Node, Value};
use crate::config::read::warn_of_other_text;
use crate::finding::{Finding, Findings};
use crate::modules::{Input, Planner};
use crate::plan::action::{Command, Progress, Write};
use crate::plan::step::Step;
use crate::state;

/// A step of that name which runs `list` as the script `file` of the instance, all of it within `limit`; none where nothing
/// is left to run.
pub fn step(name: &str, file: &str, list: &Node, limit: Duration, input: &Input, planner: &mut Planner) {
    let entries = entries(list, &mut planner.findings);
    if entries.is_empty() {
        return;
    }
    let command = Command { timeout: Some(limit), ..Command::script([""; 0]) };
    run(planner.step(name, &list.origin), file, &entries, command, input);
}

/// Adds to `step` that the script `text` is kept as `file` of the instance and run with the arguments of `command`.
pub fn tool(step: &mut Step, file: &str, text: &'static str, mut command: Command, input: &Input) {
    let path = state::scripts(&input.instance.id).join(file);
    command.argv.splice(0..0, ["/bin/sh".to_owned(), path.to_string_lossy().into_owned()]);
    step.write(Write::new(path, text).mode(0o700)).run(command);
}

/// Adds to `step` that `entries` are run as the script `file` of the instance; within what limits, and how often, is what
/// `command` says.
pub fn run(step: &mut Step, file: &str, entries: &[Entry], mut command: Command, input: &Input) {
    let scripts = state::scripts(&input.instance.id);
    let (path, progress) = (scripts.join(file), scripts.join(format!("{file}.progress")));
    let strict = input.settings.strict == Some(true);
    let script = script(entries, &progress, strict);
    command.argv = vec!["/bin/sh".to_owned(), path.to_string_lossy().into_owned()];
    command.env.push(("INSTANCE_ID".to_owned(), input.instance.id.value.clone()));
    let texts = entries.iter().map(|entry| (entry.number, entry.text.clone())).collect();
    command.progress = Some(Progress { path: progress.clone(), entries: texts, strict });
    step.remove(progress).write(Write::new(path, script).mode(0o700).secret()).run(command);
}

/// One entry that can be run.
pub struct Entry {
    /// Its place in the list, from one.
    pub number: usize,
    /// As shell.
    pub shell: String,
    /// As a person wrote it.
    pub text: String,
}

/// What is to be run.
fn entries(list: &Node, findings: &mut Findings) -> Vec<Entry> {
    match &list.data {
        Data::Sequence(items) => {
            items.iter().enumerate().filter_map(|(index, item)| entry(index + 1, item, findings)).collect()
        }
        // A single command in place of a list is refused by the peer's schema; what is meant is plain.
        Data::Scalar(_) => entry(1, list, findings).into_iter().collect(),
        Data::Mapping(_) => {
            findings.push(Finding::error(&list.origin, "expected a list of commands, found a mapping"));
            Vec::new()
        }
    }
}

/// The script for them. A line `ENTRY EXIT UPTIME` for each goes to `progress`, and one for the beginning.
fn script(entries: &[Entry], progress: &Path, strict: bool) -> String {
    // By `strict` the first failure ends the list; else it is handed back, so that an entry that asks `$?` sees it.
    let after = if strict { "[ \"$2\" -eq 0 ] || exit \"$2\"" } else { "return \"$2\"" };
    let mut script = format!(
        "#!/bin/sh\n\
         firstlight_entry() {{\n\
         \x20   read -r firstlight_uptime _ </proc/uptime\n\
         \x20   echo \"$1 $2 $firstlight_uptime\" >>{}\n\
         \x20   {after}\n\
         }}\n\
         firstlight_entry 0 0\n",
        quoted(&progress.to_string_lossy())
    );
    for Entry { number, shell, .. } in entries {
        let _ = write!(script, "{shell}\nfirstlight_entry {number} $?\n");
    }
    script
}

/// One entry: a list is a command with its arguments, a string is shell. That is read by `eval`, which sees a syntax error
/// only when the entries before it have run; by `command`, as `eval` itself, a special built-in, would end the shell.
fn entry(number: usize, node: &Node, findings: &mut Findings) -> Option<Entry> {
    let problem = match &node.data {
        _ if node.is_null() => return None,
        Data::Scalar(scalar) if scalar.text.contains('\0') => "a command cannot hold a NUL character",
        Data::Scalar(scalar) => {
            if !matches!(node.value(), Some(Value::Text(_))) {
                let whole =
                    "this is no string to cloud-init, which would run nothing of the list; here it is a command";
                findings.push(Finding::warning(&node.origin, whole).help("put it in quotes"));
            }
            let shell = format!("command eval {}", quoted(&scalar.text));
            return Some(Entry { number, shell, text: scalar.text.clone() });
        }
        Data::Sequence(items) if items.is_empty() => return None,
        Data::Sequence(items) => match items
            .iter()
            .inspect(|item| warn_of_other_text(item, findings))
            .map(Node::text)
            .collect::<Option<Vec<_>>>()
        {
            Some(words) if words.iter().any(|word| word.contains('\0')) => "a command cannot hold a NUL character",
            Some(words) => {
                let shell = words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
                return Some(Entry { number, shell, text: words.join(" ") });
            }
            None => "expected a list of words, found something else within",
        },
        Data::Mapping(_) => "expected a command, found a mapping",
    };
    let finding = Finding::error(&node.origin, format!("{problem}; this entry is left out, the others run"));
    findings.push(match node.data {
        Data::Mapping(_) => finding.help("a command with `: ` in it wants quotes: - 'echo a: b'"),
        _ => finding,
    });
    None
}

/// A word as sh reads it back unchanged.
pub fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document::parse;
    use crate::finding::Origin;

    /// Runs the script of `yaml` with the real shell: what it printed, its progress without times, and the findings.
    fn run(yaml: &str) -> (String, String, usize) {
        run_by(&["/bin/sh"], yaml, false)
    }

    fn run_by(shell: &[&str], yaml: &str, strict: bool) -> (String, String, usize) {
        let directory = tempfile::tempdir().unwrap();
        let progress = directory.path().join("it's progress");
        let mut findings = Findings::default();
        let list = parse(yaml, &Origin::document("user_data"), &mut findings).unwrap();
        let script = script(&entries(list.get("runcmd").unwrap(), &mut findings), &progress, strict);
        let output = std::process::Command::new(shell[0]).args(&shell[1..]).arg("-c").arg(script).output().unwrap();
        let lines = std::fs::read_to_string(&progress).unwrap();
        assert!(lines.starts_with("0 0 "), "when it began: {lines}");
        let codes = lines.lines().skip(1).map(|line| line.rsplit_once(' ').unwrap().0).collect::<Vec<_>>().join(",");
        (String::from_utf8(output.stdout).unwrap(), codes, findings.iter().count())
    }

    #[test]
    fn one_shell_runs_all_entries_and_each_exit_code_is_kept() {
        let (printed, codes, findings) =
            run("runcmd:\n - cd /tmp\n - pwd\n - 'false'\n - echo $?\n - [echo, it's, '$HOME']\n");
        assert_eq!(printed, "/tmp\n1\nit's $HOME\n");
        assert_eq!(codes, "1 0,2 0,3 1,4 0,5 0");
        assert_eq!(findings, 0);
    }

    #[test]
    fn an_entry_that_is_no_shell_costs_only_itself() {
        let list = concat!(
            "runcmd:\n - X=it\n - if then (\n - echo \"it's\n - |\n  cat <<END\n  $X's on\n  END\n",
            " - '# nothing'\n - . /no/such/file\n - echo end\n"
        );
        // The shells that guests have as sh.
        let shells: [&[&str]; 4] = [&["/bin/sh"], &["/bin/dash"], &["/bin/busybox", "sh"], &["/bin/bash", "--posix"]];
        for shell in shells.into_iter().filter(|shell| Path::new(shell[0]).exists()) {
            let (printed, codes, _) = run_by(shell, list, false);
            assert_eq!(printed, "it's on\nend\n", "{shell:?}");
            let failed: Vec<&str> = codes.split(',').filter(|code| !code.ends_with(" 0")).collect();
            assert_eq!(codes.split(',').count(), 7, "{shell:?}");
            assert_eq!(failed.iter().map(|code| &code[..1]).collect::<Vec<_>>(), ["2", "3", "6"], "{shell:?}");
        }
    }

    #[test]
    fn what_the_peer_would_run_otherwise_is_said() {
        let (printed, _, findings) = run("runcmd:\n - [echo, 0644, yes, 1.10, 12]\n - true\n - echo 1\n");
        assert_eq!((printed.as_str(), findings), ("0644 yes 1.10 12\n1\n", 3));
    }

    #[test]
    fn an_entry_that_exits_is_the_last_that_tells_nothing() {
        assert_eq!(run("runcmd: [echo one, exit 0, echo three]").1, "1 0");
        assert_eq!(run("runcmd: [set -e, 'false', echo three]").1, "1 0");
    }

    #[test]
    fn strict_ends_a_list_with_its_first_failure() {
        let list = "runcmd: [echo one, [sh, -c, exit 3], echo three]";
        assert_eq!(run_by(&["/bin/sh"], list, true), ("one\n".to_owned(), "1 0,2 3".to_owned(), 0));
    }

    #[test]
    fn a_wrong_entry_costs_only_itself() {
        let (printed, codes, findings) =
            run("runcmd:\n - echo a: b\n - [echo, [x]]\n - ~\n - echo on\n - [echo, \"a\\0b\"]\n - \"a\\0b\"\n");
        assert_eq!((printed.as_str(), codes.as_str(), findings), ("on\n", "4 0", 4));
    }
}
