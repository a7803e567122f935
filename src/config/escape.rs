// SPDX-License-Identifier: Apache-2.0
//! Text as YAML's double quotes escape it: what a template puts into a document stays a value, whatever it holds.

use std::fmt::Write as _;

/// `text` as it stands between YAML's double quotes, where it is read back exactly.
///
/// Outside of double quotes it stays one scalar too: only letters, digits and the punctuation of names, paths, addresses
/// and URLs stand as they are, and punctuation only inside, where it can't be an indicator (`- `, `: `, `---`, `@`). Not
/// escaped are characters that are `kept`.
pub(super) fn escaped(text: &str, kept: impl Fn(char) -> bool) -> String {
    let last = text.char_indices().next_back().map_or(0, |(index, _)| index);
    let mut escaped = String::with_capacity(text.len());
    for (index, c) in text.char_indices() {
        let inside = index != 0 && index != last;
        let plain = c.is_ascii_alphanumeric() || (inside && "._-/:@+".contains(c)) || kept(c);
        // To a string nothing fails.
        let _ = match u32::from(c) {
            _ if plain => escaped.write_char(c),
            code @ ..=0xff => write!(escaped, "\\x{code:02x}"),
            code @ ..=0xffff => write!(escaped, "\\u{code:04x}"),
            code => write!(escaped, "\\U{code:08x}"),
        };
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::config::document::{Data, Node, parse};
    use crate::config::missing::drop_missing;
    use crate::config::template::{Purpose, render};
    use crate::finding::{Findings, Origin};

    /// A template of settings with `value` as the property `v`, as a document.
    fn rendered(body: &str, value: &str) -> Node {
        let (mut findings, origin) = (Findings::default(), Origin::document("d"));
        let text = format!("## template: jinja\n{body}");
        let data = json!({ "meta": { "v": value } });
        let output = render(&text, &origin, &data, Purpose::Settings, &mut findings).unwrap();
        let (node, left_out) = drop_missing(parse(&output, &origin, &mut findings).unwrap());
        assert!(findings.is_empty() && left_out.is_empty(), "{value:?}: {findings:?} {left_out:?}");
        node
    }

    /// The document's keys and lists, without the text of its values.
    fn shape(node: &Node) -> String {
        match &node.data {
            Data::Scalar(_) => "_".to_owned(),
            Data::Sequence(items) => format!("[{}]", items.iter().map(shape).collect::<Vec<_>>().join(", ")),
            Data::Mapping(entries) => {
                let entries = entries.iter().map(|(key, value)| format!("{}: {}", key.text().unwrap(), shape(value)));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// Every text of the document.
    fn texts(node: &Node) -> Vec<&str> {
        match &node.data {
            Data::Scalar(scalar) => vec![&scalar.text],
            Data::Sequence(items) => items.iter().flat_map(texts).collect(),
            Data::Mapping(entries) => entries.iter().flat_map(|(_, value)| texts(value)).collect(),
        }
    }

    const QUOTED: &str = "# {{ meta.v }}
a: \"{{ meta.v }}\"
b: {c: \"{{ meta.v }}\", d: [\"{{ meta.v }}\", \"{{ meta.v }}\"]}
e:
- \"{{ meta.v }}\"
- - \"{{ meta.v }}\"
";
    const UNQUOTED: &str = "# {{ meta.v }}
a: {{ meta.v }}
b: {c: {{ meta.v }}, d: [{{ meta.v }}, {{ meta.v }}]}
e:
- {{ meta.v }}
- - {{ meta.v }}
f: '{{ meta.v }}'
g: |
  {{ meta.v }}
h: x{{ meta.v }} {{ meta.v }}{{ meta.v }} # {{ meta.v }}
i: {{ [meta.v] }} {{ meta.v | upper }} {{ meta.v ~ meta.v }} {{ meta.v | safe }}
";

    fn stays_one_value(value: &str) {
        let quoted = rendered(QUOTED, value);
        assert_eq!(shape(&quoted), "{a: _, b: {c: _, d: [_, _]}, e: [_, [_]]}", "{value:?}");
        // What is a mark of the template's own has no meaning in a value.
        let expected = value.replace('\u{e0f1}', "\u{fffd}");
        assert!(texts(&quoted).iter().all(|text| *text == expected), "{value:?}");
        if !value.is_empty() {
            let shape = shape(&rendered(UNQUOTED, value));
            assert_eq!(shape, "{a: _, b: {c: _, d: [_, _]}, e: [_, [_]], f: _, g: _, h: _, i: _}", "{value:?}");
        }
    }

    #[test]
    fn a_hostile_value_is_that_value_and_nothing_else() {
        let command = "10.0.0.1\"\nfirstlight: {runcmd: [\"touch /pwned\"]}\nx: \"";
        for value in [
            "",
            command,
            "a: b",
            "a:",
            ":",
            "::",
            ":a",
            "- a",
            "-",
            "--- a",
            "---",
            "...",
            "? a",
            "a, b: c",
            "}",
            "]",
            "[",
            "{",
            "#",
            "a #b",
            "'",
            "\"",
            "\\",
            "\\\"",
            "a\\",
            "\n",
            "a\n\nb\n",
            "\r\n",
            "\t",
            " a ",
            "é€😀",
            "\u{85}\u{2028}\u{feff}",
            "\0",
            "&a",
            "*a",
            "!a",
            "!!binary aGk=",
            "|",
            ">",
            "%",
            "@a",
            "`",
            "~",
            "<<",
            "{{ meta.v }}",
            "{% raw %}",
            "=",
            "\u{e0f1}\u{e0f5}\u{e0f1}meta.v\u{e0f5}\u{e0f1}\u{e0f5}",
            "\u{ffff}",
            "\u{7f}",
        ] {
            stays_one_value(value);
        }
    }

    proptest! {
        #[test]
        fn any_value_is_that_value_and_nothing_else(
            parts in prop::collection::vec(
                prop_oneof![any::<char>().prop_map(String::from), "[\\-:#,?&*!|>'\"%@`{}\\[\\]\\\\ \n\t~.a0]{1,4}"], 0..12)
        ) {
            stays_one_value(&parts.concat());
        }
    }

    #[test]
    fn what_addresses_and_names_are_made_of_stays_readable() {
        for text in ["172.24.4.1", "10.1.0.0/16", "fe80::1", "http://a.example:80/b-c_d+e", "k8s-node", "a@b", ""] {
            assert_eq!(escaped(text, |_| false), text);
        }
    }

    #[test]
    fn everything_else_is_escaped_and_so_is_punctuation_at_the_ends() {
        for (text, written) in [
            ("a\"\nb", "a\\x22\\x0ab"),
            ("a: b", "a:\\x20b"),
            ("a:", "a\\x3a"),
            ("---", "\\x2d-\\x2d"),
            ("é€😀", "\\xe9\\u20ac\\U0001f600"),
            ("\0", "\\x00"),
        ] {
            assert_eq!(escaped(text, |_| false), written);
        }
        assert_eq!(escaped("€!", |c| c == '€'), "€\\x21");
    }
}
