// SPDX-License-Identifier: Apache-2.0
//! A part of a document as a document of its own, in YAML on one line.

use crate::config::node::{Data, Node, Value};
use crate::config::resolve::YAML_TAG;

impl Node {
    /// As YAML that reads back as the same values. Unlike [`Node::to_json`] it makes nothing of a plain scalar:
    /// `52:54:00:12:34:00` is a number for YAML 1.1, and stays what a reader of addresses can read.
    pub fn to_flow(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) {
        match &self.data {
            Data::Sequence(items) => {
                text.push('[');
                for item in items {
                    item.write(text);
                    text.push_str(", ");
                }
                text.push(']');
            }
            Data::Mapping(entries) => {
                text.push('{');
                for (key, value) in entries {
                    key.write(text);
                    text.push_str(": ");
                    value.write(text);
                    text.push_str(", ");
                }
                text.push('}');
            }
            Data::Scalar(scalar) => match self.value() {
                // As a key it is its text.
                Some(Value::Null) if scalar.text.is_empty() => text.push_str("!!null ''"),
                // None of these has a character that means something here.
                Some(Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::Date(_))
                    if scalar.plain =>
                {
                    text.push_str(&scalar.text);
                }
                _ => {
                    if let Some(tag) = scalar.tag.as_ref().and_then(|tag| tag.strip_prefix(YAML_TAG)) {
                        text.push_str(&format!("!!{tag} "));
                    }
                    text.push_str(&serde_json::Value::from(scalar.text.as_str()).to_string());
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::document::parse;
    use crate::config::document::tests::shown;
    use crate::finding::{Findings, Origin};

    fn again(text: &str) -> (String, String) {
        let read = |text: &str| parse(text, &Origin::document("d"), &mut Findings::default()).unwrap();
        let node = read(text);
        (node.to_json().to_string(), read(&node.to_flow()).to_json().to_string())
    }

    #[test]
    fn it_reads_back_as_the_same() {
        for text in [
            "a: [yes, ~, 0644, 1.5, .inf, 2024-01-02 10:00:00, 'yes', '', \"a\\tb\\n\"]\nb: {1: 2, c: , d: [], e: {}}\n",
            "x: |\n  a, b: [c]\n  # no comment\ny: a, b\nz: '{{ v }}'\nn: é\n",
            "- !!str 1\n- !!int '1'\n",
            "? \n: \n",
            "{~: ~, null: !!null x}",
        ] {
            let (before, after) = again(text);
            assert_eq!(before, after, "{text}");
        }
    }

    #[test]
    fn an_address_stays_one() {
        let text = "{macaddress: 52:54:00:12:34:00, dhcp4: no}";
        let node = parse(text, &Origin::document("d"), &mut Findings::default()).unwrap();
        let node = parse(&node.to_flow(), &Origin::document("d"), &mut Findings::default()).unwrap();
        assert_eq!(shown(&node), text.replace("macaddress", "\"macaddress\"").replace("dhcp4", "\"dhcp4\""));
    }

    proptest::proptest! {
        #[test]
        fn any_text_reads_back(text in "([a-z0-9:#&*!|>'\"\\[\\]{},.~\n -]|: |- |\n  ){0,40}") {
            if parse(&text, &Origin::document("d"), &mut Findings::default()).is_some() {
                let (before, after) = again(&text);
                proptest::prop_assert_eq!(before, after);
            }
        }
    }
}
