// SPDX-License-Identifier: Apache-2.0
//! The text of sshd_config(5): its lines, and how a setting is put in so that sshd heeds it. The first value counts.

/// The main file.
pub const MAIN: &str = "/etc/ssh/sshd_config";
/// Ours, first by its name among what the main file includes.
const DROP_IN: &str = "/etc/ssh/sshd_config.d/00-firstlight.conf";

/// The file that a setting of ours goes into, by the main file's text: the drop-in, where sshd heeds it there.
pub fn place(main: &str, keyword: &str) -> &'static str {
    if heeds_drop_ins(main, keyword) { DROP_IN } else { MAIN }
}

/// A line's keyword, in small letters, and its arguments; nothing of an empty line or a comment.
pub fn directive(line: &str) -> Option<(String, &str)> {
    let between = |c: char| c.is_whitespace() || c == '=';
    let line = line.trim();
    let (keyword, arguments) = line.split_once(between).unwrap_or((line, ""));
    let is_keyword = !keyword.is_empty() && !keyword.starts_with('#');
    is_keyword.then(|| (keyword.to_ascii_lowercase(), arguments.trim_start_matches(between)))
}

/// Whether the main file includes its directory of drop-ins before it sets `keyword`, and for everybody.
pub fn heeds_drop_ins(main: &str, keyword: &str) -> bool {
    let is_drop_ins = |path: &str| {
        let path = path.trim_matches('"');
        path.strip_prefix("/etc/ssh/").unwrap_or(path).starts_with("sshd_config.d/")
    };
    let decided = main.lines().filter_map(directive).find_map(|(found, arguments)| match found.as_str() {
        "include" => arguments.split_whitespace().any(is_drop_ins).then_some(true),
        "match" => Some(false),
        found => found.eq_ignore_ascii_case(keyword).then_some(false),
    });
    decided == Some(true)
}

/// The text with the setting in place of all earlier ones of its main part; before the first `Match` block where there is
/// none.
pub fn with(old: &str, keyword: &str, value: &str) -> String {
    let mut setting = Some(format!("{keyword} {value}\n"));
    let mut new = String::new();
    let mut main = true;
    for line in old.lines() {
        match directive(line) {
            Some((found, _)) if main && found == "match" => {
                main = false;
                new.extend(setting.take());
            }
            Some((found, _)) if main && found.eq_ignore_ascii_case(keyword) => {
                new.extend(setting.take());
                continue;
            }
            _ => {}
        }
        new.push_str(line);
        new.push('\n');
    }
    new.extend(setting);
    new
}

/// The text with one more value of a setting that may stand there more than once.
pub fn with_also(old: &str, keyword: &str, value: &str) -> String {
    let is_there = |line: &str| {
        directive(line).is_some_and(|(found, values)| found.eq_ignore_ascii_case(keyword) && values.trim() == value)
    };
    if old.lines().any(is_there) {
        return old.to_owned();
    }
    let is_match = |line: &&str| directive(line).is_some_and(|(found, _)| found == "match");
    let main: usize = old.split_inclusive('\n').take_while(|line| !is_match(line)).map(str::len).sum();
    let (main, matched) = old.split_at_checked(main).unwrap_or((old, ""));
    let end = if main.is_empty() || main.ends_with('\n') { "" } else { "\n" };
    format!("{main}{end}{keyword} {value}\n{matched}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_sshd_reads_it() {
        for (line, expected) in [
            ("Port 22", Some(("port", "22"))),
            ("\tPermitRootLogin=no ", Some(("permitrootlogin", "no"))),
            ("AuthorizedKeysFile = .ssh/a  .ssh/b", Some(("authorizedkeysfile", ".ssh/a  .ssh/b"))),
            ("Match", Some(("match", ""))),
            ("# Port 22", None),
            ("#Port 22", None),
            ("  ", None),
        ] {
            let found = directive(line);
            assert_eq!(found.as_ref().map(|(keyword, arguments)| (keyword.as_str(), *arguments)), expected, "{line}");
        }
    }

    #[test]
    fn a_setting_is_there_once_and_for_everybody() {
        let old = "UsePAM yes\nX no\nx = no\nMatch User a\n X no\n";
        assert_eq!(with(old, "X", "yes"), "UsePAM yes\nX yes\nMatch User a\n X no\n");
        assert_eq!(with("Match User a\n", "X", "yes"), "X yes\nMatch User a\n");
        assert_eq!(with("", "X", "yes"), "X yes\n");
        assert_eq!(with(&with(old, "X", "yes"), "X", "yes"), with(old, "X", "yes"));
    }

    #[test]
    fn one_more_value_is_added_once_and_for_everybody() {
        let old = "HostCertificate /a\nMatch User a\n X no\n";
        let new = with_also(old, "HostCertificate", "/b");
        assert_eq!(new, "HostCertificate /a\nHostCertificate /b\nMatch User a\n X no\n");
        assert_eq!(with_also(&new, "hostcertificate", "/b"), new);
        assert_eq!(with_also("Port 22", "X", "y"), "Port 22\nX y\n");
        assert_eq!(with_also("", "X", "y"), "X y\n");
    }

    #[test]
    fn drop_ins_count_where_they_are_read_first() {
        let include = "Include /etc/ssh/sshd_config.d/*.conf\n";
        assert!(heeds_drop_ins(include, "X") && heeds_drop_ins("include=\"sshd_config.d/*.conf\"\nX no\n", "X"));
        for late in ["", "Include other.d/*\n", &format!("x no\n{include}"), &format!("Match all\n{include}")] {
            assert!(!heeds_drop_ins(late, "X"), "{late}");
        }
    }
}
