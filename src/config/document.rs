// SPDX-License-Identifier: Apache-2.0
//! A YAML document as its author wrote it: every value with its text and its place, resolved by YAML 1.1 only when a type asks.

use crate::config::compose::compose;
pub use crate::config::node::{Data, Node, Scalar, Value};
use crate::finding::{Finding, Findings, Origin};

/// The largest document, in bytes.
pub const SIZE_LIMIT: usize = 16 << 20;

/// Parses one document. `None` with findings where it can't be read; an empty document is an empty mapping.
///
/// Keys of a mapping differ: of a key that stands there twice the last one counts, as for PyYAML, and a finding says so.
/// Aliases and merge keys are written out. One bad entry (an unknown tag, an alias of nothing) is left out with a
/// finding; its neighbours are kept.
///
/// Bounds: [`SIZE_LIMIT`], depth 100, 200,000 nodes and 32 MiB of text (aliases written out).
pub fn parse(text: &str, document: &Origin, findings: &mut Findings) -> Option<Node> {
    if text.len() > SIZE_LIMIT {
        let large = format!("more than {} MiB; the document is not used", SIZE_LIMIT >> 20);
        findings.push(Finding::error(document, large));
        return None;
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    findings.read(document, text);
    compose(text, document, findings).unwrap_or_else(|finding| {
        findings.push(finding);
        None
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn read(text: &str) -> (Option<Node>, Vec<String>) {
        let mut findings = Findings::default();
        let node = parse(text, &Origin::document("d"), &mut findings);
        (node, findings.iter().map(ToString::to_string).collect())
    }

    /// The tree on one line: scalars by their text, quoted where they are not plain.
    pub fn shown(node: &Node) -> String {
        match &node.data {
            Data::Scalar(scalar) if scalar.plain => scalar.text.clone(),
            Data::Scalar(scalar) => format!("{:?}", scalar.text),
            Data::Sequence(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
            Data::Mapping(entries) => {
                let entries: Vec<_> = entries.iter().map(|(k, v)| format!("{}: {}", shown(k), shown(v))).collect();
                format!("{{{}}}", entries.join(", "))
            }
        }
    }

    fn clean(text: &str) -> String {
        let (node, findings) = read(text);
        assert_eq!(findings, [""; 0], "{text}");
        shown(&node.unwrap())
    }

    #[test]
    fn text_and_quotes_are_kept_as_written() {
        assert_eq!(clean("mac: 52:54:00:12:34:00\n"), "{mac: 52:54:00:12:34:00}");
        assert_eq!(clean("a: 0644\nb: \"0644\"\nc: '0644'"), r#"{a: 0644, b: "0644", c: "0644"}"#);
        assert_eq!(clean("a: |\n  x\n  y\nb: >-\n  x\n  y"), r#"{a: "x\ny\n", b: "x y"}"#);
        assert_eq!(clean("a: \"\\x41\\u00e9\""), r#"{a: "Aé"}"#);
        assert_eq!(clean("{a}"), "{a: }");
        assert_eq!(clean("a:\n- b\n- c"), "{a: [b, c]}");
        for nothing in ["", "#cloud-config\n", "\u{feff}", "---\n...\n"] {
            assert!(matches!(clean(nothing).as_str(), "{}" | ""), "{nothing:?}");
        }
    }

    #[test]
    fn every_value_knows_its_place() {
        let (node, _) = read("\u{feff}#cloud-config\nusers:\n  - name: é\n    gecos:   x\n");
        let node = node.unwrap();
        let user = &node.get("users").unwrap().items().unwrap()[0];
        assert_eq!(node.entries()[0].0.origin.line(), Some((2, 1)));
        assert_eq!(user.origin.line(), Some((3, 5)));
        assert_eq!(user.get("gecos").unwrap().origin.line(), Some((4, 14)));
    }

    #[test]
    fn merge_keys_follow_pyyaml() {
        let base = "a: &a {x: 1, y: 1}\nb: &b {x: 2, z: 2}\n";
        let merged = |text: &str| clean(&format!("{base}{text}")).split_once("c: ").unwrap().1.to_owned();
        assert_eq!(merged("c: {<<: *a, y: 9}"), "{x: 1, y: 9}}");
        assert_eq!(merged("c: {y: 9, <<: *a}"), "{x: 1, y: 9}}");
        assert_eq!(merged("c: {<<: [*a, *b]}"), "{x: 1, z: 2, y: 1}}");
        assert_eq!(merged("c: {<<: *a, <<: *b}"), "{x: 2, y: 1, z: 2}}");
        assert_eq!(merged("c: {\"<<\": *a}"), "{\"<<\": {x: 1, y: 1}}}");
        assert_eq!(merged("c: {!!merge <<: *a}"), "{x: 1, y: 1}}");
        let (node, findings) = read("a: {<<: 1, b: 2}");
        assert_eq!(shown(&node.unwrap()), "{a: {b: 2}}");
        assert_eq!(findings[0].lines().next().unwrap(), "d:1:9: error: `<<` merges mappings; this is a number");
    }

    #[test]
    fn the_last_of_two_keys_counts_and_both_lines_are_named() {
        let (node, findings) = read("runcmd: [a]\ntimezone: UTC\nruncmd: [b]\nyes: 1\ntrue: 2\n");
        assert_eq!(shown(&node.unwrap()), "{runcmd: [b], timezone: UTC, true: 2}");
        assert_eq!(
            findings[0],
            "d:3:1: warning: `runcmd` stands here again (first on line 1); only the last one counts\n    \
             help: put the content of both below one key"
        );
        assert!(findings[1].starts_with("d:5:1: warning: `yes` stands here again"));
        assert_eq!(clean("1: a\n\"1\": b"), r#"{1: a, "1": b}"#);
    }

    #[test]
    fn one_bad_entry_leaves_its_neighbours() {
        for (text, kept, place) in [
            ("a: !x 1\nb: 2", "{b: 2}", "d:1:4: error: the tag `!x` is not known"),
            (
                "a: !!python/name:os.system x\nb: 2",
                "{b: 2}",
                "d:1:4: error: the tag `!!python/name:os.system` is not known",
            ),
            ("- !!int many\n- 2", "[2]", "d:1:3: error: the tag `!!int` is not known or does not fit"),
            ("- !!str [a]\n- 2", "[2]", "d:1:3: error: the tag `!!str` is not known or does not fit"),
            ("- *nothing\n- 2", "[2]", "d:1:3: error: an alias of nothing"),
            ("- &a [*a]\n- 2", "[[], 2]", "d:1:7: error: an alias inside of its own anchor"),
            ("a: {{ name }}\nb: 2", "{a: {}, b: 2}", "d:1:5: error: a mapping cannot be a key"),
            ("a: x\nb: 2\n---\nc: 3", "{a: x, b: 2}", "d:3:1: error: a second document"),
            ("a: 2024-13-01\nb: 2", "{a: 2024-13-01, b: 2}", "d:1:4: warning: a date or time that there is not"),
            ("a: =\nb: 2", "{a: =, b: 2}", "d:1:4: warning: a lone `=`: cloud-init would use nothing"),
            ("a: <<\nb: 2", "{a: <<, b: 2}", "d:1:4: warning: a lone `<<` that is no key"),
            ("a: &x 1\nb: &x 2", "{a: 1, b: 2}", "d:2:4: warning: an anchor of the same name"),
        ] {
            let (node, findings) = read(text);
            assert_eq!(shown(&node.unwrap()), kept, "{text}");
            assert_eq!(findings.len(), 1, "{findings:?}");
            assert!(findings[0].starts_with(place), "{}", findings[0]);
        }
    }

    #[test]
    fn tags_that_fit_are_kept() {
        assert_eq!(
            clean("a: !!str 1\nb: !!set {x}\nc: !!omap [x: 1]\nd: ! [1]\ne: !!binary aGk="),
            r#"{a: "1", b: {x: }, c: [{x: 1}], d: [1], e: "aGk="}"#
        );
        assert_eq!(read("!!binary aGk=").0.unwrap().value(), Some(Value::Binary(b"hi".to_vec())));
        assert_eq!(read("!").0.unwrap().value(), Some(Value::Null));
        assert_eq!(read("! \"12\"").0.unwrap().value(), Some(Value::Integer(12)));
    }

    #[test]
    fn syntax_errors_say_where_why_and_what_to_do() {
        for (text, finding) in [
            (
                "a:\n\tb: 1\n",
                "d:2:1: error: not YAML: a tab stands where the indentation is\n    help: indent with spaces",
            ),
            ("a: 1\n\tb: 2\n", "d:2:1: error: not YAML: a tab stands where the indentation is"),
            ("a: @x\n", "d:1:4: error: not YAML: a value cannot begin with `@`\n    help: put the value in quotes"),
            ("a: b: c\n", "d:1:5: error: not YAML: a second `key:` on one line"),
            ("a: 1\nb\nc: 2\n", "d:3:1: error: not YAML: line 2 should be `key: value`, and has no `:`"),
            ("a b\nc: 2\n", "d:2:2: error: not YAML: line 1 should be `key: value`, and has no `:`"),
            ("a:\n  - b\n c: 1\n", "d:3:2: error: not YAML: this does not continue the mapping that begins on line 1"),
            ("- a\nb: 1\n", "d:2:1: error: not YAML: this does not continue the list that begins on line 1"),
            ("a: [1, 2\nb: 3\n", "d:2:2: error: not YAML: the bracket that is opened on line 1 is not closed"),
            ("a: \"x\nb: 1\n", "d:3:1: error: not YAML: the quote that is opened on line 1 is not closed"),
            ("a: *.log\n", "d:1:5: error: not YAML: `*` and `&` begin the name of an anchor"),
            ("a: \"\\d\"\n", "d:1:5: error: not YAML: a `\\` in double quotes begins an escape"),
            ("a: 1\nb: é\u{1}\n", "d:2:5: error: not YAML: a control character"),
            ("a: - b\n", "d:1:4: error: not YAML: a list cannot begin on this line"),
            ("a: !x!y z\n", "d:1:4: error: not YAML: a tag that is not known"),
        ] {
            let (node, findings) = read(text);
            assert_eq!(node, None, "{text}");
            assert!(findings[0].starts_with(finding), "{text:?} gave {}", findings[0]);
        }
    }

    #[test]
    fn attacks_end_at_a_bound() {
        let laughs = (1..10).fold("l0: &l0 [x,x,x,x,x,x,x,x,x]\n".to_owned(), |text, level| {
            let below = level - 1;
            text + &format!("l{level}: &l{level} [{}]\n", vec![format!("*l{below}"); 9].join(","))
        });
        let wide = format!("a: &a [{}]\nb: [{}]\n", "x,".repeat(2000), "*a,".repeat(2000));
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), "*a,".repeat(2000));
        // Each anchor holds the one before, a hundred levels further down.
        let chain = (1..2000).fold("a0: &a0 x\n".to_owned(), |text, level| {
            text + &format!("a{level}: &a{level} {}*a{}{}\n", "[".repeat(50), level - 1, "]".repeat(50))
        });
        let nested: String =
            (0..90).map(|level| format!("&a{level} [")).collect::<String>() + &"x".repeat(1 << 20) + &"]".repeat(90);
        for (text, bound) in [
            ("[".repeat(100_000), "100 levels"),
            ("{a: ".repeat(100_000), "100 levels"),
            ("- ".repeat(100_000), "100 levels"),
            ("? ".repeat(100_000), "100 levels"),
            (chain, "100 levels"),
            (laughs, "200000 values"),
            (wide, "200000 values"),
            ("- x\n".repeat(200_000), "200000 values"),
            (nested, "32 MiB of text"),
            (long, "32 MiB of text"),
            (" ".repeat(SIZE_LIMIT + 1), "16 MiB"),
        ] {
            let (node, findings) = read(&text);
            assert_eq!(node, None);
            assert!(findings.len() == 1 && findings[0].contains(bound), "{findings:?}");
        }
    }

    #[test]
    fn a_flood_of_findings_ends() {
        let (node, findings) = read(&"- *x\n".repeat(20_000));
        assert_eq!(node.unwrap().items().unwrap().len(), 0);
        assert!(
            findings.len() < 2000 && findings.last().unwrap().contains("there is more to say"),
            "{}",
            findings.len()
        );
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics_or_passes_unseen(text in "([a-z:#&*!<|>%@'\"\\[\\]{},?\t\n -]|<<: |&a |\\*a |- |: |\n  ){0,60}") {
            let (node, findings) = read(&text);
            proptest::prop_assert!(node.is_some() || !findings.is_empty());
        }
    }
}
