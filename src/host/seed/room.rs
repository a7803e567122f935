// SPDX-License-Identifier: Apache-2.0
//! What the agent would leave out of a seed as too large: it reads a medium within bounds, and the check sees the person's
//! documents before they are put together.

use crate::cli::check::problem::{self, Problem};
use crate::datasource::documents::{DOCUMENT_LIMIT, FILE_LIMIT};
use crate::datasource::openstack::tree::{CONTENT_LIMIT, MAX_CONTENT};
use crate::finding::{Finding, Findings, Origin};
use crate::host::medium::Tree;
use crate::host::seed::request::{GuestFile, OPTIONS};

const CONTENT: &str = "openstack/content/";

/// What is said of the files of a seed; of `asked` those files that were asked for by --file.
pub fn check(files: &Tree, asked: &[GuestFile]) -> Vec<Problem> {
    let mut findings = Findings::default();
    let origin = Origin::document(OPTIONS);
    let mut say = |text: String, help: &str| findings.push(Finding::error(&origin, text).help(help));
    let (mut number, mut total) = (0, 0);
    for (path, bytes) in files.files() {
        let size = bytes.len() as u64;
        if let Some(at) = path.strip_prefix(CONTENT) {
            number += 1;
            total += size;
            let asked = at.parse().ok().and_then(|at: usize| asked.get(at));
            if let Some(file) = asked.filter(|_| size > FILE_LIMIT) {
                let text = format!("--file {} has {size} bytes, and the agent reads {FILE_LIMIT} of one", file.path);
                say(text, LARGE);
            }
        } else if let Some(limit) = limit(path).filter(|limit| size > *limit) {
            let help = match asked.iter().map(|file| file.content.len() as u64).sum::<u64>() {
                0 => LARGE,
                _ => "files by --file are a part of it, a third larger than they are; have the guest fetch them",
            };
            say(format!("`{path}` of the seed has {size} bytes, and the agent reads {limit} of it"), help);
        }
    }
    if total > CONTENT_LIMIT {
        say(format!("the files have {total} bytes together, and the agent reads {CONTENT_LIMIT} of them"), LARGE);
    }
    if number > MAX_CONTENT {
        say(format!("there are {number} files, and the agent reads {MAX_CONTENT} of them"), "put them into an archive");
    }
    problem::problems(findings)
}

const LARGE: &str = "have the guest fetch what is large from a server";

/// How much the agent reads of that document. Of OpenStack's versions it takes one, and all say the same.
fn limit(path: &str) -> Option<u64> {
    match path.strip_prefix("openstack/latest/").unwrap_or(path) {
        "user-data" | "vendor-data" | "user_data" => Some(FILE_LIMIT),
        name if name.contains('/') => None,
        _ => Some(DOCUMENT_LIMIT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_agent_leaves_out_is_said_once() {
        let file = || vec![0_u8; FILE_LIMIT as usize + 1];
        let mut tree = Tree::new();
        for (path, bytes) in [
            ("openstack/2018-08-27/user_data", file()),
            ("openstack/latest/user_data", file()),
            ("openstack/latest/meta_data.json", vec![b' '; DOCUMENT_LIMIT as usize + 1]),
            ("openstack/content/0000", vec![0; FILE_LIMIT as usize]),
            ("openstack/content/0001", file()),
        ] {
            tree.add(path, bytes).unwrap();
        }
        let asked = ["/a", "/b"].map(|path| GuestFile { path: path.to_owned(), content: Vec::new() });
        let said: String = check(&tree, &asked).iter().map(|problem| problem.shown(false)).collect();
        let lines: Vec<&str> = said.lines().filter(|line| !line.starts_with(' ')).collect();
        assert_eq!(
            lines,
            [
                "the options: error: --file /b has 16777217 bytes, and the agent reads 16777216 of one",
                "the options: error: `openstack/latest/meta_data.json` of the seed has 4194305 bytes, and the agent reads 4194304 of it",
                "the options: error: `openstack/latest/user_data` of the seed has 16777217 bytes, and the agent reads 16777216 of it",
            ]
        );
    }

    #[test]
    fn many_files_are_one_finding() {
        let mut tree = Tree::new();
        for at in 0..=MAX_CONTENT {
            tree.add(&format!("{CONTENT}{at:04}"), "").unwrap();
        }
        assert_eq!(check(&tree, &[]).len(), 1);
    }
}
