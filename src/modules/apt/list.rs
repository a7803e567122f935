// SPDX-License-Identifier: Apache-2.0
//! Lists of sources in both of apt's forms, sources.list(5): their entries read, given another address, switched off.

/// What an edit makes of the distribution's own entries.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Name of the release; an entry for something else is not the distribution's.
    pub release: String,
    /// Address in place of that of the release, where it changes.
    pub primary: Option<String>,
    /// Address in place of that of the security updates.
    pub security: Option<String>,
    /// Suites that are switched off.
    pub disabled: Vec<String>,
}

/// Where one entry leads.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The first of its addresses.
    pub uri: &'a str,
    /// Its suites.
    pub suites: Vec<&'a str>,
    /// Whether all of them are of security updates.
    pub security: bool,
}

/// Whether the text is of the newer form: paragraphs of fields, not lines.
pub fn is_deb822(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("Types:"))
}

/// The distribution's own entries in a list of either form.
pub fn entries<'a>(text: &'a str, release: &str) -> Vec<Entry<'a>> {
    let of_lines = text.lines().filter_map(|line| {
        let [_, uri, suite, rest] = parts(line)?;
        own(uri, vec![suite], rest, release)
    });
    if !is_deb822(text) {
        return of_lines.collect();
    }
    text.split("\n\n").filter_map(|paragraph| paragraph_entry(paragraph, release)).collect()
}

fn paragraph_entry<'a>(paragraph: &'a str, release: &str) -> Option<Entry<'a>> {
    let field = |name: &str| paragraph.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    own(
        field("URIs:").split_whitespace().next()?,
        field("Suites:").split_whitespace().collect(),
        field("Components:"),
        release,
    )
}

/// Other vendors name their suites as the release, too; `main` is a distribution's.
fn own<'a>(uri: &'a str, suites: Vec<&'a str>, components: &str, release: &str) -> Option<Entry<'a>> {
    let of_release =
        |suite: &&str| suite.strip_prefix(release).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '/']));
    let is_own =
        !release.is_empty() && suites.iter().any(of_release) && components.split_whitespace().any(|it| it == "main");
    let security = suites.iter().all(|suite| suite.ends_with("-security") || suite.ends_with("/updates"));
    is_own.then_some(Entry { uri, suites, security })
}

impl Change {
    /// The text of a list, changed.
    pub fn apply(&self, text: &str) -> String {
        if is_deb822(text) {
            let paragraphs: Vec<_> = text.split("\n\n").map(|paragraph| self.paragraph(paragraph)).collect();
            return paragraphs.join("\n\n");
        }
        text.split_inclusive('\n').map(|line| self.line(line)).collect()
    }

    fn uri(&self, security: bool) -> Option<&str> {
        if security { self.security.as_deref() } else { self.primary.as_deref() }
    }

    fn line(&self, line: &str) -> String {
        let Some([before, uri, suite, rest]) = parts(line) else { return line.to_owned() };
        let off = if self.disabled.iter().any(|disabled| disabled == suite) { "# switched off: " } else { "" };
        let uri = match own(uri, vec![suite], rest, &self.release) {
            Some(entry) => self.uri(entry.security).unwrap_or(uri),
            None => uri,
        };
        format!("{off}{before}{uri} {suite}{rest}")
    }

    fn paragraph(&self, paragraph: &str) -> String {
        let entry = paragraph_entry(paragraph, &self.release);
        let uri = entry.as_ref().and_then(|entry| self.uri(entry.security));
        let mut changed = String::new();
        for line in paragraph.split_inclusive('\n') {
            let end = if line.ends_with('\n') { "\n" } else { "" };
            let suites = line.strip_prefix("Suites:").map(str::split_whitespace);
            let all = suites.clone().map_or(0, Iterator::count);
            let kept: Vec<&str> =
                suites.into_iter().flatten().filter(|suite| !self.disabled.iter().any(|off| off == suite)).collect();
            changed += &match uri {
                Some(uri) if line.starts_with("URIs:") => format!("URIs: {uri}{end}"),
                _ if kept.len() == all => line.to_owned(),
                // A paragraph wants a suite.
                _ if kept.is_empty() => format!("Enabled: no\n{line}"),
                _ => format!("Suites: {}{end}", kept.join(" ")),
            };
        }
        changed
    }
}

/// A line in four parts: what precedes the address, the address, the suite, what follows it.
fn parts(line: &str) -> Option<[&str; 4]> {
    let kind = line.split_whitespace().next().filter(|kind| matches!(*kind, "deb" | "deb-src"))?;
    let after = line.trim_start().strip_prefix(kind)?.trim_start();
    let after = match after.strip_prefix('[') {
        Some(options) => options.split_once(']')?.1.trim_start(),
        None => after,
    };
    let (uri, tail) = after.split_once(char::is_whitespace)?;
    let tail = tail.trim_start();
    let end = tail.find(char::is_whitespace).unwrap_or(tail.len());
    let (suite, rest) = tail.split_at_checked(end)?;
    (!suite.is_empty()).then_some([line.strip_suffix(after)?, uri, suite, rest])
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "# main\ndeb [arch=amd64 signed-by=/k] http://a/debian  bookworm main contrib\n\
        deb-src http://a/debian bookworm-updates main\ndeb http://s/debian-security bookworm-security main\n\
        deb http://vendor/debian bookworm stable\n\ndeb http://x\n";
    const PARAGRAPHS: &str = "# a comment\nTypes: deb\nURIs: http://a/debian\nSuites: bookworm bookworm-updates\n\
        Components: main\nSigned-By: /k\n\nTypes: deb\nURIs: http://s/debian-security\nSuites: bookworm-security\n\
        Components: main\n";

    fn change(disabled: &[&str]) -> Change {
        let uri = |uri: &str| Some(uri.to_owned());
        let disabled = disabled.iter().map(|suite| (*suite).to_owned()).collect();
        Change { release: "bookworm".into(), primary: uri("http://m/d"), security: uri("http://m/s"), disabled }
    }

    #[test]
    fn the_distribution_s_entries_are_known_in_both_forms() {
        for text in [LINES, PARAGRAPHS] {
            let found = entries(text, "bookworm");
            assert_eq!((found[0].uri, found[0].security), ("http://a/debian", false));
            let last = found.last().unwrap();
            assert_eq!((last.uri, last.security), ("http://s/debian-security", true));
            assert!(entries(text, "trixie").is_empty() && entries(text, "").is_empty());
        }
    }

    #[test]
    fn only_the_address_of_the_distribution_s_entries_changes() {
        assert_eq!(
            change(&[]).apply(LINES),
            "# main\ndeb [arch=amd64 signed-by=/k] http://m/d bookworm main contrib\n\
             deb-src http://m/d bookworm-updates main\ndeb http://m/s bookworm-security main\n\
             deb http://vendor/debian bookworm stable\n\ndeb http://x\n"
        );
        let expected =
            PARAGRAPHS.replace("http://a/debian", "http://m/d").replace("http://s/debian-security", "http://m/s");
        assert_eq!(change(&[]).apply(PARAGRAPHS), expected);
    }

    #[test]
    fn suites_are_switched_off_and_stay_so() {
        let off = change(&["bookworm-updates", "bookworm-security"]);
        let lines = off.apply(LINES);
        assert!(lines.contains("\n# switched off: deb-src http://m/d bookworm-updates main\n"));
        assert_eq!(off.apply(&lines), lines);
        let paragraphs = off.apply(PARAGRAPHS);
        assert!(paragraphs.contains("\nSuites: bookworm\n"));
        assert!(paragraphs.contains("\nEnabled: no\nSuites: bookworm-security\n"));
    }

    proptest::proptest! {
        #[test]
        fn a_change_of_nothing_changes_nothing(text in "(deb|Types:|URIs:|Suites:| |\\[|\\]|a|\n|main){0,40}") {
            let nothing = Change { release: "a".into(), ..Change::default() };
            let same = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            proptest::prop_assert_eq!(same(&nothing.apply(&text)), same(&text));
        }
    }
}
