// SPDX-License-Identifier: Apache-2.0
//! A repository as a file of its own with one section: what `yum_repos` and `zypper` share.

use std::path::Path;

use crate::config::document::{Data, Node, Value};
use crate::finding::{Finding, Findings, Located};
use crate::modules::{Input, Planner};
use crate::plan::action::Write;

/// The first line of each such file: one that begins otherwise is somebody else's.
const OURS: &str = "# Written by firstlight from the instance's user-data; a new instance writes it anew.\n";

/// The options of one repository, as their keys and values are written in the file.
pub struct Options(Vec<(String, String)>);

impl Options {
    /// Reads them from a mapping without knowing their names, which are the manager's. Yes and no are 1 and 0, the
    /// entries of a list stand on lines of their own.
    pub fn read(node: &Node, findings: &mut Findings) -> Self {
        let option = |(key, value): &(Node, Node)| {
            let name = key.text()?.trim().to_lowercase().replace('-', "_");
            if name.is_empty() || name.contains(|c: char| c.is_control() || "=[".contains(c)) {
                findings.push(Finding::error(&key.origin, format!("`{name}` is no option; it is left out")));
                return None;
            }
            Some((name, text(value, findings)?))
        };
        Self(node.entries().iter().filter_map(option).collect())
    }

    /// Whether one of `names` is given.
    pub fn have(&self, names: &[&str]) -> bool {
        self.0.iter().any(|(name, value)| names.contains(&name.as_str()) && !value.is_empty())
    }

    /// With this option where it is not given.
    #[must_use]
    pub fn or(mut self, name: &str, value: &str) -> Self {
        if self.0.iter().all(|(given, _)| given != name) {
            self.0.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Without that option.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.retain(|(given, _)| given != name);
        self
    }
}

/// A value as it is written in the file; none for null, and for what has no place in one.
pub fn text(node: &Node, findings: &mut Findings) -> Option<String> {
    let words = match (node.value(), &node.data) {
        (Some(Value::Null), _) => return None,
        (Some(Value::Bool(yes)), _) => return Some(u8::from(yes).to_string()),
        (_, Data::Scalar(scalar)) => scalar.text.clone(),
        (_, Data::Sequence(items)) => {
            items.iter().filter_map(|item| text(item, findings)).collect::<Vec<_>>().join("\n")
        }
        (_, Data::Mapping(_)) => {
            findings.push(Finding::error(&node.origin, "expected a value, found a mapping; it is left out"));
            return None;
        }
    };
    // A line that is not indented would be an option, or a section, of its own.
    Some(words.trim_end().lines().map(str::trim).collect::<Vec<_>>().join("\n\t"))
}

/// A step that writes the repository `id` to `directory`. A file of that name that is there already is kept, and said.
pub fn step(
    module: &str,
    id: &Located<String>,
    directory: &Path,
    options: &Options,
    input: &Input,
    planner: &mut Planner,
) {
    let path = directory.join(format!("{}.repo", id.value));
    if id.is_empty() || id.starts_with('.') || id.contains(|c: char| c.is_control() || "/[]".contains(c)) {
        let bad = format!("`{}` is no name of a repository; it is left out", id.value);
        return planner.finding(Finding::error(&id.origin, bad));
    }
    if input.guest.read_text(&path.to_string_lossy()).is_some_and(|old| !old.starts_with(OURS)) {
        let kept = format!("{} is there already and is kept; this repository is left out", path.display());
        return planner.finding(Finding::warning(&id.origin, kept).help("choose another name for it"));
    }
    let lines = options.0.iter().map(|(name, value)| format!("{name} = {value}\n"));
    let content = format!("{OURS}[{}]\n{}", id.value, lines.collect::<String>());
    let secret = options.0.iter().any(|(name, value)| name.ends_with("password") || holds_password(value));
    let write = Write::new(path, content);
    let write = if secret { write.mode(0o600).secret() } else { write };
    planner.step(format!("{module} {}", id.value), &id.origin).write(write);
}

/// Whether an address within `text` has a password in it: `http://user:secret@host/`.
pub fn holds_password(text: &str) -> bool {
    text.split("://").skip(1).any(|rest| {
        let host = rest.split(['/', '"', '\n', ' ']).next().unwrap_or_default();
        host.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document::parse;
    use crate::finding::Origin;

    #[test]
    fn values_are_written_so_that_none_is_a_line_of_its_own() {
        let mut findings = Findings::default();
        for (yaml, expected) in [
            ("yes", Some("1")),
            ("off", Some("0")),
            ("1.10", Some("1.10")),
            ("~", None),
            ("[http://a/, http://b/]", Some("http://a/\n\thttp://b/")),
            ("\"x\\n[main]\\ngpgcheck=0\\n\"", Some("x\n\t[main]\n\tgpgcheck=0")),
            ("{a: b}", None),
        ] {
            let node = parse(yaml, &Origin::document("d"), &mut findings).unwrap();
            assert_eq!(text(&node, &mut findings).as_deref(), expected, "{yaml}");
        }
        assert_eq!(findings.iter().count(), 1);
    }

    #[test]
    fn passwords_are_seen_in_addresses() {
        assert!(holds_password("http://me:secret@proxy:3128/") && holds_password("a http://h/ https://u:p@x"));
        assert!(!holds_password("http://proxy:3128/a@b:c") && !holds_password("http://me@proxy:3128"));
    }
}
